// A table of several topics has one window and one ledger over all of them: each topic has its own positions
// and is answered for itself, and what keeps the table from being written keeps all of its topics. Topics
// that come and go while it runs are opened and let go one by one. Real lanes, ledgers in memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import type { SequencedTable } from '@sluice/collector/window/sequenced-partition.ts';
import { eventually } from '../../support/eventually.ts';
import { rangeSegment } from '../../support/fake-spool.ts';
import type { WriterDouble } from '../../support/lane-doubles.ts';
import { settle } from '../../support/manual-clock.ts';
import { declaredOf, linkOf, rest, sequencerOf, type Wanted } from '../../support/sequencer-harness.ts';

const both: Wanted = { name: 'sales', topics: ['orders', 'returns'] };
const TOPICS = ['orders', 'returns'];

async function running(tables: readonly Wanted[] = [both], topics = TOPICS) {
  const parts = sequencerOf({ tables });
  const link = linkOf();
  const positions = await parts.sequencer.declare(
    link,
    topics.map((topic) => declaredOf(0, topic)),
  );
  const send = (topic: string, start: number, next: number, epoch = 0) =>
    parts.sequencer.segment(link, rangeSegment(start, next, { topic }), epoch);
  const [table] = parts.lanes as readonly SequencedTable[];
  assert.ok(table);
  const commit = async () => {
    for (const { lane } of parts.lanes) lane.close('time');
    await rest(parts);
  };
  const writer = parts.writers[tables[0]?.name ?? ''] as WriterDouble;
  return { ...parts, link, positions, send, table, writer, commit };
}

const committed = (told: readonly string[], topic: string) =>
  told.filter((word) => word.startsWith(`committed ${topic}-0`)).at(-1);

/** The table with other topics, as a config that is read again gives it. */
function reconfigured({ table, sequencer }: Awaited<ReturnType<typeof running>>, topics: readonly string[]) {
  const { lane } = table;
  const removed = lane.topics.named().filter((topic) => !topics.includes(topic));
  const { topic: _topic, ...before } = { topic: '', ...lane.table };
  const next = { ...before, topics, configVersion: 'v2' } as TableConfig;
  const configure = () => lane.configure(next);
  return sequencer.changeTopics(table, { removed, configure }, 60_000);
}

test('records of both topics are in one window, and each topic is acknowledged at its own position', async () => {
  const { send, commit, writer, link, positions } = await running();
  assert.deepEqual(
    positions.map(({ topic, received }) => [topic, received]),
    [
      ['orders', 0],
      ['returns', 0],
    ],
  );
  send('orders', 0, 10);
  send('returns', 0, 4);
  send('orders', 10, 12);
  await commit();
  assert.equal(writer.commits.length, 1);
  assert.deepEqual(writer.log, ['orders-0 [0, 12)', 'returns-0 [0, 4)']);
  assert.equal(committed(link.told, 'orders'), 'committed orders-0 12');
  assert.equal(committed(link.told, 'returns'), 'committed returns-0 4');
});

test('a hole in one topic is asked for, and the other goes on', async () => {
  const { send, commit, writer, link } = await running();
  assert.equal(send('orders', 5, 10), 'rewound');
  assert.equal(send('returns', 0, 4), 'staged');
  assert.deepEqual(
    link.told.filter((word) => word.startsWith('rewind')),
    ['rewind orders-0 0 epoch 1'],
  );
  assert.equal(send('orders', 0, 10, 1), 'staged');
  await commit();
  assert.deepEqual(writer.log.toSorted(), ['orders-0 [0, 10)', 'returns-0 [0, 4)']);
});

