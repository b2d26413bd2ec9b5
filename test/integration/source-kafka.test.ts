// The source on a real broker: what it hands over is what Java's read_committed consumer sees, and nothing is
// skipped, repeated or reset, whatever happens to the log, the group or the broker.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { SourceBatch } from '@sluice/agent/contracts.ts';
import { createKafkaClient } from '@sluice/deploy/local/kafka-client.ts';
import { decodeRecords } from '@sluice/shared/records.ts';
import { type Admin, type Kafka, Partitioners, type Producer } from 'kafkajs';
import { eventually } from '../support/eventually.ts';
import {
  assertHoles,
  createCompacted,
  createMixture,
  digest,
  readByJava,
  recordLine,
} from './log-fixture.ts';
import {
  type Positions,
  type RecordingSource,
  startRecording,
  startTestBroker,
  type TestBroker,
} from './source-fixture.ts';

let broker: TestBroker;
let admin: Admin;
let producer: Producer;
let kafka: Kafka;
const running = new Set<RecordingSource>();

before(async () => {
  broker = await startTestBroker();
  kafka = createKafkaClient({ brokers: [broker.address], retry: { retries: 30, maxRetryTime: 2_000 } });
  admin = kafka.admin();
  producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await Promise.all([admin.connect(), producer.connect()]);
});

after(async () => {
  await Promise.all([...running].map(({ source }) => source.stop()));
  await Promise.all([admin.disconnect(), producer.disconnect()]);
  await broker.stop();
});

async function record(topic: string, options: Partial<Parameters<typeof startRecording>[0]> = {}) {
  const topics = [{ kind: 'name', name: topic } as const];
  const recording = await startRecording({
    address: broker.address,
    group: `g-${topic}`,
    topics,
    ...options,
  });
  running.add(recording);
  return recording;
}

async function stop(recording: RecordingSource) {
  running.delete(recording);
  await recording.source.stop();
}

async function send(topic: string, partition: number, values: readonly string[]) {
  await producer.send({ topic, messages: values.map((value) => ({ value, partition })) });
}

const end = (recording: RecordingSource, partition: number) =>
  recording.source.status().partitions.find((one) => one.partition === partition)?.position;

/** The records of data batches, as `readByJava` writes them. */
function recordsOf(batches: readonly SourceBatch[]): string[] {
  return batches
    .filter(({ kind }) => kind === 'data')
    .flatMap(({ bytes }) => decodeRecords(bytes))
    .map(({ offset, timestamp, value }) => recordLine(offset, timestamp, digest(value)));
}

test('every codec, interleaved aborts, a batch of 200,000 and 6 MB messages equal Java’s read_committed view', async () => {
  const topic = 'conformance';
  await createMixture(broker, { kafka, admin, topic });
  const [log] = await admin.fetchTopicOffsets(topic);
  const [expected, recording] = await Promise.all([readByJava(broker, topic), record(topic)]);
  await eventually('the source reads to the end', () => end(recording, 0) === Number(log?.high));
  const batches = recording.batches.get(`${topic}/0`) ?? [];
  const got = recordsOf(batches);
  assert.equal(got.length, expected.length);
  assert.deepEqual(got, expected);
  assert.deepEqual(recording.faults, []);
  assert.ok(batches.some(({ kind }) => kind === 'aborted') && batches.some(({ kind }) => kind === 'control'));
  assert.ok(
    batches.some(({ count }) => count > 130_000),
    'one batch is too long for a spread call',
  );
  await stop(recording);
});

test('a compacted log is handed over as Java reads it, its empty batches too, and every hole is passed', async () => {
  const topic = 'compacted';
  await createCompacted(broker, { kafka, admin, topic });
  const [log] = await admin.fetchTopicOffsets(topic);
  const [expected, recording] = await Promise.all([readByJava(broker, topic), record(topic)]);
  assertHoles(expected);
  await eventually('the source reads to the end', () => end(recording, 0) === Number(log?.high));
  const batches = recording.batches.get(`${topic}/0`) ?? [];
  assert.deepEqual(recordsOf(batches), expected);
  assert.deepEqual(recording.gaps, []);
  assert.ok(batches.some(({ kind }) => kind === 'empty'));
  const holes = batches.filter(
    (batch, i) => i > 0 && batch.baseOffset > (batches[i - 1]?.lastOffset ?? 0) + 1,
  );
  assert.ok(holes.length > 0, 'whole batches are gone');
  await stop(recording);
});

