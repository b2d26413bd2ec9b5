// History that cannot go on for now, because of its table, its partition or what came: the history of others
// goes on meanwhile, and it is asked for again ever more rarely.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TransformRequest } from '@sluice/collector/contracts.ts';
import { WAITS_MS_MIN } from '@sluice/collector/window/backfills.ts';
import { REST_MS_MIN } from '@sluice/collector/window/fill-lane.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { rangeSegment } from '../../support/fake-spool.ts';
import { epoch, NEW, newTable } from '../../support/history-harness.ts';
import { settle } from '../../support/manual-clock.ts';
import { declaredOf, type Wanted } from '../../support/sequencer-harness.ts';

test('history of which nothing can be made is let go, so that others’ goes on, and tried again ever more rarely', async () => {
  const tables: readonly Wanted[] = [NEW, { name: 'orders', topic: 'orders', backfill: 'earliest' }];
  const { writers, transformer, sequencer, clock, reader, history, asked, done, budget, lanes } =
    await newTable([{ name: 'claims' }, ...tables]);
  const { run } = transformer;
  const over = () => new SluiceError('QUARANTINE_BUDGET_EXCEEDED', '80 of 100 records of a window');
  let isRefused = true;
  Object.assign(transformer, {
    run: (request: TransformRequest) =>
      isRefused && request.table.name === 'new' ? Promise.reject(over()) : run(request),
  });
  assert.equal(await history(0, 500, 0), 'staged');
  await settle();
  await clock.advance(0);
  assert.equal(budget.bytes(), 0, 'Kafka has it');
  assert.match(lanes[1]?.lane.status().waitsFor ?? '', /QUARANTINE_BUDGET_EXCEEDED/);
  assert.equal(asked().length, 1, 'not again at once');
  const other = declaredOf(0, 'orders');
  writers['orders']?.place(other, 4_000);
  await sequencer.declare(reader, [other]);
  await clock.advance(0);
  assert.match(asked().at(-1) ?? '', /^history orders-0/);
  sequencer.revoke(reader, [other]);
  await clock.advance(REST_MS_MIN);
  assert.equal(asked().at(-1), `history claims-0 [0, 4000) epoch ${epoch(2)}`);
  assert.equal(await history(0, 500, 2), 'staged');
  await done();
  await clock.advance(REST_MS_MIN / 2);
  assert.equal(asked().length, 3, 'the second wait is longer');
  isRefused = false;
  const { lane } = lanes[1] ?? {};
  if (lane !== undefined) lane.configure({ ...lane.table, configVersion: 'v2' });
  await clock.advance(0);
  assert.equal(asked().length, 4, 'another config may help');
  assert.equal(await history(0, 500, 3), 'staged');
  await done();
  assert.equal(writers['new']?.history?.next, 500);
  assert.equal(lane?.status().waitsFor, undefined);
});

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
