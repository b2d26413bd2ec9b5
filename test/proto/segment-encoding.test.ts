// Segments are encoded by hand, so that a payload is copied once; what comes out must be what protobuf means.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConnectRequest, type Segment as WireSegment } from '@sluice/proto/gen/sluice/v1/link.ts';
import { encodeSegmentRequest, segmentFromWire } from '@sluice/proto/wire.ts';
import { SEGMENT_PLAIN_BYTES_MAX } from '@sluice/shared/codecs.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import fc from 'fast-check';
import { rangeSegment } from '../support/fake-spool.ts';
import { requests } from './golden-messages.ts';

const small = fc.nat({ max: 300_000 });
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
/** Lengths on both sides of where a length takes one byte more. */
const payload = fc
  .oneof(fc.constantFrom(0, 1, 100, 127, 128, 16_000, 16_383, 16_384, 2_097_151, 2_097_152), small)
  .chain((length) => fc.nat({ max: 255 }).map((byte) => Buffer.alloc(length, byte)));

const plain = { noNullPrototype: true };
const segments: fc.Arbitrary<Segment> = fc
  .record(
    {
      topic: fc.string({ minLength: 1, maxLength: 249, unit: 'grapheme' }),
      topicId: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((id) => Buffer.from(id).toString('hex')),
      partition: fc.nat({ max: 2 ** 31 - 1 }),
      leaderEpoch: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
      startOffset: fc.nat({ max: 2 ** 52 }),
      counts: fc.record({ records: small, control: small, aborted: small, absent: small }, plain),
      skipped: fc.array(
        fc.record(
          {
            kind: fc.constantFrom('control', 'aborted'),
            firstOffset: fc.nat({ max: 2 ** 52 }),
            lastOffset: fc.nat({ max: 2 ** 52 }),
            count: small,
          },
          plain,
        ),
        { maxLength: 5 },
      ),
      timestampMax: fc.integer({ min: -1, max: 2 ** 45 }),
      codec: fc.constantFrom('none', 'lz4', 'zstd'),
      plainBytes: fc.nat({ max: SEGMENT_PLAIN_BYTES_MAX }),
      crc32c: uint32,
      payload,
    },
    plain,
  )
  .map((segment) => {
    const { records, control, aborted, absent } = segment.counts;
    const plainBytes = segment.codec === 'none' ? segment.payload.length : segment.plainBytes;
    const nextOffset = segment.startOffset + records + control + aborted + absent;
    return { ...segment, plainBytes, nextOffset };
  })
  .filter(({ startOffset, nextOffset }) => nextOffset > startOffset);

test('a segment written by hand has the bytes of the generated encoder, and comes back as it was', () => {
  fc.assert(
    fc.property(segments, uint32, (segment, rewindEpoch) => {
      const encoded = encodeSegmentRequest(segment, rewindEpoch);
      const decoded = ConnectRequest.decode(encoded);
      assert.equal(decoded.body?.$case, 'segment');
      assert.equal(encoded.compare(ConnectRequest.encode(decoded).finish()), 0, 'not canonical');
      assert.equal(decoded.body.value.rewindEpoch, rewindEpoch);
      const back = segmentFromWire(decoded.body.value);
      assert.equal(Buffer.compare(back.payload, segment.payload), 0);
      assert.deepEqual({ ...back, payload: 0 }, { ...segment, payload: 0 });
    }),
  );
});

test('a segment whose numbers mean nothing or do not balance is refused', () => {
  const good = requests.segment;
  segmentFromWire(good);
  const refused = (change: Partial<WireSegment>, message: RegExp) =>
    assert.throws(() => segmentFromWire({ ...good, ...change }), { code: 'LINK_MESSAGE_INVALID', message });
  refused({ codec: 3 }, /codec 3 is unknown/);
  refused({ records: good.records + 1 }, /\[100, 120\) does not balance/);
  refused({ nextOffset: 100, records: 0, control: 0, aborted: 0, absent: 0 }, /does not balance/);
  refused({ nextOffset: 99 }, /does not balance/);
  refused({ skipped: [{ kind: 0, firstOffset: 1, lastOffset: 1, count: 1 }] }, /kind 0 is unknown/);
  refused({ skipped: [{ kind: 3, firstOffset: 1, lastOffset: 1, count: 1 }] }, /kind 3 is unknown/);
  refused({ plainBytes: SEGMENT_PLAIN_BYTES_MAX + 1 }, /cannot be 268435457 plain ones/);
  refused({ codec: 0, plainBytes: good.payload.length + 1 }, /cannot be \d+ plain ones/);
  refused({ topicId: Buffer.alloc(15) }, /a topic id of 15 bytes/);
});

test('a timestamp in nanoseconds, or any that 64 bits hold, does not make a segment that nobody can decode', () => {
  for (const [timestampMax, told] of [
    [1_700_000_000_000_000_000, Number.MAX_SAFE_INTEGER],
    [2 ** 63, Number.MAX_SAFE_INTEGER],
    [-(2 ** 63), -1],
  ] as const) {
    const { body } = ConnectRequest.decode(encodeSegmentRequest(rangeSegment(0, 10, { timestampMax }), 0));
    assert.equal(body?.$case, 'segment');
    assert.equal(body.value.timestampMax, String(told));
  }
});

test('whatever 64 bits an agent sends as a timestamp, its segment is read and its stream goes on', () => {
  for (const [sent, read] of [
    ['9007199254740993', Number.MAX_SAFE_INTEGER],
    ['9223372036854775807', Number.MAX_SAFE_INTEGER],
    ['-9223372036854775808', -1],
    ['0', 0],
  ] as const) {
    const value = { ...requests.segment, timestampMax: sent };
    const { body } = ConnectRequest.decode(
      ConnectRequest.encode({ body: { $case: 'segment', value } }).finish(),
    );
    assert.equal(body?.$case, 'segment');
    assert.equal(segmentFromWire(body.value).timestampMax, read);
  }
});
