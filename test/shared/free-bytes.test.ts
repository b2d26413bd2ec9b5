// Bytes that are given back are gone at once, and nobody else's are.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freeBytes } from '@sluice/shared/free-bytes.ts';
import { compressSync, uncompressSync } from 'lz4-napi';

const BYTES = 2 ** 20;

test('memory is given back at once, whoever allocated it', () => {
  const native = uncompressSync(compressSync(Buffer.alloc(BYTES, 7)));
  for (const bytes of [
    Buffer.alloc(BYTES, 7),
    Buffer.allocUnsafeSlow(BYTES),
    new Uint8Array(BYTES),
    native,
  ]) {
    assert.equal(bytes.byteLength, BYTES);
    freeBytes(bytes);
    assert.equal(bytes.byteLength, 0);
    freeBytes(bytes);
  }
});

test('what others may have a part of stays: small buffers, small views, shared memory', () => {
  const small = Buffer.from('a value');
  const view = Buffer.alloc(BYTES, 7).subarray(0, BYTES / 4);
  const shared = new Uint8Array(new SharedArrayBuffer(BYTES));
  for (const bytes of [small, view, shared]) {
    const { byteLength } = bytes;
    freeBytes(bytes);
    assert.equal(bytes.byteLength, byteLength);
  }
});
