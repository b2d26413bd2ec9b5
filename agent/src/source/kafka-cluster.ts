// Questions to the cluster outside the group: which topics exist and under which ids, where their logs begin
// and end, what the group has committed. They go over a connection of kafkajs's own cluster object, so TLS
// and SASL are the consumer's. A failed answer closes the connection; the next question opens a new one.
import { SluiceError } from '@sluice/shared/errors.ts';
import { NO_TOPIC_ID, offsetFromWire, slotKey } from '@sluice/shared/position.ts';
import type { KafkaSettings } from '../contracts.ts';
import {
  decodeEpochResponse,
  EPOCH_API_KEY,
  EPOCH_VERSION_MAX,
  type EpochEnd,
  type EpochQuestion,
  encodeEpochRequest,
} from './epoch-request.ts';
import type { PartitionFetch } from './fetch-response.ts';
import { createKafka, kafkaError, type MemberListener, type TopicPartition } from './kafka-client.ts';
import {
  decodeMetadataResponse,
  encodeMetadataRequest,
  METADATA_API_KEY,
  METADATA_VERSION,
  type TopicMetadata,
  UNKNOWN_TOPIC,
} from './metadata-request.ts';
import type { RawBroker, RawCluster } from './raw-cluster.ts';

const READ_COMMITTED = 1;
const METADATA_AGE_MS = 300_000;
const FETCH_WAIT_MS = 500;
const CONSUMER_REPLICA_ID = -1;
const COORDINATOR_OF_GROUP = 0;

export interface PartitionLog extends TopicPartition {
  readonly logStart: number;
  /** Last stable offset. */
  readonly logEnd: number;
}

export interface GroupPosition extends TopicPartition {
  /** Undefined where the group has committed nothing. */
  readonly groupOffset: number | undefined;
}

export interface FetchQuestion extends TopicPartition {
  readonly offset: number;
  /** One batch is always answered, whatever its size. */
  readonly bytesMax: number;
}

export interface FetchAnswer extends TopicPartition {
  readonly fetch: PartitionFetch;
}

export interface KafkaCluster {
  /** The topics named, unknown ones included (by their error code), or all that may be seen. */
  topics(names?: readonly string[]): Promise<readonly TopicMetadata[]>;
  /** Every partition of existing topics. */
  logs(topics: readonly string[]): Promise<readonly PartitionLog[]>;
  groupOffsets(partitions: readonly TopicPartition[]): Promise<readonly GroupPosition[]>;
  /** Fails where the group may not be used; kafkajs itself would say that no coordinator was found. */
  checkGroup(): Promise<void>;
  /**
   * Batches from the offsets named, asked of each leader once, outside any group. Needs `prepareKafkajs`
   * before.
   */
  fetch(questions: readonly FetchQuestion[]): Promise<readonly FetchAnswer[]>;
  /**
   * The topic ids of partitions, by `slotKey`, as their leaders say; none where there is no such partition.
   * Fails where a leader is none any more.
   */
  topicIds(partitions: readonly TopicPartition[]): Promise<ReadonlyMap<string, string>>;
  /**
   * Every id that a topic of this name has by the word of any broker. Fails where one that is known cannot be
   * asked.
   */
  topicIdsEverywhere(topic: string): Promise<ReadonlySet<string>>;
  /** Where the logs of leader epochs end, asked of each leader; none where the brokers cannot say it. */
  epochEnds(questions: readonly EpochQuestion[]): Promise<readonly EpochEnd[]>;
  close(): Promise<void>;
}

