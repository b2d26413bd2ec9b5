// Which small objects a compaction joins: those of one partition of one output, in the order of their
// entries, where there are enough of them to be worth it. Whatever else lies in the partition has to go
// along, so a partition of which much more would be copied than joined is left as it is, and told. No more
// entries come to be linked than a rebuild can take. Of the ledger alone.
import { formatBytes, formatCount } from '@sluice/shared/units.ts';
import type { JoinedPart, ObjectsEntry, OutputName, TableConfig } from '../../contracts.ts';
import { outputTable } from '../../lake/object-keys.ts';
import { type Fold, hasObjects } from '../../ledger/fold.ts';
import { StandingObjects, type StandingOutput } from '../../ledger/standing-objects.ts';
import { placeKey } from '../../ledger/swaps.ts';
import { type Entries, OBJECTS_MAX, PLACES_MAX, type Place } from '../rebuild/plan.ts';
import { LinkedEntries } from './linked.ts';

/** Objects below half of `objectBytes` that a partition must have before any of them are joined. */
const SMALL_OBJECTS_MIN = 4;
/** Bytes of other objects that go along for each byte that is joined. */
export const CARRIED_RATIO_MAX = 4;
/** Of the objects that an entry may name, those that a compaction chooses: others come while it works. */
const CHOSEN_SHARE = 0.9;
/** Bytes that one entry joins, unless one partition has more: what an interruption costs. */
const ENTRY_BYTES_MAX = 16 * 2 ** 30;

/** An object that stands, whether one entry has rows in it or many. */
export interface SmallObject extends JoinedPart {
  readonly bytes: number;
  readonly sha256: string;
}

export interface PlannedPlace extends Place {
  /** By placeKey. */
  readonly key: string;
  /** Objects of one are not joined with those of another. */
  readonly groups: readonly (readonly SmallObject[])[];
  readonly parts: readonly SmallObject[];
  readonly bytes: number;
  readonly carried: { readonly objects: number; readonly bytes: number };
}

export interface SkippedPlace {
  /** The catalogued table and the values of its partition. */
  readonly place: string;
  readonly objects: number;
  readonly why: string;
}

export interface CompactPlan {
  readonly places: readonly PlannedPlace[];
  readonly skipped: readonly SkippedPlace[];
  /** Number of the last replay or swap that is taken into account. */
  readonly after: number;
}

export interface CompactChoice {
  readonly table: TableConfig;
  readonly objectBytes: number;
  /** Whether what an entry has may be joined. */
  isChosen(entry: ObjectsEntry): boolean;
  /** Why what an output has in such a partition cannot be moved. */
  wrong(place: Place): string | undefined;
  /** However much would have to be copied. */
  readonly all: boolean;
  readonly objectsMax?: number;
  /** LINKED_MAX where it is not given. */
  readonly linkedMax?: number;
}

interface FoundObject extends SmallObject {
  /** An entry that has rows in it. */
  readonly of: number;
  isChosen: boolean;
}

type FoundPlace = Place & { readonly objects: Map<string, FoundObject> };

interface Found {
  /** By placeKey. */
  readonly places: Map<string, FoundPlace>;
  readonly linked: LinkedEntries;
}

export async function planOf(fold: Fold, entries: Entries, choice: CompactChoice): Promise<CompactPlan> {
  const { places: found, linked } = await foundIn(entries, choice);
  const places: PlannedPlace[] = [];
  const skipped: SkippedPlace[] = [];
  const moved = new Set(fold.places.keys());
  for (const [key, { objects, ...place }] of found) {
    const small = [...objects.values()].filter((object) => isSmall(object, choice));
    const groups = linked.groups(small, choice.linkedMax);
    const parts = groups.flat();
    if (parts.length < SMALL_OBJECTS_MIN) continue;
    const bytes = sumOf(parts);
    const others = { objects: objects.size - parts.length, bytes: sumOf([...objects.values()]) - bytes };
    const planned = { ...place, key, groups, parts, bytes, carried: others };
    const isOneMore = !moved.has(key) && moved.size === PLACES_MAX;
    const why = isOneMore ? `${formatCount(PLACES_MAX)} have moved already` : unworthy(planned, choice);
    if (why === undefined) {
      places.push(planned);
      moved.add(key);
      for (const [first, ...rest] of groups) for (const { of } of rest) linked.link(first?.of ?? of, of);
    } else skipped.push({ place: placeText(choice.table, place), objects: parts.length, why });
  }
  return { places, skipped, after: fold.lastRerun };
}

