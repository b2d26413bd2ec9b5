// Which batches of a record set reach the lake: decided by headers and the broker's list of aborted
// transactions.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { copyBatches, walkRecordSet } from '@sluice/agent/source/record-set.ts';
import { readBatchHeader } from '@sluice/shared/record-batch.ts';
import {
  type BatchOptions,
  decodeRecords,
  encodeRecordBatch,
  type KafkaRecord,
} from '@sluice/shared/records.ts';

function record(offset: number, key: Buffer | null = null): KafkaRecord {
  return {
    offset,
    timestamp: 1_700_000_000_000 + offset,
    key,
    value: Buffer.from(`v${offset}`),
    headers: [],
  };
}

function batch(from: number, to: number, options: Partial<BatchOptions> = {}): Buffer {
  const records = Array.from({ length: to - from + 1 }, (_, i) => record(from + i));
  return encodeRecordBatch({ baseOffset: from, ...options }, records);
}

function marker(offset: number, producerId: bigint, type: 'abort' | 'commit'): Buffer {
  const key = Buffer.from([0, 0, 0, type === 'abort' ? 0 : 1]);
  return encodeRecordBatch({ baseOffset: offset, producerId, transactional: true, control: true }, [
    record(offset, key),
  ]);
}

const transaction = (producerId: bigint) => ({ producerId, transactional: true });
const kinds = (set: Buffer, aborted: Parameters<typeof walkRecordSet>[1] = []) =>
  walkRecordSet(set, aborted).map(({ kind, baseOffset }) => `${baseOffset}:${kind}`);

test('interleaved transactions lose exactly what was aborted, whatever order the broker lists them in', () => {
  const set = Buffer.concat([
    batch(0, 1, transaction(1n)),
    batch(2, 3, transaction(2n)),
    batch(4, 4),
    batch(5, 6, transaction(1n)),
    marker(7, 2n, 'abort'),
    batch(8, 8, transaction(2n)),
    marker(9, 1n, 'abort'),
    batch(10, 11, transaction(1n)),
    marker(12, 1n, 'commit'),
    marker(13, 2n, 'commit'),
  ]);
  // The wire lists by last offset: producer 2 ended first.
  const aborted = [
    { producerId: 2n, firstOffset: 2 },
    { producerId: 1n, firstOffset: 0 },
  ];
  assert.deepEqual(kinds(set, aborted), [
    '0:aborted',
    '2:aborted',
    '4:data',
    '5:aborted',
    '7:control',
    '8:data',
    '9:control',
    '10:data',
    '12:control',
    '13:control',
  ]);
});

test('a transaction that begins inside a batch range of its producer takes the whole batch', () => {
  assert.deepEqual(kinds(batch(10, 19, transaction(5n)), [{ producerId: 5n, firstOffset: 15 }]), [
    '10:aborted',
  ]);
});

test('a record with a key of four zero bytes is no abort marker', () => {
  const plain = encodeRecordBatch({ baseOffset: 2 }, [record(2, Buffer.alloc(4))]);
  const set = Buffer.concat([batch(0, 1, transaction(1n)), plain, batch(3, 4, transaction(1n))]);
  assert.deepEqual(kinds(set, [{ producerId: 1n, firstOffset: 0 }]), ['0:aborted', '2:data', '3:aborted']);
});

test('a batch that compaction emptied moves the position and carries no bytes', () => {
  const empty = encodeRecordBatch({ baseOffset: 4, lastOffsetDelta: 5 }, []);
  const [only] = walkRecordSet(empty, []);
  assert.deepEqual(
    { kind: only?.kind, last: only?.lastOffset, count: only?.count, bytes: only?.bytes.length },
    { kind: 'empty', last: 9, count: 0, bytes: 0 },
  );
});

test('a batch cut by the fetch limit is left for the next fetch, at every length', () => {
  const whole = batch(0, 9);
  const cut = batch(10, 19);
  for (let length = 0; length < cut.length; length++) {
    assert.deepEqual(kinds(Buffer.concat([whole, cut.subarray(0, length)])), ['0:data'], `cut at ${length}`);
  }
});

test('copied batches are the producer’s bytes and share no memory with the response', () => {
  const set = Buffer.concat([batch(0, 9, { codec: 'lz4' }), marker(10, 1n, 'commit'), batch(11, 12)]);
  const before = Buffer.from(set);
  const copied = copyBatches(walkRecordSet(set, []));
  set.fill(0xff);
  const data = copied.filter(({ kind }) => kind === 'data');
  assert.deepEqual(
    data.flatMap(({ bytes }) => decodeRecords(bytes).map(({ offset }) => offset)),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12],
  );
  assert.ok(data[0]?.bytes.equals(before.subarray(0, data[0].bytes.length)));
  assert.equal(copied[1]?.bytes.length, 0);
  assert.deepEqual(
    copied.map(({ compressed }) => compressed),
    [true, false, false],
  );
});

test('a length that cannot be a batch is RECORD_BATCH_CORRUPT, never an endless walk', () => {
  const broken = batch(0, 1);
  broken.writeInt32BE(-40, 8);
  assert.throws(() => walkRecordSet(broken, []), { code: 'RECORD_BATCH_CORRUPT' });
});

function legacy(offset: number, magic: 0 | 1, fields: { attributes?: number; value: Buffer }): Buffer {
  const head = Buffer.alloc(magic === 1 ? 26 : 18);
  head.writeBigInt64BE(BigInt(offset), 0);
  head.writeInt8(magic, 16);
  head.writeInt8(fields.attributes ?? 0, 17);
  if (magic === 1) head.writeBigInt64BE(1234n, 18);
  const tail = Buffer.alloc(8);
  tail.writeInt32BE(-1, 0);
  tail.writeInt32BE(fields.value.length, 4);
  const entry = Buffer.concat([head, tail, fields.value]);
  entry.writeInt32BE(entry.length - 12, 8);
  return entry;
}

test('messages from before Kafka 0.11, compressed ones too, come out as v2 batches with their own offsets', async () => {
  const { gzipSync } = await import('node:zlib');
  const inner = Buffer.concat([0, 1, 2].map((i) => legacy(i, 1, { value: Buffer.from(`v${i}`) })));
  const set = Buffer.concat([
    legacy(5, 0, { value: Buffer.from('old') }),
    legacy(12, 1, { attributes: 1, value: gzipSync(inner) }),
  ]);
  const batches = walkRecordSet(set, []);
  const records = batches.flatMap(({ bytes }) => decodeRecords(bytes));
  assert.deepEqual(
    records.map(({ offset, timestamp, value }) => [offset, timestamp, value?.toString()]),
    [
      [5, -1, 'old'],
      [10, 1234, 'v0'],
      [11, 1234, 'v1'],
      [12, 1234, 'v2'],
    ],
  );
  assert.deepEqual(
    batches.map(({ bytes }) => readBatchHeader(bytes).lastOffset),
    [5, 12],
  );
});
