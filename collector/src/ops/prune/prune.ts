// `sluice-collector prune`: deletes what partitions have left where it was, and what rebuilds and compactions
// that came to nothing have made. Deleted is only what no entry can bring back: keys that the ledger names
// and that stand nowhere, left by a swap that is published, of a partition that the catalog has where the
// ledger says. The age of the swap is courtesy to whoever still reads them; nothing else rests on a clock. It
// writes no entry: one that dies is called again, and goes on with what is still there.
import type { Clock } from '@sluice/shared/clock.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { formatCount } from '@sluice/shared/units.ts';
import type { Catalog, ObjectStore, TableConfig } from '../../contracts.ts';
import { folderOf, outputTable, rebuiltLocation } from '../../lake/object-keys.ts';
import type { Fold } from '../../ledger/fold.ts';
import { allOutputs } from '../../step-config.ts';
import { type Amount, amountOf, bothAmounts } from '../amount.ts';
import { placeText } from '../compact/plan.ts';
import { type LakeReader, withSlash } from '../lake-reader.ts';
import { patiently } from '../rebuild/swapping.ts';
import { type LeftPlace, leftBehind } from './left-places.ts';
import { DELETED_MAX, type KeptPlace, type Pruned } from './report.ts';
import { locationsOf, rootsOf } from './roots.ts';
import { deadOf, readUnnamed, writeUnnamed } from './unnamed.ts';

export interface PruneOptions {
  readonly table: TableConfig;
  readonly reader: LakeReader;
  readonly store: ObjectStore;
  readonly catalog: Catalog;
  readonly clock: Clock;
  /** What was left, and told to be, later than this long ago stays. */
  readonly olderThanMs: number;
  /** Nothing is deleted. */
  readonly dryRun: boolean;
  /** Told before anything is deleted, and after each call that deletes. */
  readonly onPlanned: (so: Pruned) => void;
  readonly onProgress: (done: number, of: number) => void;
}

/** By key, in bytes. */
type Stored = ReadonlyMap<string, number>;

interface Unnamed {
  /** Nobody will ever name them. */
  readonly dead: readonly string[];
  /** Of these nobody knows yet. */
  readonly open: readonly string[];
}

interface Judged {
  /** Their objects may go. */
  readonly over: readonly LeftPlace[];
  readonly younger: readonly LeftPlace[];
  readonly kept: readonly (LeftPlace & Pick<KeptPlace, 'why'>)[];
}

/** PRUNE_DENIED */
export async function prune(options: PruneOptions): Promise<Pruned> {
  const { table, reader, store, dryRun, onPlanned } = options;
  const before = await readUnnamed(store, table.name);
  // Objects before entries: who had made them by then knew of no later replay or swap than this ledger has.
  const lying = new Map<string, number>();
  await list(store, rootsOf(table), lying);
  const { fold } = await reader.ledger(table.name);
  const { places, named } = await leftBehind(fold, () => reader.entries(table.name, fold.nextSequence));
  await list(store, elsewhere(table, places), lying);
  const judged = await judge(options, places.flatMap(thoseIn(lying)));
  const unnamed = unnamedIn(
    table,
    fold,
    [...lying.keys()].filter((key) => !named.has(key)),
  );
  const dead = await unseen(options, deadOf(unnamed, fold.lastRerun, before));
  const isDead = new Set(dead);
  const open = unnamed.filter((key) => !isDead.has(key));
  const planned = prunedOf(options, { lying, judged, unnamed: { dead, open } });
  onPlanned(planned);
  if (dryRun) return planned;
  await removeAll(options, [...judged.over.flatMap(({ keys }) => keys), ...dead]);
  if (open.length > 0 || before !== undefined)
    await writeUnnamed(store, table.name, { lastRerun: fold.lastRerun, keys: open });
  return { ...planned, deleted: bothAmounts(planned.left, planned.dead) };
}

const thoseIn = (lying: Stored) => (place: LeftPlace) => {
  const keys = place.keys.filter((key) => lying.has(key));
  return keys.length > 0 ? [{ ...place, keys }] : [];
};

/** Of outputs that the config makes no more. */
function elsewhere(table: TableConfig, places: readonly LeftPlace[]): readonly string[] {
  const roots = rootsOf(table);
  const folders = new Set(places.flatMap(({ keys }) => keys.map(folderOf)));
  return [...folders].filter((folder) => !roots.some((root) => folder.startsWith(root)));
}

