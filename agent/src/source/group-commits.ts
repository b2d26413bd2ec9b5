// Offsets on their way to the group: the newest per partition, repeated until Kafka confirms it, never backwards.
// kafkajs may resolve a commit that it did not send, so only `confirmed` counts.
import { slotKey } from '@sluice/shared/position.ts';
import type { GroupOffset, TopicPartition } from './kafka-client.ts';

export class GroupCommits {
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
      (offset) => assigned(offset) && offset.nextOffset > (this.#confirmed.get(slotKey(offset)) ?? -1),
    );
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
