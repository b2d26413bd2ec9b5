// Some records of a topic, read without a group: nothing is joined, committed or left behind. For those who
// want to know what a topic holds before they consume it.
import type { Clock } from '@sluice/shared/clock.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { decodeRecords, type KafkaRecord } from '@sluice/shared/records.ts';
import type { BoundedRead, KafkaSettings } from '../contracts.ts';
import { prepareKafkajs } from './kafka-client.ts';
import { createKafkaCluster, type KafkaCluster, type PartitionLog } from './kafka-cluster.ts';
import { UNKNOWN_TOPIC } from './metadata-request.ts';

export interface TopicSampler {
  /** The topic's partitions. KAFKA_TOPIC_UNKNOWN, KAFKA_AUTHORIZATION. */
  logs(topic: string): Promise<readonly PartitionLog[]>;
  /** Names of the topics that may be seen, internal ones apart. */
  topics(): Promise<readonly string[]>;
  /** Fails where the group of the settings may not be used. */
  checkGroup(): Promise<void>;
  /** About `recordsMax` records, half from where the ranges begin and half from before they end. */
  sample(topic: string, ranges: readonly BoundedRead[], recordsMax: number): Promise<readonly KafkaRecord[]>;
  close(): Promise<void>;
}

const PARTITIONS_MAX = 16;
const FETCH_BYTES_MAX = 256 * 2 ** 10;
const ROUNDS_MAX = 8;

export function createTopicSampler(settings: KafkaSettings, clock: Clock): TopicSampler {
  prepareKafkajs(clock);
  const cluster = createKafkaCluster(settings, () => {});
  return {
    async logs(topic) {
      const [found] = await cluster.topics([topic]);
      if (found === undefined || found.errorCode === UNKNOWN_TOPIC)
        throw new SluiceError('KAFKA_TOPIC_UNKNOWN', `topic '${topic}' does not exist`);
      if (found.errorCode !== 0) throw topicError(topic, found.errorCode);
      return (await cluster.logs([topic])).toSorted((a, b) => a.partition - b.partition);
    },
    async topics() {
      const seen = await cluster.topics();
      return seen.filter(({ errorCode, internal }) => errorCode === 0 && !internal).map(({ topic }) => topic);
    },
    checkGroup: () => cluster.checkGroup(),
    sample: (topic, ranges, recordsMax) => sample(cluster, { topic, ranges, recordsMax }),
    close: () => cluster.close(),
  };
}

const TOPIC_AUTHORIZATION_FAILED = 29;

function topicError(topic: string, code: number): SluiceError {
  if (code === TOPIC_AUTHORIZATION_FAILED)
    return new SluiceError('KAFKA_AUTHORIZATION', `topic '${topic}' may not be described`);
  return new SluiceError('KAFKA_UNREACHABLE', `topic '${topic}' is not available (Kafka's error ${code})`);
}

/** A place to read on from: [next, end) of a partition, and how many records are still wanted of it. */
interface Cursor {
  readonly partition: number;
  readonly end: number;
  next: number;
  wanted: number;
}

interface SampleRequest {
  readonly topic: string;
  readonly ranges: readonly BoundedRead[];
  readonly recordsMax: number;
}

async function sample(cluster: KafkaCluster, request: SampleRequest): Promise<readonly KafkaRecord[]> {
  const records = new Map<string, KafkaRecord>();
  for (const cursors of cursorsOf(request)) {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const open = cursors.filter(({ next, end, wanted }) => next < end && wanted > 0);
      if (open.length === 0) break;
      await advance(cluster, { topic: request.topic, cursors: open, into: records });
    }
  }
  return [...records.values()];
}

/**
 * One set of cursors at the beginnings, one before the ends: Kafka is asked for one offset per partition at a
 * time.
 */
function cursorsOf({ ranges, recordsMax }: SampleRequest): Cursor[][] {
  const full = ranges.filter(({ from, to }) => to > from);
  const step = Math.max(1, full.length / PARTITIONS_MAX);
  const chosen = full.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step));
  const each = Math.max(1, Math.ceil(recordsMax / (2 * chosen.length)));
  return [
    chosen.map(({ partition, from, to }) => ({ partition, end: to, next: from, wanted: each })),
    chosen.map(({ partition, from, to }) => {
      return { partition, end: to, next: Math.max(from, to - each), wanted: each };
    }),
  ];
}

async function advance(
  cluster: KafkaCluster,
  { topic, cursors, into }: { topic: string; cursors: readonly Cursor[]; into: Map<string, KafkaRecord> },
): Promise<void> {
  const questions = cursors.map(({ partition, next: offset }) => {
    return { topic, partition, offset, bytesMax: FETCH_BYTES_MAX };
  });
  for (const { partition, fetch } of await cluster.fetch(questions)) {
    const cursor = cursors.find((one) => one.partition === partition);
    if (cursor === undefined) continue;
    for (const batch of fetch.batches) {
      if (cursor.wanted <= 0) break;
      const records = batch.kind === 'data' ? decodeRecords(batch.bytes) : [];
      const inside = records.filter(({ offset }) => offset >= cursor.next && offset < cursor.end);
      for (const record of inside.slice(0, cursor.wanted)) into.set(`${partition}/${record.offset}`, record);
      cursor.wanted -= inside.length;
      cursor.next = Math.max(cursor.next, batch.lastOffset + 1);
    }
  }
}
