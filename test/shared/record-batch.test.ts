// Record batches as bytes: what is encoded decodes, what is damaged is named, and no size is taken on trust.
import assert from 'node:assert/strict';
import test from 'node:test';
import { BATCH_CODECS, compressPayload, decompressBatch, decompressPayload } from '@sluice/shared/codecs.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { checkBatchCrc, readBatchHeader, walkBatches } from '@sluice/shared/record-batch.ts';
import {
  compressBatch,
  countRecordsFrom,
  decodeRecords,
  encodeRecordBatch,
  type KafkaRecord,
} from '@sluice/shared/records.ts';
import fc from 'fast-check';

const bytes = fc.option(fc.uint8Array({ maxLength: 40 }).map((b) => Buffer.from(b)));
const someRecords = fc
  .array(
    fc.record({
      step: fc.integer({ min: 1, max: 5 }),
      timestamp: fc.integer({ min: 0, max: 2 ** 45 }),
      key: bytes,
      value: bytes,
      headers: fc.array(fc.tuple(fc.string({ maxLength: 5 }), bytes), { maxLength: 3 }),
    }),
    { minLength: 1, maxLength: 30 },
  )
  .map((list) => {
    let offset = 99;
    return list.map(({ step, ...rest }): KafkaRecord => {
      offset += step;
      return { offset, ...rest };
    });
  });

test('a batch of any codec decodes to the records that were encoded', () => {
  fc.assert(
    fc.property(someRecords, fc.constantFrom(...BATCH_CODECS), (records, codec) => {
      const batch = encodeRecordBatch({ baseOffset: 100, codec }, records);
      const header = readBatchHeader(batch);
      checkBatchCrc(batch, header);
      assert.equal(header.count, records.length);
      assert.deepEqual(decodeRecords(batch), records);
    }),
  );
});

test('counting from an offset agrees with decoding, dense or not', () => {
  fc.assert(
    fc.property(someRecords, fc.integer({ min: 95, max: 260 }), (records, from) => {
      const batch = encodeRecordBatch({ baseOffset: 100 }, records);
      assert.equal(countRecordsFrom(batch, from), records.filter((r) => r.offset >= from).length);
    }),
  );
});

test('a flipped bit anywhere in a batch ends in a named error or in a wrong CRC, never in another throw', () => {
  fc.assert(
    fc.property(someRecords, fc.constantFrom(...BATCH_CODECS), fc.nat(), (records, codec, where) => {
      const batch = encodeRecordBatch({ baseOffset: 100, codec }, records);
      const at = where % (batch.length * 8);
      batch[at >> 3] = (batch[at >> 3] ?? 0) ^ (1 << (at & 7));
      try {
        for (const { header, bytes } of walkBatches(batch)) {
          decodeRecords(bytes);
          checkBatchCrc(bytes, header);
        }
      } catch (error) {
        assert.ok(error instanceof SluiceError, String(error));
        return;
      }
      // Base offset, length-consistent epoch and magic stand outside the CRC by Kafka's design.
      assert.ok(at >> 3 < 17, `bit ${at} changed and nobody noticed`);
    }),
    { numRuns: 500 },
  );
});

test('golden bytes: an uncompressed batch of one record', () => {
  const record = {
    offset: 7,
    timestamp: 1_700_000_000_000,
    key: Buffer.from('k'),
    value: Buffer.from('v'),
    headers: [],
  };
  const hex = encodeRecordBatch({ baseOffset: 7, leaderEpoch: 3 }, [record]).toString('hex');
  assert.equal(
    hex,
    '0000000000000007' +
      '0000003a' +
      '00000003' +
      '02' +
      hex.slice(34, 42) +
      '0000' +
      '00000000' +
      '0000018bcfe56800' +
      '0000018bcfe56800' +
      'ffffffffffffffff' +
      'ffff' +
      'ffffffff' +
      '00000001' +
      '10' +
      '00' +
      '00' +
      '00' +
      '02' +
      '6b' +
      '02' +
      '76' +
      '00',
  );
});

test('no decompression goes past its bound', () => {
  const plain = Buffer.alloc(1 << 20, 'a');
  for (const codec of ['gzip', 'snappy', 'lz4', 'zstd'] as const) {
    const packed = compressBatch(codec, plain);
    assert.equal(decompressBatch(codec, packed, plain.length).length, plain.length);
    assert.throws(
      () => decompressBatch(codec, packed, plain.length / 2),
      { code: 'RECORD_BATCH_TOO_LARGE' },
      codec,
    );
  }
});

test('a segment payload comes back as it was, and a wrong length is named', () => {
  const plain = Buffer.from('sluice '.repeat(1000));
  for (const codec of ['none', 'lz4', 'zstd'] as const) {
    const packed = compressPayload(codec, plain);
    assert.deepEqual(decompressPayload(codec, packed, plain.length), plain);
    assert.throws(
      () => decompressPayload(codec, packed, plain.length - 1),
      { code: 'SEGMENT_CORRUPT' },
      codec,
    );
  }
  assert.equal(compressPayload('lz4', Buffer.from('abc')).toString('hex'), '030000003061626'.concat('3'));
});
