// Metadata v10, which kafkajs does not speak: topic ids (KIP-516) and leader epochs. Pure encoding and
// decoding of a flexible request; kafkajs's own connection carries it.
import { WireReader } from './wire-reader.ts';

export interface PartitionMetadata {
  readonly partition: number;
  /** Node id; undefined where it was not asked for. */
  readonly leader?: number;
  readonly leaderEpoch: number;
}

export interface TopicMetadata {
  readonly topic: string;
  /** Kafka's error code of the topic: 0 fine, 3 unknown, 5 leader not available, 29 not authorised. */
  readonly errorCode: number;
  /** 32 hex digits. */
  readonly topicId: string;
  readonly internal: boolean;
  readonly partitions: readonly PartitionMetadata[];
}

export const METADATA_API_KEY = 3;
export const METADATA_VERSION = 10;
export const UNKNOWN_TOPIC = 3;

/**
 * kafkajs writes request header v1; flexible requests have v2, which ends in one more (empty) tag section.
 */
const NO_TAGS = Buffer.from([0]);
const TOPIC_ID_BYTES = 16;

/** Body of the request for `topics`, or for all topics. Topics are never created by asking. */
export function encodeMetadataRequest(topics: readonly string[] | undefined): Buffer {
  const flags = Buffer.from([0, 0, 0]); // allow auto creation, authorised operations of cluster and of topics
  if (topics === undefined) return Buffer.concat([NO_TAGS, uvarint(0), flags, NO_TAGS]);
  const entries = topics.flatMap((topic) => {
    const name = Buffer.from(topic);
    return [Buffer.alloc(TOPIC_ID_BYTES), uvarint(name.length + 1), name, NO_TAGS];
  });
  return Buffer.concat([NO_TAGS, uvarint(topics.length + 1), ...entries, flags, NO_TAGS]);
}

export function decodeMetadataResponse(payload: Buffer): TopicMetadata[] {
  const reader = new WireReader(payload);
  reader.tags();
  reader.skip(4); // throttle time
  reader.compactArray(() => {
    reader.skip(4); // node id
    reader.compactString(); // host
    reader.skip(4); // port
    reader.compactString(); // rack
    reader.tags();
  });
  reader.compactString(); // cluster id
  reader.skip(4); // controller id
  return reader.compactArray(() => decodeTopic(reader));
}

function decodeTopic(reader: WireReader): TopicMetadata {
  const errorCode = reader.int16();
  const topic = reader.compactString();
  const topicId = reader.hex(TOPIC_ID_BYTES);
  const internal = reader.int8() !== 0;
  const partitions = reader.compactArray(() => {
    reader.skip(2); // error
    const partition = reader.int32();
    const leader = reader.int32();
    const leaderEpoch = reader.int32();
    for (let lists = 0; lists < 3; lists++) reader.compactArray(() => reader.skip(4)); // replicas, in sync, offline
    reader.tags();
    return { partition, leader, leaderEpoch };
  });
  reader.skip(4); // authorised operations
  reader.tags();
  return { topic, errorCode, topicId, internal, partitions };
}

function uvarint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}
