// A window with more partition values than one set of files may have is published in several sets, and not a
// record of it goes to quarantine for that: a real lane with the real transform, a ledger in memory.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { TableConfig, WindowCommit } from '@sluice/collector/contracts.ts';
import { createEvents } from '@sluice/collector/events.ts';
import { createTransformer } from '@sluice/collector/transform/transformer.ts';
import { createTableLane } from '@sluice/collector/window/table-lane.ts';
import { systemClock } from '@sluice/shared/clock.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { systemRandom } from '@sluice/shared/random.ts';
import { writerDouble } from '../../support/lane-doubles.ts';
import { assertContiguous, assertExactlyOnce } from '../../support/oracles.ts';
import { rowsOfParquet } from '../../support/parquet.ts';
import { recordingLogger } from '../../support/recording-logger.ts';
import { segmentOf } from '../../support/segments.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { plainTable } from '../../support/written-lake.ts';

const transformer = createTransformer({ memoryBytesMax: 256e6, threads: 1 });
after(() => transformer.close());

const CAP = 20;
const cities: Partial<TableConfig> = {
  columns: [
    { name: 'n', type: 'bigint' },
    { name: 'city', type: 'string' },
  ],
  partitionBy: [{ kind: 'value', field: 'city', column: 'city' }],
  windowPartitionsMax: CAP,
};

/** One window of these values by Kafka partition, as its rows are when each set of files is committed. */
async function published(change: Partial<TableConfig>, values: readonly (readonly string[])[]) {
  const log = recordingLogger();
  const writer = writerDouble();
  writer.parkedWait = () => Promise.reject(new Error('parked'));
  const rows: Record<string, unknown>[] = [];
  writer.before = async ({ files }) => {
    rows.push(...(await rowsOfParquet(files.filter(({ output }) => output === 'rows').map((f) => f.path))));
  };
  const lane = createTableLane({
    ...{ table: { ...plainTable, ...change }, writer, transformer, workDir: temporaryDirectory() },
    ...{ clock: systemClock, random: systemRandom, events: createEvents(log, createMetrics()) },
  });
  let released = 0;
  for (const [partition, own] of values.entries()) {
    const segment = segmentOf(own, { topic: 'claims', partition, baseOffset: 0 });
    writer.place(segment, 0);
    lane.stage({ segment, fromOffset: 0 }, { stored: undefined, release: () => void released++ });
  }
  lane.close('time');
  await lane.drained();
  assert.equal(released, values.length, 'the whole window’s memory is let go, once');
  return { rows, log, commits: writer.commits };
}

const valuesOf = (from: number, to: number, cityOf: (n: number) => number) =>
  Array.from({ length: to - from }, (_, i) => `{"n":${from + i},"city":"c${cityOf(from + i)}"}`);

test('far more partition values than the cap: sets of files one after the other, nothing lost, twice or in quarantine', async () => {
  const [one, two] = [valuesOf(0, 140, (n) => (n * 7) % 100), valuesOf(140, 240, (n) => n)];
  const { rows, commits, log } = await published(cities, [one, two]);
  assert.ok(commits.length >= 10, `${commits.length} sets`);
  for (const { files, classes } of commits) {
    assert.ok(new Set(files.map(({ partition }) => partition[0]?.value)).size <= CAP);
    assert.equal(classes.quarantined, 0);
  }
  for (const partition of [0, 1])
    assertContiguous(commits.flatMap(({ ranges }) => ranges.filter((r) => r.partition === partition)));
  const produced = Array.from({ length: 240 }, (_, n) => String(n));
  assertExactlyOnce(
    produced,
    rows.map(({ n }) => String(n)),
  );
  assert.equal(new Set(commits.map(({ windowId }) => windowId)).size, commits.length);
  assert.ok(log.said(/published in parts/).length > 0);
});

test('as many partition values as the cap are one set of files', async () => {
  const { commits } = await published(cities, [valuesOf(0, 3 * CAP, (n) => n % CAP)]);
  assert.equal(commits.length, 1);
  assert.equal(commits[0]?.files.length, CAP);
});

test('a window in several sets is held to its error budget as a whole, and its parts are not', async () => {
  const good = valuesOf(0, 6 * CAP, (n) => n);
  // As many as a share of them counts.
  const bad = Array.from({ length: 12 }, () => 'not JSON');
  const budget = { ...cities, quarantineRatioMax: 0.1 };
  const within = await published(budget, [good, bad]);
  assert.ok(within.commits.length > 2, `${within.commits.length} sets`);
  assert.equal(within.rows.length, good.length);
  const quarantined = within.commits.reduce((sum, { classes }) => sum + classes.quarantined, 0);
  assert.equal(quarantined, bad.length);
  const beyond = await published(budget, [good, [...bad, ...bad]]);
  assert.deepEqual(beyond.commits, []);
});

test('one record of more rows than the cap allows partitions is written all the same', async () => {
  const list = JSON.stringify(Array.from({ length: CAP + 10 }, (_, i) => `c${i}`));
  const table: Partial<TableConfig> = {
    ...cities,
    columns: [{ name: 'cities', type: 'array<string>' }],
    steps: [{ kind: 'explode', field: 'cities', column: 'city', outer: false, position: undefined }],
  };
  const { rows, commits } = await published(table, [[`{"cities":${list}}`]]);
  assert.equal(rows.length, CAP + 10);
  assert.equal(commits.length, 1);
});

test('what is brought of a gap, or of the history, is held to the same cap', async () => {
  for (const kind of ['fills', 'history'] as const) {
    const writer = writerDouble();
    const filled: WindowCommit[] = [];
    writer.before = async (window) => void filled.push(window);
    const change = { ...cities, backfill: 'earliest' as const, quarantineRatioMax: 0.1 };
    const table: TableConfig = { ...plainTable, ...change };
    const lane = createTableLane({
      ...{ table, writer, transformer, workDir: temporaryDirectory() },
      ...{
        clock: systemClock,
        random: systemRandom,
        events: createEvents(recordingLogger(), createMetrics()),
      },
    });
    const segment = segmentOf(
      // The last 15 are most of a part, and as many as a share of them counts.
      [...valuesOf(0, 135, (n) => n), ...Array.from({ length: 15 }, () => 'not JSON')],
      { topic: 'claims', partition: 0, baseOffset: 0 },
    );
    writer.place(segment, 1_000);
    if (kind === 'fills') writer.gaps = [{ startOffset: 0, nextOffset: 150 }];
    else writer.history = { from: 0, next: 0, to: 150 };
    const fills = kind === 'fills' ? lane.fills : lane.history.fills;
    let released = 0;
    for (const part of fills.partsOf(segment))
      fills.stage(segment, part, { stored: undefined, release: () => void released++ });
    fills.close();
    await fills.drained();
    assert.ok(filled.length >= 5, `${filled.length} sets of ${kind}`);
    for (const { files } of filled) assert.ok(files.length <= CAP);
    assertContiguous(filled.flatMap(({ ranges }) => ranges));
    assert.deepEqual(fills.lacking(segment), []);
    assert.deepEqual([released, fills.isIdle, fills.waitsFor], [1, true, undefined]);
  }
});
