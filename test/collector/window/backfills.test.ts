// History of a table that was added to a live topic: an agent reads it from Kafka piece by piece, within a
// share of its own; nothing that comes live waits for it, and each offset of it has one fate.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TransformRequest } from '@sluice/collector/contracts.ts';
import { LOOK_AGAIN_MS } from '@sluice/collector/window/ended-history.ts';
import { REST_MS_MIN } from '@sluice/collector/window/fill-lane.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { rangeSegment } from '../../support/fake-spool.ts';
import { BYTES_MAX, epoch, NEW, newTable } from '../../support/history-harness.ts';
import { settle } from '../../support/manual-clock.ts';
import { declaredOf, linkOf, rest, sequencerOf, type Wanted } from '../../support/sequencer-harness.ts';

test('a new table opens where the topic is, and its history is asked of who reads the partition', async () => {
  const { writers, asked } = await newTable();
  const { claims, new: added } = writers;
  assert.equal(added?.position(declaredOf()), 4_000);
  assert.deepEqual(added?.history, { from: 0, next: 0, to: 4_000 });
  assert.equal(claims?.history, undefined);
  assert.deepEqual(asked(), [`history claims-0 [0, 4000) epoch ${epoch(0)}`]);
});

test('history is committed in order beside what comes live, to its end and no further', async () => {
  const { writers, sequencer, reader, history, done, lanes } = await newTable();
  for (let at = 0, n = 0; at < 4_000; at += 500, n++) {
    assert.equal(await history(at, at + 500, n), 'staged');
    assert.equal(sequencer.segment(reader, rangeSegment(4_000 + n, 4_001 + n), 0), 'staged');
    await done();
  }
  assert.equal(await history(4_000, 4_010, 8), 'stale');
  for (const { lane } of lanes) lane.close('drain');
  await done();
  const brought = writers['new']?.log.filter((line) => line.startsWith('history')) ?? [];
  assert.deepEqual(
    [brought[0], brought.at(-1)],
    ['history claims-0 [0, 500)', 'history claims-0 [3500, 4000)'],
  );
  assert.equal(brought.length, 8);
  assert.ok(writers['new']?.log.includes('claims-0 [4000, 4008)'));
  assert.deepEqual(writers['claims']?.log, ['claims-0 [4000, 4008)']);
  assert.deepEqual(writers['new']?.history, { from: 0, next: 4_000, to: 4_000 });
});

test('one piece is under way on a stream, and all that is staged of history stays within its share', async () => {
  const { asked, history, budget, transformer, done } = await newTable();
  transformer.immediate = false;
  assert.equal(await history(0, 300, 0), 'staged');
  assert.equal(asked().length, 1, 'the piece of 500 bytes is not here yet');
  assert.equal(await history(300, 600, 0), 'staged');
  assert.equal(asked().length, 1, 'another piece would be more than the share');
  assert.equal(budget.bytes(), 600);
  for (const { finish } of transformer.waiting) finish();
  await done();
  assert.equal(budget.bytes(), 0);
  assert.equal(asked()[1], `history claims-0 [600, 4000) epoch ${epoch(1)}`);
});

test('live segments and history are transformed from where they are kept, and let go after that', async () => {
  const [read, dropped]: number[][] = [[], []];
  const keep = ({ byteLength }: Uint8Array) => {
    const stored = { byteLength, read: async () => new Uint8Array(byteLength) };
    return { stored, drop: () => void dropped?.push(byteLength) };
  };
  const parts = await newTable(undefined, undefined, { keep });
  assert.equal(parts.sequencer.segment(parts.reader, rangeSegment(4_000, 4_300), 0), 'staged');
  assert.equal(await parts.history(0, 500, 0), 'staged');
  for (const { lane } of parts.lanes) lane.close('drain');
  await parts.done();
  for (const segments of parts.transformer.reads)
    for (const { segment, stored } of segments) {
      assert.equal(segment.payload.length, 0);
      read?.push(stored?.byteLength ?? Number.NaN);
    }
  assert.deepEqual(
    [read?.sort(), dropped?.sort()],
    [
      [300, 300, 500],
      [300, 500],
    ],
  );
});

test('history holds no topic: what it stages is not of the topic’s share', async () => {
  const { history, sequencer, reader, transformer } = await newTable([
    { name: 'claims' },
    NEW,
    { name: 'orders', topic: 'orders' },
  ]);
  transformer.immediate = false;
  const held = () => reader.told.filter((told) => told.startsWith('hold'));
  assert.equal(sequencer.segment(reader, rangeSegment(4_000, 7_500), 0), 'staged');
  assert.equal(await history(0, 600, 0), 'staged');
  assert.equal(sequencer.segment(reader, rangeSegment(7_500, 7_510), 0), 'staged');
  assert.deepEqual(held(), []);
  assert.equal(sequencer.segment(reader, rangeSegment(7_510, 8_100), 0), 'staged');
  assert.deepEqual(held(), ['hold claims'], 'half of the budget is its share');
});