export function createKafkaCluster(settings: KafkaSettings, logged: MemberListener['logged']): KafkaCluster {
  let open: RawCluster | undefined;
  const ask = async <T>(question: (cluster: RawCluster) => Promise<T>): Promise<T> => {
    const cluster = open ?? rawCluster(settings, logged);
    open = cluster;
    try {
      await cluster.connect();
      return await question(cluster);
    } catch (error) {
      if (open === cluster) open = undefined;
      await cluster.disconnect().catch(() => undefined);
      throw kafkaError(error);
    }
  };
  return {
    topics: (names) => ask((cluster) => askTopics(cluster, names)),
    logs: (topics) => ask((cluster) => askLogs(cluster, topics)),
    groupOffsets: (partitions) =>
      ask(async (cluster) => {
        const coordinator = await cluster.findGroupCoordinator({ groupId: settings.groupId });
        const topics = partitionsByTopic(partitions);
        const { responses } = await coordinator.offsetFetch({ groupId: settings.groupId, topics });
        return responses.flatMap(({ topic, partitions: list }) =>
          list.map(({ partition, offset }) => {
            const groupOffset = offsetFromWire(offset);
            return { topic, partition, groupOffset: groupOffset < 0 ? undefined : groupOffset };
          }),
        );
      }),
    checkGroup: () => ask((cluster) => askCoordinator(cluster, settings.groupId)),
    fetch: (questions) => ask((cluster) => askBatches(cluster, questions)),
    topicIds: (partitions) => ask((cluster) => askTopicIds(cluster, partitions)),
    topicIdsEverywhere: (topic) => ask((cluster) => askEveryBroker(cluster, topic)),
    epochEnds: (questions) => ask((cluster) => askEpochEnds(cluster, questions)),
    async close() {
      const cluster = open;
      open = undefined;
      await cluster?.disconnect().catch(() => undefined);
    },
  };
}

/** The factory stands behind a symbol; its consumers and producers get theirs from it. */
function rawCluster(settings: KafkaSettings, logged: MemberListener['logged']): RawCluster {
  const kafka = createKafka(settings, logged);
  const symbol = Object.getOwnPropertySymbols(kafka).find(
    ({ description }) => description === 'private:Kafka:createCluster',
  );
  const create = symbol === undefined ? undefined : (Reflect.get(kafka, symbol) as unknown);
  if (typeof create !== 'function')
    throw new SluiceError('KAFKA_CLIENT_CHANGED', 'kafkajs no longer makes clusters where it did');
  return create({
    metadataMaxAge: METADATA_AGE_MS,
    allowAutoTopicCreation: false,
    isolationLevel: READ_COMMITTED,
  }) as RawCluster;
}

async function askTopics(
  cluster: RawCluster,
  names: readonly string[] | undefined,
): Promise<readonly TopicMetadata[]> {
  return topicsOf(await cluster.brokerPool.findConnectedBroker(), names);
}

async function topicsOf(
  broker: RawBroker,
  names: readonly string[] | undefined,
): Promise<readonly TopicMetadata[]> {
  const supported = broker.versions[METADATA_API_KEY]?.maxVersion ?? 0;
  if (supported < METADATA_VERSION) return topicsWithoutIds(broker, names);
  const api = { apiKey: METADATA_API_KEY, apiVersion: METADATA_VERSION, apiName: 'Metadata' };
  return sendOwn(broker, { api, body: encodeMetadataRequest(names), decode: decodeMetadataResponse });
}

/**
 * A broker that serves a partition has heard of its topic: what another broker says may be older. Two
 * requests where the first names leaders that are known.
 */
export async function askTopicIds(
  cluster: RawCluster,
  partitions: readonly TopicPartition[],
): Promise<ReadonlyMap<string, string>> {
  const names = [...new Set(partitions.map(({ topic }) => topic))];
  const present = (await askTopics(cluster, names)).filter(({ errorCode }) => errorCode === 0);
  const there = partitions.filter(({ topic }) => present.some((found) => found.topic === topic));
  const byLeader = (await bySaidLeaders(cluster, there, present)) ?? (await byLeaders(cluster, there));
  const ids = new Map<string, string>();
  for (const { leader, nodeId, asked } of byLeader) {
    const topics = await topicsOf(leader, [...new Set(asked.map(({ topic }) => topic))]);
    for (const slot of asked) {
      const found = topics.find(({ topic, errorCode }) => topic === slot.topic && errorCode === 0);
      const itself = found?.partitions.find(({ partition }) => partition === slot.partition);
      if (found === undefined || itself === undefined) continue;
      if (itself.leader !== undefined && String(itself.leader) !== nodeId)
        throw new SluiceError('KAFKA_UNREACHABLE', `${slotKey(slot)} has another leader now`);
      ids.set(slotKey(slot), found.topicId);
    }
  }
  return ids;
}

