// The catalog as objects beside the lake: one for each table and one for each partition, created if absent,
// so that any number of collectors may register the same thing. A table that gets columns is written anew
// beside its first file, under the next number: whoever creates that has decided it. A partition that moves
// is written anew under the number of its move, and the highest number counts, however late a lower one
// comes.
import { createHash } from 'node:crypto';
import { SluiceError } from '@sluice/shared/errors.ts';
import { assertKnownFormat, type KnownFormat } from '@sluice/shared/stored-format.ts';
import type { Catalog, CataloguedPartition, ObjectStore, TableDefinition } from '../contracts.ts';
import { assertCompatible, extendedColumns } from './compatible.ts';

const ROOT = '_sluice/catalog/';
/** Directories take names of up to 255 bytes. */
const NAME_LENGTH_MAX = 200;
const CHANGE_DIGITS = 20;
const FORMAT = 1;
const KNOWN: KnownFormat = {
  format: FORMAT,
  code: 'CATALOG_FORMAT_NEWER',
  what: 'it',
  reader: 'this collector',
};

export function createFileCatalog(database: string, store: ObjectStore): Catalog {
  const home = `${ROOT}${database}/`;
  const tableKey = (name: string) => `${home}${name}.json`;
  const partitionsPrefix = (name: string) => `${home}${name}/`;
  const registered = new Set<string>();

  const grownPrefix = (name: string) => `${home}.grown/${name}/`;
  const grownKey = (name: string, change: number) => numbered(grownPrefix(name), change);

  const movesPrefix = (name: string) => `${home}.moved/${name}/`;
  const numbered = (prefix: string, order: number) =>
    `${prefix}${String(order).padStart(CHANGE_DIGITS, '0')}.json`;

  /** As its last change left it. */
  async function readTable(name: string): Promise<{ table: TableDefinition; changes: number } | undefined> {
    let key = tableKey(name);
    let changes = 0;
    for await (const grown of store.list(grownPrefix(name))) {
      key = grown.key;
      changes = Number(/(\d+)\.json$/.exec(key)?.[1] ?? 0);
    }
    const bytes = await store.read(key);
    return bytes === undefined ? undefined : { table: parse<TableDefinition>(bytes, key), changes };
  }

  const bytesOf = (definition: TableDefinition) =>
    Buffer.from(`${JSON.stringify({ format: FORMAT, ...definition }, null, 1)}\n`);

  return {
    async ensureTable(definition) {
      const { name } = definition;
      if ((await store.createIfAbsent(tableKey(name), bytesOf(definition))) === 'created') return;
      const standing = await readTable(name);
      if (standing !== undefined) assertCompatible(standing.table, definition);
    },
    async growTable(definition) {
      const { name } = definition;
      if ((await store.createIfAbsent(tableKey(name), bytesOf(definition))) === 'created') return;
      for (;;) {
        const standing = await readTable(name);
        const columns = standing === undefined ? undefined : extendedColumns(standing.table, definition);
        if (standing === undefined || columns === undefined) return;
        const key = grownKey(name, standing.changes + 1);
        const created = await store.createIfAbsent(key, bytesOf({ ...standing.table, columns }));
        if (created === 'created') return;
      }
    },
    async registerPartitions(table, partitions) {
      for (const { values, key } of partitions) {
        const name = `${partitionsPrefix(table.name)}${fileName(values)}.json`;
        if (registered.has(name)) continue;
        const entry: CataloguedPartition = { values, location: key };
        await store.createIfAbsent(name, Buffer.from(JSON.stringify({ format: FORMAT, ...entry })));
        registered.add(name);
      }
    },
    async movePartitions(table, partitions, order) {
      for (const { values, key } of partitions) {
        const entry: CataloguedPartition = { values, location: key };
        const at = numbered(`${movesPrefix(table.name)}${fileName(values)}/`, order);
        await store.createIfAbsent(at, Buffer.from(JSON.stringify({ format: FORMAT, ...entry })));
      }
    },
    // The highest number counts already, however late a lower one comes.
    putBackPartitions: () => Promise.resolve(0),
    async tables() {
      const tables: TableDefinition[] = [];
      for await (const { key } of store.list(home)) {
        const name = /^([^/]+)\.json$/.exec(key.slice(home.length))?.[1];
        const found = name === undefined ? undefined : await readTable(name);
        if (found !== undefined) tables.push(found.table);
      }
      return tables;
    },
    async partitions(table) {
      const found = new Map<string, CataloguedPartition>();
      // The list is in order: of a partition's moves the last one counts.
      for (const prefix of [partitionsPrefix(table), movesPrefix(table)])
        for await (const { key } of store.list(prefix)) {
          const bytes = await store.read(key);
          const partition = bytes === undefined ? undefined : parse<CataloguedPartition>(bytes, key);
          if (partition !== undefined) found.set(fileName(partition.values), partition);
        }
      return [...found.values()];
    },
    probe: () => store.probe(),
    close() {},
  };
}

/** Names a partition and no other; the values themselves stand in the file. */
function fileName(values: readonly string[]): string {
  const name = Buffer.from(values.join('\u0000')).toString('base64url');
  return name.length > NAME_LENGTH_MAX ? createHash('sha256').update(name).digest('hex') : name || 'all';
}

function parse<T>(bytes: Uint8Array, key: string): T {
  let found: { format?: unknown } | null;
  try {
    found = JSON.parse(Buffer.from(bytes).toString()) as typeof found;
  } catch (cause) {
    throw new SluiceError('CATALOG_ENTRY_INVALID', 'a catalog file is not JSON', { place: key, cause });
  }
  const { format, ...rest } = found ?? {};
  assertKnownFormat(format, KNOWN, key);
  return rest as T;
}
