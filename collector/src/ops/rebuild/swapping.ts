// How partitions are swapped, whatever is put into them: what else lies there goes along, what others commit
// meanwhile as well, and one entry moves them. Objects are put where no partition is before that entry is
// written, and nobody sees them.
import type { Clock } from '@sluice/shared/clock.ts';
import { isKind } from '@sluice/shared/errors.ts';
import type {
  LedgerEntry,
  LedgerSwap,
  MovedPartition,
  ObjectStore,
  ReplayingWriter,
  TableConfig,
} from '../../contracts.ts';
import { outputLocation, partitionPrefix, rebuiltLocation } from '../../lake/object-keys.ts';
import { copyCarried } from '../../ledger/publish.ts';
import { StandingObjects } from '../../ledger/standing-objects.ts';
import { overtaken } from '../../ledger/swaps.ts';
import { partitionScheme } from '../../partition-scheme.ts';
import type { LakeReader } from '../lake-reader.ts';
import { CarriedObjects, type IsReplaced, OBJECTS_MAX, type Place, tooLarge } from './plan.ts';

/** Tries of one upload or copy while the store is out of reach, and what is waited between them. */
const TRIES_MAX = 8;
const TRY_MS = 2_000;

export interface SwapOptions {
  readonly table: TableConfig;
  /** Entries that the writer has folded since it was loaded, in their order; it goes on to grow. */
  readonly folded: readonly LedgerEntry[];
  readonly reader: LakeReader;
  readonly store: ObjectStore;
  readonly clock: Clock;
  /** OBJECTS_MAX where it is not given. */
  readonly objectsMax?: number;
}

export interface Swapping
  extends Pick<
    LedgerSwap,
    'rebuildId' | 'configVersion' | 'source' | 'after' | 'before' | 'windows' | 'replays'
  > {
  /** By placeKey: the partitions that move. */
  readonly places: ReadonlyMap<string, Place>;
  /** That are put into them, or replaced and named as well. */
  readonly objects: number;
  /** What is put into a partition. */
  put(place: string): Pick<MovedPartition, 'made' | 'joined'>;
  readonly isReplaced: IsReplaced;
}

export interface Swapped {
  readonly entry: number;
  readonly carried: number;
  readonly partitions: number;
}

/** Resolves when readers see the partitions at their new places. REBUILD_OVERTAKEN, REBUILD_TOO_LARGE. */
export async function swapPartitions(
  options: SwapOptions,
  writer: ReplayingWriter,
  swapping: Swapping,
): Promise<Swapped> {
  const { reader, table, folded, store, clock } = options;
  const { places, objects, put, isReplaced, after, ...said } = swapping;
  // What is published now is copied before the entry; what comes until then, when the entry is published.
  await writer.refresh();
  await writer.flushPublished();
  const { publishedThrough: asOf } = writer.status();
  const { fold } = await reader.ledger(table.name);
  if (fold.lastRerun !== after) throw overtaken(fold, after);
  const carried = await carriedOf(options, { isReplaced, places, next: fold.nextSequence });
  const movesNow = (): MovedPartition[] =>
    [...places].map(([key, place]) => {
      const { made, joined } = put(key);
      const to = placeIn(table, said.rebuildId, place);
      return { ...place, to, made, carried: carried.of(key), ...(joined === undefined ? {} : { joined }) };
    });
  await copyCarried(movesNow(), {
    isMeant: (object) => object.entry <= asOf,
    copy: (...asked) => patiently(clock, () => store.publish(...asked)),
  }).catch(async (error: unknown) => {
    // Another swap has moved on what shall be carried, and a prune deleted what that left.
    const { fold: now } = await reader.ledger(table.name);
    throw now.lastRerun === after ? error : overtaken(now, after);
  });
  let seen = fold.nextSequence - 1;
  const propose = (): LedgerSwap => {
    for (const entry of folded) {
      if (entry.sequence <= seen) continue;
      carried.add(entry, places);
      seen = entry.sequence;
    }
    return { ...said, partitionedBy: partitionScheme(table.partitionBy), after, asOf, moves: movesNow() };
  };
  assertRoom(options, objects + carried.size);
  const entry = await writer.swap({ after, propose });
  return { entry, carried: carried.size, partitions: places.size };
}

interface Carrying {
  readonly isReplaced: IsReplaced;
  readonly places: ReadonlyMap<string, Place>;
  /** Of entries before this number: whoever adds later ones must know where these end. */
  readonly next: number;
}

export async function carriedOf(
  { reader, table }: Pick<SwapOptions, 'reader' | 'table'>,
  { isReplaced, places, next }: Carrying,
): Promise<CarriedObjects> {
  const entries = () => reader.entries(table.name, next);
  const carried = new CarriedObjects(isReplaced, await StandingObjects.of(entries()));
  for await (const entry of entries()) carried.add(entry, places);
  return carried;
}

export function assertRoom({ table, objectsMax = OBJECTS_MAX }: SwapOptions, objects: number): void {
  if (objects > objectsMax) throw tooLarge({ table: table.name }, `${objects} objects`, { most: objectsMax });
}

/** Prefix of keys where a swap of this id has a partition. */
export function placeIn(table: TableConfig, rebuildId: string, { output, partition }: Place): string {
  return partitionPrefix(`${rebuiltLocation(outputLocation(table, output))}/${rebuildId}`, partition);
}

/** Waits through what may pass, and not for ever: whoever asks is a command. */
export async function patiently<T>(clock: Clock, task: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await task();
    } catch (error) {
      if (tries === TRIES_MAX || !isKind(error, 'retry')) throw error;
      await clock.sleep(TRY_MS * tries);
    }
  }
}
