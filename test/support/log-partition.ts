// One partition of the topic `claims` as a log in memory, and an agent of its own that sends it.
import type { TestContext } from 'node:test';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { eventually } from './eventually.ts';
import { feedDouble } from './feed-double.ts';
import { fastClock, startAgentEnd } from './link-ends.ts';
import type { createLinkPki } from './link-pki.ts';
import { segmentOf } from './segments.ts';

type LinkPki = Awaited<ReturnType<typeof createLinkPki>>;

export function createLogPartition(t: Pick<TestContext, 'after'>, pki: LinkPki, partition: number) {
  const id = { topic: 'claims', topicId: NO_TOPIC_ID, partition };
  const log: string[] = [];
  const at = (offset: number) =>
    offset < log.length ? segmentOf(log.slice(offset), { ...id, baseOffset: offset }) : undefined;
  const feed = feedDouble([{ id, at }]);
  return {
    id,
    async connect(port: number) {
      const agentId = `site-${partition}`;
      const address = { host: '127.0.0.1', port };
      return startAgentEnd(t, { address, tls: await pki.agent(agentId), agentId, feed, clock: fastClock })
        .uplink;
    },
    async produce(...records: object[]) {
      log.push(...records.map((record) => JSON.stringify(record)));
      feed.wake();
      await eventually('it is queryable', () => (feed.committed(id) ?? 0) >= log.length);
    },
    /** Without waiting. */
    add(...records: object[]) {
      log.push(...records.map((record) => JSON.stringify(record)));
      feed.wake();
    },
    isCommitted: () => (feed.committed(id) ?? 0) >= log.length,
  };
}
