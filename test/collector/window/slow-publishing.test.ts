// A slow publish keeps no upload waiting: the window behind is staged and committed meanwhile, up to a named
// number of entries; what is published and acknowledged stays in order. A real ledger on a store in memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { createEvents } from '@sluice/collector/events.ts';
import { createTableLane } from '@sluice/collector/window/table-lane.ts';
import { UNPUBLISHED_MAX } from '@sluice/collector/window/unpublished-windows.ts';
import { silentLogger } from '@sluice/shared/log.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { eventually } from '../../support/eventually.ts';
import { fakeObjectStore } from '../../support/fake-object-store.ts';
import { rangeSegment } from '../../support/fake-spool.ts';
import { claims, upTo, visible, windowOf, writerOn } from '../../support/lake-fixture.ts';
import { transformDouble } from '../../support/lane-doubles.ts';
import { manualClock, settle } from '../../support/manual-clock.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { temporaryDirectory } from '../../support/temp.ts';

/** A lane whose publishing waits until it is let go; each window of ten offsets has one file. */
async function slowLane() {
  const [store, clock] = [fakeObjectStore(), manualClock()];
  const gates: PromiseWithResolvers<void>[] = [];
  const { publish } = store;
  const writer = writerOn(store, clock);
  await writer.load();
  await writer.open([{ ...claims, leaderEpoch: 0, start: 0, why: 'test' }]);
  const { table } = windowOf(0, 10);
  store.publish = async (...asked) => {
    const gate = Promise.withResolvers<void>();
    gates.push(gate);
    await gate.promise;
    return await publish(...asked);
  };
  const double = transformDouble();
  const released: number[] = [];
  const lane = createTableLane({
    table: { ...table, windowLengthMs: 100_000, windowBytesMax: 10 } as TableConfig,
    ...{ writer, clock, workDir: temporaryDirectory(), random: seededRandom(1) },
    transformer: {
      ...double,
      run: async (request) => {
        const running = double.run(request);
        const read = double.reads.at(-1);
        const result = await running;
        const start = read?.[0]?.fromOffset ?? assert.fail();
        return { ...result, files: windowOf(start, start + 10).files };
      },
    },
    events: createEvents(silentLogger, createMetrics()),
  });
  const stage = (start: number) => {
    const segment = { ...rangeSegment(start, start + 10), topicId: claims.topicId };
    lane.stage({ segment, fromOffset: start }, { release: () => void released.push(start) });
  };
  const committed = () => writer.position(claims);
  const letGo = async () => {
    const waiting = gates.length;
    gates.at(-1)?.resolve();
    await eventually(
      'the next is published, or none is left',
      () => gates.length > waiting || writer.acked(claims) === committed(),
    );
  };
  return { store, writer, lane, stage, gates, released, committed, letGo };
}

test('while a publish hangs the window behind it is committed, and no more than the limit', async () => {
  const { stage, gates, committed, lane, writer, released } = await slowLane();
  for (const start of [0, 10, 20]) {
    stage(start);
    await settle();
  }
  await eventually('it hangs', () => gates.length === 1);
  await eventually('the next is committed', () => committed() === UNPUBLISHED_MAX * 10);
  for (let i = 0; i < 20; i++) await settle();
  assert.equal(committed(), UNPUBLISHED_MAX * 10, 'one more would be beyond the limit');
  assert.deepEqual([writer.acked(claims), released, lane.status().windowsInFlight], [0, [], 3]);
  lane.stop();
  writer.close();
});

test('what was committed behind a slow publish is published, acknowledged and let go in order', async () => {
  const { stage, store, lane, writer, released, letGo, gates } = await slowLane();
  for (const start of [0, 10, 20]) stage(start);
  await eventually('it hangs', () => gates.length === 1);
  const drained = lane.drained();
  const acked: (number | undefined)[] = [];
  for (let i = 0; i < 3; i++) {
    await letGo();
    acked.push(writer.acked(claims));
  }
  await drained;
  assert.deepEqual(acked, [10, 20, 30]);
  assert.deepEqual(released, [0, 10, 20]);
  assert.deepEqual(visible(store), upTo(30));
  assert.deepEqual([lane.status().windowsInFlight, lane.status().windowsCommitted], [0, 3]);
  writer.close();
});
