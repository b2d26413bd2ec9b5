// A line that breaks every second, by reset or by a half-close from the middle: everything arrives, once and
// in order.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { eventually } from '../support/eventually.ts';
import { feedDouble } from '../support/feed-double.ts';
import { startAgentEnd, startCollectorEnd } from '../support/link-ends.ts';
import { createLinkPki } from '../support/link-pki.ts';
import { createLinkProxy } from '../support/link-proxy.ts';
import { assertContiguous } from '../support/oracles.ts';
import { opaqueSegment } from '../support/segments.ts';

const MIB = 2 ** 20;
const SEGMENTS = 50;
const CUT_EVERY_MS = 1_000;

test('a line that is cut every second delivers everything once, and leaves nothing behind', async (t) => {
  const pki = await createLinkPki();
  const there = await startCollectorEnd(t, { tls: await pki.collector() });
  const proxy = await createLinkProxy(there.port, { bitsPerSecond: 40e6, delayMs: 5 });
  t.after(() => proxy.close());
  const ids = [0, 1, 2].map((partition) => ({ topic: 'claims', topicId: NO_TOPIC_ID, partition }));
  const end = SEGMENTS * 10;
  const here = startAgentEnd(t, {
    address: { host: '127.0.0.1', port: proxy.port },
    tls: await pki.agent('site-1'),
    feed: feedDouble(
      ids.map((id) => ({
        id,
        at: (offset: number) =>
          offset < end ? opaqueSegment(offset, offset + 10, { ...id, payloadBytes: MIB / 4 }) : undefined,
      })),
    ),
  });
  let cuts = 0;
  const cutting = setInterval(() => {
    if (cuts++ % 3 === 2) proxy.halfClose();
    else proxy.cut();
  }, CUT_EVERY_MS);
  t.after(() => clearInterval(cutting));
  await eventually('all is taken', () => ids.every((id) => there.sequencer.taken(id).at(-1)?.next === end), {
    deadlineMs: 60_000,
  });
  clearInterval(cutting);
  await eventually('the acknowledgement arrives', () => {
    there.sequencer.commitAll();
    return ids.every((id) => here.feed.committed(id) === end);
  });
  for (const id of ids) {
    const taken = there.sequencer.taken(id);
    assertContiguous(taken);
    assert.deepEqual([taken[0]?.start, taken.length], [0, SEGMENTS]);
  }
  const { attempts, sentSegmentsTotal } = here.uplink.status();
  t.diagnostic(
    `${cuts} cuts, ${attempts} connections, ${sentSegmentsTotal} segments sent for ${SEGMENTS * 3}`,
  );
  assert.ok(cuts >= 4, `${cuts} cuts are no test`);
  assert.ok(attempts >= 4, `${attempts} connections for ${cuts} cuts`);
  await eventually('one stream is left', () => there.ingest.status().agents.length === 1 && proxy.open === 1);
  assert.equal(there.sequencer.links.size, 1);
  await here.uplink.stop(5_000);
  await eventually('none is left', () => there.ingest.status().agents.length === 0 && proxy.open === 0);
});
