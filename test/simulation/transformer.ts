// The transform, a row at a time: opens the segments' batches with the shared decoder, sorts records into
// rows, filtered and quarantined, and writes files (in memory) whose lines say which record each is. Same
// contract as DuckDB's.
import { createHash } from 'node:crypto';
import type {
  Classes,
  OutputFile,
  StagedSegment,
  TableConfig,
  Transformer,
  TransformRequest,
  TransformResult,
} from '@sluice/collector/contracts.ts';
import { decompressPayload } from '@sluice/shared/codecs.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { partitionKey } from '@sluice/shared/position.ts';
import { walkBatches } from '@sluice/shared/record-batch.ts';
import { decodeRecords } from '@sluice/shared/records.ts';
import type { LakeRow } from '../support/lake-oracle.ts';
import type { Chance } from './chance.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

/** Rows of a raw table have what came, so that it can be run again. */
export interface RawRow extends LakeRow {
  readonly value?: string | null;
}

/** A config that partitions in its own way. */
export const ANOTHER_CONFIG = 'of the operator';

const TRANSFORM_MS = 60;
/** Values of the partition column: several objects a window. */
const PARTITION_VALUES = 3;

interface Parsed {
  readonly n?: unknown;
  readonly kind?: unknown;
}

export function simTransformer(world: World, process: SimProcess, files: Map<string, Buffer>): Transformer {
  const chance = world.chance.stream(`${process.name} transform ${world.time.nowMs}`);
  return {
    async run(request) {
      const read: StagedSegment[] = [];
      for await (const segment of request.segments) read.push(segment);
      await process.clock.sleep(chance.spread(TRANSFORM_MS));
      if (world.faulty && chance.happens(world.profile.transformFaultShare)) {
        world.trace.count('transform failed');
        throw new SluiceError('TRANSFORM_FAILED', 'the transform thread ended');
      }
      return transform({ world, chance, files, request, read });
    },
    survey: () => Promise.reject(new Error('no table of a simulation detects its columns')),
    hasRoom: () => true,
    explain: () => '',
    schema: () => ({
      rows: [{ name: 'n', type: 'bigint' }],
      quarantine: [{ name: 'error_code', type: 'string' }],
      partitionColumns: [{ name: 'part', type: 'string' }],
      quarantinePartitionColumns: [{ name: 'ingest_day', type: 'string' }],
    }),
    close: () => Promise.resolve(),
  };
}

interface Job {
  readonly world: World;
  readonly chance: Chance;
  readonly files: Map<string, Buffer>;
  readonly request: TransformRequest;
  readonly read: readonly StagedSegment[];
}

function transform({ world, files, request, read }: Job): TransformResult {
  const { table, openedMs, directory } = request;
  const recordsPerPartition = new Map<string, number>();
  const classes = { in: 0, emitted: 0, merged: 0, filtered: 0, quarantined: 0 };
  const rows = new Map<string, RawRow[]>();
  const bad: RawRow[] = [];
  const isRaw = table.input.kind === 'bytes';
  const shift = table.configVersion === ANOTHER_CONFIG ? 1 : 0;
  for (const { segment, fromOffset } of read) {
    const { topic, partition, topicId } = segment;
    for (const { offset, value } of recordsOf(segment, world)) {
      const counted = offset >= fromOffset && offset < segment.nextOffset;
      if (!counted && world.sabotage !== 'no dedupe by offset') continue;
      const parsed = parse(value);
      const came = isRaw ? { value: value?.toString('base64') ?? null } : {};
      const row = { topic, topicId, partition, offset, n: parsed?.n ?? null, ...came };
      const fate = isRaw ? 'emitted' : parsed === undefined ? 'quarantined' : fateOf(table, parsed);
      if (counted) {
        classes.in++;
        classes[fate]++;
        const key = partitionKey(segment);
        recordsPerPartition.set(key, (recordsPerPartition.get(key) ?? 0) + 1);
      }
      if (fate === 'quarantined') bad.push(row);
      if (fate !== 'emitted') continue;
      const part = `p${(offset + shift) % PARTITION_VALUES}`;
      rows.set(part, [...(rows.get(part) ?? []), row]);
    }
  }
  const day = new Date(openedMs).toISOString().slice(0, 10);
  const written: OutputFile[] = [];
  const write = (output: 'rows' | 'quarantine', lines: readonly LakeRow[], column: string, value: string) => {
    const bytes = Buffer.from(JSON.stringify(lines));
    const index = written.length;
    const path = `${directory}/${index}`;
    files.set(path, bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const partition = [{ column, value }];
    const size = { rows: lines.length, bytes: bytes.length, sha256 };
    written.push({ output, path, index, ...size, partition, extension: 'json' });
  };
  for (const [part, lines] of rows) write('rows', lines, 'part', part);
  if (bad.length > 0) write('quarantine', bad, 'ingest_day', day);
  return {
    files: written,
    classes: classes satisfies Classes,
    recordsPerPartition,
    nulled: [],
    brokenRules: [],
    corrupt: [],
    decodeMs: 0,
    sqlMs: 0,
    waitMs: 0,
  };
}

function recordsOf({ codec, payload, plainBytes }: StagedSegment['segment'], world: World) {
  const plain = decompressPayload(codec, Buffer.from(payload), plainBytes);
  try {
    return [...walkBatches(plain)].flatMap(({ bytes }) => decodeRecords(bytes));
  } catch (error) {
    world.violated(`a segment holds no whole batches: ${String(error)}`);
    return [];
  }
}

function parse(value: Buffer | null): Parsed | undefined {
  try {
    return JSON.parse(value?.toString() ?? '') as Parsed;
  } catch {
    return undefined;
  }
}

/** Tables whose name ends in `_all` keep every record. */
function fateOf({ name }: TableConfig, { kind }: Parsed): 'filtered' | 'emitted' {
  return kind === 'void' && !name.endsWith('_all') ? 'filtered' : 'emitted';
}
