// History of a table of several topics: each topic has its own, whether the table came with it, or the topic
// came to the table; and what comes and goes meanwhile neither forgets it nor gives it up.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Backfill, TableConfig } from '@sluice/collector/contracts.ts';
import { HISTORY_EPOCH_MIN } from '@sluice/collector/window/backfills.ts';
import { LOOK_AGAIN_MS } from '@sluice/collector/window/ended-history.ts';
import type { PartitionId } from '@sluice/shared/position.ts';
import { eventually } from '../../support/eventually.ts';
import { rangeSegment } from '../../support/fake-spool.ts';
import type { WriterDouble } from '../../support/lane-doubles.ts';
import { settle } from '../../support/manual-clock.ts';
import {
  declaredOf,
  type LinkDouble,
  linkOf,
  sequencerOf,
  type Wanted,
} from '../../support/sequencer-harness.ts';

const TOPICS = ['orders', 'returns'];
const EACH: readonly Wanted[] = TOPICS.map((topic) => ({ name: topic, topic }));
/** Where the other tables of each topic stand. */
const STANDS = { orders: 400, returns: 30 };
const OTHER_ID = 'f'.repeat(32);

/** A ledger that keeps the history of each partition of a topic for itself. */
function withHistories(writer: WriterDouble) {
  const histories = new Map<string, Backfill>();
  const nameOf = ({ topic, topicId }: PartitionId) => (topicId === OTHER_ID ? `${topic} again` : topic);
  writer.backfill = (id) => histories.get(nameOf(id));
  writer.beginBackfill = async (wanted) => {
    for (const { from, ...id } of wanted) {
      const to = writer.position(id) ?? 0;
      if (from < to && !histories.has(nameOf(id))) histories.set(nameOf(id), { from, next: from, to });
    }
  };
  writer.loseHistory = async ({ next, start: _, ...id }) => {
    const known = histories.get(nameOf(id));
    if (known !== undefined) histories.set(nameOf(id), { ...known, next });
  };
  const { fillWindow } = writer;
  writer.fillWindow = async (window) => {
    for (const range of window.ranges) writer.history = histories.get(nameOf(range));
    await fillWindow(window);
    for (const { next, ...id } of window.ranges) {
      const known = histories.get(nameOf(id));
      if (known !== undefined) histories.set(nameOf(id), { ...known, next });
    }
  };
  return histories;
}

async function running(topics: readonly string[]) {
  const sales: Wanted = { name: 'sales', topics, backfill: 'earliest' };
  const parts = sequencerOf({ tables: [...EACH, sales] });
  const { sequencer, writers, lanes, clock } = parts;
  for (const [topic, next] of Object.entries(STANDS)) writers[topic]?.place(declaredOf(0, topic), next);
  const writer = writers['sales'] ?? assert.fail();
  const histories = withHistories(writer);
  const table = lanes.at(-1) ?? assert.fail();
  const link = linkOf();
  const declare = async (stream: LinkDouble = link, change: object = {}, of: readonly string[] = TOPICS) => {
    const positions = await sequencer.declare(
      stream,
      of.map((topic) => ({ ...declaredOf(0, topic), ...change })),
    );
    await clock.advance(0);
    return positions;
  };
  const reconfigure = (...next: string[]) => {
    const { lane } = table;
    const removed = lane.topics.named().filter((topic) => !next.includes(topic));
    const config = { ...lane.table, topics: next, configVersion: next.join() } as TableConfig;
    return sequencer.changeTopics(table, { removed, configure: () => lane.configure(config) }, 60_000);
  };
  return { ...parts, table, writer, histories, link, declare, reconfigure };
}

const asked = ({ told }: LinkDouble) => told.filter((word) => word.startsWith('history'));
const whole = (topic: keyof typeof STANDS) => ({ from: 0, next: 0, to: STANDS[topic] });

