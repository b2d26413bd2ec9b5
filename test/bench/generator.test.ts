// The orders of the bench are the same bytes on every machine: figures of other programs were measured on
// them.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { checkBatchCrc, readBatchHeader } from '@sluice/shared/record-batch.ts';
import { decodeRecords } from '@sluice/shared/records.ts';
import { BatchDigest } from './orders/batch-digest.ts';
import { assertKept } from './orders/kept.ts';
import { type OrderBatch, orderBatches, PARTITIONS, RUN_RECORDS } from './orders/order-batches.ts';
import { orderSegments, windows } from './orders/order-segments.ts';
import { expectation, ORDER_BYTES_MAX, OrderGenerator, type RecordSize } from './orders/orders.ts';

const RECORDS = 200_000;

/**
 * SHA-256 of orders [from, to) of 200,000, each with a line feed behind it, as the first generator wrote
 * them.
 */
const GOLDEN: readonly { size: RecordSize; from: number; to: number; sha256: string }[] = [
  {
    size: 'small',
    from: 0,
    to: 10_000,
    sha256: 'fa17d25b566ccbf9576b7e39af0f66bbca276bf83f502ad491e2e50c5e34d6ba',
  },
  {
    size: 'small',
    from: 199_000,
    to: 200_000,
    sha256: '93afba3151a2e679ca892a10177fc30ee8aeb33b7812526eb5c1509504d81a2e',
  },
  {
    size: 'big',
    from: 0,
    to: 10_000,
    sha256: 'ad27bad2462840b7f47294aadf015d95b7f74a301f45a39f1ba31b229a792c74',
  },
  {
    size: 'big',
    from: 199_000,
    to: 200_000,
    sha256: 'c36e10fe662684e967ef998cb755777f7e74b83b4e25416968442daa2d3abf07',
  },
];

for (const { size, from, to, sha256 } of GOLDEN) {
  test(`${size} orders ${from} to ${to} are the bytes that other programs were measured on`, () => {
    assert.equal(digestOf({ size, from, to }), sha256);
  });
}

function digestOf({ size, from, to }: { size: RecordSize; from: number; to: number }): string {
  const generator = new OrderGenerator({ records: RECORDS, size });
  const buffer = Buffer.alloc(ORDER_BYTES_MAX + 1);
  const hash = createHash('sha256');
  for (let index = from; index < to; index++) {
    const end = generator.write(buffer, 0, index);
    buffer[end] = 10;
    hash.update(buffer.subarray(0, end + 1));
  }
  return hash.digest('hex');
}

test('the expectation is what the first generator expects', () => {
  assert.deepEqual(expectation(RECORDS), {
    kept: 179_977,
    sumOrderId: 17_992_304_899,
    sumQuantity: 901_137,
  });
});

test('the expectation is what a filter over the orders finds', () => {
  const generator = new OrderGenerator({ records: 5_000, size: 'small' });
  const buffer = Buffer.alloc(ORDER_BYTES_MAX);
  const found = { kept: 0, sumOrderId: 0, sumQuantity: 0 };
  for (let index = 0; index < 5_000; index++) {
    const order = parseOrder(buffer.subarray(0, generator.write(buffer, 0, index)));
    if (order.status === 'void') continue;
    found.kept++;
    found.sumOrderId += order.order_id;
    found.sumQuantity += order.quantity;
  }
  assert.deepEqual(found, expectation(5_000));
});

function parseOrder(bytes: Buffer) {
  return JSON.parse(bytes.toString()) as { order_id: number; quantity: number; status: string };
}

for (const size of ['small', 'big'] as const) {
  test(`batches of ${size} orders hold every order once, in runs of ${RUN_RECORDS} a partition`, () => {
    const records = PARTITIONS * RUN_RECORDS * 2 + 123;
    const generator = new OrderGenerator({ records, size });
    const buffer = Buffer.alloc(ORDER_BYTES_MAX);
    const next = new Array<number>(PARTITIONS).fill(0);
    let index = 0;
    for (const batch of orderBatches({ records, size }, 1_234_567_890_123)) {
      checkBatchCrc(batch.bytes, readBatchHeader(batch.bytes));
      assert.equal(batch.partition, Math.floor(index / RUN_RECORDS) % PARTITIONS);
      for (const record of decodeRecords(batch.bytes)) {
        const expected = buffer.subarray(0, generator.write(buffer, 0, index++));
        assert.deepEqual(record.value, expected);
        assert.equal(record.timestamp, 1_234_567_890_123);
        assert.equal(record.offset, next[batch.partition]);
        next[batch.partition] = record.offset + 1;
      }
    }
    assert.equal(index, records);
  });
}

test('segments of a partition are contiguous, and windows hold each segment once', () => {
  const orders = { records: 150_000, size: 'small' } as const;
  const next = new Map<number, number>();
  const grouped = [...windows(orderSegments('orders', orders, 1), 2 * 2 ** 20)];
  for (const segment of grouped.flat()) {
    assert.equal(segment.startOffset, next.get(segment.partition) ?? 0);
    assert.equal(segment.nextOffset - segment.startOffset, segment.counts.records);
    next.set(segment.partition, segment.nextOffset);
  }
  assert.equal(
    [...next.values()].reduce((a, b) => a + b),
    orders.records,
  );
  assert.ok(grouped.length > 2);
});

const batches = () => [...orderBatches({ records: PARTITIONS * RUN_RECORDS * 2, size: 'small' }, 1)];

function digest(list: readonly OrderBatch[]): string {
  const made = new BatchDigest();
  for (const { partition, bytes } of list) made.addPayload(partition, bytes, true);
  return made.value();
}

test('a digest does not care how partitions are interleaved, and for everything else it does', () => {
  const list = batches();
  const byPartition = [...list].sort((a, b) => a.partition - b.partition || a.baseOffset - b.baseOffset);
  assert.equal(digest(byPartition), digest(list));
  const [first, ...rest] = list;
  assert.ok(first !== undefined);
  assert.notEqual(digest(rest), digest(list), 'one is missing');
  assert.notEqual(digest([...list, first]), digest(list), 'one comes twice');
  assert.notEqual(digest([...rest, first]), digest(list), 'one comes late');
  const moved = list.map((batch, i) => (i === 0 ? { ...batch, partition: 1 } : batch));
  assert.notEqual(digest(moved), digest(list), 'one is in another partition');
  const whole = digest(list);
  list.at(-1)?.bytes.writeBigInt64BE(5_000n, 0);
  assert.notEqual(digest(list), whole, 'there is a hole before the last one');
});

test('a changed byte is found where checksums are computed', () => {
  const [batch] = batches();
  assert.ok(batch !== undefined);
  batch.bytes[batch.bytes.length - 9] = (batch.bytes.at(-9) ?? 0) ^ 1;
  assert.throws(() => digest([batch]), { code: 'RECORD_BATCH_CORRUPT' });
});

test('a row with one record too few, too many or twice is no figure', () => {
  const expected = { kept: 10, sumOrderId: 45, sumQuantity: 30 };
  const right = { kept: 10n, distinct_ids: '10', sum_order_id: 45n, sum_quantity: '30' };
  assertKept('right', right, expected);
  assert.throws(() => assertKept('few', { ...right, kept: 9n }, expected), /rows: 9 and not 10/);
  assert.throws(() => assertKept('twice', { ...right, distinct_ids: 9 }, expected), /distinct ids/);
  assert.throws(() => assertKept('ids', { ...right, sum_order_id: 46n }, expected), /sum of ids/);
  assert.throws(() => assertKept('none', { ...right, sum_quantity: null }, expected), /sum of quantities/);
});
