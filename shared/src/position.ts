// Names for places in Kafka. Offsets are JavaScript numbers, exact to 2^53; `offsetFromWire` asserts that at
// the door.
import { assert } from './errors.ts';

/** A partition of one incarnation of a topic: a topic created again has another id (KIP-516). */
export interface PartitionId {
  readonly topic: string;
  /** 32 lower-case hex digits; all zero where the broker has no topic ids (before 2.8). */
  readonly topicId: string;
  readonly partition: number;
}

/**
 * DESIGN's position: which incarnation, which partition, written under which leader epoch, and the next
 * offset.
 */
export interface Position extends PartitionId {
  /** -1 where unknown. */
  readonly leaderEpoch: number;
  readonly nextOffset: number;
}

/** Everything below `offset` was read from a log whose last record there is of `leaderEpoch`. */
export interface LogPlace {
  readonly leaderEpoch: number;
  readonly offset: number;
}

export const NO_TOPIC_ID = '0'.repeat(32);

/** The partition alone, of whatever says more of it. */
export function idOf({ topic, topicId, partition }: PartitionId): PartitionId {
  return { topic, topicId, partition };
}

/** Map key of one partition of one topic incarnation. */
export function partitionKey(id: PartitionId): string {
  return `${id.topic}/${id.topicId}/${id.partition}`;
}

/** Map key of one partition of whatever incarnation of its topic is there now. Topic names hold no slash. */
export function slotKey(slot: { readonly topic: string; readonly partition: number }): string {
  return `${slot.topic}/${slot.partition}`;
}

/** How people write a partition: `claims-3`. */
export function partitionName(id: { readonly topic: string; readonly partition: number }): string {
  return `${id.topic}-${id.partition}`;
}

/**
 * A Kafka offset as a number. Throws ASSERTION_FAILED beyond 2^53, which would take a century at 2.8 M
 * records/s.
 */
export function offsetFromWire(offset: bigint | string): number {
  const number = Number(offset);
  assert(Number.isSafeInteger(number), `offset ${offset} is not exact in a float64`);
  return number;
}
