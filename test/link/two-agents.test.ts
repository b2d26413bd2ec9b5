// Two machines with one agent id, as after a clone of a virtual machine: both are served, and both are named.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { eventually } from '../support/eventually.ts';
import { feedDouble } from '../support/feed-double.ts';
import { startAgentEnd, startCollectorEnd } from '../support/link-ends.ts';
import { createLinkPki } from '../support/link-pki.ts';
import { opaqueSegment } from '../support/segments.ts';

test('two agents with one id are both served, and the collector names both', async (t) => {
  const pki = await createLinkPki();
  const there = await startCollectorEnd(t, { tls: await pki.collector() });
  const tls = await pki.agent('site-1');
  const address = { host: '127.0.0.1', port: there.port };
  const ids = [0, 1].map((partition) => ({ topic: 'claims', topicId: NO_TOPIC_ID, partition }));
  for (const id of ids) {
    const at = (offset: number) => (offset < 100 ? opaqueSegment(offset, offset + 10, id) : undefined);
    startAgentEnd(t, {
      address,
      tls,
      instanceId: `machine-${id.partition}`,
      feed: feedDouble([{ id, at }]),
    });
    await eventually('connected', () => there.log.said(/agent connected/).length === id.partition + 1);
  }
  await eventually('both have sent all', () =>
    ids.every((id) => there.sequencer.taken(id).at(-1)?.next === 100),
  );
  const peers = there.log.said(/agent connected/).map(({ peer }) => peer);
  assert.deepEqual(there.log.said(/two streams with one agent id/), [
    { agent: 'site-1', peers, instances: ['machine-0', 'machine-1'] },
  ]);
  const { agents } = there.ingest.status();
  assert.deepEqual(
    agents.map(({ agentId, instanceId, peer, segmentsTotal }) => [agentId, instanceId, peer, segmentsTotal]),
    [
      ['site-1', 'machine-0', peers[0], 10],
      ['site-1', 'machine-1', peers[1], 10],
    ],
  );
});