test('a gap in one topic is recorded while the other goes on', async () => {
  const { sequencer, send, commit, writer, link } = await running();
  send('returns', 0, 4);
  const gap = { ...declaredOf(0, 'orders'), startOffset: 0, nextOffset: 7, reason: 'retention' };
  sequencer.gap(link, gap, 0);
  assert.equal(send('returns', 4, 6), 'staged');
  assert.equal(send('orders', 7, 9), 'staged');
  await commit();
  assert.deepEqual(writer.log, [
    'returns-0 [0, 4)',
    'gap orders-0 [0, 7)',
    'returns-0 [4, 6)',
    'orders-0 [7, 9)',
  ]);
  assert.equal(committed(link.told, 'returns'), 'committed returns-0 6');
  assert.equal(committed(link.told, 'orders'), 'committed orders-0 9');
});

test('a log of one topic that is cut keeps nothing of the other', async () => {
  const { sequencer, send, commit, writer, link } = await running();
  send('orders', 0, 10);
  send('returns', 0, 4);
  const cut = { ...declaredOf(0, 'orders'), leaderEpoch: 0, offset: 6, reason: 'unclean election' };
  sequencer.truncated(link, cut);
  assert.equal(send('returns', 4, 6), 'staged');
  await eventually('the cut is recorded', () => writer.cuts.length === 1);
  await commit();
  assert.ok(writer.log.includes('fork orders-0 6 epoch 1'), writer.log.join());
  assert.equal(committed(link.told, 'returns'), 'committed returns-0 6');
});

test('a table that takes no more holds all of its topics, and none of another table’s', async () => {
  const beside: Wanted = { name: 'claims', topic: 'claims' };
  const parts = await running([both, beside], [...TOPICS, 'claims']);
  const { send, writer, link, table } = parts;
  const gate = Promise.withResolvers<void>();
  writer.before = () => gate.promise;
  for (let i = 0; i < 4; i++) {
    send('orders', i * 10, i * 10 + 10);
    table.lane.close('time');
  }
  assert.deepEqual(
    link.told.filter((word) => word.startsWith('hold')),
    ['hold orders', 'hold returns'],
  );
  gate.resolve();
  await rest(parts);
  assert.deepEqual(
    link.told.filter((word) => word.startsWith('release')),
    ['release orders', 'release returns'],
  );
});

test('all topics of a table have one share of staging: together they cannot take their neighbours’', async () => {
  const beside: Wanted = { name: 'claims', topic: 'claims' };
  const { send, link } = await running([both, beside], [...TOPICS, 'claims']);
  send('orders', 0, 2_600);
  assert.ok(!link.told.includes('hold orders'), 'a quarter of the budget');
  send('returns', 0, 2_600);
  assert.ok(link.told.includes('hold orders') && link.told.includes('hold returns'), link.told.join());
  assert.ok(!link.told.includes('hold claims'));
});

test('a table is let go by all of its topics, or by none', async () => {
  const slow: Wanted = { ...both, whenParked: 'detach' };
  const orders: Wanted = { name: 'orders', topic: 'orders' };
  const returns: Wanted = { name: 'returns', topic: 'returns' };
  for (const [others, isLetGo] of [
    [[orders], false],
    [[orders, returns], true],
  ] as const) {
    const { writer, send, table } = await running([slow, ...others]);
    writer.before = () => new Promise(() => {});
    writer.enter('parked', 'STORE_DENIED');
    for (let i = 0; i < 5; i++) {
      send('orders', i * 10, i * 10 + 10);
      table.lane.close('time');
      await settle();
    }
    const said = `${others.length} others`;
    assert.equal(table.lane.detachedSinceMs() !== undefined, isLetGo, said);
  }
});

