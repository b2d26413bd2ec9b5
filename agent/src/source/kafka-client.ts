// The only file that imports kafkajs itself: one consumer group member that hands over record batches
// unopened. It never restarts by itself, never commits by itself and never resets an offset; whoever owns it
// decides. Clients are made here too; kafka-cluster.ts asks through a connection of one of them.
import type { Clock } from '@sluice/shared/clock.ts';
import { messageOf, SluiceError } from '@sluice/shared/errors.ts';
import { type Consumer, type EachBatchPayload, Kafka, logLevel, type SASLOptions } from 'kafkajs';
import kafkajsPackage from 'kafkajs/package.json' with { type: 'json' };
import consumerGroup from 'kafkajs/src/consumer/consumerGroup.js';
import requestQueue from 'kafkajs/src/network/requestQueue/index.js';
import fetch4 from 'kafkajs/src/protocol/requests/fetch/v4/response.js';
import fetch5 from 'kafkajs/src/protocol/requests/fetch/v5/response.js';
import fetch7 from 'kafkajs/src/protocol/requests/fetch/v7/response.js';
import fetch8 from 'kafkajs/src/protocol/requests/fetch/v8/response.js';
import fetch11 from 'kafkajs/src/protocol/requests/fetch/v11/response.js';
import type { KafkaSettings } from '../contracts.ts';
import type { PartitionFetch, PseudoMessage } from './fetch-response.ts';
import { installRawBatchSeam, onOffsetOutOfRange } from './raw-batch-seam.ts';

const CONNECTION_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const FETCH_BYTES_MAX = 10 * 2 ** 20;
const FETCH_PARTITION_BYTES_MAX = 2 ** 20;
const FETCH_WAIT_MS = 500;
const METADATA_AGE_MS = 300_000;
const HEARTBEATS_PER_SESSION = 10;
/** kafkajs's own retries are short: the owner's back-off is the one that counts and can be seen. */
const RETRY = { retries: 3, initialRetryTime: 300, maxRetryTime: 3_000 } as const;
const ERROR_CAUSES_MAX = 8;

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface GroupOffset extends TopicPartition {
  readonly nextOffset: number;
}

/**
 * What a group member tells its owner, all synchronously from inside kafkajs: nothing here may throw or wait.
 */
export interface MemberListener {
  joined(partitions: readonly TopicPartition[]): void;
  /** Returns the last offset taken, or undefined to take nothing: then the same offset is fetched again. */
  fetched(partition: TopicPartition, fetch: PartitionFetch, fetchedOffset: number): number | undefined;
  /** A fetch round ended, whatever it brought. */
  fetchEnded(): void;
  outOfRange(partition: TopicPartition): void;
  committed(offsets: readonly GroupOffset[]): void;
  crashed(error: SluiceError): void;
  logged(level: 'warn' | 'error', message: string): void;
}

export interface GroupMember {
  /** Connects and joins; rejects with a SluiceError. */
  start(topics: readonly string[]): Promise<void>;
  /** Leaves the group and disconnects. */
  stop(): Promise<void>;
  seek(partition: TopicPartition, offset: number): void;
  pause(partitions: readonly TopicPartition[]): void;
  resume(partitions: readonly TopicPartition[]): void;
  /** Resolving proves nothing: only `MemberListener.committed` does. */
  commit(offsets: readonly GroupOffset[]): Promise<void>;
}

/** Checks and changes kafkajs once per process; throws KAFKA_CLIENT_CHANGED. */
export function prepareKafkajs(clock: Clock): void {
  installRawBatchSeam(
    {
      version: kafkajsPackage.version,
      fetchResponses: { 4: fetch4, 5: fetch5, 7: fetch7, 8: fetch8, 11: fetch11 },
      consumerGroup,
      requestQueue,
    },
    () => clock.wallMs(),
  );
}

export function createKafka(settings: KafkaSettings, logged: MemberListener['logged']): Kafka {
  const { tls, sasl } = settings;
  return new Kafka({
    brokers: [...settings.brokers],
    clientId: settings.clientId,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    retry: { ...RETRY, restartOnFailure: async () => false },
    logLevel: logLevel.WARN,
    logCreator: () => (entry) => {
      const place = typeof entry.log['broker'] === 'string' ? ` (${entry.log['broker']})` : '';
      logged(
        entry.level === logLevel.ERROR ? 'error' : 'warn',
        `${entry.namespace}: ${entry.log.message}${place}`,
      );
    },
    ...(tls === undefined ? {} : { ssl: tlsOptions(tls) }),
    ...(sasl === undefined ? {} : { sasl: { ...sasl } as SASLOptions }),
  });
}

function tlsOptions(tls: NonNullable<KafkaSettings['tls']>) {
  const { serverName, ...files } = tls;
  return {
    ...files,
    minVersion: 'TLSv1.2' as const,
    ...(serverName === undefined ? {} : { servername: serverName }),
  };
}

