// A chunk is bounded by what it holds, the records that are set aside included.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ColumnChunk } from '@sluice/collector/transform/columns.ts';
import { readBatchHeader } from '@sluice/shared/record-batch.ts';
import { encodeRecordBatch } from '@sluice/shared/records.ts';

function chunkOf(): ColumnChunk {
  const [separator, nullMark] = [Buffer.from('\u001esep'), Buffer.from('null')];
  const chunk = new ColumnChunk({ separator, nullMark, keys: false, headers: false, text: true });
  chunk.beginPart(0);
  return chunk;
}

function append(chunk: ColumnChunk, values: readonly (Buffer | null)[]): number {
  const records = values.map((value, offset) => ({ offset, timestamp: 0, key: null, value, headers: [] }));
  const batch = encodeRecordBatch({ baseOffset: 0 }, records);
  return chunk.appendBatch(batch, readBatchHeader(batch), { fromOffset: 0, nextOffset: values.length });
}

const invalid = Buffer.alloc(9 * 2 ** 20, 0xff);

test('a window of values that are not UTF-8 goes to SQL in pieces like any other', () => {
  const chunk = chunkOf();
  append(chunk, [Buffer.from('{}'), invalid]);
  assert.equal(chunk.isFull(), false);
  append(chunk, [invalid]);
  assert.equal(chunk.isFull(), true);
  chunk.reset();
  assert.equal(chunk.isFull(), false);
});

test('a window of tombstones goes to SQL in pieces like any other', () => {
  const chunk = chunkOf();
  const tombstones = Array.from({ length: 45_000 }, () => null);
  append(chunk, tombstones);
  assert.equal(chunk.isFull(), false);
  append(chunk, tombstones);
  assert.equal(chunk.isFull(), true);
});

test('a batch that is taken back leaves room for as much as before', () => {
  const chunk = chunkOf();
  const records = [invalid, invalid].map((value, offset) => ({
    offset,
    timestamp: 0,
    key: null,
    value,
    headers: [],
  }));
  const whole = encodeRecordBatch({ baseOffset: 0 }, records);
  const header = { ...readBatchHeader(whole), count: 3 };
  assert.throws(() => chunk.appendBatch(whole, header, { fromOffset: 0, nextOffset: 3 }), {
    code: 'RECORD_BATCH_CORRUPT',
  });
  assert.equal(chunk.isFull(), false);
});
