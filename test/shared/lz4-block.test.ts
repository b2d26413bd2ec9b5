// Our own reader of LZ4 blocks says what the library says, and hostile bytes cannot make it write where it may not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeLz4Block, PlainBuffer } from '@sluice/shared/lz4-block.ts';
import fc from 'fast-check';
import lz4 from 'lz4-napi';

const SLACK_BYTES = 8;
/** As the library packs it, without the length that it puts in front. */
const pack = (plain: Uint8Array) => lz4.compressSync(Buffer.from(plain)).subarray(4);

/** Texts that repeat at any distance: runs, short periods, words, noise. */
const plains = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 90 }),
      fc
        .tuple(fc.uint8Array({ minLength: 1, maxLength: 20 }), fc.integer({ min: 1, max: 400 }))
        .map(([part, times]) => Buffer.alloc(part.length * times, Buffer.from(part))),
      fc
        .constantFrom('{"order_id":', '"status":"void"', '2026-01-01T00:00:00Z')
        .map((text) => Buffer.from(text)),
    ),
    { minLength: 1, maxLength: 30 },
  )
  .map((parts) => Buffer.concat(parts));

test('a block that the library packed comes back, at any place of the buffer', () => {
  fc.assert(
    fc.property(plains, fc.nat(100), (plain, at) => {
      if (plain.length === 0) return;
      const into = new PlainBuffer();
      const end = decodeLz4Block(pack(plain), { into, at, historyFrom: at, end: at + plain.length });
      assert.deepEqual(into.bytes.subarray(at, end), plain);
    }),
    { numRuns: 400 },
  );
});

test('a buffer that is used again shows nothing of what was in it', () => {
  const into = new PlainBuffer();
  for (const plain of ['a'.repeat(5_000), 'bc'.repeat(900), '0123456789abcdef'.repeat(40), 'd'.repeat(13)]) {
    const end = decodeLz4Block(pack(Buffer.from(plain)), { into, at: 0, historyFrom: 0, end: 10_000 });
    assert.equal(into.bytes.toString('latin1', 0, end), plain);
  }
});

test('whatever a block says, nothing is written behind its end or read before its history', () => {
  const hostile = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 200 }),
    fc.tuple(plains, fc.nat(), fc.nat(255)).map(([plain, at, byte]) => {
      const bytes = Buffer.from(pack(plain));
      bytes[at % bytes.length] = byte;
      return bytes;
    }),
  );
  fc.assert(
    fc.property(hostile, fc.nat(300), (bytes, room) => {
      const at = 64;
      const into = new PlainBuffer();
      into.reserve(2_000);
      into.bytes.fill(0xee);
      let end = at;
      try {
        end = decodeLz4Block(Buffer.from(bytes), { into, at, historyFrom: at, end: at + room });
      } catch (error) {
        assert.ok(error instanceof Error && !(error instanceof RangeError), String(error));
      }
      assert.ok(end <= at + room);
      assert.ok(into.bytes.subarray(0, at).every((byte) => byte === 0xee));
      assert.ok(into.bytes.subarray(at + room + SLACK_BYTES).every((byte) => byte === 0xee));
    }),
    { numRuns: 3_000 },
  );
});

test('a match before the block is refused where blocks are independent, and read where they are linked', () => {
  // Four bytes from ten back, then one literal.
  const linked = Buffer.from([0x00, 10, 0, 0x10, 0x21]);
  const into = new PlainBuffer();
  into.reserve(100);
  into.bytes.write('0123456789');
  assert.throws(() => decodeLz4Block(linked, { into, at: 10, historyFrom: 10, end: 20 }));
  const end = decodeLz4Block(linked, { into, at: 10, historyFrom: 0, end: 20 });
  assert.equal(into.bytes.toString('latin1', 0, end), '01234567890123!');
});

test('one giant does not keep its memory', () => {
  const into = new PlainBuffer();
  into.reserve(1 << 20);
  into.forget();
  assert.equal(into.bytes.length, 1 << 20);
  into.reserve(64 << 20);
  into.forget();
  assert.equal(into.bytes.length, 0);
});
