// A table that stepped aside while its topic's log was cut, or lost what a spool still has: when it comes
// back it stands in an older log, and lacks what others have. Real lanes, ledgers in memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FILL_EPOCH_MIN } from '@sluice/collector/window/gap-fills.ts';
import { WINDOWS_IN_FLIGHT_MAX } from '@sluice/collector/window/table-lane.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { eventually } from '../../support/eventually.ts';
import { rangeSegment } from '../../support/fake-spool.ts';
import type { WriterDouble } from '../../support/lane-doubles.ts';
import { settle } from '../../support/manual-clock.ts';
import { declared, declaredOf, linkOf, rest, sequencerOf } from '../../support/sequencer-harness.ts';

/** Both tables stand at `at`; `slow` cannot be written until `help`, and is let go. */
async function stepsAside(at: number, prepare: (writers: Record<string, WriterDouble>) => void = () => {}) {
  const tables = [{ name: 'fast' }, { name: 'slow', whenParked: 'detach' as const }];
  const harness = sequencerOf({ tables, windowBytes: 10 });
  const { fast, slow } = harness.writers;
  assert.ok(fast && slow);
  for (const writer of [fast, slow]) writer.place(declaredOf(), at);
  prepare({ fast, slow });
  const parts = await declared(harness);
  const [, lane] = parts.lanes.map((one) => one.lane);
  assert.ok(lane);
  const gate = Promise.withResolvers<void>();
  const park = async (epoch = 0) => {
    slow.before = () => gate.promise;
    slow.enter('parked', 'STORE_DENIED');
    for (let i = 0; i < WINDOWS_IN_FLIGHT_MAX; i++) {
      parts.send(at + i * 10, at + i * 10 + 10, epoch);
      await settle();
    }
    assert.notEqual(lane.detachedSinceMs(), undefined);
    await parts.lanes[0]?.lane.drained();
  };
  const help = async () => {
    slow.before = () => Promise.resolve();
    gate.resolve();
    slow.enter('ready');
    await eventually('it is taken back', () => lane.detachedSinceMs() === undefined);
    await settle();
  };
  const cut = async (offset: number, leaderEpoch: number) => {
    parts.sequencer.truncated(parts.link, { ...declaredOf(), offset, leaderEpoch, reason: 'a new leader' });
    await parts.lanes[0]?.lane.drained();
    await settle();
  };
  return { ...parts, fast, slow, lane, park, help, cut };
}

const last = (word: string, { told }: { readonly told: readonly string[] }) =>
  told.filter((line) => line.startsWith(word)).at(-1);
const welcomed = (link: { readonly told: readonly string[] }) => last('welcomed', link);

const ofEpoch = (start: number, next: number, leaderEpoch: number) =>
  rangeSegment(start, next, { leaderEpoch });

test('a cut stops nobody for a table that stepped aside, and is recorded by it when it comes back', async () => {
  const { park, cut, help, fast, slow, link, sequencer, lanes } = await stepsAside(50);
  await park();
  await cut(30, 0);
  assert.equal(fast.log.at(-1), 'fork claims-0 30 epoch 1');
  assert.equal(welcomed(link), 'welcomed claims-0 30');
  assert.equal(sequencer.segment(link, ofEpoch(30, 40, 1), 1), 'staged');
  await lanes[0]?.lane.drained();
  await help();
  // It stands in the older log: whoever sends is shown both places, asks Kafka, and tells of the cut again.
  assert.equal(welcomed(link), 'welcomed claims-0 40');
  await cut(30, 0);
  await rest({ lanes });
  assert.deepEqual(slow.log, ['claims-0 [50, 60)', 'fork claims-0 30 epoch 1']);
  assert.equal(fast.log.filter((line) => line.startsWith('fork')).length, 1);
  assert.equal(welcomed(link), 'welcomed claims-0 30');
  assert.equal(sequencer.segment(link, ofEpoch(30, 40, 1), 3), 'staged');
  await rest({ lanes });
  assert.equal(slow.log.at(-1), 'claims-0 [30, 40)');
  assert.equal(fast.log.filter((line) => line === 'claims-0 [30, 40)').length, 1);
});

test('a table that comes back in an older epoch below the others takes what it lacks of both logs, once', async () => {
  const { park, cut, help, fast, slow, link, sequencer, lanes } = await stepsAside(0);
  await park();
  await cut(30, 0);
  sequencer.segment(link, ofEpoch(30, 40, 1), 1);
  await lanes[0]?.lane.drained();
  await help();
  assert.equal(welcomed(link), 'welcomed claims-0 10');
  for (const [start, epoch] of [
    [10, 0],
    [20, 0],
    [30, 1],
  ] as const)
    assert.equal(sequencer.segment(link, ofEpoch(start, start + 10, epoch), 2), 'staged');
  await rest({ lanes });
  assert.deepEqual(
    slow.log,
    [0, 10, 20, 30].map((start) => `claims-0 [${start}, ${start + 10})`),
  );
  const twice = 'what stood there in each of the logs';
  assert.equal(fast.log.filter((line) => line === 'claims-0 [30, 40)').length, 2, twice);
});

