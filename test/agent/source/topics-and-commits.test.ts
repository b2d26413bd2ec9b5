// Topics that come, go and come again; holds; offsets on their way to the group.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GroupCommits } from '@sluice/agent/source/group-commits.ts';
import { kafkaError } from '@sluice/agent/source/kafka-client.ts';
import type { TopicMetadata } from '@sluice/agent/source/metadata-request.ts';
import { applyLogs } from '@sluice/agent/source/partition-lookup.ts';
import { CREATED_AGAIN, PartitionTable } from '@sluice/agent/source/partition-table.ts';
import { SOURCE_TIMING } from '@sluice/agent/source/source-timing.ts';
import { TopicPoll, type TopicPollOptions } from '@sluice/agent/source/topic-poll.ts';
import { TopicRegister } from '@sluice/agent/source/topic-register.ts';
import { selects } from '@sluice/agent/topic-selections.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { manualClock } from '../../support/manual-clock.ts';

const named = (...names: string[]) => names.map((name) => ({ kind: 'name', name }) as const);

function metadata(topic: string, topicId: string, errorCode = 0): TopicMetadata {
  return { topic, topicId, errorCode, internal: false, partitions: [] };
}

test('a topic with another id was created again; the same id after an absence was not', () => {
  const register = new TopicRegister(named('a'));
  register.update([metadata('a', '1')]);
  assert.deepEqual(register.update([metadata('a', NO_TOPIC_ID, 3)]).newlyMissing, ['a']);
  assert.deepEqual(register.update([metadata('a', '1')]).createdAgain, []);
  assert.deepEqual(register.update([metadata('a', '2')]).createdAgain, [
    { topic: 'a', before: '1', now: '2' },
  ]);
  assert.ok(register.isUntold('a'));
});

test('without topic ids a topic that was missing once is another one', () => {
  const register = new TopicRegister(named('a'));
  register.update([metadata('a', NO_TOPIC_ID)]);
  register.update([metadata('a', NO_TOPIC_ID, 3)]);
  assert.equal(register.update([metadata('a', NO_TOPIC_ID)]).createdAgain.length, 1);
});

test('a topic that came is subscribed to, whoever saw it first', async () => {
  const register = new TopicRegister(named('a', 'b'));
  register.update([metadata('a', '1'), metadata('b', NO_TOPIC_ID, 3)]);
  assert.deepEqual(register.subscribe(), ['a']);
  const seen = [metadata('a', '1'), metadata('b', '2')];
  const poll = new TopicPoll({
    ...{ register, clock: manualClock(), timing: SOURCE_TIMING },
    cluster: { topics: async () => seen },
    events: { sourceTopicsChanged() {}, sourceTopicsMissing() {} },
  } as unknown as TopicPollOptions);
  register.update(seen);
  let changes = 0;
  await poll.whenDue(1, () => changes++);
  assert.equal(changes, 1);
  register.subscribe();
  assert.equal(register.mayGrow(), false);
  assert.equal(await poll.find(), false);
});

test('a pattern takes whole names and new topics, and no internal ones', () => {
  const orders = { kind: 'pattern', pattern: /orders\..*/g } as const;
  assert.ok(selects(orders, 'orders.eu'));
  assert.ok(selects(orders, 'orders.eu'), 'a global expression keeps no state');
  assert.ok(!selects(orders, 'my-orders.eu'));
  const register = new TopicRegister([orders]);
  assert.equal(register.question(), undefined);
  register.update([metadata('orders.eu', '1'), metadata('claims', '2')]);
  assert.deepEqual(register.present(), ['orders.eu']);
  assert.ok(register.update([metadata('orders.eu', '1'), metadata('orders.us', '3')]).changed);
  assert.deepEqual(register.present(), ['orders.eu', 'orders.us']);
});

test('a topic flows only when every reason to hold it is gone, across assignments', () => {
  const table = new PartitionTable();
  table.hold('a', 'spool full');
  table.hold('a', 'collector');
  table.hold('a', 'collector');
  const [row] = table.assign([{ topic: 'a', partition: 0 }], []);
  assert.ok(row);
  assert.equal(table.release('a', 'collector'), false);
  assert.deepEqual(table.paused(row), ['spool full']);
  assert.equal(table.release('a', 'spool full'), true);
  assert.deepEqual(table.paused(row), []);
});

