// A log that Kafka cut: what is staged of it is committed, the ledger goes on at the cut, and what others
// still hold of the old log is taken for nothing else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rangeSegment } from '../../support/fake-spool.ts';
import { settle } from '../../support/manual-clock.ts';
import { declared, declaredOf, linkOf, rest, sequencerOf } from '../../support/sequencer-harness.ts';

const ofEpoch = (start: number, next: number, leaderEpoch: number) =>
  rangeSegment(start, next, { leaderEpoch });

const cutAt = (offset: number, leaderEpoch: number) => {
  return { ...declaredOf(), offset, leaderEpoch, reason: 'the log of epoch 1 ends there' };
};

test('a cut is recorded behind what is staged, nothing is taken meanwhile, and every sender goes on there', async () => {
  const parts = await declared();
  const { sequencer, link, lanes, writers } = parts;
  const other = linkOf();
  await sequencer.declare(other, [declaredOf()]);
  assert.equal(sequencer.segment(link, ofEpoch(0, 30, 1), 0), 'staged');
  sequencer.truncated(link, cutAt(20, 1));
  assert.equal(sequencer.segment(link, ofEpoch(30, 35, 1), 0), 'stale');
  assert.equal(sequencer.segment(link, ofEpoch(20, 25, 2), 0), 'stale');
  await rest({ lanes });
  await settle();
  assert.deepEqual(writers['claims']?.log, ['claims-0 [0, 30)', 'fork claims-0 20 epoch 2']);
  assert.deepEqual([link.told.at(-1), other.told.at(-1)], ['welcomed claims-0 20', 'welcomed claims-0 20']);
  assert.equal(sequencer.segment(other, ofEpoch(20, 25, 2), 1), 'staged');
});

test('a cut above all that is here changes nothing in the ledger', async () => {
  const { sequencer, link, lanes, writers } = await declared();
  sequencer.segment(link, ofEpoch(0, 10, 1), 0);
  sequencer.truncated(link, cutAt(20, 1));
  await rest({ lanes });
  await settle();
  assert.deepEqual(writers['claims']?.log, ['claims-0 [0, 10)']);
  assert.equal(link.told.at(-1), 'welcomed claims-0 10');
});

test('what a spool still holds of the old log ends at the cut', async () => {
  const parts = sequencerOf();
  parts.writers['claims']?.place(declaredOf(), 10);
  parts.writers['claims']?.cuts.push({ offset: 20, leaderEpoch: 2 });
  const { sequencer, link, lanes } = await declared(parts);
  assert.equal(sequencer.segment(link, ofEpoch(10, 30, 1), 0), 'staged');
  assert.equal(lanes[0]?.lane.next(declaredOf()), 20);
  assert.equal(sequencer.segment(link, ofEpoch(30, 40, 1), 0), 'stale');
  assert.equal(sequencer.segment(link, ofEpoch(20, 40, 2), 0), 'staged');
});

test('a newer epoch below what is here is shown to its sender once, who asks Kafka', async () => {
  const { sequencer, link } = await declared();
  sequencer.segment(link, ofEpoch(0, 30, 1), 0);
  const live = linkOf();
  await sequencer.declare(live, [declaredOf()]);
  assert.equal(sequencer.segment(live, ofEpoch(20, 40, 2), 0), 'stale');
  assert.deepEqual(live.told, ['welcomed claims-0 30']);
  assert.equal(sequencer.segment(live, ofEpoch(40, 50, 2), 0), 'rewound');
});

test('what goes on in an older epoch behind a newer one is not taken, and its sender is shown where that stands', async () => {
  const { sequencer, link } = await declared();
  const old = linkOf();
  await sequencer.declare(old, [declaredOf()]);
  sequencer.segment(link, ofEpoch(0, 20, 1), 0);
  assert.equal(
    sequencer.segment(old, ofEpoch(10, 20, 0), 0),
    'skipped',
    'what lies below is nobody’s business',
  );
  sequencer.segment(link, ofEpoch(20, 26, 2), 0);
  assert.equal(sequencer.segment(old, ofEpoch(20, 27, 1), 0), 'stale');
  assert.deepEqual(old.told, ['welcomed claims-0 26']);
  assert.equal(sequencer.segment(old, ofEpoch(27, 30, 1), 0), 'stale', 'nor is it rewound for it');
  assert.equal(sequencer.segment(link, ofEpoch(26, 30, 2), 0), 'staged');
});

test('tables that had less than the cut go on where they are', async () => {
  const parts = sequencerOf({ tables: [{ name: 'ahead' }, { name: 'behind' }] });
  parts.writers['ahead']?.place(declaredOf(), 30);
  parts.writers['behind']?.place(declaredOf(), 10);
  const { sequencer, link, lanes, writers } = await declared(parts);
  sequencer.truncated(link, cutAt(20, 1));
  await rest({ lanes });
  await settle();
  assert.deepEqual([writers['ahead']?.log, writers['behind']?.log], [['fork claims-0 20 epoch 2'], []]);
  assert.equal(link.told.at(-1), 'welcomed claims-0 10');
});