test('a topic that comes is opened where it is, and delays nobody until then', async () => {
  const parts = await running([
    { name: 'sales', topics: ['orders'] },
    { name: 'other', topic: 'returns' },
  ]);
  const { send, writer, link, table, lanes, commit } = parts;
  send('returns', 0, 10);
  await commit();
  const opened = Promise.withResolvers<void>();
  const { open } = writer;
  writer.open = async (partitions) => {
    await opened.promise;
    await open(partitions);
  };
  send('orders', 0, 5);
  assert.equal(await reconfigured(parts, TOPICS), undefined);
  assert.deepEqual(table.lane.status().topicsComing, ['returns']);
  assert.equal(send('returns', 10, 20), 'staged');
  lanes[1]?.lane.close('time');
  await rest({ lanes });
  assert.equal(committed(link.told, 'returns'), 'committed returns-0 20', 'it went on without it');
  opened.resolve();
  await eventually('it is taken in', () => table.lane.topics.takes('returns'));
  const { start, why } = writer.opened.at(-1) ?? assert.fail();
  assert.deepEqual([start, why], [10, 'a new table on a live topic: from its present position']);
  assert.equal(link.told.filter((word) => word.startsWith('rewind')).at(-1), 'rewind returns-0 10 epoch 1');
  send('returns', 10, 30, 1);
  send('orders', 5, 6);
  await commit();
  assert.deepEqual(
    writer.commits.map(({ table: of }) => of.configVersion),
    ['v1', 'v2'],
    'no window has two lists of topics',
  );
  assert.deepEqual(writer.log, ['orders-0 [0, 5)', 'returns-0 [10, 30)', 'orders-0 [5, 6)']);
});

test('a topic that nobody read before waits for the table, and nothing of it is acknowledged until then', async () => {
  const parts = await running([{ name: 'sales', topics: ['orders'] }], ['orders']);
  const { sequencer, writer, clock, table } = parts;
  const opened = Promise.withResolvers<void>();
  const { open } = writer;
  writer.open = async (partitions) => {
    await opened.promise;
    await open(partitions);
  };
  writer.enter('waiting', 'STORE_UNAVAILABLE');
  await reconfigured(parts, TOPICS);
  const link = linkOf();
  const declaring = sequencer.declare(link, [declaredOf(0, 'returns')]);
  await settle();
  await clock.advance(5_000);
  assert.deepEqual(await declaring, [], 'nobody says yet where it begins');
  assert.ok(!link.told.some((word) => word.startsWith('committed')), link.told.join());
  writer.enter('ready');
  opened.resolve();
  await eventually('it is welcomed', () => link.told.includes('welcomed returns-0 0'));
  assert.ok(table.lane.topics.takes('returns'));
});

test('a topic that goes takes nothing more, is refused if nobody else reads it, and what came of it is acknowledged', async () => {
  const parts = await running();
  const { send, writer, link } = parts;
  send('orders', 0, 10);
  send('returns', 0, 4);
  const gate = Promise.withResolvers<void>();
  writer.before = () => gate.promise;
  const gone = reconfigured(parts, ['orders']);
  assert.ok(link.told.includes('refused returns LINK_TOPIC_REFUSED'), link.told.join());
  assert.deepEqual(parts.table.lane.status().topicsLeaving, ['returns']);
  assert.equal(send('returns', 4, 8), 'stale');
  assert.equal(send('orders', 10, 12), 'staged', 'the other goes on');
  await settle();
  assert.notEqual(committed(link.told, 'returns'), 'committed returns-0 4');
  gate.resolve();
  assert.equal(await gone, undefined);
  assert.equal(parts.table.lane.status().topicsLeaving, undefined);
  assert.equal(committed(link.told, 'returns'), 'committed returns-0 4');
  await parts.commit();
  assert.deepEqual(writer.log, ['orders-0 [0, 10)', 'returns-0 [0, 4)', 'orders-0 [10, 12)']);
  const next = linkOf();
  assert.deepEqual(await parts.sequencer.declare(next, [declaredOf(0, 'returns')]), []);
});

test('a topic that goes and is read by another table waits for what came of it, and no longer than its grace', async () => {
  const others: Wanted = { name: 'other', topic: 'returns' };
  const parts = await running([both, others]);
  const { send, writer, link, clock, lanes } = parts;
  send('returns', 0, 4);
  writer.before = () => new Promise(() => {});
  const gone = reconfigured(parts, ['orders']);
  send('returns', 4, 8);
  lanes[1]?.lane.close('time');
  await lanes[1]?.lane.drained();
  await settle();
  assert.notEqual(committed(link.told, 'returns'), 'committed returns-0 8');
  await clock.advance(60_000);
  assert.equal(await gone, 'its windows were not written in time');
  assert.equal(committed(link.told, 'returns'), 'committed returns-0 8');
});