test('a commit is repeated until Kafka confirms it, and never goes backwards', () => {
  const commits = new GroupCommits();
  const at = (nextOffset: number, partition = 0) => ({ topic: 'a', partition, nextOffset });
  const all = () => true;
  commits.want([at(10), at(20), at(15)]);
  assert.deepEqual(commits.due(all), [], 'the group was not asked yet');
  commits.read([at(0)]);
  assert.deepEqual(commits.due(all), [at(20)]);
  assert.deepEqual(commits.due(all), [at(20)], 'sent is not confirmed');
  assert.deepEqual(
    commits.due(() => false),
    [],
    'not ours',
  );
  commits.confirmed([at(20)]);
  commits.want([at(18)]);
  assert.deepEqual(commits.due(all), []);
  commits.confirmed([at(30)]);
  commits.want([at(25), at(31)]);
  assert.deepEqual(commits.due(all), [at(31)]);
  commits.want([at(40)]);
  commits.assigned();
  assert.deepEqual(commits.due(all), [], 'another agent may have committed more meanwhile');
  commits.confirmed([at(50)]);
  commits.read([at(0)]);
  assert.deepEqual(commits.due(all), [], 'the group never goes back');
  commits.forgetTopic('a');
  commits.want([at(3)]);
  assert.deepEqual(commits.due(all), [at(3)], 'a topic created again begins again');
});

test('what others have committed of a topic that was created again counts; what is left of the one before does not', () => {
  const table = new PartitionTable();
  const partitions = [0, 1].map((partition) => ({ topic: 'a', partition }));
  const rows = table.assign(partitions, []);
  for (const row of rows) row.waits.add(CREATED_AGAIN);
  const logs = partitions.map((slot) => ({ ...slot, logStart: 0, logEnd: 50 }));
  const group = [30, 51].map((groupOffset, partition) => ({ topic: 'a', partition, groupOffset }));
  const { groupOffsets } = applyLogs(table, logs, group);
  assert.deepEqual(
    groupOffsets.map(({ partition, nextOffset }) => [partition, nextOffset]),
    [[0, 30]],
  );
  assert.deepEqual(
    rows.map(({ groupOffset }) => groupOffset),
    [undefined, undefined],
    'nobody begins there: it may be of the one before',
  );
});

test('a reason that holds every topic holds those that come while it lasts, and lets go of all', () => {
  const table = new PartitionTable();
  const assign = (...topics: string[]) =>
    table.assign(
      topics.map((topic) => ({ topic, partition: 0 })),
      [],
    );
  const paused = () => table.status().map((row) => row.paused);
  assert.equal(table.holdAll('full'), true, 'before anything is assigned');
  assign('a');
  assert.deepEqual(paused(), [['full']]);
  table.hold('a', 'share');
  table.holdAll('slow');
  assign('a', 'b');
  assert.deepEqual(paused(), [
    ['share', 'full', 'slow'],
    ['full', 'slow'],
  ]);
  assign('b');
  assert.equal(table.releaseAll('slow'), false);
  assert.equal(table.releaseAll('full'), true);
  assert.equal(table.releaseAll('full'), false);
  assign('a', 'b');
  assert.deepEqual(paused(), [['share'], []], 'what was revoked meanwhile is released as well');
});

test('a bounded read starts and ends with its range, and what is not named is not read', () => {
  const table = new PartitionTable();
  const only = [{ partition: 0, from: 100, to: 200 }];
  const rows = table.assign(
    [0, 1].map((partition) => ({ topic: 'a', partition })),
    [{ kind: 'name', name: 'a', only }],
  );
  for (const row of rows) Object.assign(row, { logStart: 40, logEnd: 1_000, position: 199 });
  assert.deepEqual(
    table.status().map(({ logStart, logEnd, paused }) => ({ logStart, logEnd, paused })),
    [
      { logStart: 100, logEnd: 200, paused: [] },
      { logStart: 40, logEnd: 40, paused: ['its range has been read'] },
    ],
  );
  Object.assign(rows[0] ?? {}, { position: 230, logStart: 150 });
  const [bounded] = table.status();
  assert.deepEqual(
    bounded?.paused,
    ['its range has been read'],
    'a batch that holds the end was read to its end',
  );
  assert.equal(bounded?.logStart, 150, 'retention was faster');
});

test('errors of Kafka say what is missing: a permission is no password, and the broker is named', () => {
  const denied = Object.assign(new Error('Not authorized to access group'), {
    name: 'KafkaJSProtocolError',
    type: 'GROUP_AUTHORIZATION_FAILED',
  });
  assert.equal(kafkaError(denied).code, 'KAFKA_AUTHORIZATION');
  const wrong = Object.assign(new Error('SASL SCRAM failed'), { name: 'KafkaJSSASLAuthenticationError' });
  assert.equal(kafkaError(wrong).code, 'KAFKA_AUTHENTICATION');
  const refused = Object.assign(new Error('Connection error: connect ECONNREFUSED'), {
    broker: 'kafka-7:9093',
  });
  const unreachable = kafkaError(Object.assign(new Error(refused.message), { cause: refused }));
  assert.deepEqual([unreachable.code, unreachable.place], ['KAFKA_UNREACHABLE', 'kafka-7:9093']);
});