/** `slow` lacks [20, 50), and a stream has spooled some of it. */
async function lacksGap() {
  const parts = await stepsAside(60, ({ slow }) => {
    if (slow !== undefined) slow.gaps = [{ startOffset: 20, nextOffset: 50 }];
  });
  const holder = linkOf();
  const spoolRuns = [{ startOffset: 10, nextOffset: 40 }];
  await parts.sequencer.declare(holder, [{ ...declaredOf(), spoolRuns }]);
  await parts.clock.advance(0);
  return { ...parts, holder };
}

test('what was asked for a table that stepped aside meanwhile is not taken, and is asked for again when it is back', async () => {
  const { park, help, holder, sequencer, slow, clock, lanes, budget } = await lacksGap();
  assert.deepEqual(holder.told, [`fill claims-0 [20, 40) epoch ${FILL_EPOCH_MIN}`]);
  await park();
  holder.told.length = 0;
  assert.equal(sequencer.segment(holder, rangeSegment(20, 40), FILL_EPOCH_MIN), 'stale');
  assert.equal(budget.bytes(), 0);
  await help();
  await clock.advance(0);
  const [again] = holder.told.filter((line) => line.startsWith('fill'));
  assert.equal(again, `fill claims-0 [20, 40) epoch ${FILL_EPOCH_MIN + 1}`);
  assert.equal(sequencer.segment(holder, rangeSegment(20, 40), FILL_EPOCH_MIN + 1), 'staged');
  await clock.advance(2_000);
  await rest({ lanes });
  assert.deepEqual(slow.gaps, [{ startOffset: 40, nextOffset: 50 }]);
});

test('a fill that waits for another config keeps no table from coming back once that has stepped aside', async () => {
  const { park, help, holder, sequencer, clock, lane, transformer } = await lacksGap();
  const { run } = transformer;
  const over = new SluiceError('QUARANTINE_BUDGET_EXCEEDED', '80 of 100 records of a window');
  transformer.run = () => Promise.reject(over);
  assert.equal(sequencer.segment(holder, rangeSegment(20, 40), FILL_EPOCH_MIN), 'staged');
  await clock.advance(2_000);
  await settle();
  assert.match(lane.status().waitsFor ?? '', /^fill: QUARANTINE_BUDGET_EXCEEDED/);
  transformer.run = run;
  await park();
  await help();
  assert.equal(lane.status().waitsFor, undefined);
});

test('a fill that is staged when its table steps aside is let go, and nothing of it is counted twice', async () => {
  const { park, help, holder, sequencer, slow, clock, lanes, budget } = await lacksGap();
  assert.equal(sequencer.segment(holder, rangeSegment(20, 40), FILL_EPOCH_MIN), 'staged');
  await park();
  assert.equal(budget.bytes(), 0, 'what was staged is let go');
  await help();
  await clock.advance(0);
  const fills = slow.log.filter((line) => line.startsWith('fill'));
  const asked = holder.told.filter((line) => line.startsWith('fill')).length;
  assert.equal(fills.length + asked, 2, 'it is in the ledger, or asked for again');
  if (asked === 2) sequencer.segment(holder, rangeSegment(20, 40), FILL_EPOCH_MIN + 1);
  await clock.advance(2_000);
  await rest({ lanes });
  assert.deepEqual(slow.gaps, [{ startOffset: 40, nextOffset: 50 }]);
  assert.equal(slow.log.filter((line) => line.startsWith('fill')).length, 1);
});

test('a table that is sent back below a gap that others have open records it, too, and one fill closes both', async () => {
  const { park, help, fast, slow, link, sequencer, lanes, clock } = await stepsAside(0);
  await park();
  const gap = { ...declaredOf(), startOffset: 40, nextOffset: 50, reason: 'retention' };
  sequencer.gap(link, gap, 0);
  await lanes[0]?.lane.drained();
  await help();
  assert.equal(last('rewind', link), 'rewind claims-0 10 epoch 1');
  for (let start = 10; start < 40; start += 10) sequencer.segment(link, rangeSegment(start, start + 10), 1);
  sequencer.gap(link, gap, 1);
  await rest({ lanes });
  assert.deepEqual([fast.gaps, slow.gaps], [[{ startOffset: 40, nextOffset: 50 }], fast.gaps]);
  assert.equal(fast.log.filter((line) => line.startsWith('gap')).length, 1);
  const holder = linkOf();
  const spoolRuns = [{ startOffset: 40, nextOffset: 50 }];
  await sequencer.declare(holder, [{ ...declaredOf(), spoolRuns }]);
  await clock.advance(0);
  sequencer.segment(holder, rangeSegment(40, 50), FILL_EPOCH_MIN);
  await clock.advance(2_000);
  await rest({ lanes });
  assert.deepEqual([fast.gaps, slow.gaps], [[], []]);
});
