// Topic and partition as one number, by which the offsets of an entry are compared: of an entry of one topic
// the partition itself, since its rows need not name their topic. Pure.
import { partitionName } from '@sluice/shared/position.ts';
import type { LedgerRange } from '../../contracts.ts';
import { literal } from '../../transform/sql/types.ts';

/** Kafka numbers partitions below this. */
const PARTITIONS_MAX = 2 ** 31;

export interface Slot {
  readonly topic: string;
  readonly partition: number;
}

export class Slots {
  readonly #topics: readonly string[];

  constructor(ranges: readonly LedgerRange[]) {
    this.#topics = [...new Set(ranges.map(({ topic }) => topic))];
  }

  of({ topic, partition }: Slot): number {
    return this.#topics.indexOf(topic) * PARTITIONS_MAX + partition;
  }

  /** SQL of a row's slot; NULL where it is of a topic that the entry does not name. */
  get sql(): string {
    if (this.#topics.length < 2) return '_partition::BIGINT';
    const cases = this.#topics.map((topic, i) => `WHEN ${literal(topic)} THEN ${i * PARTITIONS_MAX}`);
    return `(CASE _topic ${cases.join(' ')} END + _partition::BIGINT)`;
  }

  at(slot: number): Slot {
    const topic = this.#topics[Math.floor(slot / PARTITIONS_MAX)] ?? '';
    return { topic, partition: slot % PARTITIONS_MAX };
  }

  name(slot: number): string {
    return partitionName(this.at(slot));
  }
}
