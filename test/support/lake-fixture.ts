// A table of integers on a fake lake: windows whose files spell their offsets, so that what a reader sees can
// be compared with what was committed.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createFileCatalog } from '@sluice/collector/catalog/file-catalog.ts';
import type {
  Catalog,
  CommitEntry,
  LedgerSwap,
  ObjectStore,
  ReplayingWriter,
  SwapCommit,
  TableConfig,
  WindowCommit,
} from '@sluice/collector/contracts.ts';
import { createEvents } from '@sluice/collector/events.ts';
import { fileName, ledgerKey } from '@sluice/collector/lake/object-keys.ts';
import { createTableWriter } from '@sluice/collector/ledger/table-writer.ts';
import type { Clock } from '@sluice/shared/clock.ts';
import { silentLogger } from '@sluice/shared/log.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import type { FakeObjectStore } from './fake-object-store.ts';
import { manualClock } from './manual-clock.ts';
import { seededRandom } from './seeded-random.ts';
import { temporaryDirectory } from './temp.ts';

const directory = temporaryDirectory();
export const claims = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };
const table = {
  name: 'claims',
  topic: 'claims',
  location: 'claims',
  configVersion: 'v1',
  partitionBy: [{ kind: 'value', field: 'day', column: 'day' }] as TableConfig['partitionBy'],
  output: { kind: 'parquet', compression: 'zstd' },
} as TableConfig;
const schemas = {
  rows: [{ name: 'n', type: 'int' }],
  quarantine: [{ name: 'code', type: 'string' }],
  partitionColumns: [{ name: 'day', type: 'string' }],
  quarantinePartitionColumns: [{ name: 'ingest_day', type: 'string' }],
};

let writers = 0;
export function writerOn(
  store: ObjectStore,
  clock: Clock = manualClock(),
  catalog: Catalog = createFileCatalog('sluice', store),
  more: { readonly checkpointEvery?: number } = {},
): ReplayingWriter {
  return createTableWriter({
    table,
    schemas,
    store,
    catalog,
    clock,
    random: seededRandom(writers++),
    events: createEvents(silentLogger, createMetrics()),
    writerId: `collector-${writers}`,
    ...more,
  });
}

/** Two collectors' writers, of which the first has opened the partition. */
export async function twoWriters(
  store: ObjectStore,
  clock: Clock,
): Promise<[ReplayingWriter, ReplayingWriter]> {
  const one = writerOn(store, clock);
  await one.load();
  await one.open([{ ...claims, leaderEpoch: 0, start: 0, why: 'test' }]);
  const other = writerOn(store, clock);
  await other.load();
  return [one, other];
}

/** A window of records [start, next); its file's bytes are its offsets. */
export function windowOf(start: number, next: number, id = `w${start}`, partition = claims): WindowCommit {
  const path = join(directory, `${id}-${partition.partition}-${start}-${next}`);
  const body = Array.from({ length: next - start }, (_, i) => start + i).join(',');
  writeFileSync(path, body);
  const records = next - start;
  return {
    windowId: id,
    table,
    openedMs: 0,
    ranges: [
      { ...partition, leaderEpoch: 0, start, next, counts: { records, control: 0, aborted: 0, absent: 0 } },
    ],
    classes: { in: records, emitted: records, merged: 0, filtered: 0, quarantined: 0 },
    files: [
      {
        output: 'rows',
        path,
        index: 0,
        rows: records,
        bytes: body.length,
        sha256: sha256Of(Buffer.from(body)),
        partition: [{ column: 'day', value: '2026-01-01' }],
        extension: 'parquet',
      },
    ],
  };
}

/** Offsets that a reader of the table sees, in order. */
export function visible(store: FakeObjectStore): number[] {
  return [...store.objects]
    .filter(([key]) => key.startsWith('claims/'))
    .flatMap(([, bytes]) => bytes.toString().split(',').map(Number))
    .sort((a, b) => a - b);
}

export const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

export interface SwapSketch {
  /** Number of the entry whose window is made again: its offsets become 100 and so on. */
  readonly window: number;
  /** Numbers of the entries whose objects are carried. */
  readonly carried: readonly number[];
  readonly id?: string;
  readonly asOf?: number;
  readonly after?: number;
}

/** A swap of the fixture's one partition, with what stands before its entry put into the store. */
export function swapOf(store: FakeObjectStore, sketch: SwapSketch): SwapCommit {
  const { window, carried, id = 'r', after = -1, asOf = Math.max(window, ...carried) } = sketch;
  const to = `claims.rebuilt/${id}/day=2026-01-01/`;
  const entryOf = (sequence: number) =>
    JSON.parse(String(store.objects.get(ledgerKey('claims', sequence)))) as CommitEntry;
  const propose = (): LedgerSwap => {
    const { classes } = entryOf(window);
    const body = Buffer.from(Array.from({ length: classes.in }, (_, i) => 100 + i).join(','));
    const name = `${id}-${window}-0.parquet`;
    store.objects.set(`${to}${name}`, body);
    const object = { entry: window, name, bytes: body.length, sha256: sha256Of(body), rows: classes.in };
    const carriedObjects = carried.flatMap((entry) =>
      entryOf(entry).outputs.map(({ finalKey: from, bytes, sha256 }) => ({ entry, from, bytes, sha256 })),
    );
    for (const { entry, from } of carriedObjects)
      if (entry <= asOf)
        store.objects.set(`${to}${fileName(from)}`, store.objects.get(from) ?? assert.fail());
    const partition = [{ column: 'day', value: '2026-01-01' }];
    return {
      ...{ rebuildId: id, configVersion: 'v1', partitionedBy: ['day = day'], source: 'test', after, asOf },
      before: classes,
      windows: [{ entry: window, classes, rows: { rows: classes.in } }],
      replays: [],
      moves: [{ output: 'rows', partition, to, made: [object], carried: carriedObjects }],
    };
  };
  return { after, propose };
}

const sha256Of = (body: Buffer) => createHash('sha256').update(body).digest('hex');

/** Offsets that a reader of the catalogued table sees, in order. */
export async function seenOffsets(store: FakeObjectStore): Promise<number[]> {
  const rows: number[] = [];
  for (const { location } of await createFileCatalog('sluice', store).partitions('claims'))
    for (const [key, bytes] of store.objects)
      if (key.startsWith(location)) rows.push(...bytes.toString().split(',').map(Number));
  return rows.sort((a, b) => a - b);
}
