// A table that somebody has to help, and that was told to step aside, stops nobody: its topic goes on without
// it, and it comes back to where its own ledger is. Real lanes, ledgers in memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WINDOWS_IN_FLIGHT_MAX } from '@sluice/collector/window/table-lane.ts';
import { eventually } from '../../support/eventually.ts';
import { rangeSegment } from '../../support/fake-spool.ts';
import type { WriterDouble } from '../../support/lane-doubles.ts';
import { settle } from '../../support/manual-clock.ts';
import {
  declared,
  declaredOf,
  linkOf,
  rest,
  sequencerOf,
  type Wanted,
} from '../../support/sequencer-harness.ts';

const yielding: Wanted = { name: 'slow', whenParked: 'detach' };
const pair: readonly Wanted[] = [{ name: 'fast' }, yielding];

/** `slow` cannot be written from its first window on, until `help`. */
async function stuckPair(tables = pair) {
  const parts = await declared(sequencerOf({ tables, windowBytes: 10 }));
  const writer = parts.writers['slow'] as WriterDouble;
  const gate = Promise.withResolvers<void>();
  writer.before = () => gate.promise;
  writer.enter('parked', 'STORE_DENIED');
  const lane = parts.lanes.find(({ lane }) => lane.table.name === 'slow')?.lane ?? assert.fail();
  const help = async () => {
    writer.before = () => Promise.resolve();
    gate.resolve();
    writer.enter('ready');
    await eventually('what was on its way is over', () => lane.status().windowsInFlight === 0);
  };
  /** Sends windows of ten records, from the first. */
  const sendWindows = async (from: number, to: number, epoch = 0) => {
    for (let i = from; i < to; i++) {
      parts.send(i * 10, i * 10 + 10, epoch);
      await settle();
    }
  };
  return { ...parts, writer, lane, help, sendWindows };
}

test('a parked table that may be detached is let go when its topic would be held, and the others are acknowledged', async () => {
  const { sendWindows, link, lane, lanes, writers, writer, budget } = await stuckPair();
  const fast = lanes[0]?.lane;
  assert.ok(fast);
  // One after the other: with several windows under way the fast one would hold the topic itself.
  const sendInTurn = async (from: number, to: number) => {
    for (let i = from; i < to; i++) {
      await sendWindows(i, i + 1);
      await eventually('it has committed that window', () => fast.status().windowsInFlight === 0);
    }
  };
  await sendInTurn(0, WINDOWS_IN_FLIGHT_MAX - 1);
  assert.equal(lane.detachedSinceMs(), undefined, 'while it is in nobody’s way its data stay with the agent');
  await sendInTurn(WINDOWS_IN_FLIGHT_MAX - 1, 6);
  assert.notEqual(lane.detachedSinceMs(), undefined);
  await fast.drained();
  assert.equal(writers['fast']?.position(declaredOf()), 60);
  assert.equal(writer.position(declaredOf()), 0, 'it stays where it is in its own ledger');
  assert.equal(link.told.at(-1), 'committed claims-0 60');
  assert.ok(!link.told.includes('hold claims'), link.told.join());
  assert.equal(budget.bytes(), 0, 'what was staged for it is let go');
});

test('beside a detached table the others hold the topic for themselves alone: the one that has too much under way is named', async () => {
  const { sendWindows, link, lane, lanes, writers } = await stuckPair();
  const reasons: string[] = [];
  const { hold } = link;
  Object.assign(link, {
    hold: (topic: string, reason: string) => {
      hold(topic, reason);
      reasons.push(reason);
    },
  });
  const gate = Promise.withResolvers<void>();
  const { fast } = writers;
  assert.ok(fast);
  fast.before = () => gate.promise;
  await sendWindows(0, WINDOWS_IN_FLIGHT_MAX);
  assert.notEqual(lane.detachedSinceMs(), undefined);
  assert.deepEqual(reasons, [`${WINDOWS_IN_FLIGHT_MAX} windows of table fast wait: they are written`]);
  gate.resolve();
  await lanes[0]?.lane.drained();
  assert.equal(link.told.filter((line) => /^(hold|release) claims/.test(line)).at(-1), 'release claims');
});

test('a table that is taken back is sent what it lacks from its own position, and nobody gets anything twice', async () => {
  const { sendWindows, help, link, lane, lanes, writers, writer } = await stuckPair();
  await sendWindows(0, 6);
  await lanes[0]?.lane.drained();
  await help();
  await eventually('it is taken back', () => lane.detachedSinceMs() === undefined);
  // The window that was being written when it was let go is committed after all.
  assert.equal(writer.position(declaredOf()), 10);
  assert.equal(link.told.filter((word) => word.startsWith('rewind')).at(-1), 'rewind claims-0 10 epoch 1');
  await sendWindows(1, 8, 1);
  await rest({ lanes });
  assert.deepEqual(
    writer.log,
    Array.from({ length: 8 }, (_, i) => `claims-0 [${i * 10}, ${i * 10 + 10})`),
  );
  assert.deepEqual(writers['fast']?.log, writer.log);
  assert.equal(link.told.at(-1), 'committed claims-0 80');
});

