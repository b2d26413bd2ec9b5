// What Kafka lost and a spool still has: it is asked for, goes beside the order of the partition, and nobody
// waits for it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TransformRequest, TransformResult } from '@sluice/collector/contracts.ts';
import { createEvents } from '@sluice/collector/events.ts';
import { REST_MS_MIN } from '@sluice/collector/window/fill-lane.ts';
import { FILL_EPOCH_MIN } from '@sluice/collector/window/gap-fills.ts';
import { createTableLane } from '@sluice/collector/window/table-lane.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { rangeSegment } from '../../support/fake-spool.ts';
import { transformDouble, writerDouble } from '../../support/lane-doubles.ts';
import { manualClock, settle } from '../../support/manual-clock.ts';
import { recordingLogger } from '../../support/recording-logger.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { declared, declaredOf, linkOf, rest, sequencerOf } from '../../support/sequencer-harness.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { plainTable } from '../../support/written-lake.ts';

const LINGER_MS = 2_000;

/** A table that stands at 60 behind a gap [20, 50), and a stream that has spooled some of it. */
async function behindGap(runs = [{ startOffset: 10, nextOffset: 40 }], tables = [{ name: 'claims' }]) {
  const parts = sequencerOf({ tables });
  for (const writer of Object.values(parts.writers)) {
    writer.place(declaredOf(), 60);
    writer.gaps = [{ startOffset: 20, nextOffset: 50 }];
  }
  const holder = linkOf();
  const { link, ...others } = await declared(parts);
  const positions = await parts.sequencer.declare(holder, [{ ...declaredOf(), spoolRuns: runs }]);
  await parts.clock.advance(0);
  const fill = (start: number, next: number, from = holder, epoch = FILL_EPOCH_MIN) =>
    parts.sequencer.segment(from, rangeSegment(start, next), epoch);
  const done = async () => {
    await parts.clock.advance(LINGER_MS);
    await rest(parts);
    await settle();
  };
  return { ...others, link, holder, positions, fill, done };
}

test('an agent hears of the open gap, keeps it, and is asked for what it has of it', async () => {
  const { positions, holder, link } = await behindGap();
  assert.deepEqual(positions[0]?.openGaps, [{ startOffset: 20, nextOffset: 50 }]);
  assert.deepEqual(holder.told, [`fill claims-0 [20, 40) epoch ${FILL_EPOCH_MIN}`]);
  assert.deepEqual(link.told, [], 'who has nothing of it is not asked');
});

test('a fill is cut to the gap, and the prefix goes on beside it', async () => {
  const { fill, send, writers, lanes, done } = await behindGap();
  assert.equal(fill(10, 30), 'staged');
  assert.equal(send(60, 70), 'staged');
  assert.equal(fill(30, 45), 'staged');
  await done();
  for (const { lane } of lanes) lane.close('drain');
  await rest({ lanes });
  assert.deepEqual(writers['claims']?.log, ['fill claims-0 [20, 45)', 'claims-0 [60, 70)']);
  assert.deepEqual(writers['claims']?.gaps, [{ startOffset: 45, nextOffset: 50 }]);
});

test('two who hold the same are not asked for the same, and what one lacks is asked of the other', async () => {
  const { sequencer, holder, clock, fill, done, writers } = await behindGap();
  const second = linkOf();
  await sequencer.declare(second, [{ ...declaredOf(), spoolRuns: [{ startOffset: 0, nextOffset: 60 }] }]);
  await clock.advance(0);
  assert.deepEqual(second.told, [`fill claims-0 [40, 50) epoch ${FILL_EPOCH_MIN + 1}`]);
  const notice = { ...declaredOf(), leaderEpoch: 0, startOffset: 20, nextOffset: 40, reason: 'not there' };
  sequencer.gap(holder, notice, FILL_EPOCH_MIN);
  assert.equal(fill(40, 50, second, FILL_EPOCH_MIN + 1), 'staged');
  assert.equal(second.told.at(-1), `fill claims-0 [20, 40) epoch ${FILL_EPOCH_MIN + 2}`);
  assert.equal(fill(20, 40, second, FILL_EPOCH_MIN + 2), 'staged');
  await done();
  assert.deepEqual(writers['claims']?.gaps, []);
});