test('a position before the log is a gap, one beyond it waits; neighbours flow and the group is untouched', async () => {
  const topic = 'ranges';
  await admin.createTopics({ topics: [{ topic, numPartitions: 3 }] });
  for (const partition of [0, 1, 2]) await send(topic, partition, ['0', '1', '2', '3', '4', '5', '6', '7']);
  await admin.fetchTopicOffsets(topic);
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '5' }] });
  const positions: Positions = new Map([
    [`${topic}/0`, 2],
    [`${topic}/1`, 1_000],
    [`${topic}/2`, 0],
  ]);
  const recording = await record(topic, { positions });
  await eventually('both others arrive', () => end(recording, 0) === 8 && end(recording, 2) === 8);
  assert.deepEqual(recording.gaps, [
    { partition: `${topic}/0`, startOffset: 2, nextOffset: 5, reason: 'retention' },
  ]);
  const beyond = recording.source.status().partitions.find(({ partition }) => partition === 1);
  assert.equal(beyond?.position, 1_000);
  assert.deepEqual(beyond?.paused, ['its position is outside the log']);
  await stop(recording);
  const [group] = await admin.fetchOffsets({ groupId: `g-${topic}`, topics: [topic] });
  assert.deepEqual(
    group?.partitions.map(({ offset }) => offset),
    ['-1', '-1', '-1'],
  );
});

test('a held topic gives nothing until its last reason is released; commits count once Kafka confirms them', async () => {
  const topic = 'held';
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
  await send(topic, 0, ['a']);
  const recording = await record(topic);
  await eventually('it flows', () => end(recording, 0) === 1);
  recording.source.hold(topic, 'spool');
  recording.source.hold(topic, 'collector');
  await send(topic, 0, ['b']);
  recording.source.release(topic, 'spool');
  const fetchedMs = recording.source.status().lastFetchMs ?? 0;
  await eventually('rounds go by', () => (recording.source.status().lastFetchMs ?? 0) > fetchedMs + 1_200);
  assert.equal(end(recording, 0), 1);
  assert.deepEqual(recording.source.status().partitions[0]?.paused, ['collector']);
  recording.source.release(topic, 'collector');
  await eventually('it flows again', () => end(recording, 0) === 2);
  recording.source.commit([{ topic, partition: 0, nextOffset: 2 }]);
  await eventually('it is committed', () => recording.source.status().partitions[0]?.committedToGroup === 2);
  recording.source.commit([{ topic, partition: 0, nextOffset: 1 }]);
  await eventually('it idles', () => recording.source.status().partitions[0]?.idleSinceMs);
  await stop(recording);
  const [group] = await admin.fetchOffsets({ groupId: `g-${topic}`, topics: [topic] });
  assert.equal(group?.partitions[0]?.offset, '2');
});

test('a topic deleted and created again gives nothing before a position for its new id is known', async () => {
  const topic = 'again';
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
  await send(topic, 0, ['a', 'b', 'c']);
  const recording = await record(topic);
  await eventually('it flows', () => end(recording, 0) === 3);
  const before = recording.described.at(-1)?.topicId;
  const isStill = (topicId = '') => recording.source.isStill({ topic, partition: 0, topicId });
  const isGone = (topicId = '') => recording.source.isGone({ topic, partition: 0, topicId });
  assert.equal(await isStill(before), true);
  await admin.deleteTopics({ topics: [topic] });
  await eventually('its leader knows', async () => !(await isStill(before)));
  await eventually('the source notices', () => recording.source.status().reason?.includes(topic));
  assert.equal(await isGone(before), false, 'it may be hidden');
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
  const id = await eventually('it is described anew', () => {
    const now = recording.described.at(-1)?.topicId;
    return now === before ? undefined : now;
  });
  assert.match(id, /^[0-9a-f]{32}$/);
  assert.deepEqual(await Promise.all([isStill(before), isStill(id)]), [false, true]);
  assert.deepEqual(await Promise.all([isGone(before), isGone(id)]), [true, false]);
  await eventually('messages go in', () => send(topic, 0, ['1', '2', '3', '4', '5']).then(() => true));
  const taken = recording.batches.get(`${topic}/0`)?.length;
  const status = await eventually('it waits', () => {
    const [row] = recording.source.status().partitions;
    return row?.topicId === id ? row : undefined;
  });
  assert.equal(status.position, undefined);
  assert.equal(status.paused.length, 1);
  assert.equal(recording.batches.get(`${topic}/0`)?.length, taken);
  recording.faults.length = 0;
  recording.source.seek({ topic, partition: 0 }, 0);
  await eventually('it flows from where it was told', () => end(recording, 0) === 5);
  await stop(recording);
});

