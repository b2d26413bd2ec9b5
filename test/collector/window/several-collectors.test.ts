// Lanes of several collectors over one real ledger: whoever was second trims what the first has committed,
// record by record and partition by partition, and nothing else of its window.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TableConfig, TableWriter } from '@sluice/collector/contracts.ts';
import { createEvents } from '@sluice/collector/events.ts';
import { createTableLane } from '@sluice/collector/window/table-lane.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { type FakeObjectStore, fakeObjectStore } from '../../support/fake-object-store.ts';
import { rangeSegment } from '../../support/fake-spool.ts';
import { writerOn } from '../../support/lake-fixture.ts';
import { transformDouble } from '../../support/lane-doubles.ts';
import { manualClock } from '../../support/manual-clock.ts';
import { recordingLogger } from '../../support/recording-logger.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const first = rangeSegment(0, 1);
const second = rangeSegment(0, 1, { partition: 1 });
const table = {
  name: 'claims',
  topic: 'claims',
  windowLengthMs: 100_000,
  windowBytesMax: 2 ** 30,
  configVersion: 'v1',
  partitionBy: [] as TableConfig['partitionBy'],
} as TableConfig;
const at = ({ topic, topicId, partition }: typeof first) => ({ topic, topicId, partition });

async function collector(store: FakeObjectStore) {
  const clock = manualClock();
  const log = recordingLogger();
  const writer = writerOn(store, clock);
  await writer.load();
  await writer.open([first, second].map((p) => ({ ...at(p), leaderEpoch: 0, start: 0, why: 'test' })));
  const lane = createTableLane({
    ...{ table, writer, clock, transformer: transformDouble(), workDir: temporaryDirectory() },
    random: seededRandom(1),
    events: createEvents(log, createMetrics()),
  });
  const stage = (partition: number, start: number, next: number) => {
    const segment = rangeSegment(start, next, { partition });
    lane.stage({ segment, fromOffset: lane.next(segment) ?? 0 }, { stored: undefined, release() {} });
  };
  const committed = async () => {
    lane.close('drain');
    await lane.drained();
    assert.equal(lane.blocked(), undefined);
  };
  return { clock, writer, lane, log, stage, committed };
}

/** `partition [start, next)` of every range in the ledger, in order; a gap with its reason. */
async function ledgerOf(store: FakeObjectStore): Promise<string[]> {
  const keys = [...store.objects.keys()].filter((key) => key.includes('/ledger/')).sort();
  return keys.flatMap((key) => {
    const entry = JSON.parse(String(store.objects.get(key))) as {
      ranges?: { partition: number; start: number; next: number }[];
      gaps?: { partition: number; start: number; next: number; reason: string }[];
    };
    const ranges = (entry.ranges ?? []).map((r) => `${r.partition} [${r.start}, ${r.next})`);
    return [
      ...ranges,
      ...(entry.gaps ?? []).map((g) => `${g.partition} [${g.start}, ${g.next}) ${g.reason}`),
    ];
  });
}

const positions = (writer: TableWriter) => [first, second].map((p) => writer.position(at(p)));

test('the loser of an append trims the stolen partition alone, by record, and commits the rest', async () => {
  const store = fakeObjectStore();
  const [one, other] = [await collector(store), await collector(store)];
  one.stage(0, 0, 10);
  other.stage(0, 0, 6);
  other.stage(0, 6, 14);
  other.stage(1, 0, 5);
  await one.committed();
  await other.committed();
  assert.deepEqual(await ledgerOf(store), ['0 [0, 10)', '0 [10, 14)', '1 [0, 5)']);
  assert.deepEqual(positions(other.writer), [14, 5]);
});

test('a collector that was overtaken takes what comes behind the other and goes on', async () => {
  const store = fakeObjectStore();
  const [one, other] = [await collector(store), await collector(store)];
  other.stage(0, 0, 5);
  other.stage(1, 0, 5);
  one.stage(0, 0, 20);
  await one.committed();
  await other.writer.refresh();
  other.stage(0, 20, 30);
  await other.committed();
  assert.deepEqual(await ledgerOf(store), ['0 [0, 20)', '1 [0, 5)', '0 [20, 30)']);
});

test('two collectors that are told of the same gap record it once, and neither halts', async () => {
  const store = fakeObjectStore();
  const [one, other] = [await collector(store), await collector(store)];
  const notice = { ...at(first), leaderEpoch: 0, startOffset: 0, nextOffset: 30, reason: 'retention' };
  one.lane.gap(notice, 0);
  other.lane.gap(notice, 0);
  await one.committed();
  await other.committed();
  assert.deepEqual(await ledgerOf(store), ['0 [0, 30) retention']);
  assert.deepEqual(positions(other.writer), [30, 0]);
});

test('windows of two collectors, cut by chance, cover every offset once', async () => {
  for (let seed = 0; seed < 20; seed++) {
    const random = seededRandom(seed);
    const store = fakeObjectStore();
    const parts = [await collector(store), await collector(store)];
    for (let round = 0; round < 12; round++) {
      const part = parts[Math.floor(random.fraction() * 2)];
      assert.ok(part);
      if (random.fraction() < 0.3) await part.writer.refresh();
      for (const [partition, id] of [first, second].entries()) {
        const next = part.lane.next(at(id)) ?? 0;
        part.stage(partition, next, next + 1 + Math.floor(random.fraction() * 9));
      }
      if (random.fraction() < 0.6) await part.committed();
    }
    for (const part of parts) await part.committed();
    const ends = [0, 0];
    for (const range of await ledgerOf(store)) {
      const [partition = 0, start, next = 0] = (range.match(/\d+/g) ?? []).map(Number);
      assert.equal(start, ends[partition], `seed ${seed}: ${range}`);
      ends[partition] = next;
    }
    assert.ok(
      ends.every((end) => end > 10),
      `seed ${seed} got to ${ends.join()}`,
    );
  }
});
