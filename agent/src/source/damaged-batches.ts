// Batches whose CRC-32C is wrong. One that broke between broker and agent is whole when it is fetched again;
// one that stays broken goes on as it is, and the collector quarantines it by what its header counts. A
// header that contradicts what is around it counts nothing: that partition waits, by name. Pure.
import type { FetchedBounds, SourceBatch } from '../contracts.ts';

/** As often a damaged batch is fetched again. */
export const REFETCHES_MAX = 3;

/** The last damaged batch of a partition, and how many fetches in a row have met it. */
export interface DamageSeen {
  readonly offset: number;
  readonly times: number;
}

export interface Usable {
  /** What may go on: all before the first batch that is to be fetched again or waited for. */
  readonly batches: readonly SourceBatch[];
  readonly seen: DamageSeen | undefined;
  /** What becomes of the first damaged batch. */
  readonly damage:
    | { readonly offset: number; readonly fate: 'fetched again' | 'passed on' | 'waits' }
    | undefined;
}

/** `batches` are those that the partition lacks from `position` on, in offset order. */
export function usableBatches(
  batches: readonly SourceBatch[],
  bounds: FetchedBounds,
  row: { readonly position: number | undefined; readonly damageSeen: DamageSeen | undefined },
): Usable {
  const at = batches.findIndex(({ damaged }) => damaged);
  const batch = batches[at];
  if (batch === undefined) return { batches, seen: undefined, damage: undefined };
  const { baseOffset: offset, lastOffset, kind } = batch;
  const times = row.damageSeen?.offset === offset ? row.damageSeen.times + 1 : 1;
  const seen = { offset, times };
  const before = batches.slice(0, at);
  if (times <= REFETCHES_MAX) return { batches: before, seen, damage: { offset, fate: 'fetched again' } };
  const end = batches[at + 1]?.baseOffset ?? bounds.lastStableOffset;
  const isBelievable = lastOffset >= (row.position ?? 0) && lastOffset < end && kind !== 'empty';
  if (!isBelievable) return { batches: before, seen, damage: { offset, fate: 'waits' } };
  // Alone: what follows is fetched and looked at by itself.
  return { batches: [...before, batch], seen: undefined, damage: { offset, fate: 'passed on' } };
}