test('a topic that a pattern takes is read soon after it was created', async () => {
  const recording = await record('pattern', { topics: [{ kind: 'pattern', pattern: /later\.\d+/ }] });
  await eventually('it says what it waits for', () => recording.source.status().reason?.includes('later'));
  for (const topic of ['later.1', 'later.2']) {
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
    await eventually('messages go in', () => send(topic, 0, ['a']).then(() => true));
    await eventually(`${topic} is read`, () => recording.batches.has(`${topic}/0`));
  }
  assert.deepEqual(recording.faults, []);
  await stop(recording);
});

test('two members join, leave and outlive a killed broker without a gap or an overlap', {
  timeout: 240_000,
}, async () => {
  const topic = 'group';
  const partitions = 4;
  await admin.createTopics({ topics: [{ topic, numPartitions: partitions }] });
  const positions: Positions = new Map();
  let sent = 0;
  let producing = true;
  const pump = (async () => {
    while (producing) {
      const messages = Array.from({ length: 40 }, (_, i) => ({
        value: `v${sent + i}`,
        partition: i % partitions,
      }));
      if (await producer.send({ topic, messages }).catch(() => undefined)) sent += 40;
    }
  })();
  const reached = () => [...positions.values()].reduce((total, next) => total + next, 0);
  const moves = async (what: string) => {
    const from = reached();
    await eventually(what, () => reached() > from + 400, { deadlineMs: 60_000 });
  };
  const first = await record(topic, { positions });
  await moves('alone');
  const second = await record(topic, { positions });
  await eventually('both own two', () =>
    [first, second].every((m) => m.source.status().partitions.length === 2),
  );
  await moves('together');
  await stop(second);
  await eventually('the first owns all', () => first.source.status().partitions.length === partitions);
  const third = await record(topic, { positions });
  await moves('with another');
  await broker.kill();
  await eventually('they say so', () => first.source.status().state === 'restarting', { deadlineMs: 60_000 });
  await broker.start();
  await moves('after the restart');
  producing = false;
  await pump;
  const logs = await admin.fetchTopicOffsets(topic);
  const total = logs.reduce((sum, { high }) => sum + Number(high), 0);
  await eventually('everything is read', () => reached() === total, { deadlineMs: 60_000 });
  for (const member of [first, second, third]) {
    assert.deepEqual(member.faults, []);
    assert.deepEqual(member.gaps, []);
  }
  await Promise.all([stop(first), stop(third)]);
});

test('a member that is stopped while it joins has left the group, and its partitions wait for no session', async () => {
  const topic = 'joining';
  await admin.createTopics({ topics: [{ topic, numPartitions: 2 }] });
  const first = await record(topic);
  await eventually('the first has all', () => first.source.status().partitions.length === 2);
  const membersNow = async () => (await admin.describeGroups([`g-${topic}`])).groups[0]?.members.length;
  const second = await record(topic);
  await eventually('the second is joining', async () => (await membersNow()) === 2, { everyMs: 5 });
  await stop(second);
  assert.equal(await membersNow(), 1);
  await eventually('the first has all again', () => first.source.status().partitions.length === 2);
  await stop(first);
});