/** A broker that is cut off from the others may name a topic of long ago for as long as it can be reached. */
export async function askEveryBroker(cluster: RawCluster, topic: string): Promise<ReadonlySet<string>> {
  cluster.targetTopics = new Set([topic]);
  await cluster.refreshMetadata();
  const ids = new Set<string>();
  for (const nodeId of cluster.getNodeIds())
    for (const found of await topicsOf(await cluster.findBroker({ nodeId }), [topic]))
      if (found.topic === topic && found.errorCode === 0) ids.add(found.topicId);
  return ids;
}

/** By leaders that were just named; undefined where one was not, or kafkajs cannot reach it. */
async function bySaidLeaders(
  cluster: RawCluster,
  slots: readonly TopicPartition[],
  topics: readonly TopicMetadata[],
): Promise<AskedLeader<TopicPartition>[] | undefined> {
  const said = topics.flatMap(({ topic, partitions }) =>
    partitions.map(({ partition, leader }) => [slotKey({ topic, partition }), leader] as const),
  );
  const leaders = new Map(said);
  if (slots.some((slot) => leaders.get(slotKey(slot)) === undefined)) return undefined;
  cluster.targetTopics = new Set(topics.map(({ topic }) => topic));
  const byNode = Map.groupBy(slots, (slot) => String(leaders.get(slotKey(slot))));
  return await brokersOf(cluster, byNode).catch(() => undefined);
}

/** A request of ours through a connection of kafkajs. */
async function sendOwn<T>(
  broker: RawBroker,
  exchange: {
    readonly api: { readonly apiKey: number; readonly apiVersion: number; readonly apiName: string };
    readonly body: Buffer;
    decode(payload: Buffer): T;
  },
): Promise<T> {
  const { api, body, decode } = exchange;
  return (await broker.connectionPool.send({
    request: {
      ...api,
      // kafkajs appends an encoder's `buf` up to its `offset`.
      encode: async () => ({ buf: body, offset: body.length, buffer: body, size: () => body.length }),
    },
    response: {
      decode: async (payload: Buffer) => decode(payload),
      parse: async (decoded: unknown) => decoded,
    },
  })) as T;
}

async function askEpochEnds(
  cluster: RawCluster,
  questions: readonly EpochQuestion[],
): Promise<readonly EpochEnd[]> {
  const byLeader = await byLeaders(cluster, questions);
  const answers = byLeader.map(async ({ leader, asked }) => {
    const { maxVersion } = leader.versions[EPOCH_API_KEY] ?? { maxVersion: -1 };
    const apiVersion = Math.min(maxVersion, EPOCH_VERSION_MAX);
    if (apiVersion < 0) return [];
    const api = { apiKey: EPOCH_API_KEY, apiVersion, apiName: 'OffsetForLeaderEpoch' };
    const body = encodeEpochRequest(asked, apiVersion);
    return sendOwn(leader, { api, body, decode: (payload) => decodeEpochResponse(payload, apiVersion) });
  });
  return (await Promise.all(answers)).flat();
}

interface AskedLeader<Q> {
  readonly leader: RawBroker;
  readonly nodeId: string;
  readonly asked: readonly Q[];
}

/** What is asked of which leader, by metadata that are read for it. */
async function byLeaders<Q extends TopicPartition>(
  cluster: RawCluster,
  questions: readonly Q[],
): Promise<AskedLeader<Q>[]> {
  const byTopic = [...Map.groupBy(questions, ({ topic }) => topic)];
  cluster.targetTopics = new Set(byTopic.map(([topic]) => topic));
  await cluster.refreshMetadata();
  const byNode = new Map<string, Q[]>();
  for (const [topic, asked] of byTopic) {
    const partitions = asked.map(({ partition }) => partition);
    for (const [nodeId, led] of Object.entries(cluster.findLeaderForPartitions(topic, partitions))) {
      const its = asked.filter(({ partition }) => led.includes(partition));
      byNode.set(nodeId, [...(byNode.get(nodeId) ?? []), ...its]);
    }
  }
  return brokersOf(cluster, byNode);
}

function brokersOf<Q>(
  cluster: RawCluster,
  byNode: ReadonlyMap<string, readonly Q[]>,
): Promise<AskedLeader<Q>[]> {
  return Promise.all(
    [...byNode].map(async ([nodeId, asked]) => {
      return { leader: await cluster.findBroker({ nodeId }), nodeId, asked };
    }),
  );
}

