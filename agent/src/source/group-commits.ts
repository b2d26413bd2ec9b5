// Offsets on their way to the group: the newest per partition, repeated until Kafka confirms it, never
// backwards. kafkajs may resolve a commit that it did not send, so only `confirmed` counts.
import { slotKey } from '@sluice/shared/position.ts';
import type { GroupOffset, TopicPartition } from './kafka-client.ts';

export class GroupCommits {
  /**
   * Whose group offset was read since they were assigned: of others it is not known what would be a step
   * back.
   */
  readonly #read = new Set<string>();
  readonly #wanted = new Map<string, GroupOffset>();
  readonly #confirmed = new Map<string, number>();

  want(offsets: readonly GroupOffset[]): void {
    for (const offset of offsets) {
      const key = slotKey(offset);
      if (offset.nextOffset > (this.#wanted.get(key)?.nextOffset ?? -1)) this.#wanted.set(key, { ...offset });
    }
  }

  /** What is worth sending now, of the partitions that are ours. */
  due(assigned: (partition: TopicPartition) => boolean): GroupOffset[] {
    return [...this.#wanted.values()].filter(
      (offset) =>
        assigned(offset) &&
        this.#read.has(slotKey(offset)) &&
        offset.nextOffset > (this.#confirmed.get(slotKey(offset)) ?? -1),
    );
  }

  /** Another assignment: others may have committed what this agent read and commits of its own may be old. */
  assigned(): void {
    this.#read.clear();
    this.#confirmed.clear();
  }

  /** The group was asked about these; what it said is `confirmed` before. */
  read(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.#read.add(slotKey(partition));
  }

  /** The group stands at these offsets: after a commit, or because Kafka was asked. */
  confirmed(offsets: readonly GroupOffset[]): void {
    for (const offset of offsets) {
      const key = slotKey(offset);
      this.#confirmed.set(key, Math.max(offset.nextOffset, this.#confirmed.get(key) ?? -1));
      if ((this.#wanted.get(key)?.nextOffset ?? -1) <= offset.nextOffset) this.#wanted.delete(key);
    }
  }

  /** The topic is another one now: what was committed says nothing about it. */
  forgetTopic(topic: string): void {
    for (const key of [...this.#wanted.keys(), ...this.#confirmed.keys()]) {
      if (!key.startsWith(`${topic}/`)) continue;
      this.#wanted.delete(key);
      this.#confirmed.delete(key);
    }
  }
}