test('while it catches up nothing is acknowledged beyond it', async () => {
  const { sendWindows, help, link, lane, lanes } = await stuckPair();
  await sendWindows(0, 6);
  await lanes[0]?.lane.drained();
  await help();
  await eventually('it is taken back', () => lane.detachedSinceMs() === undefined);
  await sendWindows(1, 3, 1);
  await rest({ lanes });
  assert.equal(link.told.at(-1), 'committed claims-0 30');
});

test('what Kafka lost meanwhile is a gap of that table alone', async () => {
  const { sendWindows, help, link, lane, lanes, writers, writer, sequencer } = await stuckPair();
  await sendWindows(0, 6);
  await lanes[0]?.lane.drained();
  await help();
  await eventually('it is taken back', () => lane.detachedSinceMs() === undefined);
  sequencer.gap(link, { ...declaredOf(), startOffset: 10, nextOffset: 40, reason: 'retention' }, 1);
  await sendWindows(4, 7, 1);
  await rest({ lanes });
  assert.deepEqual(writer.log.slice(0, 3), [
    'claims-0 [0, 10)',
    'gap claims-0 [10, 40)',
    'claims-0 [40, 50)',
  ]);
  assert.ok(writers['fast']?.log.every((line) => !line.startsWith('gap')));
});

test('a table that holds, holds; and the last one that takes anything is never let go', async () => {
  for (const tables of [
    [{ name: 'fast', whenParked: 'detach' }, { name: 'slow' }],
    [yielding, { name: 'other', topic: 'orders' }],
  ] satisfies Wanted[][]) {
    const { sendWindows, lane, link } = await stuckPair(tables);
    await sendWindows(0, 6);
    assert.equal(lane.detachedSinceMs(), undefined);
    assert.ok(link.told.includes('hold claims'), link.told.join());
  }
});

test('where both tables may be detached and none can be written, one holds the topic until either comes back', async () => {
  const { sendWindows, lane, lanes, link, writers, help } = await stuckPair([
    { name: 'fast', whenParked: 'detach' },
    yielding,
  ]);
  await sendWindows(0, 5);
  assert.notEqual(lane.detachedSinceMs(), undefined);
  const fast = writers['fast'] as WriterDouble;
  fast.before = () => new Promise(() => {});
  fast.enter('parked', 'STORE_DENIED');
  await sendWindows(5, 10);
  assert.equal(link.told.at(-1), 'hold claims');
  await help();
  await eventually('the other is let go instead', () => lanes[0]?.lane.detachedSinceMs() !== undefined);
  assert.equal(lane.detachedSinceMs(), undefined);
  assert.equal(link.told.filter((word) => /hold|release/.test(word)).at(-1), 'release claims');
});

test('a table whose ledger cannot be read keeps no stream of its topic waiting, and opens what it lacks before it comes back', async () => {
  const parts = sequencerOf({ tables: pair });
  const writer = parts.writers['slow'] as WriterDouble;
  const { open } = writer;
  const gate = Promise.withResolvers<void>();
  writer.open = async (partitions) => {
    await gate.promise;
    await open(partitions);
  };
  writer.enter('parked', 'CATALOG_DENIED');
  const link = linkOf();
  const declaring = parts.sequencer.declare(link, [declaredOf()]);
  await eventually('the other table is open', () => parts.writers['fast']?.opened.length === 1);
  await parts.clock.advance(5_000);
  assert.deepEqual(
    (await declaring).map(({ received }) => received),
    [0],
  );
  const lane = parts.lanes[1]?.lane ?? assert.fail();
  assert.notEqual(lane.detachedSinceMs(), undefined);
  writer.enter('ready');
  assert.notEqual(lane.detachedSinceMs(), undefined, 'it has not opened the partition');
  gate.resolve();
  await eventually('it is taken back', () => lane.detachedSinceMs() === undefined);
  assert.deepEqual(
    writer.opened.map(({ start }) => start),
    [0],
  );
});

test('a stream that is far behind the tables that go on is sent to where they are', async () => {
  const parts = sequencerOf({ tables: pair, windowBytes: 10 });
  parts.writers['fast']?.place(declaredOf(), 500);
  parts.writers['slow']?.place(declaredOf(), 0);
  const { send, link, lanes } = await declared(parts);
  const writer = parts.writers['slow'] as WriterDouble;
  writer.before = () => new Promise(() => {});
  writer.enter('parked', 'STORE_DENIED');
  for (let i = 0; i < WINDOWS_IN_FLIGHT_MAX; i++) send(i * 10, i * 10 + 10);
  assert.notEqual(lanes[1]?.lane.detachedSinceMs(), undefined);
  assert.ok(link.told.includes('rewind claims-0 500 epoch 1'), link.told.join());
  assert.equal(link.told.at(-1), 'committed claims-0 500');
});