/** Brokers before 2.8 have no topic ids: the zero id stands for that everywhere. */
async function topicsWithoutIds(
  broker: RawBroker,
  names: readonly string[] | undefined,
): Promise<readonly TopicMetadata[]> {
  const { topicMetadata } = await broker.metadata([]);
  const known = topicMetadata.map(
    ({ topic, isInternal, partitionMetadata }): TopicMetadata => ({
      topic,
      errorCode: 0,
      topicId: NO_TOPIC_ID,
      internal: isInternal === true,
      partitions: partitionMetadata.map(({ partitionId }) => ({ partition: partitionId, leaderEpoch: -1 })),
    }),
  );
  if (names === undefined) return known;
  const missing = { errorCode: UNKNOWN_TOPIC, topicId: NO_TOPIC_ID, internal: false, partitions: [] };
  return names.map((topic) => known.find((entry) => entry.topic === topic) ?? { ...missing, topic });
}

async function askLogs(cluster: RawCluster, topics: readonly string[]): Promise<readonly PartitionLog[]> {
  if (topics.length === 0) return [];
  cluster.targetTopics = new Set(topics);
  await cluster.refreshMetadata();
  const question = topics.map((topic) => ({
    topic,
    partitions: cluster
      .findTopicPartitionMetadata(topic)
      .map(({ partitionId }) => ({ partition: partitionId })),
  }));
  const ends = await cluster.fetchTopicsOffset(question.map((entry) => ({ ...entry, fromBeginning: false })));
  const starts = await cluster.fetchTopicsOffset(
    question.map((entry) => ({ ...entry, fromBeginning: true })),
  );
  const startOf = new Map(
    starts.flatMap(({ topic, partitions }) =>
      partitions.map(
        ({ partition, offset }) => [slotKey({ topic, partition }), offsetFromWire(offset)] as const,
      ),
    ),
  );
  return ends.flatMap(({ topic, partitions }) =>
    partitions.flatMap(({ partition, offset }) => {
      const logStart = startOf.get(slotKey({ topic, partition }));
      return logStart === undefined ? [] : [{ topic, partition, logStart, logEnd: offsetFromWire(offset) }];
    }),
  );
}

async function askCoordinator(cluster: RawCluster, groupId: string): Promise<void> {
  const broker = await cluster.brokerPool.findConnectedBroker();
  try {
    await broker.findGroupCoordinator({ groupId, coordinatorType: COORDINATOR_OF_GROUP });
  } catch (error) {
    // The cluster's first group: its offsets topic is being made.
    if ((error as { type?: string }).type !== 'GROUP_COORDINATOR_NOT_AVAILABLE') throw error;
  }
}

async function askBatches(
  cluster: RawCluster,
  questions: readonly FetchQuestion[],
): Promise<readonly FetchAnswer[]> {
  const byLeader = await byLeaders(cluster, questions);
  const answers = byLeader.map(async ({ leader, asked }) => {
    const topics = [...Map.groupBy(asked, ({ topic }) => topic)].map(([topic, list]) => ({
      topic,
      partitions: list.map(({ partition, offset, bytesMax: maxBytes }) => {
        return { partition, fetchOffset: String(offset), maxBytes };
      }),
    }));
    const { responses } = await leader.fetch({
      replicaId: CONSUMER_REPLICA_ID,
      isolationLevel: READ_COMMITTED,
      maxWaitTime: FETCH_WAIT_MS,
      topics,
    });
    return responses.flatMap(({ topicName: topic, partitions }) =>
      partitions.flatMap(({ partition, messages: [message] }) =>
        message === undefined ? [] : [{ topic, partition, fetch: message.fetch }],
      ),
    );
  });
  return (await Promise.all(answers)).flat();
}

function partitionsByTopic(
  partitions: readonly TopicPartition[],
): { topic: string; partitions: { partition: number }[] }[] {
  const topics = Map.groupBy(partitions, ({ topic }) => topic);
  return [...topics].map(([topic, list]) => ({
    topic,
    partitions: list.map(({ partition }) => ({ partition })),
  }));
}
