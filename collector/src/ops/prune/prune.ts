// `sluice-collector prune`: deletes what partitions have left where it was, and what rebuilds and compactions
// that came to nothing have made. Deleted is only what no entry can bring back: keys that the ledger names
// and that stand nowhere, left by a swap that is published, of a partition that the catalog has where the
// ledger says. The age of the swap is courtesy to whoever still reads them; nothing else rests on a clock. It
// writes no entry: one that dies is called again, and goes on with what is still there.
import type { Clock } from '@sluice/shared/clock.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { formatCount } from '@sluice/shared/units.ts';
import type { Catalog, ObjectStore, TableConfig } from '../../contracts.ts';
import { folderOf, outputTable } from '../../lake/object-keys.ts';
import type { Fold } from '../../ledger/fold.ts';
import { allOutputs } from '../../step-config.ts';
import { type Amount, amountOf, bothAmounts } from '../amount.ts';
import { placeText } from '../compact/plan.ts';
import { type LakeReader, withSlash } from '../lake-reader.ts';
import type { Entries } from '../rebuild/plan.ts';
import { patiently } from '../rebuild/swapping.ts';
import { type LeftBehind, type LeftFolders, type LeftPlace, leftBehind, leftFolders } from './left-places.ts';
import { LYING_MAX, type Lying, lyingIn } from './lying.ts';
import { DELETED_MAX, type KeptPlace, type Pruned } from './report.ts';
import { rebuiltRootsOf, rootsOf } from './roots.ts';
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
  /** LYING_MAX where it is not given. */
  readonly lyingMax?: number;
}

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
  const made = await madeBefore(options);
  const { fold } = await reader.ledger(table.name);
  const entries = () => reader.entries(table.name, fold.nextSequence);
  const folders = await leftFolders(fold, entries);
  const lying = lyingAt(made, await lyingLeft(options, fold, folders));
  const { places, named } = await leftOf(options, { entries, folders, lying, fold });
  const judged = await judge(
    options,
    places.filter(({ keys }) => keys.length > 0),
  );
  const unnamed = unnamedIn(
    fold,
    [...made.bytes.keys()].filter((key) => !named.has(key)),
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

/** Below rebuilt places, but for what lies where an earlier look at the ledger has a partition. */
async function madeBefore({
  table,
  reader,
  store,
  lyingMax: most = LYING_MAX,
}: PruneOptions): Promise<Lying> {
  const seen = await reader.folders(table.name);
  return lyingIn(store, { prefixes: rebuiltRootsOf(table), isAsked: (folder) => !seen.has(folder), most });
}

/** Beside the rebuilt places, where partitions were: also of outputs that the config makes no more. */
function lyingLeft(
  { table, store, lyingMax: most = LYING_MAX }: PruneOptions,
  { places }: Fold,
  { of }: LeftFolders,
): Promise<Lying> {
  const rebuilt = rebuiltRootsOf(table);
  const now = new Set(places.values());
  const left = new Set<string>();
  for (const folders of of.values())
    for (const folder of folders)
      if (!now.has(folder) && !rebuilt.some((root) => folder.startsWith(root))) left.add(folder);
  const roots = rootsOf(table).filter((root) => !rebuilt.includes(root));
  const elsewhere = [...left].filter((folder) => !roots.some((root) => folder.startsWith(root)));
  const prefixes = left.size > elsewhere.length ? [...roots, ...elsewhere] : elsewhere;
  return lyingIn(store, { prefixes, isAsked: (folder) => left.has(folder), most });
}

interface LyingAll {
  readonly folders: ReadonlySet<string>;
  /** undefined: it does not lie there. */
  bytes(key: string): number | undefined;
  readonly more: boolean;
}

function lyingAt(...all: readonly Lying[]): LyingAll {
  const folders = new Set<string>();
  for (const { bytes } of all) for (const key of bytes.keys()) folders.add(folderOf(key));
  return {
    folders,
    bytes(key) {
      for (const { bytes } of all) if (bytes.has(key)) return bytes.get(key);
      return undefined;
    },
    more: all.some(({ more }) => more),
  };
}

interface Left {
  readonly fold: Fold;
  readonly entries: Entries;
  readonly folders: LeftFolders;
  readonly lying: LyingAll;
}

async function leftOf(
  { table, reader }: PruneOptions,
  { fold, entries, folders, lying }: Left,
): Promise<LeftBehind> {
  if (lying.folders.size === 0) return { places: [], named: new Set() };
  const isAskedOf = (place: string) => !lying.folders.isDisjointFrom(folders.of.get(place) ?? new Set());
  return leftBehind(fold, {
    entries,
    swaps: () => reader.entriesOf(table.name, folders.swaps),
    isAsked: (key) => lying.bytes(key) !== undefined,
    isAskedOf,
  });
}

/** Where rebuilds and compactions put what they make, and no reader looks. */
function unnamedIn({ places }: Fold, keys: readonly string[]): readonly string[] {
  const seen = new Set(places.values());
  return keys.filter((key) => !seen.has(folderOf(key)));
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
  if (toldAt === undefined) {
    const told = `entry ${by}, by which it was left, is not told to be published yet`;
    return `${told}: whoever writes the table next says so, as a running collector does`;
  }
  if (at === undefined) return 'the catalog does not have this partition: see `verify`';
  if (at === now) return undefined;
  const both = `the catalog has this partition at ${at}, and the ledger at ${now}`;
  return `${both}: a running collector puts it back, see \`verify\``;
}

function prunedOf(
  { table, dryRun }: PruneOptions,
  { lying, judged, unnamed }: { lying: LyingAll; judged: Judged; unnamed: Unnamed },
): Pruned {
  const amount = (keys: readonly string[]): Amount =>
    amountOf(keys.map((key) => ({ bytes: lying.bytes(key) ?? 0 })));
  const all = (places: readonly LeftPlace[]) => amount(places.flatMap(({ keys }) => keys));
  const { over, younger, kept } = judged;
  return {
    ...{ table: table.name, dryRun, left: all(over), places: over.length },
    entries: [...new Set(over.map(({ by }) => by))].toSorted((a, b) => a - b),
    dead: amount(unnamed.dead),
    younger: all(younger),
    kept: kept.map((place) => ({ place: placeText(table, place), ...all([place]), why: place.why })),
    open: amount(unnamed.open),
    more: lying.more,
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
