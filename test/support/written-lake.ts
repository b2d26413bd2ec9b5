// A lake that holds what the collector itself would have written: real transform, real ledger, real files, on
// an object store in memory. For everything that reads a lake: query, verify, the catalog.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createFileCatalog } from '@sluice/collector/catalog/file-catalog.ts';
import type { CollectorConfig } from '@sluice/collector/config.ts';
import type {
  Catalog,
  CsvInput,
  ObjectStore,
  RecordOptions,
  TableConfig,
  TableWriter,
  WindowCommit,
} from '@sluice/collector/contracts.ts';
import { createEvents } from '@sluice/collector/events.ts';
import { createTableWriter } from '@sluice/collector/ledger/table-writer.ts';
import { LakeReader, type LakeReaderOptions } from '@sluice/collector/ops/lake-reader.ts';
import { topicsOf } from '@sluice/collector/table-topics.ts';
import { PLAIN_CSV } from '@sluice/collector/transform/csv-line.ts';
import type { TransformerWithChecks } from '@sluice/collector/transform/transformer.ts';
import { silentLogger } from '@sluice/shared/log.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { type FakeObjectStore, fakeObjectStore } from './fake-object-store.ts';
import { manualClock } from './manual-clock.ts';
import { seededRandom } from './seeded-random.ts';
import { segmentOf } from './segments.ts';
import { temporaryDirectory } from './temp.ts';

/** What a table makes of its records when nothing is said of them. */
export const plainRecord: RecordOptions = {
  tombstones: 'quarantine',
  key: 'text',
  headers: 'pairs',
  compression: 'none',
};

/** CSV of the plainest kind. */
export const csvOf = (columns: readonly string[]): CsvInput => ({
  kind: 'csv',
  header: 'none',
  ...PLAIN_CSV,
  columns,
});

export const plainTable: TableConfig = {
  name: 'claims',
  topic: 'claims',
  input: { kind: 'json' },
  record: plainRecord,
  columns: [],
  steps: [],
  partitionBy: [],
  output: { kind: 'parquet', compression: 'zstd' },
  provenance: 'position',
  quarantineRaw: 'keep',
  startAt: undefined,
  backfill: undefined,
  whenParked: 'hold',
  windowLengthMs: 100_000,
  windowBytesMax: 64 * 2 ** 20,
  location: 'claims',
  configVersion: 'v1',
};

type Values = readonly (string | Buffer | null)[];

/** What one window brings of one partition; of the first of the table's topics where none is said. */
export interface WrittenPart {
  readonly values: Values;
  readonly topic?: string;
  /** Another one than all that is written without. */
  readonly topicId?: string;
  readonly partition?: number;
}

type PlacedPart = Required<WrittenPart> & { readonly start: number };

export interface WrittenLake {
  readonly store: ObjectStore;
  readonly catalog: Catalog;
  readonly readerOptions: LakeReaderOptions;
  /** What `query` and `verify` take. */
  readonly options: {
    readonly config: CollectorConfig;
    readonly reader: LakeReader;
    readonly transformer: TransformerWithChecks;
    readonly directories: readonly string[];
    readonly scratch: string;
    readonly nowMs: number;
  };
  /** For entries that are no windows. */
  writerOf(table: string): TableWriter;
  /** One window of one partition, from where the partition stands. */
  write(table: string, values: Values, partition?: number): Promise<void>;
  /** Several partitions in one window. */
  writeAll(table: string, parts: readonly WrittenPart[]): Promise<void>;
  /** The same from where the history of the partition stands. */
  writeHistory(table: string, values: Values, partition?: number): Promise<void>;
}

const random = seededRandom(7);

/**
 * The same lake again and again: `write` fills it once, and who asks for it has a copy, opened as by a
 * collector that comes later. Writing takes a hundred times longer than that.
 */
