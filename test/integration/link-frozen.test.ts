// A line that dies in silence, as behind a firewall that forgot it: no end, no reset, bytes on the way are
// gone. Both ends notice by themselves in the time that is set, and go on over the next connection where they
// were.
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

const KEEPALIVE = { everyMs: 1_000, timeoutMs: 1_000 };
/** Of what the keepalive allows, for a machine that is busy. */
const SLACK_MS = 1_500;
const NOTICED_MS_MAX = KEEPALIVE.everyMs + KEEPALIVE.timeoutMs + SLACK_MS;
const claims = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };
const pki = await createLinkPki();
const collector = await pki.collector();
const agent = await pki.agent('site-1');

/** Sockets of this process, both ends of each connection. */
const sockets = () => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;

for (const busy of [true, false]) {
  const line = busy ? 'a line that dies under load' : 'an idle line that dies';
  test(`${line} is noticed by both ends in time; the next one goes on where it was`, async (t) => {
    const there = await startCollectorEnd(t, { tls: collector, keepalive: KEEPALIVE });
    const proxy = await createLinkProxy(there.port);
    t.after(() => proxy.close());
    let end = busy ? Number.POSITIVE_INFINITY : 100;
    const segment = (offset: number) => opaqueSegment(offset, offset + 10, { payloadBytes: 2 ** 18 });
    const here = startAgentEnd(t, {
      address: { host: '127.0.0.1', port: proxy.port },
      tls: agent,
      keepalive: KEEPALIVE,
      feed: feedDouble([{ id: claims, at: (offset) => (offset < end ? segment(offset) : undefined) }]),
    });
    await eventually('segments flow', () => there.sequencer.taken(claims).length >= 10);
    const [first] = there.ingest.status().agents;
    const before = sockets();
    proxy.freeze();
    const frozenMs = performance.now();
    const both = { deadlineMs: NOTICED_MS_MAX, everyMs: 20 };
    await Promise.all([
      eventually('the agent notices', () => here.log.said(/no collector/).length === 1, both),
      eventually('the collector notices', () => there.log.said(/agent disconnected/).length === 1, both),
    ]);
    const noticedMs = performance.now() - frozenMs;
    assert.ok(noticedMs > KEEPALIVE.timeoutMs / 2, `${noticedMs} ms: something else told them`);
    assert.match(JSON.stringify(here.log.said(/no collector/)), /LINK_UNREACHABLE/);
    await eventually('the agent is here again', () => {
      const { state, attempts } = here.uplink.status();
      const [second] = there.ingest.status().agents;
      return state === 'connected' && attempts === 2 && second !== undefined && second.peer !== first?.peer;
    });
    const [reached] = there.sequencer.taken(claims).slice(-1);
    end = (reached?.next ?? 0) + 500;
    here.feed.wake();
    await eventually('the rest comes', () => {
      there.sequencer.commitAll();
      there.ingest.roomChanged();
      return there.sequencer.taken(claims).at(-1)?.next === end;
    });
    assertContiguous(there.sequencer.taken(claims));
    assert.equal(there.sequencer.taken(claims)[0]?.start, 0);
    assert.equal(there.sequencer.links.size, 1);
    // Of the dead line only the proxy's two sockets are left.
    await eventually('both have let the dead line go', () => {
      if (sockets() > before + 2) throw new Error(`${sockets()} sockets, ${before} before`);
      return true;
    });
  });
}