test('a table of several topics reads the history of each, to where it opened it and no further', async () => {
  const { sequencer, declare, histories, link, clock, table } = await running(TOPICS);
  await declare();
  assert.deepEqual(Object.fromEntries(histories), { orders: whole('orders'), returns: whole('returns') });
  for (const topic of TOPICS) {
    const [, epoch] = /^history .* epoch (\d+)$/.exec(asked(link).at(-1) ?? '') ?? [];
    const to = STANDS[topic as keyof typeof STANDS];
    assert.match(asked(link).at(-1) ?? '', new RegExp(`^history ${topic}-0 \\[0, ${to}\\)`));
    const segment = rangeSegment(0, to, { topic });
    assert.equal(sequencer.segment(link, segment, Number(epoch)), 'staged', topic);
    await clock.advance(0);
    table.lane.history.fills.close();
    await table.lane.drained();
    await clock.advance(0);
  }
  assert.deepEqual(
    [...histories.values()].map(({ next, to }) => to - next),
    [0, 0],
  );
  assert.equal(asked(link).length, 2, 'and nothing more');
});

test('a topic that comes brings its history, and the one that was there keeps its own', async () => {
  const { declare, histories, reconfigure, writer, table, link, clock } = await running(['orders']);
  await declare();
  assert.deepEqual([...histories.keys()], ['orders']);
  await reconfigure(...TOPICS);
  await eventually('it is taken in', () => table.lane.topics.takes('returns'));
  await clock.advance(0);
  assert.equal(writer.opened.at(-1)?.start, STANDS.returns);
  assert.deepEqual(Object.fromEntries(histories), { orders: whole('orders'), returns: whole('returns') });
  assert.equal(asked(link).length, 1, 'one after the other on a stream');
});

test('a topic that goes before its history was begun has it when it is put back', async () => {
  const { declare, histories, reconfigure, writer, table, clock } = await running(['orders']);
  await declare();
  const opened = Promise.withResolvers<void>();
  const { open } = writer;
  writer.open = (partitions) => opened.promise.then(() => open(partitions));
  await reconfigure(...TOPICS);
  const gone = reconfigure('orders');
  opened.resolve();
  await gone;
  await settle();
  assert.equal(writer.position(declaredOf(0, 'returns')), STANDS.returns, 'it is opened');
  assert.ok(!histories.has('returns'), 'and nobody wants its history');
  await reconfigure(...TOPICS);
  await eventually('it is taken in', () => table.lane.topics.takes('returns'));
  await clock.advance(0);
  assert.deepEqual(histories.get('returns'), whole('returns'));
});

test('history of a topic that came is begun also where the last to declare it only holds a spool', async () => {
  const { declare, histories, reconfigure, table, clock } = await running(['orders']);
  await declare();
  await declare(linkOf(), { readsLog: false, logStart: 20 });
  await reconfigure(...TOPICS);
  await eventually('it is taken in', () => table.lane.topics.takes('returns'));
  await clock.advance(0);
  assert.deepEqual(histories.get('returns'), whole('returns'), 'from where its reader says');
});

test('what is declared first and answered last takes the history from nobody', async () => {
  const { sequencer, clock, writers, link } = await running(['orders']);
  const { returns } = writers;
  assert.ok(returns);
  const gate = Promise.withResolvers<void>();
  returns.refresh = () => gate.promise;
  const [orders, other] = TOPICS.map((topic) => declaredOf(0, topic));
  assert.ok(orders && other);
  const hello = sequencer.declare(link, [{ ...orders, readsLog: false }, other]);
  await sequencer.declare(link, [orders]);
  gate.resolve();
  await hello;
  await clock.advance(0);
  assert.deepEqual(asked(link), [`history orders-0 [0, 400) epoch ${HISTORY_EPOCH_MIN}`]);
});

