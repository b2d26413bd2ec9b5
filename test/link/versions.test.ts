// A fleet is upgraded one program at a time: neighbouring versions work together on a real link, and versions
// further apart say on both sides which of the two must be upgraded.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Protocols } from '@sluice/proto/protocol.ts';
import { ERRORS } from '@sluice/shared/errors.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { eventually } from '../support/eventually.ts';
import { feedDouble } from '../support/feed-double.ts';
import { startAgentEnd, startCollectorEnd } from '../support/link-ends.ts';
import { createLinkPki } from '../support/link-pki.ts';
import { opaqueSegment } from '../support/segments.ts';

const claims = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };
const pki = await createLinkPki();
const [collectorTls, agentTls] = [await pki.collector(), await pki.agent('site-1')];

async function startBoth(t: TestContext, agent: Protocols, collector: Protocols) {
  const there = await startCollectorEnd(t, { tls: collectorTls, version: '0.3.0', protocols: collector });
  const at = (offset: number) => (offset < 50 ? opaqueSegment(offset, offset + 10) : undefined);
  const here = startAgentEnd(t, {
    address: { host: '127.0.0.1', port: there.port },
    tls: agentTls,
    version: '0.2.0',
    protocols: agent,
    feed: feedDouble([{ id: claims, at }]),
  });
  return { there, here };
}

const neighbours: readonly (readonly [string, Protocols, Protocols])[] = [
  ['an agent one version behind', { min: 1, max: 1 }, { min: 1, max: 2 }],
  ['an agent one version ahead', { min: 1, max: 2 }, { min: 1, max: 1 }],
  ['an agent one version behind, later', { min: 1, max: 2 }, { min: 2, max: 3 }],
];

for (const [what, agent, collector] of neighbours) {
  test(`${what} is served`, async (t) => {
    const { there, here } = await startBoth(t, agent, collector);
    await eventually('all is sent', () => there.sequencer.taken(claims).at(-1)?.next === 50);
    assert.deepEqual(here.log.said(/no collector/), []);
    assert.deepEqual(there.log.said(/refused/), []);
  });
}

const apart: readonly (readonly [string, Protocols, Protocols, string])[] = [
  [
    'an agent two versions behind',
    { min: 1, max: 1 },
    { min: 2, max: 3 },
    'upgrade the agent (0.2.0): the agent (0.2.0) knows protocols up to 1, the collector (0.3.0) from 2 on',
  ],
  [
    'an agent two versions ahead',
    { min: 2, max: 3 },
    { min: 1, max: 1 },
    'upgrade the collector (0.3.0): the collector (0.3.0) knows protocols up to 1, the agent (0.2.0) from 2 on',
  ],
];

for (const [what, agent, collector, why] of apart) {
  test(`${what} is refused, and both sides say which one to upgrade`, async (t) => {
    const { there, here } = await startBoth(t, agent, collector);
    const lost = await eventually('the agent says why', () => here.log.said(/no collector/)[0]);
    const { remedy } = ERRORS.LINK_PROTOCOL_UNSUPPORTED;
    const reason = `LINK_PROTOCOL_UNSUPPORTED: ${why}`;
    assert.deepEqual(lost, { reason: `${reason} (127.0.0.1:${there.port})`, remedy });
    const [refused] = there.log.said(/connection refused/);
    assert.deepEqual(
      [refused?.['agent'], refused?.['reason'], refused?.['remedy']],
      ['site-1', reason, remedy],
    );
    assert.deepEqual(there.sequencer.taken(claims), []);
  });
}
