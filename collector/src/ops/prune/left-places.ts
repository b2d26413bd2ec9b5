// What swaps have left where it was: by swap and partition, the keys that entries named there, of which none
// stands anywhere any more. Of the ledger alone. What was left once is left for good: no entry may name an
// object at a place that its partition has left. Of all keys of a ledger only those are kept that are asked
// about, as the objects that lie at such places still.
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
  /** Those that were asked about and to which an entry has ever given an object. */
  readonly named: ReadonlySet<string>;
}

export interface LeftFolders {
  /** By placeKey: where an object of the partition was named before a swap moved it. */
  readonly of: ReadonlyMap<string, ReadonlySet<string>>;
  /** Numbers of the swaps. */
  readonly swaps: readonly number[];
}

/** Where partitions were. As many as swaps have moved, however many objects there are. */
export async function leftFolders({ places }: Fold, entries: Entries): Promise<LeftFolders> {
  const of = new Map<string, Set<string>>();
  const swaps: number[] = [];
  const there = new Map<string, Set<string>>();
  for await (const entry of entries()) {
    if (hasObjects(entry))
      for (const output of entry.outputs) {
        const key = keyOf(output);
        if (places.has(key)) addTo(there, key, folderOf(output.finalKey));
      }
    if (entry.kind !== 'swap') continue;
    swaps.push(entry.sequence);
    for (const move of entry.moves) {
      const key = keyOf(move);
      for (const folder of there.get(key) ?? []) addTo(of, key, folder);
      there.set(key, new Set([move.to]));
    }
  }
  return { of, swaps };
}

function addTo(sets: Map<string, Set<string>>, key: string, value: string): void {
  const known = sets.get(key) ?? new Set();
  sets.set(key, known.add(value));
}

export interface AskedAbout {
  readonly entries: Entries;
  /** Of these entries the swaps, or more. */
  readonly swaps: Entries;
  /** Whether the key is asked about. */
  isAsked(key: string): boolean;
  /** Whether any key is that was named of this partition, by placeKey. */
  isAskedOf(place: string): boolean;
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
  readonly #isAsked: AskedAbout['isAsked'];

  constructor({ isAsked }: AskedAbout) {
    this.#isAsked = isAsked;
  }

  add(entry: LedgerEntry): void {
    const { publishedThrough, writtenAt } = entry;
    for (const swap of this.#untold) if (swap <= publishedThrough) this.toldAt.set(swap, writtenAt);
    this.#untold = this.#untold.filter((swap) => swap > publishedThrough);
    if (hasObjects(entry)) for (const output of entry.outputs) this.#name(keyOf(output), output.finalKey);
    if (entry.kind === 'swap') this.#swap(entry);
  }

  #name(place: string, key: string): void {
    if (!this.#isAsked(key)) return;
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

export async function leftBehind(fold: Fold, asked: AskedAbout): Promise<LeftBehind> {
  const standing = await standingWhere(asked);
  const leaving = new Leaving(asked);
  const stands = new Set<string>();
  for await (const entry of asked.entries()) {
    leaving.add(entry);
    if (!hasObjects(entry)) continue;
    for (const { finalKey } of standing.now(entry)?.outputs ?? [])
      if (asked.isAsked(finalKey)) stands.add(finalKey);
  }
  const { left, named, toldAt } = leaving;
  const places = left.map((place): LeftPlace => {
    const now = placeOf(fold, place);
    assert(now !== undefined, 'a partition that was moved is somewhere');
    const keys = place.keys.filter((key) => !stands.has(key) && folderOf(key) !== now);
    return { ...place, keys, toldAt: toldAt.get(place.by), now };
  });
  return { places, named };
}

/** An object that moves stays in its partition: what others have moved is not needed. */
async function standingWhere({ swaps, isAskedOf }: AskedAbout): Promise<StandingObjects> {
  const standing = new StandingObjects();
  for await (const entry of swaps())
    if (entry.kind === 'swap')
      standing.add({ ...entry, moves: entry.moves.filter((move) => isAskedOf(keyOf(move))) });
  return standing;
}
