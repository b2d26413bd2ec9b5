// OffsetForLeaderEpoch v0 to v3, which kafkajs does not speak: where Kafka's log of a leader epoch ends
// (KIP-101, KIP-320). Pure encoding and decoding; kafkajs's own connection carries it.
import { WireReader } from './wire-reader.ts';

export interface EpochQuestion {
  readonly topic: string;
  readonly partition: number;
  readonly leaderEpoch: number;
  /** The leader's epoch now, as the metadata say: a leader that is no more must not answer. -1: any may. */
  readonly currentEpoch: number;
}

export interface EpochEnd {
  readonly topic: string;
  readonly partition: number;
  /** Kafka's: 0 is an answer. */
  readonly errorCode: number;
  /** The epoch asked for, or the highest below it that the log has; -1 where the log knows none. */
  readonly endEpoch: number;
  /** Where that epoch ends: the start of the next one, or the end of the log; -1 where the log knows none. */
  readonly endOffset: number;
}

export const EPOCH_API_KEY = 23;
export const EPOCH_VERSION_MAX = 3;

const CONSUMER_REPLICA_ID = -1;

/** Each partition once: a question about another epoch of it goes into another request. */
export function encodeEpochRequest(questions: readonly EpochQuestion[], version: number): Buffer {
  const parts: Buffer[] = version >= 3 ? [int32(CONSUMER_REPLICA_ID)] : [];
  const topics = Map.groupBy(questions, ({ topic }) => topic);
  parts.push(int32(topics.size));
  for (const [topic, asked] of topics) {
    const name = Buffer.from(topic);
    const length = Buffer.alloc(2);
    length.writeInt16BE(name.length);
    parts.push(length, name, int32(asked.length));
    for (const { partition, leaderEpoch, currentEpoch } of asked)
      parts.push(int32(partition), ...(version >= 2 ? [int32(currentEpoch)] : []), int32(leaderEpoch));
  }
  return Buffer.concat(parts);
}

export function decodeEpochResponse(payload: Buffer, version: number): EpochEnd[] {
  const reader = new WireReader(payload);
  if (version >= 2) reader.int32(); // throttle time
  const topics = reader.array(() => {
    const topic = reader.string();
    return reader.array((): EpochEnd => {
      const errorCode = reader.int16();
      const partition = reader.int32();
      const endEpoch = version >= 1 ? reader.int32() : -1;
      const endOffset = reader.offset();
      return { topic, partition, errorCode, endEpoch, endOffset };
    });
  });
  return topics.flat();
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}
