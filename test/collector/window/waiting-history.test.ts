// History that Kafka cannot give now, or that cannot be taken, delays no other, and is asked for again ever
// more rarely.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WAITS_MS_MIN } from '@sluice/collector/window/backfills.ts';
import { rangeSegment } from '../../support/fake-spool.ts';
import { epoch, newTable } from '../../support/history-harness.ts';

test('a partition whose history waits in Kafka delays no other’s, and is asked for again ever more rarely', async () => {
  const { declare, asked, writers, sequencer, reader, clock, history } = await newTable();
  const { new: added } = writers;
  assert.ok(added);
  const backfill = added.backfill.bind(added);
  added.backfill = (id) => (id.partition === 1 ? { from: 0, next: 0, to: 50 } : backfill(id));
  await declare(reader, { partition: 1 });
  assert.deepEqual(asked(), [`history claims-0 [0, 4000) epoch ${epoch(0)}`]);
  sequencer.historyWaits(reader, epoch(7));
  await clock.advance(0);
  assert.equal(asked().length, 1, 'that was not asked for');
  sequencer.historyWaits(reader, epoch(0));
  await clock.advance(0);
  assert.equal(asked().at(-1), `history claims-1 [0, 50) epoch ${epoch(1)}`);
  assert.equal(await history(0, 100, 0), 'stale', 'it was given back');
  added.backfill = (id) => (id.partition === 1 ? undefined : backfill(id));
  await clock.advance(WAITS_MS_MIN);
  assert.equal(asked().at(-1), `history claims-0 [0, 4000) epoch ${epoch(2)}`);
  sequencer.historyWaits(reader, epoch(2));
  await clock.advance(WAITS_MS_MIN);
  assert.equal(asked().length, 3, 'the second rest is longer');
  await clock.advance(WAITS_MS_MIN);
  assert.equal(await history(0, 100, 3), 'staged');
  sequencer.historyWaits(reader, epoch(3));
  await clock.advance(WAITS_MS_MIN);
  assert.equal(asked().length, 5, 'what came meanwhile makes it short again');
});

test('history that cannot be lets others go on, and is read again ever more rarely', async () => {
  const { asked, sequencer, reader, clock } = await newTable();
  const bad = (n: number) => {
    const counts = { records: 9, control: 1, aborted: 0, absent: 0 };
    return sequencer.segment(reader, rangeSegment(0, 10, { counts }), epoch(n));
  };
  assert.equal(bad(0), 'stale');
  await clock.advance(WAITS_MS_MIN);
  assert.equal(asked().length, 2);
  assert.equal(bad(1), 'stale');
  await clock.advance(WAITS_MS_MIN);
  assert.equal(asked().length, 2, 'the second rest is longer');
  await clock.advance(WAITS_MS_MIN);
  assert.equal(asked().length, 3);
});