test('of a topic that was created again the old history is not begun for who only holds a spool of it', async () => {
  const { sequencer, declare, histories, writers, reconfigure, table, link, clock } = await running([
    'orders',
  ]);
  const [old, now] = ['0'.repeat(32), OTHER_ID].map((topicId) => ({ ...declaredOf(0, 'returns'), topicId }));
  assert.ok(old && now);
  await declare();
  writers['returns']?.place(now, 50);
  await sequencer.declare(linkOf(), [{ ...old, readsLog: false }]);
  sequencer.revoke(link, [old]);
  await sequencer.declare(link, [now]);
  await reconfigure(...TOPICS);
  await eventually('it is taken in', () => table.lane.topics.takes('returns'));
  await clock.advance(0);
  assert.deepEqual([...histories.keys()], ['orders', 'returns again']);
});

test('who has not heard yet that a topic was created again ends the history of the old one alone', async () => {
  const { declare, histories, writers } = await running(['orders']);
  await declare(undefined, {}, ['orders']);
  writers['orders']?.place({ ...declaredOf(0, 'orders'), topicId: OTHER_ID }, 50);
  const again = { from: 0, next: 0, to: 50 };
  const sales = writers['sales'] ?? assert.fail();
  sales.place({ ...declaredOf(0, 'orders'), topicId: OTHER_ID }, 50);
  histories.set('orders again', again);
  await declare(linkOf(), {}, ['orders']);
  await settle();
  assert.deepEqual(histories.get('orders again'), again, 'it is not lost');
  const reader = linkOf();
  reader.logs = [{ ...declaredOf(0, 'orders'), topicId: OTHER_ID }];
  await declare(reader, { topicId: OTHER_ID }, ['orders']);
  await settle();
  assert.equal(histories.get('orders')?.next, STANDS.orders, 'that of the old one is');
});

test('who has not heard of a topic’s new self ends no history of it, also where the table has opened that first', async () => {
  const { writers, writer, histories, declare } = await running(['orders']);
  const again = { ...declaredOf(0, 'orders'), topicId: OTHER_ID };
  writers['orders']?.place(again, 50);
  writer.place(again, 50);
  histories.set('orders again', { from: 0, next: 0, to: 50 });
  const late = linkOf();
  // By a broker that has not heard either.
  late.logs = [declaredOf(0, 'orders')];
  await declare(late, {}, ['orders']);
  await settle();
  assert.deepEqual(
    writer
      .partitions()
      .map(({ topicId }) => topicId)
      .at(-1),
    declaredOf(0, 'orders').topicId,
  );
  assert.equal(histories.get('orders again')?.next, 0);
});

test('a table that is alone with its topic, and has opened the new self first, keeps the history of that', async () => {
  const sales: Wanted = { name: 'sales', topic: 'orders', backfill: 'earliest' };
  const { sequencer, writers, clock } = sequencerOf({ tables: [sales] });
  const writer = writers['sales'] ?? assert.fail();
  const histories = withHistories(writer);
  const old = declaredOf(0, 'orders');
  const again = { ...old, topicId: OTHER_ID };
  writer.place(again, 50);
  histories.set('orders again', { from: 0, next: 0, to: 50 });
  const late = linkOf();
  await sequencer.declare(late, [old]);
  for (const logs of [undefined, [again]]) {
    late.logs = logs;
    await clock.advance(LOOK_AGAIN_MS);
    await settle();
    assert.equal(histories.get('orders again')?.next, 0, 'Kafka does not say that it has the old one');
  }
  assert.deepEqual(
    writer.partitions().map(({ topicId }) => topicId),
    [OTHER_ID, old.topicId],
  );
});

test('history is ended by no stream that gave the new topic up while its agent asked Kafka', async () => {
  const { declare, histories, writers, writer, sequencer } = await running(['orders']);
  await declare(undefined, {}, ['orders']);
  const again = { ...declaredOf(0, 'orders'), topicId: OTHER_ID };
  writers['orders']?.place(again, 50);
  writer.place(again, 50);
  const [reader, answer] = [linkOf(), Promise.withResolvers<void>()];
  reader.look = () => answer.promise.then(() => [again]);
  await declare(reader, { topicId: OTHER_ID }, ['orders']);
  sequencer.revoke(reader, [again]);
  answer.resolve();
  await settle();
  assert.equal(histories.get('orders')?.next, 0);
});
