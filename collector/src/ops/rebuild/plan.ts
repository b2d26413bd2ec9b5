// What a rebuild takes: whole windows, chosen by when they were opened, so that each record keeps one fate
// wherever its rows were and wherever they go. Where a replay took records of such a window, all the windows
// that it took from are made again with it, and its rows are taken back into them; so is whatever has rows in
// one joined object with it. Of the ledger alone.
import { SluiceError } from '@sluice/shared/errors.ts';
import { type PartitionId, partitionKey, partitionName } from '@sluice/shared/position.ts';
import type {
  CarriedObject,
  Classes,
  LedgerEntry,
  LedgerOutput,
  LedgerRange,
  ReplayEntry,
  WindowEntry,
} from '../../contracts.ts';
import { type Fold, hasObjects, isWindow } from '../../ledger/fold.ts';
import { type StandingEntry, StandingObjects, type StandingOutput } from '../../ledger/standing-objects.ts';
import { placeKey, sumOf } from '../../ledger/swaps.ts';

/** What one entry may name, some 250 bytes each: windows, and objects that are made or carried. */
const WINDOWS_MAX = 10_000;
export const OBJECTS_MAX = 20_000;
/** Partitions of a table that were ever moved: each checkpoint names them all, some 120 bytes each. */
export const PLACES_MAX = 100_000;

/** Wall ms when a window was opened: [fromMs, toMs). */
export interface ChosenTime {
  readonly fromMs: number | undefined;
  readonly toMs: number | undefined;
}

export interface PlannedWindow {
  readonly entry: WindowEntry;
  /** Until now. */
  readonly classes: Classes;
  readonly outputs: readonly LedgerOutput[];
}

export interface RebuildPlan {
  readonly windows: readonly PlannedWindow[];
  /** Of these, windows that only replays or joined objects brought in. */
  readonly widenedBy: number;
  /** Windows of the time whose records the source does not have yet: they stay as they are. */
  readonly notYet: number;
  readonly replays: readonly number[];
  readonly before: Classes;
  /** Rows and objects that are replaced, those of the replays included. */
  readonly replaced: { readonly objects: number; readonly rows: number };
  /** By placeKey: partitions that have objects of these windows. */
  readonly places: ReadonlyMap<string, Place>;
  readonly configVersions: readonly string[];
  /** Number of the last replay or swap that is taken into account. */
  readonly after: number;
}

export type Place = Pick<LedgerOutput, 'output' | 'partition'>;
export type Entries = () => AsyncIterable<LedgerEntry>;

export interface Choice extends ChosenTime {
  /** Whether the source is as far as the window. */
  isThere(window: WindowEntry): boolean;
}

export async function planOf(fold: Fold, entries: Entries, choice: Choice): Promise<RebuildPlan> {
  const standing = new StandingObjects();
  const inTime = new Set<number>();
  let notYet = 0;
  const replays: ReplayEntry[] = [];
  for await (const entry of entries()) {
    standing.add(entry);
    // What covers offsets without a record makes nothing.
    if (isWindow(entry) && entry.classes.in > 0 && isIn(choice, Date.parse(entry.openedAt))) {
      if (choice.isThere(entry)) inTime.add(entry.sequence);
      else notYet++;
    }
    if (entry.kind === 'replay') replays.push(entry);
  }
  const joined = await joinedBy(entries, standing);
  const { windows: chosen, replays: back } = widened(inTime, { replays, joined, standing });
  if (chosen.size > WINDOWS_MAX) throw tooLarge(fold, `${chosen.size} windows`, { most: WINDOWS_MAX });
  const windows: PlannedWindow[] = [];
  const taken: StandingEntry[] = [];
  for await (const entry of entries()) {
    const isChosen = chosen.has(entry.sequence) || back.has(entry.sequence);
    const now = isChosen && hasObjects(entry) ? standing.now(entry) : undefined;
    if (now === undefined) continue;
    taken.push(now);
    if (isWindow(entry)) windows.push({ entry, classes: now.classes, outputs: now.outputs });
  }
  for (const { entry } of windows) assertUncut(fold, entry);
  const outputs = taken.flatMap((entry) => entry.outputs);
  const places = placesOf(outputs);
  const moved = new Set([...fold.places.keys(), ...places.keys()]).size;
  if (moved > PLACES_MAX)
    throw tooLarge(fold, `${moved} moved partitions`, { most: PLACES_MAX, into: 'checkpoint' });
  return {
    windows,
    widenedBy: chosen.size - inTime.size,
    notYet,
    replays: [...back].toSorted((a, b) => a - b),
    before: sumOf(windows),
    replaced: {
      objects: new Set(outputs.map(({ finalKey }) => finalKey)).size,
      rows: outputs.reduce((sum, { rows }) => sum + rows, 0),
    },
    places,
    configVersions: [...new Set(taken.map(({ configVersion }) => configVersion))],
    after: fold.lastRerun,
  };
}

export function placesOf(outputs: readonly Place[]): Map<string, Place> {
  return new Map(
    outputs.map(({ output, partition }) => [placeKey(output, partition), { output, partition }]),
  );
}

const isIn = (
  { fromMs = Number.NEGATIVE_INFINITY, toMs = Number.POSITIVE_INFINITY }: ChosenTime,
  ms: number,
) => fromMs <= ms && ms < toMs;

