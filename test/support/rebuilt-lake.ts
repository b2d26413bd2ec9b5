// A lake whose table was written with a config that was wrong, beside a raw table of the same topic, and a
// rebuild over it as the command runs it: a writer of its own beside that of the collector.
import type { LedgerEntry, SwapEntry, TableConfig } from '@sluice/collector/contracts.ts';
import { createEvents } from '@sluice/collector/events.ts';
import { createTableWriter } from '@sluice/collector/ledger/table-writer.ts';
import { LakeReader } from '@sluice/collector/ops/lake-reader.ts';
import { runQuery } from '@sluice/collector/ops/query.ts';
import type { ChosenTime } from '@sluice/collector/ops/rebuild/plan.ts';
import { type RebuildOptions, rebuild } from '@sluice/collector/ops/rebuild/rebuild.ts';
import type { Rebuilt } from '@sluice/collector/ops/rebuild/report.ts';
import { withWriter } from '@sluice/collector/ops/replay/writer-session.ts';
import { verify } from '@sluice/collector/ops/verify/verify.ts';
import { silentLogger } from '@sluice/shared/log.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { type FakeObjectStore, fakeObjectStore } from './fake-object-store.ts';
import { seededRandom } from './seeded-random.ts';
import { temporaryDirectory } from './temp.ts';
import { transformer } from './verified-lake.ts';
import { createWrittenLake, plainTable, type WrittenLake } from './written-lake.ts';

/** Reads `n` as this type and writes a double; the day is taken from that field, and the other one kept. */
const reading = (type: string, day: string, other: string): Pick<TableConfig, 'columns' | 'steps'> => ({
  columns: [
    { name: 'n', type },
    { name: 'day', type: 'string' },
    { name: 'late', type: 'string' },
  ],
  steps: [
    {
      kind: 'apply_mapping',
      mappings: [
        { source: 'n', sourceType: type, target: 'n', targetType: 'double' },
        { source: day, sourceType: 'string', target: 'day', targetType: 'string' },
        { source: other, sourceType: 'string', target: 'late', targetType: 'string' },
      ],
    },
  ],
});

/** Partitioned by a field, so that rows can move from one partition to another. */
export const wrongDay: TableConfig = {
  ...plainTable,
  ...reading('int', 'day', 'late'),
  partitionBy: [{ kind: 'value', field: 'day', column: 'day' }],
};

export const rightDay: TableConfig = {
  ...wrongDay,
  ...reading('double', 'late', 'day'),
  configVersion: 'v2',
};

/** The day is right, and `n` is not. */
export const halfRight: TableConfig = { ...rightDay, ...reading('int', 'late', 'day') };

export const rawTable: TableConfig = {
  ...plainTable,
  name: 'claims_raw',
  location: 'claims_raw',
  input: { kind: 'bytes' },
  provenance: 'full',
};

export interface RebuiltLake {
  readonly lake: WrittenLake;
  readonly store: FakeObjectStore;
}

/** One window of the table and of the raw one: each with the same offsets. */
export async function writeBoth({ lake }: RebuiltLake, ...values: (string | null)[]): Promise<void> {
  await lake.write('claims', values);
  await lake.write('claims_raw', values);
}

export const value = (n: number | string, day: string, late = day) => JSON.stringify({ n, day, late });

/** Offsets 0 to 2 and 3 to 5, in days a, b and c; 2 is in quarantine, and 1 is in the wrong day. */
export async function wronglyWritten(
  table: Partial<TableConfig> = {},
  raw: Partial<TableConfig> = {},
  store: FakeObjectStore = fakeObjectStore(),
): Promise<RebuiltLake> {
  const tables = [
    { ...wrongDay, ...table },
    { ...rawTable, ...raw },
  ];
  const lake = { lake: await createWrittenLake(transformer, store, tables), store };
  await writeBoth(lake, value(0, 'a'), value(1, 'a', 'c'), value(1.5, 'b'));
  await writeBoth(lake, value(3, 'a'), value(4, 'b'), 'not JSON');
  return lake;
}

let sessions = 0;

export interface RebuildCall
  extends Partial<Pick<RebuildOptions, 'transformer' | 'source' | 'store' | 'objectsMax'>> {
  readonly time?: ChosenTime;
  readonly dryRun?: boolean;
  readonly tables?: readonly TableConfig[];
  readonly onPlanned?: (so: Rebuilt) => void;
}

export const always: ChosenTime = { fromMs: undefined, toMs: undefined };

export async function rebuildOn(
  { lake, store }: RebuiltLake,
  table: TableConfig = rightDay,
  call: RebuildCall = {},
): Promise<Rebuilt> {
  const { catalog, readerOptions, options } = lake;
  const { clock } = readerOptions;
  const scratch = temporaryDirectory();
  const random = seededRandom(2_000 + sessions++);
  const folded: LedgerEntry[] = [];
  const shared = {
    ...{ table, clock, random, scratch, folded },
    schemas: transformer.schema(table),
    store: call.store ?? store,
    transformer: call.transformer ?? transformer,
    reader: new LakeReader({ ...readerOptions, store, scratch }).readingOnce(),
    directories: [...options.directories, scratch],
    tables: call.tables ?? [table, rawTable],
    source: call.source,
    time: call.time ?? always,
    ...(call.objectsMax === undefined ? {} : { objectsMax: call.objectsMax }),
    onPlanned: call.onPlanned ?? (() => {}),
    onProgress: () => {},
  };
  if (call.dryRun === true) return rebuild({ ...shared, writer: undefined });
  const writer = createTableWriter({
    ...{ table, store, catalog, clock, random, writerId: `rebuild-${sessions}` },
    schemas: shared.schemas,
    events: createEvents(silentLogger, createMetrics()),
    onFolded: (entry) => void folded.push(entry),
  });
  return withWriter(writer, () => rebuild({ ...shared, writer }), 'REBUILD_STOPPED');
}

/** What readers see, as text. */
export async function seenBy(
  { lake }: RebuiltLake,
  select = 'SELECT _offset, day FROM claims ORDER BY _offset, day',
  table: TableConfig = rightDay,
): Promise<string[]> {
  const config = { tables: [table, rawTable] } as never;
  const { rows } = await runQuery({ ...lake.options, config }, select);
  return rows.map((row) => row.join(' '));
}

export async function findingsOf(
  { lake }: RebuiltLake,
  mode: 'shallow' | 'deep' = 'deep',
  table: TableConfig = rightDay,
): Promise<string[]> {
  const config = { tables: [table, rawTable] } as never;
  const { findings } = await verify({ ...lake.options, config }, mode);
  return findings.map(({ code, place, message }) => `${code} ${place}: ${message}`);
}

export function swapsOf({ store }: RebuiltLake): SwapEntry[] {
  return [...store.objects]
    .filter(([key]) => key.startsWith('_sluice/ledger/claims/'))
    .map(([, bytes]) => JSON.parse(bytes.toString()) as SwapEntry)
    .filter(({ kind }) => kind === 'swap');
}