export function createGroupMember(settings: KafkaSettings, listener: MemberListener): GroupMember {
  const consumer = createKafka(settings, listener.logged).consumer({
    groupId: settings.groupId,
    sessionTimeout: settings.sessionTimeoutMs,
    rebalanceTimeout: Math.max(60_000, settings.sessionTimeoutMs),
    heartbeatInterval: Math.ceil(settings.sessionTimeoutMs / HEARTBEATS_PER_SESSION),
    metadataMaxAge: METADATA_AGE_MS,
    allowAutoTopicCreation: false,
    maxBytes: FETCH_BYTES_MAX,
    maxBytesPerPartition: FETCH_PARTITION_BYTES_MAX,
    maxWaitTimeInMs: FETCH_WAIT_MS,
    minBytes: 1,
    retry: { ...RETRY, restartOnFailure: async () => false },
  });
  const unsubscribe = listen(consumer, listener);
  let joined: Promise<unknown> = Promise.resolve();
  return {
    async start(topics) {
      try {
        await consumer.connect();
        // The offset where a group has none is ours to choose; kafkajs must never pick one.
        await consumer.subscribe({ topics: [...topics], fromBeginning: true });
        joined = consumer.run({
          autoCommit: false,
          eachBatchAutoResolve: false,
          partitionsConsumedConcurrently: 1,
          eachBatch: async (payload) => takeBatch(payload, listener),
        });
        await joined;
      } catch (error) {
        throw kafkaError(error);
      }
    },
    async stop() {
      unsubscribe();
      // kafkajs leaves no group that it is still joining: its partitions would wait for a session to end.
      await joined.catch(() => undefined);
      await consumer.disconnect();
    },
    seek: ({ topic, partition }, offset) =>
      whileRunning(() => consumer.seek({ topic, partition, offset: String(offset) })),
    pause: (partitions) => whileRunning(() => consumer.pause(byTopic(partitions))),
    resume: (partitions) => whileRunning(() => consumer.resume(byTopic(partitions))),
    async commit(offsets) {
      await consumer.commitOffsets(
        offsets.map(({ topic, partition, nextOffset }) => ({ topic, partition, offset: String(nextOffset) })),
      );
    },
  };
}

/**
 * Seeks and pauses are all applied again on the next join, so those of a member that is not running are not
 * missed.
 */
function whileRunning(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof Error && error.name === 'KafkaJSNonRetriableError')) throw error;
  }
}

function byTopic(partitions: readonly TopicPartition[]): { topic: string; partitions: number[] }[] {
  const topics = new Map<string, number[]>();
  for (const { topic, partition } of partitions) {
    const list = topics.get(topic);
    if (list === undefined) topics.set(topic, [partition]);
    else list.push(partition);
  }
  return [...topics].map(([topic, list]) => ({ topic, partitions: list }));
}

/**
 * Called for every partition of a response, also for one that brought nothing: bounds come even while it
 * idles.
 */
function takeBatch(payload: EachBatchPayload, listener: MemberListener): void {
  // A seek is pending: these batches are from before it.
  if (payload.isStale()) return;
  const { topic, partition } = payload.batch;
  const { fetchedOffset } = payload.batch as unknown as { fetchedOffset: string };
  const message = payload.batch.messages[0] as unknown as PseudoMessage | undefined;
  if (message === undefined) return;
  const last = listener.fetched({ topic, partition }, message.fetch, Number(fetchedOffset));
  if (last !== undefined) payload.resolveOffset(String(last));
}

function listen(consumer: Consumer, listener: MemberListener): () => void {
  let memberId: string | undefined;
  let live = true;
  const { GROUP_JOIN, FETCH, COMMIT_OFFSETS, CRASH } = consumer.events;
  consumer.on(GROUP_JOIN, ({ payload }) => {
    memberId = payload.memberId;
    const assignment = Object.entries(payload.memberAssignment);
    if (live)
      listener.joined(assignment.flatMap(([topic, list]) => list.map((partition) => ({ topic, partition }))));
  });
  consumer.on(FETCH, () => {
    if (live) listener.fetchEnded();
  });
  consumer.on(COMMIT_OFFSETS, ({ payload }) => {
    if (!live) return;
    const offsets = payload.topics.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, offset }) => ({ topic, partition, nextOffset: Number(offset) })),
    );
    listener.committed(offsets);
  });
  consumer.on(CRASH, ({ payload }) => {
    if (live) listener.crashed(kafkaError(payload.error));
  });
  const unsubscribe = onOffsetOutOfRange((event) => {
    if (live && event.memberId === memberId) listener.outOfRange(event);
  });
  return () => {
    live = false;
    unsubscribe();
  };
}

/** kafkajs's errors as ours: their kind tells whether waiting may help. */
export function kafkaError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  const causes: unknown[] = [];
  for (let cause = error; cause !== undefined && causes.length < ERROR_CAUSES_MAX; ) {
    causes.push(cause);
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  const own = causes.find((cause) => cause instanceof SluiceError);
  if (own instanceof SluiceError) return own;
  const texts = causes.map((cause) => {
    const { name, type, message } = cause as { name?: string; type?: string; message?: string };
    return `${name ?? ''} ${type ?? ''} ${message ?? String(cause)}`;
  });
  const text = texts.join('\n');
  const message = messageOf(error);
  const broker = causes.map((cause) => (cause as { broker?: unknown }).broker).find(Boolean);
  const at = { cause: error, ...(typeof broker === 'string' ? { place: broker } : {}) };
  if (/AUTHORIZATION_FAILED/.test(text)) return new SluiceError('KAFKA_AUTHORIZATION', message, at);
  if (/SASL|AUTHENTICATION_FAILED|certificate|\balert\b/i.test(text))
    return new SluiceError('KAFKA_AUTHENTICATION', message, at);
  if (/UNKNOWN_TOPIC/.test(text)) return new SluiceError('KAFKA_TOPIC_UNKNOWN', message, at);
  return new SluiceError('KAFKA_UNREACHABLE', message, at);
}