async function list(store: ObjectStore, prefixes: readonly string[], to: Map<string, number>): Promise<void> {
  for (const prefix of prefixes) for await (const { key, bytes } of store.list(prefix)) to.set(key, bytes);
}

/** Where rebuilds and compactions put what they make, and no reader looks. */
function unnamedIn(table: TableConfig, { places }: Fold, keys: readonly string[]): readonly string[] {
  const roots = locationsOf(table).map((location) => `${rebuiltLocation(location)}/`);
  const seen = new Set(places.values());
  return keys.filter((key) => roots.some((root) => key.startsWith(root)) && !seen.has(folderOf(key)));
}

/**
 * What no entry of this table names could be another table's, of another config or of before, at the same
 * location or around it: only what nobody can see is taken for dead.
 */
async function unseen({ table, catalog }: PruneOptions, dead: readonly string[]): Promise<readonly string[]> {
  if (dead.length === 0) return dead;
  const names = allOutputs(table).map((output) => outputTable(table, output));
  const tables = await catalog.tables();
  // One that shows none of it, as of another database, or to another role, does not say who sees what.
  if (names.some((asked) => !tables.some(({ name }) => name === asked))) return [];
  const others = tables.filter(({ name }) => !names.includes(name)).map((one) => withSlash(one.location));
  const overlaps = (root: string) => others.some((other) => root.startsWith(other) || other.startsWith(root));
  if (rootsOf(table).some(overlaps)) return [];
  const seen = new Set<string>();
  for (const { name } of tables.filter((one) => names.includes(one.name)))
    for (const { location } of await catalog.partitions(name)) seen.add(withSlash(location));
  return dead.filter((key) => !seen.has(folderOf(key)));
}

/** The catalog is asked behind the ledger: it has moved what the ledger calls published. */
async function judge(
  { table, reader, clock, olderThanMs }: PruneOptions,
  places: readonly LeftPlace[],
): Promise<Judged> {
  const over: LeftPlace[] = [];
  const younger: LeftPlace[] = [];
  const kept: Judged['kept'][number][] = [];
  const until = clock.wallMs() - olderThanMs;
  for (const [output, left] of Map.groupBy(places, (place) => place.output)) {
    const registered = await reader.registered(outputTable(table, output));
    for (const place of left) {
      const why = keeping(place, registered(place.partition));
      if (why !== undefined) kept.push({ ...place, why });
      else if (Date.parse(place.toldAt ?? '') <= until) over.push(place);
      else younger.push(place);
    }
  }
  return { over, younger, kept };
}

/** Why what lies there may be needed still. */
function keeping({ by, now, toldAt }: LeftPlace, at: string | undefined): string | undefined {
  if (toldAt === undefined) return `entry ${by}, by which it was left, is not told to be published yet`;
  if (at === undefined) return 'the catalog does not have this partition: see `verify`';
  return at === now ? undefined : `the catalog has this partition at ${at}, and the ledger at ${now}`;
}

function prunedOf(
  { table, dryRun }: PruneOptions,
  { lying, judged, unnamed }: { lying: Stored; judged: Judged; unnamed: Unnamed },
): Pruned {
  const amount = (keys: readonly string[]): Amount =>
    amountOf(keys.map((key) => ({ bytes: lying.get(key) ?? 0 })));
  const all = (places: readonly LeftPlace[]) => amount(places.flatMap(({ keys }) => keys));
  const { over, younger, kept } = judged;
  return {
    ...{ table: table.name, dryRun, left: all(over), places: over.length },
    entries: [...new Set(over.map(({ by }) => by))].toSorted((a, b) => a - b),
    dead: amount(unnamed.dead),
    younger: all(younger),
    kept: kept.map((place) => ({ place: placeText(table, place), ...all([place]), why: place.why })),
    open: amount(unnamed.open),
    deleted: amount([]),
  };
}

async function removeAll(
  { table, store, clock, onProgress }: PruneOptions,
  keys: readonly string[],
): Promise<void> {
  for (let done = 0; done < keys.length; done += DELETED_MAX) {
    const some = keys.slice(done, done + DELETED_MAX);
    await patiently(clock, () => store.remove(some)).catch((error: unknown) => {
      if (!(error instanceof SluiceError && error.code === 'STORE_DENIED')) throw error;
      const so = `${formatCount(done)} of ${formatCount(keys.length)} objects of ${table.name} were deleted before`;
      throw new SluiceError('PRUNE_DENIED', `${error.message}; ${so}`, {
        place: error.place ?? table.name,
        cause: error,
      });
    });
    onProgress(done + some.length, keys.length);
  }
}
