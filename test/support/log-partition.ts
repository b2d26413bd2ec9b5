// One partition of the topic `claims` as a log in memory, and an agent of its own that sends it.
import type { TestContext } from 'node:test';
import type { SchemaRegistry } from '@sluice/agent/contracts.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { eventually } from './eventually.ts';
import { feedDouble } from './feed-double.ts';
import { fastClock, startAgentEnd } from './link-ends.ts';
import type { createLinkPki } from './link-pki.ts';
import { segmentOf } from './segments.ts';

type LinkPki = Awaited<ReturnType<typeof createLinkPki>>;

/** Bytes as they are, anything else as JSON. */
const recordValue = (record: object) => (Buffer.isBuffer(record) ? record : JSON.stringify(record));

export function createLogPartition(t: Pick<TestContext, 'after'>, pki: LinkPki, partition: number) {
  const id = { topic: 'claims', topicId: NO_TOPIC_ID, partition };
  const log: (string | Buffer)[] = [];
  const at = (offset: number) =>
    offset < log.length ? segmentOf(log.slice(offset), { ...id, baseOffset: offset }) : undefined;
  const feed = feedDouble([{ id, at }]);
  return {
    id,
    async connect(port: number, schemas?: SchemaRegistry) {
      const agentId = `site-${partition}`;
      const address = { host: '127.0.0.1', port };
      const tls = await pki.agent(agentId);
      return startAgentEnd(t, { address, tls, agentId, feed, schemas, clock: fastClock }).uplink;
    },
    async produce(...records: object[]) {
      log.push(...records.map(recordValue));
      feed.wake();
      await eventually('it is queryable', () => (feed.committed(id) ?? 0) >= log.length);
    },
    /** Without waiting. */
    add(...records: object[]) {
      log.push(...records.map(recordValue));
      feed.wake();
    },
    isCommitted: () => (feed.committed(id) ?? 0) >= log.length,
  };
}