test('tables whose gaps differ get each what it lacks', async () => {
  const tables = [{ name: 'one' }, { name: 'other' }];
  const { fill, writers, done, holder } = await behindGap([{ startOffset: 0, nextOffset: 60 }], tables);
  const { one, other } = writers;
  assert.ok(one && other);
  other.gaps = [{ startOffset: 30, nextOffset: 35 }];
  assert.deepEqual(holder.told, [`fill claims-0 [20, 50) epoch ${FILL_EPOCH_MIN}`]);
  assert.equal(fill(0, 60), 'staged');
  await done();
  assert.deepEqual([one.log, other.log], [['fill claims-0 [20, 50)'], ['fill claims-0 [30, 35)']]);
});

test('what another collector has filled meanwhile is given up, and the rest is asked for again', async () => {
  const { fill, writers, done, holder } = await behindGap();
  const { claims } = writers;
  assert.ok(claims);
  claims.before = async () => {
    claims.gaps = [{ startOffset: 30, nextOffset: 50 }];
    claims.before = () => Promise.resolve();
  };
  assert.equal(fill(20, 40), 'staged');
  await done();
  assert.deepEqual(claims.log, []);
  assert.equal(holder.told.at(-1), `fill claims-0 [30, 40) epoch ${FILL_EPOCH_MIN + 1}`);
});

test('a stream that is over is not waited for: the next one that has it is asked', async () => {
  const { sequencer, holder, clock } = await behindGap();
  sequencer.disconnected(holder);
  const again = linkOf();
  await sequencer.declare(again, [{ ...declaredOf(), spoolRuns: [{ startOffset: 10, nextOffset: 40 }] }]);
  await clock.advance(0);
  assert.deepEqual(again.told, [`fill claims-0 [20, 40) epoch ${FILL_EPOCH_MIN + 1}`]);
});

test('a stream that goes leaves what it was asked for to one that is there already', async () => {
  const { sequencer, holder, clock } = await behindGap();
  const second = linkOf();
  await sequencer.declare(second, [{ ...declaredOf(), spoolRuns: [{ startOffset: 10, nextOffset: 40 }] }]);
  await clock.advance(0);
  assert.deepEqual(second.told, [], 'the first was asked');
  sequencer.disconnected(holder);
  assert.deepEqual(second.told, [`fill claims-0 [20, 40) epoch ${FILL_EPOCH_MIN + 1}`]);
});

test('what no gap wants is not taken as a fill, under whatever epoch', async () => {
  const { fill, writers } = await behindGap();
  assert.equal(fill(20, 30, undefined, FILL_EPOCH_MIN + 7), 'stale');
  const { claims } = writers;
  assert.ok(claims);
  claims.gaps = [];
  assert.equal(fill(20, 40), 'skipped');
});

test('values that became NULL and rules that broke in what is brought are told as those of a window are', async () => {
  const [log, writer, double] = [recordingLogger(), writerDouble(), transformDouble()];
  const told: Pick<TransformResult, 'nulled' | 'brokenRules'> = {
    nulled: [{ column: 'amount', values: 3 }],
    brokenRules: [{ output: 'rows', rule: 'amount > 0', rows: 2 }],
  };
  const lane = createTableLane({
    ...{ table: plainTable, writer, workDir: temporaryDirectory(), clock: manualClock() },
    transformer: { ...double, run: async (request) => ({ ...(await double.run(request)), ...told }) },
    ...{ random: seededRandom(1), events: createEvents(log, createMetrics()) },
  });
  const segment = rangeSegment(0, 10);
  writer.place(segment, 60);
  writer.gaps = [{ startOffset: 0, nextOffset: 10 }];
  for (const part of lane.fills.partsOf(segment))
    lane.fills.stage(segment, part, { stored: undefined, release: () => {} });
  lane.fills.close();
  await lane.fills.drained();
  assert.deepEqual(writer.log, ['fill claims-0 [0, 10)']);
  assert.equal(log.said(/NULL/).length, 1);
  assert.equal(log.said(/rule/).length, 1);
});