test('where live data press for room no history is asked for, until they do not', async () => {
  const { asked, history, sequencer, reader, transformer, writers, clock, done, lanes } = await newTable();
  transformer.immediate = false;
  assert.equal(await history(0, 600, 0), 'staged');
  assert.equal(sequencer.segment(reader, rangeSegment(4_000, 10_500), 0), 'staged');
  transformer.waiting.find(({ read }) => read[0]?.segment.startOffset === 0)?.finish();
  await settle();
  await clock.advance(0);
  assert.equal(writers['new']?.history?.next, 600);
  assert.equal(asked().length, 1, 'the budget is pressed');
  for (const { lane } of lanes) lane.close('time');
  for (const { finish } of transformer.waiting) finish();
  await done();
  assert.equal(asked().length, 2, 'and it is not any more');
});

test('whoever gave the partition up, or is gone, is not waited for: the next reader goes on', async () => {
  const { declare, sequencer, history, asked, clock, reader } = await newTable();
  const second = linkOf();
  await declare(second);
  assert.deepEqual(asked(second), [], 'one reader is enough');
  assert.equal(await history(0, 100, 0), 'staged');
  sequencer.revoke(reader, [declaredOf()]);
  await clock.advance(0);
  assert.deepEqual(asked(second), [`history claims-0 [100, 4000) epoch ${epoch(1)}`]);
  assert.equal(await history(100, 200, 0), 'stale');
  sequencer.disconnected(second);
  const third = linkOf();
  await declare(third, { readsLog: false });
  assert.deepEqual(asked(third), [], 'it only holds a spool of it');
  await declare(third);
  assert.deepEqual(asked(third), [`history claims-0 [100, 4000) epoch ${epoch(2)}`]);
});

test('what Kafka has lost is recorded in its place, behind what was staged before it', async () => {
  const { history, lose, writers, asked, done } = await newTable();
  assert.equal(await history(0, 100, 0), 'staged');
  await lose(100, 350, 0);
  assert.deepEqual(writers['new']?.log, ['history claims-0 [0, 100)', 'lost claims-0 [100, 350)']);
  assert.equal(await history(350, 850, 0), 'staged');
  await done();
  assert.equal(writers['new']?.history?.next, 850);
  assert.equal(asked()[1], `history claims-0 [850, 4000) epoch ${epoch(1)}`);
});

test('two tables whose histories differ get each what it lacks of one reading', async () => {
  const parts = sequencerOf({ tables: [NEW, { name: 'other', backfill: 'earliest' }], bytesMax: BYTES_MAX });
  const { new: one, other } = parts.writers;
  assert.ok(one && other);
  one.place(declaredOf(), 400);
  one.history = { from: 0, next: 100, to: 400 };
  other.place(declaredOf(), 400);
  other.history = { from: 0, next: 250, to: 300 };
  const link = linkOf();
  await parts.sequencer.declare(link, [declaredOf()]);
  await parts.clock.advance(0);
  assert.deepEqual(
    link.told.filter((told) => told.startsWith('history')),
    [`history claims-0 [100, 400) epoch ${epoch(0)}`],
  );
  assert.equal(parts.sequencer.segment(link, rangeSegment(90, 400), epoch(0)), 'staged');
  await parts.clock.advance(0);
  await rest(parts);
  assert.deepEqual([one.log, other.log], [['history claims-0 [100, 400)'], ['history claims-0 [250, 300)']]);
});

test('what another collector has brought meanwhile is given up, and asked for from where that one is', async () => {
  const { history, writers, asked, done } = await newTable();
  const { new: added } = writers;
  assert.ok(added);
  added.before = async () => {
    added.history = { from: 0, next: 50, to: 4_000 };
    added.before = () => Promise.resolve();
  };
  assert.equal(await history(0, 500, 0), 'staged');
  await done();
  assert.deepEqual(added.log, []);
  assert.equal(asked().at(-1), `history claims-0 [50, 4000) epoch ${epoch(asked().length - 1)}`);
});

test('what was cut off a log is waited for by nobody: another partition’s history is asked for', async () => {
  const { declare, asked, writers, sequencer, reader, clock } = await newTable();
  const { new: added } = writers;
  assert.ok(added);
  const backfill = added.backfill.bind(added);
  added.backfill = (id) => (id.partition === 1 ? { from: 0, next: 0, to: 50 } : backfill(id));
  await declare(reader, { partition: 1 });
  assert.equal(asked().length, 1, 'a stream has one piece under way');
  added.history = { from: 0, next: 0, to: 0 };
  const cut = { ...declaredOf(), offset: 0, leaderEpoch: 0, reason: 'less than before' };
  sequencer.truncated(reader, cut);
  await settle();
  await clock.advance(0);
  assert.equal(asked().at(-1), `history claims-1 [0, 50) epoch ${epoch(1)}`);
});