/** Numbers of the entries that have rows in one object. */
type Sharing = ReadonlySet<number>;

async function joinedBy(entries: Entries, standing: StandingObjects): Promise<readonly Sharing[]> {
  if (!standing.hasJoined) return [];
  const sharing = new Map<string, Set<number>>();
  for await (const entry of entries()) {
    if (!hasObjects(entry)) continue;
    for (const { finalKey, joined } of standing.now(entry)?.outputs ?? []) {
      if (joined === undefined) continue;
      const of = sharing.get(finalKey) ?? new Set<number>();
      sharing.set(finalKey, of.add(entry.sequence));
    }
  }
  return [...sharing.values()];
}

interface Bound {
  readonly replays: readonly ReplayEntry[];
  readonly joined: readonly Sharing[];
  readonly standing: StandingObjects;
}

/**
 * With every replay that took records of these windows, and with all windows that it took from; and with all
 * that has rows in one joined object with any of these.
 */
function widened(inTime: ReadonlySet<number>, { replays, joined, standing }: Bound) {
  const windows = new Set(inTime);
  const back = new Set<number>();
  const open = replays
    .filter((replay) => standing.now(replay) !== undefined)
    .map(({ sequence, replayed }) => {
      return { sequence, from: replayed.map((object) => standing.windowOf(object.entry, object.finalKey)) };
    });
  const isReplay = new Set(open.map(({ sequence }) => sequence));
  const left = new Set(joined);
  for (let size = -1; size !== windows.size + back.size; ) {
    size = windows.size + back.size;
    for (const sharing of left) {
      if (![...sharing].some((entry) => windows.has(entry) || back.has(entry))) continue;
      left.delete(sharing);
      for (const entry of sharing) (isReplay.has(entry) ? back : windows).add(entry);
    }
    for (const { sequence, from } of open) {
      if (!back.has(sequence) && !from.some((window) => windows.has(window))) continue;
      back.add(sequence);
      for (const window of from) windows.add(window);
    }
  }
  return { windows, replays: back };
}

/** Offsets that came twice are told apart by nobody who has only their numbers. */
function assertUncut(fold: Fold, { sequence, ranges }: WindowEntry): void {
  for (const range of ranges) {
    const cut = cutIn(fold, range);
    if (cut === undefined) continue;
    const held = `${partitionName(range)} [${range.start}, ${range.next})`;
    const message = `window ${sequence} holds ${held}, and Kafka cut that log at ${cut.to}: offsets up to ${cut.from} came twice`;
    throw new SluiceError('REBUILD_REFUSED', message, { place: fold.table });
  }
}

/** Where Kafka cut the log within a range, so that its windows cannot be made again. */
export function cutIn(fold: Fold, range: PartitionId & Pick<LedgerRange, 'start' | 'next'>) {
  const { forks = [] } = fold.partitions.get(partitionKey(range)) ?? {};
  return forks.find(({ from, to }) => to < range.next && range.start < from);
}

export function tooLarge(
  fold: { readonly table: string },
  what: string,
  { most, into = 'ledger entry' }: { readonly most: number; readonly into?: 'ledger entry' | 'checkpoint' },
): SluiceError {
  const message = `it would put ${what} into one ${into}, which may name ${most}`;
  return new SluiceError('REBUILD_TOO_LARGE', message, { place: fold.table });
}

/** Whether an object of an entry is not there any more behind a swap. */
export type IsReplaced = (entry: number, object: Pick<StandingOutput, 'finalKey'>) => boolean;

/** Whatever the windows had that are made again, and the replays that are taken back. */
export function isReplacedBy({ windows, replays }: Pick<RebuildPlan, 'windows' | 'replays'>): IsReplaced {
  const left = new Set([...windows.map(({ entry }) => entry.sequence), ...replays]);
  return (entry) => left.has(entry);
}

/** Objects in partitions that are not replaced, by placeKey, each once. */
export class CarriedObjects {
  readonly #places = new Map<string, Map<string, CarriedObject>>();
  readonly #isReplaced: IsReplaced;
  readonly #standing: StandingObjects;

  constructor(isReplaced: IsReplaced, standing: StandingObjects) {
    this.#isReplaced = isReplaced;
    this.#standing = standing;
  }

  add(entry: LedgerEntry, places: ReadonlyMap<string, Place>): void {
    if (!hasObjects(entry)) return;
    for (const output of this.#standing.now(entry)?.outputs ?? []) {
      const key = placeKey(output.output, output.partition);
      if (!places.has(key) || this.#isReplaced(entry.sequence, output)) continue;
      const objects = this.#places.get(key) ?? new Map<string, CarriedObject>();
      this.#places.set(key, objects);
      objects.set(output.finalKey, carriedFrom(entry.sequence, output));
    }
  }

  of(place: string): readonly CarriedObject[] {
    return [...(this.#places.get(place)?.values() ?? [])];
  }

  get size(): number {
    return [...this.#places.values()].reduce((sum, objects) => sum + objects.size, 0);
  }
}

/** Many entries answer for a joined object, and one has put it there. */
function carriedFrom(sequence: number, { finalKey: from, bytes, sha256, joined, placedBy }: StandingOutput) {
  return { entry: joined === undefined ? sequence : placedBy, from, bytes, sha256 };
}
