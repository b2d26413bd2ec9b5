// Hostile and broken bytes end in a named error, whatever the codec, and never in memory without limit.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateRawSync, gzipSync, zstdCompressSync } from 'node:zlib';
import {
  BATCH_BLOCKS_MAX,
  type BatchCodec,
  decompressBatch,
  decompressPayload,
} from '@sluice/shared/codecs.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { compressBatch } from '@sluice/shared/records.ts';
import fc from 'fast-check';
import snappy from 'snappy';

const CODECS = ['gzip', 'snappy', 'lz4', 'zstd'] as const;
const LIMIT = 1 << 20;

const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const i32be = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};

/**
 * LZ4 frame header of 64 KiB blocks: magic, flags, block size and the header's checksum
 * (lz4_Frame_format.md).
 */
const LINKED = Buffer.from('04224d184040c0', 'hex');
const INDEPENDENT = Buffer.from('04224d18604082', 'hex');
const STORED = 0x8000_0000;
const END = u32(0);
const block = (bytes: Buffer, stored = false) =>
  Buffer.concat([u32(bytes.length + (stored ? STORED : 0)), bytes]);

/** The block format that the Java client wraps around snappy. */
const xerial = (...blocks: Buffer[]) =>
  Buffer.concat([
    Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]),
    i32be(1),
    i32be(1),
    ...blocks.flatMap((one) => [i32be(one.length), one]),
  ]);

test('what a producer compressed comes back, at any size', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...CODECS),
      fc.uint8Array({ minLength: 1, maxLength: 40 }),
      fc.nat(60_000),
      (codec, seed, times) => {
        const plain = Buffer.alloc(seed.length * (1 + (times % 4_000)), Buffer.from(seed));
        assert.deepEqual(decompressBatch(codec, compressBatch(codec, plain), plain.length), plain);
      },
    ),
    { numRuns: 60 },
  );
});

test('an LZ4 frame whose blocks build on each other is read', () => {
  const first = Buffer.from('abcdefghijklmnop');
  // No literals, a match of 19 bytes sixteen back, then five literals.
  const second = Buffer.from([0x0f, 16, 0, 0, 0x50, ...Buffer.from('tail!')]);
  const frame = Buffer.concat([LINKED, block(first, true), block(second), END]);
  assert.equal(decompressBatch('lz4', frame, LIMIT).toString(), 'abcdefghijklmnopabcdefghijklmnopabctail!');
});

test('stored blocks, and those with a checksum each, are read', () => {
  const frame = Buffer.concat([
    INDEPENDENT,
    block(Buffer.from('one '), true),
    block(Buffer.from('two'), true),
    END,
  ]);
  assert.equal(decompressBatch('lz4', frame, LIMIT).toString(), 'one two');
  const flagged = Buffer.from(frame);
  flagged[4] = 0x70;
  const checked = Buffer.concat([
    flagged.subarray(0, 7),
    ...['one ', 'two'].flatMap((text) => [block(Buffer.from(text), true), u32(7)]),
    END,
  ]);
  assert.equal(decompressBatch('lz4', checked, LIMIT).toString(), 'one two');
});

test('the xerial stream of the Java client is read block by block, and so is plain snappy', () => {
  const parts = ['first ', 'second ', 'third'].map((text) => snappy.compressSync(text));
  assert.equal(decompressBatch('snappy', xerial(...parts), LIMIT).toString(), 'first second third');
  assert.equal(decompressBatch('snappy', snappy.compressSync('alone'), LIMIT).toString(), 'alone');
});

const zeros = Buffer.alloc(64 << 20);
const snappyOf = (length: number, rest: Buffer) => {
  const varint: number[] = [];
  for (let left = length; ; left = Math.floor(left / 128)) {
    varint.push((left % 128) + (left > 127 ? 128 : 0));
    if (left < 128) return Buffer.concat([Buffer.from(varint), rest]);
  }
};
/** A literal and a match that goes on to the end of a 64 KiB block. */
const inflating = Buffer.from([
  0x1f,
  0x61,
  1,
  0,
  ...Array.from({ length: 256 }, () => 255),
  0,
  0x50,
  ...Buffer.from('aaaaa'),
]);

const manyTimes = (one: Buffer) => Buffer.alloc((BATCH_BLOCKS_MAX + 1) * one.length, one);

const BOMBS: readonly (readonly [string, BatchCodec, Buffer])[] = [
  ['gzip', 'gzip', gzipSync(zeros)],
  [
    'gzip of many members',
    'gzip',
    Buffer.concat(Array.from({ length: 64 }, () => gzipSync(zeros.subarray(0, LIMIT / 2)))),
  ],
  ['zstd', 'zstd', zstdCompressSync(zeros)],
  ['zstd of empty frames', 'zstd', Buffer.concat(Array.from({ length: 1_025 }, () => zstdCompressSync('')))],
  ['snappy that says 4 GiB', 'snappy', snappyOf(2 ** 32 - 1, Buffer.from([0, 0]))],
  ['snappy', 'snappy', snappy.compressSync(zeros.subarray(0, 4 << 20))],
  [
    'xerial of many blocks',
    'snappy',
    xerial(...Array.from({ length: 64 }, () => snappy.compressSync(zeros.subarray(0, 1 << 16)))),
  ],
  ['lz4', 'lz4', compressBatch('lz4', zeros.subarray(0, 8 << 20))],
  ['lz4 of empty blocks', 'lz4', Buffer.concat([INDEPENDENT, manyTimes(u32(STORED)), END])],
  ['lz4 of empty linked blocks', 'lz4', Buffer.concat([LINKED, manyTimes(u32(STORED)), END])],
  ['xerial of empty blocks', 'snappy', Buffer.concat([xerial(), manyTimes(Buffer.from([0, 0, 0, 1, 0]))])],
  [
    'lz4 of linked blocks',
    'lz4',
    Buffer.concat([LINKED, ...Array.from({ length: 64 }, () => block(inflating)), END]),
  ],
];