test('history is not asked of who gave the partition up while it was opened', async () => {
  const parts = sequencerOf({ tables: [{ name: 'claims' }, NEW], bytesMax: BYTES_MAX });
  const { claims, new: added } = parts.writers;
  assert.ok(claims && added);
  claims.place(declaredOf(), 4_000);
  const { open } = added;
  const gate = Promise.withResolvers<void>();
  added.open = (partitions) => gate.promise.then(() => open(partitions));
  const [first, second] = [linkOf(), linkOf()];
  const declaring = parts.sequencer.declare(first, [declaredOf()]);
  parts.sequencer.revoke(first, [declaredOf()]);
  gate.resolve();
  await declaring;
  await parts.clock.advance(0);
  await parts.sequencer.declare(second, [declaredOf()]);
  await parts.clock.advance(0);
  const asked = [first, second].map(({ told }) => told.filter((told) => told.startsWith('history')));
  assert.deepEqual(asked, [[], [`history claims-0 [0, 4000) epoch ${epoch(0)}`]]);
});

test('a held topic is not asked for history, and is again when it flows', async () => {
  const { asked, history, lanes, writers, sequencer, reader, done, clock } = await newTable();
  assert.equal(await history(0, 100, 0), 'staged');
  const { claims } = writers;
  assert.ok(claims);
  const { promise, resolve } = Promise.withResolvers<void>();
  claims.before = () => promise;
  for (let n = 0; n < 4; n++) {
    sequencer.segment(reader, rangeSegment(4_000 + n, 4_001 + n), 0);
    lanes[0]?.lane.close('time');
  }
  await clock.advance(0);
  assert.ok(reader.told.includes('hold claims'));
  assert.equal(await history(100, 200, 0), 'stale');
  resolve();
  await done();
  assert.ok(reader.told.includes('release claims'));
  assert.equal(asked().at(-1), `history claims-0 [100, 4000) epoch ${epoch(1)}`);
});

test('a table that somebody has to help lets its staged history go, so that others’ goes on', async () => {
  const { asked, history, budget, writers, clock } = await newTable([
    { name: 'claims' },
    NEW,
    { name: 'other', backfill: 'earliest' },
  ]);
  const { new: added, other } = writers;
  assert.ok(added && other);
  added.before = () => new Promise(() => {});
  assert.equal(await history(0, 500, 0), 'staged');
  await clock.advance(0);
  await settle();
  assert.equal(other.history?.next, 500);
  added.enter('parked', 'denied');
  await clock.advance(0);
  await settle();
  assert.equal(budget.bytes(), 0);
  assert.equal(asked().at(-1), `history claims-0 [500, 4000) epoch ${epoch(asked().length - 1)}`);
});

test('history under a newer epoch than what stands above it is of another log: it is not taken', async () => {
  const { sequencer, reader, writers, clock, asked } = await newTable();
  const { claims } = writers;
  assert.ok(claims);
  claims.epoch = 3;
  reader.told.length = 0;
  assert.equal(sequencer.segment(reader, rangeSegment(0, 100, { leaderEpoch: 4 }), epoch(0)), 'stale');
  assert.deepEqual(reader.told, ['welcomed claims-0 4000'], 'the agent is shown where the tables stand');
  await clock.advance(5_000);
  assert.equal(asked().at(-1), `history claims-0 [0, 4000) epoch ${epoch(1)}`, 'and asked again later');
});

test('a table whose config does not ask for history gets none, also where one was begun', async () => {
  const parts = sequencerOf({ tables: [{ name: 'claims' }], bytesMax: BYTES_MAX });
  const { claims } = parts.writers;
  assert.ok(claims);
  claims.place(declaredOf(), 400);
  claims.history = { from: 0, next: 100, to: 400 };
  const link = linkOf();
  await parts.sequencer.declare(link, [declaredOf()]);
  await parts.clock.advance(0);
  assert.deepEqual(link.told, []);
  assert.equal(parts.sequencer.segment(link, rangeSegment(100, 200), epoch(0)), 'stale');
});

test('of a topic that was created again the rest of the old history is said to be lost', async () => {
  const { declare, done, writers, clock } = await newTable();
  const again = { ...declaredOf(), topicId: 'f'.repeat(32) };
  const link = linkOf();
  await declare(link, again);
  await done();
  assert.deepEqual(writers['new']?.log, [], 'its agent cannot ask Kafka now');
  link.logs = [again];
  await clock.advance(LOOK_AGAIN_MS);
  await done();
  assert.deepEqual(writers['new']?.log, ['lost claims-0 [0, 4000)']);
});

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
