// The seam touches nothing of a kafkajs that it was not made for, and never resets an offset.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fetchResponseDecoder, type PseudoMessage } from '@sluice/agent/source/fetch-response.ts';
import {
  installRawBatchSeam,
  type KafkajsInternals,
  type OutOfRange,
  onOffsetOutOfRange,
} from '@sluice/agent/source/raw-batch-seam.ts';
import { encodeRecordBatch } from '@sluice/shared/records.ts';

const untouched = () => undefined;

function internals(changes: Partial<KafkajsInternals> = {}): KafkajsInternals {
  class ConsumerGroup {
    maxWaitTime = 500;
    recoverFromOffsetOutOfRange() {}
    async fetch() {
      return this.maxWaitTime;
    }
  }
  class RequestQueue {
    scheduled = 0;
    pending: unknown[] = [];
    throttledUntil = 0;
    scheduleCheckPendingRequests() {
      this.scheduled++;
    }
  }
  const response = () => ({ decode: untouched, parse: untouched });
  return {
    version: '2.2.4',
    fetchResponses: { 4: response(), 5: response(), 7: response(), 8: response(), 11: response() },
    consumerGroup: ConsumerGroup,
    requestQueue: RequestQueue,
    ...changes,
  };
}

test('another version or shape of kafkajs is KAFKA_CLIENT_CHANGED, and nothing was replaced', () => {
  const fine = internals().fetchResponses;
  const wrong: Partial<KafkajsInternals>[] = [
    { version: '2.2.5' },
    { fetchResponses: { ...fine, 11: {} } },
    { fetchResponses: { ...fine, 8: undefined } },
    { consumerGroup: class {} },
    { requestQueue: {} },
  ];
  for (const changes of wrong) {
    const given = internals(changes);
    assert.throws(() => installRawBatchSeam(given, () => 0), { code: 'KAFKA_CLIENT_CHANGED' });
    assert.equal((given.fetchResponses[4] as { decode: unknown }).decode, untouched);
  }
});

test('out of range pauses the partition, tells of it, and resets nothing', async () => {
  const given = internals();
  installRawBatchSeam(given, () => 0);
  const { prototype } = given.consumerGroup as {
    prototype: { recoverFromOffsetOutOfRange(error: unknown): Promise<void> };
  };
  const paused: unknown[] = [];
  const told: OutOfRange[] = [];
  const unsubscribe = onOffsetOutOfRange((event) => told.push(event));
  const group = { memberId: 'm1', subscriptionState: { pause: (topics: unknown) => paused.push(topics) } };
  await prototype.recoverFromOffsetOutOfRange.call(group as never, { topic: 't', partition: 3 });
  unsubscribe();
  assert.deepEqual(paused, [[{ topic: 't', partitions: [3] }]]);
  assert.deepEqual(told, [{ memberId: 'm1', topic: 't', partition: 3 }]);
});

test('a fetch may wait for records, and nobody sleeps as long while everything is paused', async () => {
  const given = internals();
  installRawBatchSeam(given, () => 0);
  const Group = given.consumerGroup as new () => { fetch(nodeId: number): Promise<number> };
  const active: { topic: string; partitions: number[] }[] = [{ topic: 't', partitions: [] }];
  const group = Object.assign(new Group(), { subscriptionState: { active: () => active } });
  const paused = await group.fetch(1);
  assert.ok(paused <= 50, `it sleeps for ${paused} ms`);
  active.push({ topic: 'u', partitions: [3] });
  assert.equal(await group.fetch(1), 500);
  active.pop();
  assert.equal(await group.fetch(1), paused);
});

test('an idle connection arms no timer; a pending or throttled one does', () => {
  const given = internals();
  installRawBatchSeam(given, () => 1_000);
  const Queue = given.requestQueue as new () => {
    scheduled: number;
    pending: unknown[];
    throttledUntil: number;
    scheduleCheckPendingRequests(): void;
  };
  const queue = new Queue();
  queue.scheduleCheckPendingRequests();
  assert.equal(queue.scheduled, 0);
  queue.throttledUntil = 1_001;
  queue.scheduleCheckPendingRequests();
  queue.throttledUntil = 0;
  queue.pending.push({});
  queue.scheduleCheckPendingRequests();
  assert.equal(queue.scheduled, 2);
});

function int(value: number | bigint, bytes: 2 | 4 | 8): Buffer {
  const buffer = Buffer.alloc(bytes);
  if (bytes === 2) buffer.writeInt16BE(Number(value));
  else if (bytes === 4) buffer.writeInt32BE(Number(value));
  else buffer.writeBigInt64BE(BigInt(value));
  return buffer;
}

function response(version: number, set: Buffer): Buffer {
  return Buffer.concat([
    int(250, 4),
    ...(version >= 7 ? [int(0, 2), int(77, 4)] : []),
    ...[int(1, 4), int(6, 2), Buffer.from('claims'), int(1, 4)],
    ...[int(3, 4), int(0, 2), int(90, 8), int(80, 8)],
    ...(version >= 5 ? [int(10, 8)] : []),
    ...[int(1, 4), int(4711, 8), int(40, 8)],
    ...(version >= 11 ? [int(-1, 4)] : []),
    ...[int(set.length, 4), set],
  ]);
}

for (const version of [4, 5, 7, 8, 11]) {
  test(`fetch response v${version}: batches, bounds and throttle are read where that version has them`, async () => {
    const value = { offset: 40, timestamp: 1, key: null, value: Buffer.from('x'), headers: [] };
    const set = encodeRecordBatch({ baseOffset: 40, producerId: 4711n, transactional: true }, [value]);
    const decoded = await fetchResponseDecoder(version)(response(version, set));
    const partition = decoded.responses[0]?.partitions[0] as {
      partition: number;
      abortedTransactions: unknown[];
      messages: PseudoMessage[];
    };
    assert.equal(partition.partition, 3);
    assert.deepEqual(partition.abortedTransactions, []);
    const [message] = partition.messages;
    assert.deepEqual(message?.fetch.bounds, {
      logStart: version >= 5 ? 10 : -1,
      lastStableOffset: 80,
      highWatermark: 90,
    });
    assert.deepEqual(
      message?.fetch.batches.map(({ kind, lastOffset }) => [kind, lastOffset]),
      [['aborted', 40]],
    );
    assert.equal(version >= 8 ? decoded.clientSideThrottleTime : decoded.throttleTime, 250);
  });
}

test('a partition that brought nothing still tells its bounds', async () => {
  const decoded = await fetchResponseDecoder(11)(response(11, Buffer.alloc(0)));
  const partition = decoded.responses[0]?.partitions[0] as { messages: PseudoMessage[] };
  assert.equal(partition.messages[0]?.fetch.bounds.lastStableOffset, 80);
  assert.equal(partition.messages[0]?.fetch.batches.length, 0);
});