export function lakeCopies(
  transformer: TransformerWithChecks,
  table: TableConfig,
  write: (lake: WrittenLake) => Promise<void>,
): () => Promise<{ lake: WrittenLake; store: FakeObjectStore }> {
  let original: Promise<FakeObjectStore> | undefined;
  const make = async () => {
    const store = fakeObjectStore();
    await write(await createWrittenLake(transformer, store, [table]));
    return store;
  };
  return async () => {
    original ??= make();
    const { objects, created } = await original;
    const store = fakeObjectStore(new Map(objects), [...created]);
    return { lake: await createWrittenLake(transformer, store, [table]), store };
  };
}

export async function createWrittenLake(
  transformer: TransformerWithChecks,
  store: ObjectStore,
  tables: readonly TableConfig[],
): Promise<WrittenLake> {
  const clock = manualClock();
  const catalog = createFileCatalog('sluice', store);
  const scratch = temporaryDirectory();
  const writers = new Map<string, { table: TableConfig; writer: TableWriter }>();
  for (const table of tables) {
    const writer = createTableWriter({
      table,
      schemas: transformer.schema(table),
      store,
      catalog,
      clock,
      random,
      events: createEvents(silentLogger, createMetrics()),
      writerId: 'test',
    });
    await writer.load();
    writers.set(table.name, { table, writer });
  }
  const readerOptions = { store, catalog, scratch, clock, random };
  const reader = new LakeReader(readerOptions);
  const tableOf = (name: string) => {
    const found = writers.get(name);
    if (found === undefined) throw new Error(`no table ${name}`);
    return found;
  };
  const root = store.url('');
  const directories = root.startsWith('/') ? [scratch, root] : [scratch];
  return {
    store,
    catalog,
    readerOptions,
    options: {
      config: { tables } as CollectorConfig,
      reader,
      transformer,
      directories,
      scratch,
      nowMs: clock.wallMs(),
    },
    writerOf: (name) => tableOf(name).writer,
    write: (name, values, partition = 0) => writeAll(name, [{ values, partition }]),
    writeAll,
    async writeHistory(name, values, partition = 0) {
      const { table, writer } = tableOf(name);
      const [topic = ''] = topicsOf(table);
      const { next: start = 0 } = writer.backfill({ topic, topicId: NO_TOPIC_ID, partition }) ?? {};
      const part = { values, topic, topicId: NO_TOPIC_ID, partition, start };
      await writer.fillWindow(await windowOf(name, [part]));
    },
  };

  async function writeAll(name: string, parts: readonly WrittenPart[]): Promise<void> {
    const { table, writer } = tableOf(name);
    const [first = ''] = topicsOf(table);
    const placed: PlacedPart[] = [];
    for (const { values, topic = first, topicId = NO_TOPIC_ID, partition = 0 } of parts) {
      const id = { topic, topicId, partition };
      if (writer.position(id) === undefined)
        await writer.open([{ ...id, leaderEpoch: 0, start: 0, why: 'test' }]);
      placed.push({ values, ...id, start: writer.position(id) ?? 0 });
    }
    await writer.commitWindow(await windowOf(name, placed));
  }

  async function windowOf(name: string, parts: readonly PlacedPart[]): Promise<WindowCommit> {
    const { table, writer } = tableOf(name);
    const windowId = `w${random.hex(4)}`;
    const directory = join(temporaryDirectory(), windowId);
    mkdirSync(directory);
    const openedMs = clock.wallMs();
    const segments = parts.map(({ values, topic, partition, start }) => ({
      segment: segmentOf(values, { topic, partition, baseOffset: start }),
      fromOffset: start,
    }));
    const { classes, files } = await transformer.run({ table, windowId, segments, openedMs, directory });
    const ranges = parts.map(({ values, topic, topicId, partition, start }) => {
      const id = { topic, topicId, partition };
      const counts = { records: values.length, control: 0, aborted: 0, absent: 0 };
      // Of the log that stands now.
      const leaderEpoch = Math.max(0, writer.leaderEpoch(id) ?? 0);
      return { ...id, leaderEpoch, start, next: start + values.length, counts };
    });
    return { windowId, openedMs, ranges, classes, files, table };
  }
}