test('a table that could not be read while its topic went on begins where it would have begun', async () => {
  const parts = sequencerOf({ tables: pair, windowBytes: 10 });
  const writer = parts.writers['slow'] as WriterDouble;
  const gate = Promise.withResolvers<void>();
  writer.refresh = () => gate.promise;
  writer.enter('parked', 'CATALOG_INCOMPATIBLE');
  const link = linkOf();
  const declaring = parts.sequencer.declare(link, [declaredOf()]);
  await eventually('the other table is open', () => parts.writers['fast']?.opened.length === 1);
  await parts.clock.advance(5_000);
  await declaring;
  parts.sequencer.segment(link, rangeSegment(0, 500), 0);
  await parts.lanes[0]?.lane.drained();
  assert.equal(link.told.at(-1), 'committed claims-0 500');
  writer.enter('ready');
  gate.resolve();
  await eventually('it is taken back', () => parts.lanes[1]?.lane.detachedSinceMs() === undefined);
  assert.deepEqual(
    writer.opened.map(({ start }) => start),
    [0],
  );
  assert.ok(link.told.includes('rewind claims-0 0 epoch 1'), link.told.join());
});

test('a new table on a live topic opens where the others are acknowledged, unless its startAt says otherwise', async () => {
  const parts = sequencerOf({
    tables: [{ name: 'fast' }, { name: 'new' }, { name: 'all', startAt: 'earliest' }],
  });
  parts.writers['fast']?.place(declaredOf(), 400);
  const { position } = await declared(parts);
  assert.deepEqual(
    ['new', 'all'].map((name) => parts.writers[name]?.opened.map(({ start }) => start)),
    [[400], [0]],
  );
  assert.deepEqual([position?.committed, position?.received], [0, 0], 'its history is asked for again');
});

test('a topic whose table cannot say where it begins is held by name, until it can', async () => {
  const parts = sequencerOf({ tables: [{ name: 'claims' }, { name: 'orders', topic: 'orders' }] });
  const writer = parts.writers['claims'] as WriterDouble;
  const { open } = writer;
  const gate = Promise.withResolvers<void>();
  writer.open = async (partitions) => {
    await gate.promise;
    await open(partitions);
  };
  writer.enter('parked', 'CATALOG_DENIED');
  const link = linkOf();
  const declaring = parts.sequencer.declare(link, [declaredOf(), declaredOf(0, 'orders')]);
  await eventually('the neighbour is open', () => parts.writers['orders']?.opened.length === 1);
  await parts.clock.advance(5_000);
  assert.deepEqual(
    (await declaring).map(({ topic }) => topic),
    ['orders'],
  );
  assert.deepEqual(link.told, ['hold claims']);
  writer.enter('ready');
  gate.resolve();
  await eventually('it is welcomed', () => link.told.includes('welcomed claims-0 0'));
  assert.ok(link.told.includes('release claims'));
});

test('a gap behind what was given up is not recorded, and does not halt the table', async () => {
  const { sendWindows, help, link, lane, lanes, writer, sequencer, send } = await stuckPair();
  await sendWindows(0, WINDOWS_IN_FLIGHT_MAX - 1);
  sequencer.gap(link, { ...declaredOf(), startOffset: 30, nextOffset: 50, reason: 'retention' }, 0);
  send(50, 60);
  await lanes[0]?.lane.drained();
  assert.notEqual(lane.detachedSinceMs(), undefined);
  await help();
  await eventually('it is taken back', () => lane.detachedSinceMs() === undefined);
  assert.deepEqual(writer.log, ['claims-0 [0, 10)']);
  assert.equal(lane.blocked(), undefined);
});

test('a table that is let go while an item is handed round asks nobody for anything again', async () => {
  const { send, link, lane } = await stuckPair();
  for (let i = 0; i < 6; i++) send(i * 10, i * 10 + 10);
  assert.notEqual(lane.detachedSinceMs(), undefined);
  assert.deepEqual(
    link.told.filter((word) => word.startsWith('rewind')),
    [],
  );
});

test('a position counts as current only once the ledgers were read for it, and is told again then', async () => {
  const parts = sequencerOf();
  const writer = parts.writers['claims'] as WriterDouble;
  writer.place(declaredOf(), 10);
  const gate = Promise.withResolvers<void>();
  writer.refresh = () => gate.promise;
  const link = linkOf();
  const declaring = parts.sequencer.declare(link, [declaredOf()]);
  await parts.clock.advance(5_000);
  assert.deepEqual(
    (await declaring).map(({ received, current }) => [received, current]),
    [[10, false]],
  );
  gate.resolve();
  await eventually('it is told again', () => link.told.length === 1);
  assert.deepEqual(link.told, ['welcomed claims-0 10']);
  const [again] = await parts.sequencer.declare(linkOf(), [declaredOf()]);
  assert.equal(again?.current, true);
});
