// A collector that is replaced has told the agent what it committed before it ends the stream, so that
// nothing crosses the link twice: two whole collectors, one after the other, on one lake.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { eventually } from '../support/eventually.ts';
import { feedDouble } from '../support/feed-double.ts';
import { hurriedClock, startAgentEnd } from '../support/link-ends.ts';
import { createLinkPki } from '../support/link-pki.ts';
import { segmentOf } from '../support/segments.ts';
import { temporaryDirectory } from '../support/temp.ts';
import { startWholeCollector } from '../support/whole-collector.ts';

const claims = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };
const directory = temporaryDirectory();
const pki = await createLinkPki();
const collectorTls = await pki.collector();
const agentTls = await pki.agent('site-1');

const startCollector = (t: TestContext, port: number) =>
  startWholeCollector(t, { directory, tls: collectorTls, port, topics: ['claims'] });

/** An agent that has as many records as `until` says, and which of them it has sent, in order. */
function startAgent(t: TestContext, port: number, until: { offset: number }) {
  const sent: number[] = [];
  const at = (offset: number) => {
    if (offset >= until.offset) return undefined;
    sent.push(offset);
    return segmentOf(['a', 'b', 'c', 'd', 'e'], { baseOffset: offset });
  };
  const feed = feedDouble([{ id: claims, at }]);
  const address = { host: '127.0.0.1', port };
  return { ...startAgentEnd(t, { address, tls: agentTls, feed, clock: hurriedClock }), sent };
}

test('a drained collector acknowledges on the stream what it commits, and nothing is sent twice after it', async (t) => {
  const first = await startCollector(t, 0);
  const until = { offset: 100 };
  const { uplink, feed, sent } = startAgent(t, first.port, until);
  await eventually('all is sent', () => sent.length === 20);
  await eventually('all has arrived', () => uplink.status().inFlightBytes === 0);
  assert.equal(feed.committed(claims), 0, 'its window is open');
  await first.drain();
  assert.equal(feed.committed(claims), 100);
  await startCollector(t, first.port);
  until.offset = 150;
  await eventually('it goes on', () => {
    feed.wake();
    return sent.length >= 30;
  });
  assert.deepEqual(
    sent,
    Array.from({ length: 30 }, (_, i) => i * 5),
  );
  assert.match(feed.heard.join(), /committed claims-0 100,disconnected drained,.*welcomed claims-0 100 100$/);
  await uplink.stop(600_000);
  assert.equal(feed.committed(claims), 150, 'an agent that stops hears its last commits');
});
