// The id of a topic as the leader of a partition says it: two small requests where the leader is known, and
// never the word of a broker that does not lead it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askEveryBroker, askTopicIds } from '@sluice/agent/source/kafka-cluster.ts';
import { METADATA_API_KEY, METADATA_VERSION } from '@sluice/agent/source/metadata-request.ts';
import type { RawCluster } from '@sluice/agent/source/raw-cluster.ts';

const slot = { topic: 'claims', partition: 0 };
const ID = 'a'.repeat(32);

/** Broker 1 answers first; each broker says what the test has it say. `known`: whom kafkajs has heard of. */
function clusterOf(
  says: Record<string, { leader: number | undefined; topicId?: string }>,
  known = ['1', '2'],
) {
  const requests: string[] = [];
  const heard = new Set(known);
  const brokerOf = (nodeId: string) => ({
    versions: { [METADATA_API_KEY]: { maxVersion: METADATA_VERSION } },
    connectionPool: {
      send: async () => {
        requests.push(`metadata of ${nodeId}`);
        const { leader, topicId = ID } = says[nodeId] ?? assert.fail(nodeId);
        const partition = { partition: 0, leaderEpoch: 0, ...(leader === undefined ? {} : { leader }) };
        return [{ topic: 'claims', errorCode: 0, topicId, internal: false, partitions: [partition] }];
      },
    },
  });
  const cluster = {
    targetTopics: new Set<string>(),
    brokerPool: { findConnectedBroker: async () => brokerOf('1') },
    refreshMetadata: async () => {
      requests.push('metadata for kafkajs');
      heard.add('2');
    },
    getNodeIds: () => [...heard],
    findLeaderForPartitions: () => ({ 2: [0] }),
    findBroker: async ({ nodeId }: { nodeId: string }) => {
      if (!heard.has(nodeId)) throw new Error(`broker ${nodeId} is not known`);
      return brokerOf(nodeId);
    },
  };
  return { requests, cluster: cluster as unknown as RawCluster };
}

test('where the leader is known two requests tell', async () => {
  const { cluster, requests } = clusterOf({ 1: { leader: 2, topicId: 'old' }, 2: { leader: 2 } });
  assert.deepEqual([...(await askTopicIds(cluster, [slot]))], [['claims/0', ID]], 'the leader’s word counts');
  assert.deepEqual(requests, ['metadata of 1', 'metadata of 2']);
});

test('a leader that kafkajs has not heard of, or that nobody named, is looked for', async () => {
  const unheard = clusterOf({ 1: { leader: 2 }, 2: { leader: 2 } }, ['1']);
  assert.deepEqual([...(await askTopicIds(unheard.cluster, [slot]))], [['claims/0', ID]]);
  assert.deepEqual(unheard.requests, ['metadata of 1', 'metadata for kafkajs', 'metadata of 2']);
  const unnamed = clusterOf({ 1: { leader: undefined }, 2: { leader: 2 } });
  assert.deepEqual([...(await askTopicIds(unnamed.cluster, [slot]))], [['claims/0', ID]]);
  assert.deepEqual(unnamed.requests, ['metadata of 1', 'metadata for kafkajs', 'metadata of 2']);
});

test('one that says it leads no more is not believed', async () => {
  const { cluster } = clusterOf({ 1: { leader: 2 }, 2: { leader: 1 } });
  await assert.rejects(askTopicIds(cluster, [slot]), { code: 'KAFKA_UNREACHABLE' });
});

test('every broker is asked, also those that kafkajs has not heard of; one that is silent makes it fail', async () => {
  const says = { 1: { leader: 1, topicId: 'old' }, 2: { leader: 2 } };
  const { cluster, requests } = clusterOf(says, ['1']);
  assert.deepEqual(await askEveryBroker(cluster, 'claims'), new Set(['old', ID]));
  assert.deepEqual(requests, ['metadata for kafkajs', 'metadata of 1', 'metadata of 2']);
  const { findBroker } = cluster;
  cluster.findBroker = async (broker) =>
    broker.nodeId === '2' ? Promise.reject(new Error('it is down')) : findBroker(broker);
  await assert.rejects(askEveryBroker(cluster, 'claims'), /it is down/);
});
