// A slow line with a full queue behind it: receipts stay quick, nobody takes it for dead, and it is used to
// the full.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Uplink } from '@sluice/agent/contracts.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { eventually } from '../support/eventually.ts';
import { feedDouble } from '../support/feed-double.ts';
import { startAgentEnd, startCollectorEnd } from '../support/link-ends.ts';
import { createLinkPki } from '../support/link-pki.ts';
import { createLinkProxy } from '../support/link-proxy.ts';
import { assertContiguous } from '../support/oracles.ts';
import { opaqueSegment } from '../support/segments.ts';

const claims = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };
const MIB = 2 ** 20;
const SAMPLE_MS = 5;

/**
 * From handing a segment over to its receipt, for each segment of `bytes`, as the agent's status shows it.
 */
function watchReceipts(uplink: Uplink, bytes: number) {
  const sentMs: number[] = [];
  const delaysMs: number[] = [];
  const timer = setInterval(() => {
    const { sentSegmentsTotal, sentBytesTotal, inFlightBytes } = uplink.status();
    const now = performance.now();
    while (sentMs.length < sentSegmentsTotal) sentMs.push(now);
    const receipted = (sentBytesTotal - inFlightBytes) / bytes;
    while (delaysMs.length < receipted) delaysMs.push(now - (sentMs[delaysMs.length] ?? now));
  }, SAMPLE_MS);
  return { delaysMs, stop: () => clearInterval(timer) };
}

interface Line {
  readonly megabits: number;
  readonly segmentBytes: number;
  readonly seconds: number;
}

const lines: readonly Line[] = [
  { megabits: 10, segmentBytes: MIB, seconds: 10 },
  { megabits: 2, segmentBytes: MIB / 4, seconds: 8 },
];

for (const { megabits, segmentBytes, seconds } of lines) {
  test(`${megabits} Mbit/s, 40 ms, a full queue: no reconnect, receipts within 3 s, the line full`, async (t) => {
    const pki = await createLinkPki();
    const there = await startCollectorEnd(t, { tls: await pki.collector() });
    const shape = { bitsPerSecond: megabits * 1e6, delayMs: 20 };
    const proxy = await createLinkProxy(there.port, shape);
    t.after(() => proxy.close());
    const at = (offset: number) => opaqueSegment(offset, offset + 10, { payloadBytes: segmentBytes });
    const here = startAgentEnd(t, {
      address: { host: '127.0.0.1', port: proxy.port },
      tls: await pki.agent('site-1'),
      feed: feedDouble([{ id: claims, at }]),
      segmentBytesMax: segmentBytes,
    });
    await eventually('connected', () => here.uplink.status().state === 'connected');
    const receipts = watchReceipts(here.uplink, segmentBytes);
    const started = performance.now();
    await eventually('the time is over', () => performance.now() - started > seconds * 1_000, {
      deadlineMs: 60_000,
    });
    receipts.stop();
    const { attempts, state, windowBytes } = here.uplink.status();
    const slowest = Math.max(...receipts.delaysMs);
    const rate = (receipts.delaysMs.length * segmentBytes * 8) / (performance.now() - started) / 1e3;
    t.diagnostic(
      `${receipts.delaysMs.length} receipts, slowest ${slowest.toFixed(0)} ms, ${rate.toFixed(2)} Mbit/s`,
    );
    assert.deepEqual([attempts, state, proxy.total], [1, 'connected', 1]);
    assert.ok(slowest < 3_000, `slowest receipt ${slowest} ms, window ${windowBytes}`);
    assert.ok(rate > 0.8 * megabits, `${rate} Mbit/s`);
    assertContiguous(there.sequencer.taken(claims));
    proxy.shape({});
  });
}
