// Which ranges of a ledger's entries are of a table's history, told by the order of the entries: a fill or a
// gap that begins where the history stands.
import { type PartitionId, partitionKey } from '@sluice/shared/position.ts';
import type { LedgerEntry } from '../../contracts.ts';
import { cutHistory, isHistory, moveHistory, type WithHistory } from '../../ledger/backfill.ts';

type Range = PartitionId & { readonly start: number; readonly next: number };

export class SeenHistory {
  readonly #partitions = new Map<string, WithHistory>();

  /** Of this entry those that are of the history. Every entry in its order, each once. */
  rangesOf(entry: LedgerEntry): ReadonlySet<Range> {
    const found = new Set<Range>();
    if (entry.kind === 'backfill')
      for (const { from, to, ...id } of entry.backfills)
        this.#partitions.set(partitionKey(id), { backfill: { from, next: from, to } });
    if (entry.kind === 'fork')
      for (const fork of entry.forks) {
        const partition = this.#partitions.get(partitionKey(fork));
        if (partition !== undefined) cutHistory(partition, fork.offset);
      }
    for (const range of rangesIn(entry)) {
      const partition = this.#partitions.get(partitionKey(range));
      if (partition === undefined || !isHistory(partition, range)) continue;
      moveHistory(partition, range.next);
      found.add(range);
    }
    return found;
  }

  /** Where the history stands. */
  next(id: PartitionId): number | undefined {
    return this.#partitions.get(partitionKey(id))?.backfill?.next;
  }
}

function rangesIn(entry: LedgerEntry): readonly Range[] {
  if (entry.kind === 'fill') return entry.ranges;
  return entry.kind === 'gap' ? entry.gaps : [];
}