test('a fill over its table’s error budget is parked by name, alone, and goes on with the config that helps', async () => {
  const { fill, writers, transformer, lanes, done, clock, sequencer, link } = await behindGap();
  const [writer, lane] = [writers['claims'] ?? assert.fail(), lanes[0]?.lane ?? assert.fail()];
  const versions: string[] = [];
  const { run } = transformer;
  Object.assign(transformer, {
    run: (request: TransformRequest) => {
      versions.push(request.table.configVersion);
      const over = new SluiceError('QUARANTINE_BUDGET_EXCEEDED', '80 of 100 records of a window');
      return request.table.configVersion === 'v1' ? Promise.reject(over) : run(request);
    },
  });
  assert.equal(fill(20, 40), 'staged');
  await clock.advance(LINGER_MS);
  await settle();
  assert.match(
    lane.status().waitsFor ?? '',
    /^fill: QUARANTINE_BUDGET_EXCEEDED: 80 of 100.*claims-0 \[20, 40\)/,
  );
  assert.deepEqual([lane.stuck(), writer.status().state], [undefined, 'ready'], 'its windows go on');
  assert.equal(sequencer.segment(link, rangeSegment(60, 70), 0), 'staged');
  await clock.advance(REST_MS_MIN);
  assert.deepEqual(versions, ['v1', 'v1'], 'tried again as a parked table is');
  await clock.advance(REST_MS_MIN);
  assert.equal(versions.length, 2, 'and ever more rarely');
  lane.configure({ ...lane.table, configVersion: 'v2' });
  writer.retryNow();
  await done();
  assert.deepEqual(versions, ['v1', 'v1', 'v2']);
  assert.ok(writer.log.includes('fill claims-0 [20, 40)'));
  assert.equal(lane.status().waitsFor, undefined);
});

test('what others filled while it was asked for is not waited for: a later gap is asked of the same stream', async () => {
  const { writers, holder, sequencer, clock, lanes } = await behindGap();
  const [writer, lane] = [writers['claims'] ?? assert.fail(), lanes[0]?.lane ?? assert.fail()];
  assert.deepEqual(holder.told, [`fill claims-0 [20, 40) epoch ${FILL_EPOCH_MIN}`]);
  writer.gaps = [];
  writer.ackAll();
  await sequencer.declare(holder, [{ ...declaredOf(), spoolRuns: [{ startOffset: 60, nextOffset: 80 }] }]);
  writer.place(declaredOf(), 90);
  writer.gaps = [{ startOffset: 60, nextOffset: 90 }];
  await clock.advance(0);
  lane.close('time');
  assert.equal(holder.told.at(-1), `fill claims-0 [60, 80) epoch ${FILL_EPOCH_MIN + 1}`);
});

test('after a cut of its log the agent, which forgot what it was asked for, is asked again', async () => {
  const { holder, sequencer, clock } = await behindGap();
  const cut = { ...declaredOf(), offset: 55, leaderEpoch: 0, reason: 'less than before' };
  sequencer.truncated(holder, cut);
  await settle();
  await clock.advance(0);
  assert.ok(holder.told.includes(`fill claims-0 [20, 40) epoch ${FILL_EPOCH_MIN + 1}`), holder.told.join());
});

test('a segment of a gap that cannot be is named, not taken, and delays nothing behind it', async () => {
  const { sequencer, holder, writers, done, fill } = await behindGap();
  const second = linkOf();
  const counts = { records: 9, control: 1, aborted: 0, absent: 0 };
  const segment = (start: number, next: number, link = holder, epoch = FILL_EPOCH_MIN) =>
    sequencer.segment(link, rangeSegment(start, next, { counts }), epoch);
  assert.equal(fill(20, 30), 'staged');
  assert.equal(segment(30, 40), 'stale');
  await done();
  assert.deepEqual(writers['claims']?.gaps, [{ startOffset: 30, nextOffset: 50 }]);
  await sequencer.declare(second, [{ ...declaredOf(), spoolRuns: [{ startOffset: 30, nextOffset: 40 }] }]);
  await done();
  assert.equal(second.told.at(-1), `fill claims-0 [30, 40) epoch ${FILL_EPOCH_MIN + 1}`);
});
