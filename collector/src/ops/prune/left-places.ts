// What swaps have left where it was: by swap and partition, the keys that entries named there, of which none
// stands anywhere any more. Of the ledger alone. What was left once is left for good: no entry may name an
// object at a place that its partition has left.
import { assert } from '@sluice/shared/errors.ts';
import type { LedgerEntry, SwapEntry } from '../../contracts.ts';
import { folderOf } from '../../lake/object-keys.ts';
import { type Fold, hasObjects } from '../../ledger/fold.ts';
import { StandingObjects } from '../../ledger/standing-objects.ts';
import { keysAt, placeKey, placeOf } from '../../ledger/swaps.ts';
import type { Entries, Place } from '../rebuild/plan.ts';

/** One place that a partition has left. */
export interface LeftPlace extends Place {
  readonly keys: readonly string[];
  /** Number of the swap. */
  readonly by: number;
  /** When the ledger said first that it is published: readers have seen it since then at the latest. */
  readonly toldAt: string | undefined;
  /** Where the partition is now. */
  readonly now: string;
}

export interface LeftBehind {
  readonly places: readonly LeftPlace[];
  /** Every key that an entry has ever given an object. */
  readonly named: ReadonlySet<string>;
}

type Left = Omit<LeftPlace, 'toldAt' | 'now'>;

class Leaving {
  readonly left: Left[] = [];
  readonly named = new Set<string>();
  /** By number of the swap. */
  readonly toldAt = new Map<number, string>();
  /** By placeKey: what was named there since the partition came there. */
  readonly #there = new Map<string, string[]>();
  /** Swaps that no entry has called published so far, ascending. */
  #untold: number[] = [];

  add(entry: LedgerEntry): void {
    const { publishedThrough, writtenAt } = entry;
    for (const swap of this.#untold) if (swap <= publishedThrough) this.toldAt.set(swap, writtenAt);
    this.#untold = this.#untold.filter((swap) => swap > publishedThrough);
    if (hasObjects(entry)) for (const output of entry.outputs) this.#name(keyOf(output), output.finalKey);
    if (entry.kind === 'swap') this.#swap(entry);
  }

  #name(place: string, key: string): void {
    const there = this.#there.get(place) ?? [];
    this.#there.set(place, there);
    there.push(key);
    this.named.add(key);
  }

  #swap({ sequence: by, moves }: SwapEntry): void {
    this.#untold.push(by);
    for (const move of moves) {
      const { output, partition } = move;
      const place = keyOf(move);
      const keys = this.#there.get(place) ?? [];
      if (keys.length > 0) this.left.push({ output, partition, keys, by });
      this.#there.delete(place);
      for (const key of keysAt(move)) this.#name(place, key);
    }
  }
}

const keyOf = ({ output, partition }: Place) => placeKey(output, partition);

export async function leftBehind(fold: Fold, entries: Entries): Promise<LeftBehind> {
  const leaving = new Leaving();
  const standing = new StandingObjects();
  for await (const entry of entries()) {
    leaving.add(entry);
    standing.add(entry);
  }
  const { left, named, toldAt } = leaving;
  if (left.length === 0) return { places: [], named };
  const stands = new Set<string>();
  for await (const entry of entries())
    if (hasObjects(entry))
      for (const { finalKey } of standing.now(entry)?.outputs ?? []) stands.add(finalKey);
  const places = left.map((place): LeftPlace => {
    const now = placeOf(fold, place);
    assert(now !== undefined, 'a partition that was moved is somewhere');
    const keys = place.keys.filter((key) => !stands.has(key) && folderOf(key) !== now);
    return { ...place, keys, toldAt: toldAt.get(place.by), now };
  });
  return { places, named };
}