test('a topic that is put back goes on where its ledger stands', async () => {
  const parts = await running([both, { name: 'other', topic: 'returns' }]);
  const { send, writer, link, commit, table } = parts;
  send('returns', 0, 4);
  assert.equal(await reconfigured(parts, ['orders']), undefined);
  send('returns', 4, 20);
  await commit();
  assert.equal(committed(link.told, 'returns'), 'committed returns-0 20');
  await reconfigured(parts, TOPICS);
  await eventually('it is taken in', () => table.lane.topics.takes('returns'));
  assert.equal(link.told.filter((word) => word.startsWith('rewind')).at(-1), 'rewind returns-0 4 epoch 1');
  send('returns', 4, 20, 1);
  await commit();
  assert.deepEqual(writer.log, ['returns-0 [0, 4)', 'returns-0 [4, 20)']);
});

test('a table of one topic becomes one of several while it runs: no window is of both, and each offset is there once', async () => {
  const parts = await running([
    { name: 'sales', topic: 'orders' },
    { name: 'other', topic: 'returns' },
  ]);
  const { send, writer, table, commit, link } = parts;
  send('returns', 0, 4);
  send('orders', 0, 5);
  const { topic: _, ...before } = table.lane.table as TableConfig & { topic: string };
  const next = { ...before, topics: TOPICS, configVersion: 'v2' } as TableConfig;
  const configure = () => table.lane.configure(next);
  const changed = parts.sequencer.changeTopics(table, { removed: [], configure }, 60_000);
  assert.equal(table.lane.status().openSegments, 0, 'the open window names no topic in its rows');
  assert.equal(await changed, undefined);
  await eventually('the other topic is taken in', () => table.lane.topics.takes('returns'));
  assert.equal(link.told.filter((word) => word.startsWith('rewind orders')).length, 0);
  const { start } = writer.opened.at(-1) ?? assert.fail();
  send('orders', 5, 9);
  send('returns', start, 8, 1);
  await commit();
  assert.deepEqual(
    writer.commits.map(({ table: of, ranges }) => [of.configVersion, ranges.map(({ topic }) => topic)]),
    [
      ['v1', ['orders']],
      ['v2', ['orders', 'returns']],
    ],
  );
  assert.deepEqual(writer.log, ['orders-0 [0, 5)', 'orders-0 [5, 9)', `returns-0 [${start}, 8)`]);
});

test('a table whose topics change again and again is listened to by no more than at the first change', async () => {
  const parts = await running();
  const { table, writer } = parts;
  const listening = { lane: 0, writer: 0 };
  const { onChange } = table.lane;
  const { onStateMoved } = writer;
  table.lane.onChange = (listener) => {
    listening.lane++;
    onChange(listener);
  };
  writer.onStateMoved = (listener) => {
    listening.writer++;
    onStateMoved(listener);
  };
  for (let i = 0; i < 5; i++) {
    assert.equal(await reconfigured(parts, ['orders']), undefined);
    await reconfigured(parts, TOPICS);
  }
  assert.deepEqual(listening, { lane: 1, writer: 1 });
  writer.before = () => new Promise(() => {});
  parts.send('orders', 0, 4);
  const gone = reconfigured(parts, ['orders']);
  writer.enter('parked', 'STORE_DENIED');
  assert.equal(await gone, 'STORE_DENIED', 'and is still heard');
});

test('a table that is taken out lets go of all of its topics', async () => {
  const { sequencer, send, link, table, writer } = await running();
  send('orders', 0, 10);
  send('returns', 0, 4);
  assert.equal(await sequencer.remove(table, 60_000), undefined);
  for (const topic of TOPICS) assert.ok(link.told.includes(`refused ${topic} LINK_TOPIC_REFUSED`), topic);
  assert.deepEqual(writer.log, ['orders-0 [0, 10)', 'returns-0 [0, 4)']);
  assert.equal(committed(link.told, 'returns'), 'committed returns-0 4');
});