for (const [what, codec, bytes] of BOMBS) {
  test(`a bomb of ${what} ends in RECORD_BATCH_TOO_LARGE`, () => {
    assert.throws(() => decompressBatch(codec, bytes, LIMIT), { code: 'RECORD_BATCH_TOO_LARGE' });
  });
}

test('a frame of linked blocks is refused by their number, before any is opened', () => {
  const garbage = block(Buffer.from([0xff, 0xff, 0xff]));
  const frame = Buffer.concat([LINKED, ...Array.from({ length: 64 }, () => garbage), END]);
  assert.throws(() => decompressBatch('lz4', frame, LIMIT), { code: 'RECORD_BATCH_TOO_LARGE' });
  assert.throws(() => decompressBatch('lz4', frame, 64 * LIMIT), { code: 'RECORD_BATCH_CORRUPT' });
});

test('as many blocks as a batch may have are read, and a frame of zstd asks for no larger window', () => {
  const tiny = Buffer.alloc(BATCH_BLOCKS_MAX * 6, Buffer.concat([u32(2), Buffer.from([0x10, 0x61])]));
  const frame = Buffer.concat([INDEPENDENT, tiny, END]);
  assert.equal(decompressBatch('lz4', frame, LIMIT).length, BATCH_BLOCKS_MAX);
  const windowOf = (log: number) => Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3, 1, 0, 0]);
  assert.equal(decompressBatch('zstd', windowOf(27), LIMIT).length, 0);
  assert.throws(() => decompressBatch('zstd', windowOf(28), LIMIT), { code: 'RECORD_BATCH_CORRUPT' });
});

/** Magic, length and bytes of a frame that readers pass by (RFC 8878, 3.1.2). */
const skippable = Buffer.concat([u32(0x184d2a50), u32(3), Buffer.from('any')]);

test('what stands in several frames of zstd is read whole, or refused', () => {
  const [one, two] = ['first, ', 'second'].map((text) => zstdCompressSync(Buffer.from(text)));
  assert.ok(one && two);
  const read = (...frames: Buffer[]) => decompressBatch('zstd', Buffer.concat(frames), LIMIT).toString();
  assert.equal(read(one, two), 'first, second');
  assert.equal(read(skippable, one, skippable, two, skippable), 'first, second');
  for (const broken of [Buffer.from('junk'), two.subarray(0, -1)])
    assert.throws(() => read(one, broken), { code: 'RECORD_BATCH_CORRUPT' });
  const half = zstdCompressSync(Buffer.alloc(LIMIT / 2));
  assert.equal(decompressBatch('zstd', Buffer.concat([half, half]), LIMIT).length, LIMIT);
  for (const more of [zstdCompressSync(Buffer.from('x')), half])
    assert.throws(() => decompressBatch('zstd', Buffer.concat([half, half, more]), LIMIT), {
      code: 'RECORD_BATCH_TOO_LARGE',
    });
});

test('the limit is exact for every codec: one byte more is too large', () => {
  for (const codec of CODECS) {
    const packed = compressBatch(codec, Buffer.alloc(100_000, 'ab'));
    assert.equal(decompressBatch(codec, packed, 100_000).length, 100_000, codec);
    assert.throws(() => decompressBatch(codec, packed, 99_999), { code: 'RECORD_BATCH_TOO_LARGE' }, codec);
  }
  const linked = Buffer.concat([LINKED, block(Buffer.alloc(100, 'a'), true), END]);
  assert.equal(decompressBatch('lz4', linked, 100).length, 100);
  assert.throws(() => decompressBatch('lz4', linked, 99), { code: 'RECORD_BATCH_TOO_LARGE' });
});

test('broken bytes end in RECORD_BATCH_CORRUPT or TOO_LARGE and in no other way', () => {
  const samples = CODECS.map(
    (codec) => [codec, compressBatch(codec, Buffer.alloc(3_000, 'some text '))] as const,
  );
  samples.push(['snappy', xerial(snappy.compressSync('a block'), snappy.compressSync('another'))]);
  const damage = fc.record({ at: fc.nat(400), byte: fc.nat(255), cut: fc.nat(40) });
  fc.assert(
    fc.property(fc.constantFrom(...samples), damage, ([codec, good], { at, byte, cut }) => {
      const bytes = Buffer.from(good.subarray(0, Math.max(0, good.length - cut)));
      if (bytes.length > 0) bytes[at % bytes.length] = byte;
      try {
        assert.ok(decompressBatch(codec, bytes, LIMIT).length <= LIMIT);
      } catch (error) {
        assert.ok(error instanceof SluiceError, String(error));
        assert.match(error.code, /^RECORD_BATCH_(CORRUPT|TOO_LARGE)$/);
      }
    }),
    { numRuns: 1_000 },
  );
  for (const codec of CODECS)
    assert.throws(
      () => decompressBatch(codec, deflateRawSync('x'), LIMIT),
      { code: 'RECORD_BATCH_CORRUPT' },
      codec,
    );
});

test('a segment’s payload that would grow past what it says is refused', () => {
  const bomb = zstdCompressSync(zeros);
  assert.throws(() => decompressPayload('zstd', bomb, 1_000), { code: 'SEGMENT_CORRUPT' });
  assert.throws(() => decompressPayload('lz4', Buffer.concat([u32(2 ** 31), inflating]), 1_000), {
    code: 'SEGMENT_CORRUPT',
  });
  assert.throws(() => decompressPayload('lz4', Buffer.alloc(3), 1_000), { code: 'SEGMENT_CORRUPT' });
});
