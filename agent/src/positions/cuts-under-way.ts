// Cuts that the spool has not made yet: reading goes on behind the last of them.
import { type PartitionId, partitionKey } from '@sluice/shared/position.ts';

export class CutsUnderWay {
  readonly #counts = new Map<string, number>();

  begin(id: PartitionId): void {
    this.#counts.set(partitionKey(id), (this.#counts.get(partitionKey(id)) ?? 0) + 1);
  }

  /** Whether that was the last one of the partition. */
  end(id: PartitionId): boolean {
    const left = (this.#counts.get(partitionKey(id)) ?? 1) - 1;
    if (left > 0) this.#counts.set(partitionKey(id), left);
    else this.#counts.delete(partitionKey(id));
    return left <= 0;
  }
}
