// Segments on their way to the disk: each waits until Kafka has said, after all of it was fetched, that its
// topic is still the one that it was read for. What is of another topic of that name is dropped, and so is
// what lies in a log that was cut meanwhile: both are read again. The order within a partition stays.
import { type PartitionId, partitionKey } from '@sluice/shared/position.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import type { Source } from '../contracts.ts';

export interface ProvenSegmentsOptions {
  readonly source: Pick<Source, 'isStill'>;
  /** It was not of its topic. */
  readonly onOther: (segment: Segment) => void;
}

export class ProvenSegments {
  readonly #options: ProvenSegmentsOptions;
  /** How often what waits was dropped, by partition. */
  readonly #dropped = new Map<string, number>();

  constructor(options: ProvenSegmentsOptions) {
    this.#options = options;
  }

  /** Whether it may be spooled. */
  async isProven(segment: Segment): Promise<boolean> {
    const { source, onOther } = this.#options;
    const key = partitionKey(segment);
    const dropped = this.#dropped.get(key);
    const isStill = await source.isStill(segment);
    if (this.#dropped.get(key) !== dropped) return false;
    if (!isStill) onOther(segment);
    return isStill;
  }

  /** What waits of the partition will not be spooled. */
  drop(id: PartitionId): void {
    const key = partitionKey(id);
    this.#dropped.set(key, (this.#dropped.get(key) ?? 0) + 1);
  }
}
