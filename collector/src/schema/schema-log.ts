// The numbered schemas of a table that detects its columns: objects that are created where there is none and
// never change. Whoever creates number N decides what N is; everybody else reads it. So a collector that
// starts again, and any other, has the same schema under the same number.
import { SluiceError } from '@sluice/shared/errors.ts';
import { assertKnownFormat, type KnownFormat } from '@sluice/shared/stored-format.ts';
import { z } from 'zod';
import type { DetectedSchema, ObjectStore } from '../contracts.ts';
import { schemaKey, schemaPrefix, sequenceOf } from '../lake/object-keys.ts';

const FORMAT = 1;
const KNOWN: KnownFormat = {
  format: FORMAT,
  code: 'DETECTED_SCHEMA_NEWER',
  what: 'it',
  reader: 'this collector',
};

const stored = z.strictObject({
  format: z.literal(FORMAT),
  table: z.string(),
  version: z.int().min(1),
  /** For people. */
  writer: z.string(),
  writtenAt: z.string(),
  isContract: z.boolean(),
  columns: z.array(
    z.strictObject({
      source: z.string(),
      name: z.string(),
      type: z.string(),
      isUnseen: z.literal(true).exactOptional(),
    }),
  ),
});

export interface SchemaLog {
  /** The newest, asked of the store now; undefined before the first. */
  newest(): Promise<DetectedSchema | undefined>;
  /** False where somebody else has decided that number. */
  create(schema: DetectedSchema, by: { readonly writer: string; readonly atMs: number }): Promise<boolean>;
}

export function openSchemaLog(table: string, store: ObjectStore): SchemaLog {
  return {
    async newest() {
      let last: string | undefined;
      for await (const { key } of store.list(schemaPrefix(table)))
        if (sequenceOf(key) !== undefined) last = key;
      const bytes = last === undefined ? undefined : await store.read(last);
      return last === undefined || bytes === undefined ? undefined : decode(bytes, { table, key: last });
    },
    async create({ version, isContract, columns }, { writer, atMs }) {
      const writtenAt = new Date(atMs).toISOString();
      const document = { format: FORMAT, table, version, writer, writtenAt, isContract, columns };
      const body = Buffer.from(`${JSON.stringify(document)}\n`);
      return (await store.createIfAbsent(schemaKey(table, version), body)) === 'created';
    },
  };
}

function decode(bytes: Uint8Array, { table, key }: { table: string; key: string }): DetectedSchema {
  const invalid = (message: string) => new SluiceError('DETECTED_SCHEMA_INVALID', message, { place: key });
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes).toString());
  } catch {
    throw invalid('it is not JSON');
  }
  assertKnownFormat((json as { format?: unknown } | null)?.format, KNOWN, key);
  const parsed = stored.safeParse(json);
  if (!parsed.success) throw invalid(`it is wrong at ${parsed.error.issues[0]?.path.join('.')}`);
  const { version, isContract, columns } = parsed.data;
  if (parsed.data.table !== table || sequenceOf(key) !== version)
    throw invalid(`it says ${parsed.data.table} ${version}`);
  return { version, isContract, columns };
}