async function foundIn(entries: Entries, choice: CompactChoice): Promise<Found> {
  const standing = await StandingObjects.of(entries());
  const found: Found = { places: new Map(), linked: new LinkedEntries() };
  for await (const entry of entries()) {
    const now = hasObjects(entry) ? standing.now(entry) : undefined;
    if (now === undefined) continue;
    if (now.kind === 'replay')
      for (const { entry: from, finalKey } of now.replayed)
        found.linked.link(now.sequence, standing.windowOf(from, finalKey));
    const isChosen = choice.isChosen(now);
    for (const output of now.outputs)
      if (isJoinable(output.output)) add(found, { entry: now, output, isChosen });
  }
  return found;
}

/** Replays name quarantine objects, each by its key. */
const isJoinable = (output: OutputName) => output !== 'quarantine';

interface Given {
  readonly entry: ObjectsEntry;
  readonly output: StandingOutput;
  readonly isChosen: boolean;
}

/** A joined object is chosen where all that has rows in it is. */
function add({ places, linked }: Found, { entry: { sequence: of }, output: given, isChosen }: Given): void {
  const { output, partition, finalKey: from, bytes, sha256, joined, placedBy } = given;
  const key = placeKey(output, partition);
  const place = places.get(key) ?? { output, partition, objects: new Map<string, FoundObject>() };
  places.set(key, place);
  const known = place.objects.get(from);
  if (known !== undefined) {
    known.isChosen &&= isChosen;
    linked.link(known.of, of);
    return;
  }
  const [entry, rows] = joined === undefined ? [of, given.rows] : [placedBy, joined.rows];
  place.objects.set(from, { entry, from, rows, bytes, sha256, of, isChosen });
}

const isSmall = ({ bytes, isChosen }: FoundObject, { objectBytes }: CompactChoice) =>
  isChosen && bytes < objectBytes / 2;

const sumOf = (objects: readonly { readonly bytes: number }[]) =>
  objects.reduce((sum, { bytes }) => sum + bytes, 0);

function unworthy(planned: PlannedPlace, choice: CompactChoice): string | undefined {
  const wrong = choice.wrong(planned);
  if (wrong !== undefined) return wrong;
  const { bytes, carried } = planned;
  const names = namesOf(planned);
  if (names > namesMax(choice)) return `it has ${formatCount(names)} objects, more than one entry may name`;
  if (choice.all || carried.bytes <= CARRIED_RATIO_MAX * bytes) return undefined;
  return (
    `${formatBytes(carried.bytes)} would be copied for ${formatBytes(bytes)} that are joined, ` +
    `more than ${CARRIED_RATIO_MAX} times as many: wait, or take --all`
  );
}

/** Joined objects beside: of two parts at least. */
const namesOf = ({ parts, carried }: PlannedPlace) => Math.ceil(parts.length * 1.5) + carried.objects;
const namesMax = ({ objectsMax = OBJECTS_MAX }: Pick<CompactChoice, 'objectsMax'>) =>
  Math.floor(objectsMax * CHOSEN_SHARE);

/** Places in their order, as many at a time as one entry shall move. */
export function* batchesOf(
  places: readonly PlannedPlace[],
  bounds: Pick<CompactChoice, 'objectsMax'>,
): Generator<readonly PlannedPlace[]> {
  let batch: PlannedPlace[] = [];
  let [names, bytes] = [0, 0];
  for (const place of places) {
    names += namesOf(place);
    bytes += place.bytes;
    if (batch.length > 0 && (names > namesMax(bounds) || bytes > ENTRY_BYTES_MAX)) {
      yield batch;
      batch = [];
      [names, bytes] = [namesOf(place), place.bytes];
    }
    batch.push(place);
  }
  if (batch.length > 0) yield batch;
}

/** For people: `claims day=2026-01-01`. */
export function placeText(table: TableConfig, { output, partition }: Place): string {
  const values = partition.map(({ column, value }) => `${column}=${value ?? 'NULL'}`);
  return `${outputTable(table, output)} ${values.join('/')}`;
}
