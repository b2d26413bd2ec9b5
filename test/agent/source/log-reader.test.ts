// A log that is read beside the group: what Kafka has, where it begins if it has no more, and never the log
// of another topic of that name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEvents } from '@sluice/agent/events.ts';
import { REFETCHES_MAX } from '@sluice/agent/source/damaged-batches.ts';
import type { KafkaAdapter } from '@sluice/agent/source/kafka-adapter.ts';
import { createLogReader } from '@sluice/agent/source/log-reader.ts';
import { walkRecordSet } from '@sluice/agent/source/record-set.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { PartitionLog } from '../../simulation/kafka-log.ts';
import { manualClock } from '../../support/manual-clock.ts';
import { recordingLogger } from '../../support/recording-logger.ts';

const TOPIC_ID = 'c'.repeat(32);
const id = { topic: 'claims', topicId: TOPIC_ID, partition: 0 };

/** Four batches of ten records. */
function reading() {
  const log = new PartitionLog(id.topic, TOPIC_ID, 0);
  const values = Array.from({ length: 10 }, (_, n) => ({ kind: 'good' as const, n, value: 'claim' }));
  const how = { codec: 'none', timestamp: 1, producerId: undefined, compacted: new Set<number>() } as const;
  for (let i = 0; i < 4; i++) log.append(values, how);
  const kafka = { log, topicId: TOPIC_ID, errorCode: 0, down: false, damage: (_set: Buffer) => {} };
  const adapter: KafkaAdapter = {
    prepare() {},
    member: () => assert.fail('no group is joined'),
    cluster: () => ({
      topics: async () => {
        const { topicId, errorCode } = kafka;
        return [{ topic: 'claims', topicId, errorCode, internal: false, partitions: [] }];
      },
      logs: async () => [{ ...id, logStart: log.start, logEnd: log.lastStableOffset }],
      groupOffsets: () => assert.fail('no group is asked'),
      checkGroup: () => assert.fail('no group is asked'),
      epochEnds: async () => [],
      topicIds: () => assert.fail('the topic is asked for with its metadata'),
      topicIdsEverywhere: () => assert.fail('nor is this'),
      fetch: async (questions) =>
        questions.map(({ topic, partition, offset, bytesMax }) => {
          const found = kafka.down ? undefined : log.fetch(offset, bytesMax);
          if (found === undefined) throw new Error('OFFSET_OUT_OF_RANGE');
          const set = Buffer.from(found.set);
          kafka.damage(set);
          const batches = walkRecordSet(set, found.aborted);
          return { topic, partition, fetch: { batches, bounds: found.bounds } };
        }),
      close: async () => {},
    }),
  };
  const events = createEvents(recordingLogger(), createMetrics());
  const reader = createLogReader({ kafka: {} as never, clock: manualClock(), events, adapter });
  const read = async (offset: number, bytesMax = 1) => {
    const piece = await reader.read(id, offset, bytesMax);
    if (piece.kind === 'lost') return `lost to ${piece.nextOffset}`;
    return piece.batches.map(({ baseOffset, lastOffset }) => [baseOffset, lastOffset]);
  };
  return { kafka, log, read };
}

test('batches come from the one that holds the offset on, and one at least', async () => {
  const { read } = reading();
  assert.deepEqual(await read(13), [[10, 19]]);
  assert.deepEqual(await read(0, 2 ** 20), [
    [0, 9],
    [10, 19],
    [20, 29],
    [30, 39],
  ]);
});

test('where Kafka has deleted the offset it says where its log begins now', async () => {
  const { read, log } = reading();
  log.deleteTo(25);
  assert.equal(await read(3), 'lost to 25');
  assert.deepEqual(await read(25), [[20, 29]]);
});

test('a cluster that cannot be read has lost nothing', async () => {
  const { read, kafka } = reading();
  kafka.down = true;
  await assert.rejects(read(3), /OFFSET_OUT_OF_RANGE/);
});

test('another topic of that name is neither read, nor is anything of the one before said to be lost', async () => {
  const { read, kafka, log } = reading();
  kafka.topicId = 'd'.repeat(32);
  await assert.rejects(read(3), { code: 'KAFKA_TOPIC_UNKNOWN' });
  log.deleteTo(25);
  await assert.rejects(read(3), { code: 'KAFKA_TOPIC_UNKNOWN' });
  kafka.topicId = TOPIC_ID;
  kafka.errorCode = 3;
  await assert.rejects(read(30), { code: 'KAFKA_TOPIC_UNKNOWN' });
});

test('a damaged batch is read again, and goes on as it is where it stays damaged', async () => {
  const { read, kafka } = reading();
  kafka.damage = (set) => void set.writeUInt8(set.readUInt8(set.length - 1) ^ 1, set.length - 1);
  for (let i = 0; i < REFETCHES_MAX; i++) assert.deepEqual(await read(10), []);
  assert.deepEqual(await read(10), [[10, 19]]);
});
