// A lake whose table has many small objects in few partitions, beside a raw table of the same topic, and a
// compaction over either as the command runs it: a writer of its own beside that of the collector.
import assert from 'node:assert/strict';
import type { LedgerEntry, TableConfig } from '@sluice/collector/contracts.ts';
import { createEvents } from '@sluice/collector/events.ts';
import { createTableWriter } from '@sluice/collector/ledger/table-writer.ts';
import { type CompactOptions, compact } from '@sluice/collector/ops/compact/compact.ts';
import { openJoiner } from '@sluice/collector/ops/compact/open-joiner.ts';
import type { Compacted } from '@sluice/collector/ops/compact/report.ts';
import { LakeReader } from '@sluice/collector/ops/lake-reader.ts';
import { withWriter } from '@sluice/collector/ops/replay/writer-session.ts';
import { verifyOffset } from '@sluice/collector/ops/verify/verify.ts';
import { silentLogger } from '@sluice/shared/log.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { type FakeObjectStore, fakeObjectStore } from './fake-object-store.ts';
import { always, type RebuiltLake, rawTable, rightDay, value, writeBoth } from './rebuilt-lake.ts';
import { seededRandom } from './seeded-random.ts';
import { temporaryDirectory } from './temp.ts';
import { transformer } from './verified-lake.ts';
import { createWrittenLake } from './written-lake.ts';

/** The raw table by the day that its windows opened, so that it can be compacted as well. */
export const dailyRaw: TableConfig = {
  ...rawTable,
  partitionBy: [{ kind: 'ingest', by: 'day', column: 'ingest_day' }],
};

/** Windows of two records, in days a and b, and one each that goes to quarantine: offsets in order. */
export async function manyWindows(
  windows: number,
  table: TableConfig = rightDay,
  store: FakeObjectStore = fakeObjectStore(),
): Promise<RebuiltLake> {
  const lake = { lake: await createWrittenLake(transformer, store, [table, dailyRaw]), store };
  for (let n = 0; n < windows; n++) await writeWindow(lake, n);
  return lake;
}

export const writeWindow = (lake: RebuiltLake, n: number) =>
  writeBoth(lake, value(3 * n, 'x', 'a'), value(3 * n + 1, 'x', 'b'), 'no JSON');

/** What readers see of the table of so many windows. */
export const rowsOf = (windows: number) =>
  Array.from({ length: windows }, (_, n) => [`${3 * n} a`, `${3 * n + 1} b`]).flat();

export interface CompactTestCall
  extends Partial<Pick<CompactOptions, 'store' | 'objectsMax' | 'all' | 'olderThanMs' | 'time'>> {
  readonly dryRun?: boolean;
  readonly onPlanned?: (so: Compacted) => void;
  readonly onEntry?: (so: Compacted) => void;
}

let sessions = 0;

export async function compactOn(
  { lake, store }: RebuiltLake,
  table: TableConfig = rightDay,
  call: CompactTestCall = {},
): Promise<Compacted> {
  const { catalog, readerOptions, options } = lake;
  const { clock } = readerOptions;
  const scratch = temporaryDirectory();
  const random = seededRandom(5_000 + sessions++);
  const folded: LedgerEntry[] = [];
  const given = {
    ...{ table, clock, random, scratch, folded, openJoiner },
    schemas: transformer.schema(table),
    store: call.store ?? store,
    reader: new LakeReader({ ...readerOptions, store, scratch }).readingOnce(),
    directories: [...options.directories, scratch],
    time: call.time ?? always,
    olderThanMs: call.olderThanMs ?? 0,
    all: call.all ?? false,
    ...(call.objectsMax === undefined ? {} : { objectsMax: call.objectsMax }),
    onPlanned: call.onPlanned ?? (() => {}),
    onProgress: () => {},
    onEntry: call.onEntry ?? (() => {}),
  };
  if (call.dryRun === true) return compact({ ...given, writer: undefined });
  const writer = createTableWriter({
    ...{ table, store, catalog, clock, random, writerId: `compact-${sessions}` },
    schemas: given.schemas,
    events: createEvents(silentLogger, createMetrics()),
    onFolded: (entry) => void folded.push(entry),
  });
  return withWriter(writer, () => compact({ ...given, writer }), 'REBUILD_STOPPED');
}

/** Of five windows: offsets have their fates, and those with rows are told with a key that is joined. */
export async function assertFates(
  options: Parameters<typeof verifyOffset>[0],
  joined: RegExp,
): Promise<void> {
  for (const [offset, fate] of [
    [0, 'emitted'],
    [13, 'emitted'],
    [5, 'quarantined'],
  ] as const) {
    const { fates, findings } = await verifyOffset(options, { topic: 'claims', partition: 0, offset });
    assert.deepEqual([findings, fates.map((one) => one.fate)], [[], [fate]]);
    if (fate === 'emitted') assert.match(fates[0]?.objects[0] ?? '', joined);
  }
}
