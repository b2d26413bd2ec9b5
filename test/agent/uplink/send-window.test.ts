// The send window on links that exist only as arithmetic: a rate, a round trip, and one queue between.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SendWindow, type SendWindowLimits } from '@sluice/agent/uplink/send-window.ts';
import fc from 'fast-check';

const MIB = 2 ** 20;
const limits: SendWindowLimits = { bytesMin: 2 * MIB, bytesMax: 16 * MIB, delayMsMax: 1_500 };

interface Link {
  readonly bitsPerSecond: number;
  readonly roundTripMs: number;
}

/**
 * Sends for `seconds` with a full queue; returns the receipts' delays, in order, and the bytes that arrived.
 */
function saturate(window: SendWindow, link: Link, { segmentBytes = MIB, seconds = 60 } = {}) {
  const receipts: { atMs: number; sentMs: number }[] = [];
  const delays: number[] = [];
  let nowMs = 0;
  let linkFreeMs = 0;
  while (nowMs < seconds * 1_000) {
    while (window.room(segmentBytes)) {
      window.sent(segmentBytes, nowMs);
      linkFreeMs = Math.max(nowMs, linkFreeMs) + (segmentBytes * 8_000) / link.bitsPerSecond;
      receipts.push({ atMs: linkFreeMs + link.roundTripMs, sentMs: nowMs });
    }
    const receipt = receipts.shift();
    assert.ok(receipt !== undefined, 'stuck: nothing in flight and nothing sent');
    nowMs = receipt.atMs;
    window.received(nowMs);
    delays.push(nowMs - receipt.sentMs);
  }
  for (const { atMs } of receipts) window.received(atMs);
  return { delays, bytesPerSecond: (delays.length * segmentBytes * 1_000) / nowMs };
}

test('on a fast link the window grows until the link is full', () => {
  const window = new SendWindow(limits);
  const { bytesPerSecond } = saturate(window, { bitsPerSecond: 1e9, roundTripMs: 80 });
  assert.ok(window.bytes > 9 * MIB, `${window.bytes}`);
  assert.ok(bytesPerSecond * 8 > 0.9e9, `${bytesPerSecond * 8}`);
});

test('on a slow link receipts stay under three seconds from the first one on, and the link stays full', () => {
  const { delays, bytesPerSecond } = saturate(new SendWindow(limits), {
    bitsPerSecond: 10e6,
    roundTripMs: 40,
  });
  assert.ok(Math.max(...delays) < 3_000, `${Math.max(...delays)}`);
  assert.ok(bytesPerSecond * 8 > 9e6, `${bytesPerSecond * 8}`);
});

test('a link that becomes slow takes the window back down, and one that recovers takes it up again', () => {
  const window = new SendWindow(limits);
  saturate(window, { bitsPerSecond: 1e9, roundTripMs: 80 });
  const { delays } = saturate(window, { bitsPerSecond: 10e6, roundTripMs: 80 }, { seconds: 120 });
  assert.equal(window.bytes, limits.bytesMin);
  assert.ok((delays.at(-1) ?? 0) < 3_000, `${delays.at(-1)}`);
  saturate(window, { bitsPerSecond: 1e9, roundTripMs: 80 });
  assert.ok(window.bytes > 9 * MIB, `${window.bytes}`);
});

test('segments larger than the window go one at a time, and still make it grow', () => {
  const window = new SendWindow(limits);
  saturate(window, { bitsPerSecond: 1e9, roundTripMs: 80 }, { segmentBytes: 6 * MIB });
  assert.ok(window.room(6 * MIB));
  window.sent(6 * MIB, 0);
  assert.ok(window.room(6 * MIB), 'two of them fit now');
});

test('whatever happens the window stays within its bounds, counts right and never locks up', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('send' as const), bytes: fc.nat({ max: 20 * MIB }) }),
    fc.record({ kind: fc.constant('receipt' as const), afterMs: fc.nat({ max: 4_000 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const window = new SendWindow(limits);
      const inFlight: number[] = [];
      let nowMs = 0;
      for (const next of steps) {
        if (next.kind === 'send') {
          const sum = inFlight.reduce((a, b) => a + b, 0);
          const fits = inFlight.length === 0 || sum + next.bytes <= window.bytes;
          assert.equal(window.room(next.bytes), fits);
          if (!fits) continue;
          window.sent(next.bytes, nowMs);
          inFlight.push(next.bytes);
        } else {
          nowMs += next.afterMs;
          assert.equal(window.received(nowMs), inFlight.length > 0);
          inFlight.shift();
        }
        assert.ok(window.bytes >= limits.bytesMin && window.bytes <= limits.bytesMax, `${window.bytes}`);
        assert.ok(Number.isInteger(window.bytes));
        assert.equal(
          window.inFlight,
          inFlight.reduce((a, b) => a + b, 0),
        );
      }
    }),
  );
});
