// `sluice-collector rebuild`: windows of a table made again from their records, with the present config, in
// place of what they made before. What a crash leaves behind:
//   1 make     objects at a place that no partition has, and that no entry names: nobody sees them
//   2 carry    copies there of what else lies in the partitions: the same
//   3 append   the swap is decided; whoever knows of the entry publishes it
//   4 publish  each partition of the catalog has its new place, all of it or nothing
// What was there before stays where it was: who has begun to read it reads on.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@sluice/shared/clock.ts';
import { assert, SluiceError } from '@sluice/shared/errors.ts';
import type { Random } from '@sluice/shared/random.ts';
import type {
  ChangingSchemas,
  Classes,
  LedgerEntry,
  ObjectStore,
  OutputFile,
  RemadeObject,
  RemadeWindow,
  ReplayingWriter,
  TableConfig,
  TableSchemas,
  Transformer,
} from '../../contracts.ts';
import { outputTable } from '../../lake/object-keys.ts';
import { DefinitionsByVersion } from '../../ledger/publish.ts';
import { placeKey, sumOf } from '../../ledger/swaps.ts';
import { namesTopic, readsTopic, topicsText } from '../../table-topics.ts';
import { overBudget } from '../../transform/quarantine-budget.ts';
import type { LakeReader } from '../lake-reader.ts';
import {
  type ChosenTime,
  isReplacedBy,
  OBJECTS_MAX,
  type Place,
  type PlannedWindow,
  placesOf,
  planOf,
  type RebuildPlan,
  tooLarge,
} from './plan.ts';
import { type OpenRecords, RawSources, rawTablesOf, type WindowRecords } from './raw-table.ts';
import { type Rebuilt, rebuiltOf } from './report.ts';
import { assertRoom, carriedOf, patiently, placeIn, swapPartitions } from './swapping.ts';

export interface RebuildOptions {
  readonly table: TableConfig;
  /** All of the config, of which one may be a raw table of the topics, or several of one each. */
  readonly tables: readonly TableConfig[];
  /** Name of the raw table; else the first that serves, or the first of each topic. */
  readonly source: string | undefined;
  readonly time: ChosenTime;
  /** undefined: nothing is written. */
  readonly writer: ReplayingWriter | undefined;
  /** Entries that the writer has folded since it was loaded, in their order; it goes on to grow. */
  readonly folded: readonly LedgerEntry[];
  readonly reader: LakeReader;
  readonly store: ObjectStore;
  /** Directories that may be read: the lake, and where objects are fetched to. */
  readonly directories: readonly string[];
  readonly transformer: Pick<Transformer, 'run'>;
  /** Opened where there is something to make, and closed in the end. */
  readonly openRecords: OpenRecords;
  /** Of the table, as its writer has them. */
  readonly schemas: TableSchemas | ChangingSchemas;
  /** Private, and removed by the caller. */
  readonly scratch: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Told before anything is made, and after each window. */
  readonly onPlanned: (so: Rebuilt) => void;
  readonly onProgress: (done: number, of: number) => void;
  /** OBJECTS_MAX where it is not given. */
  readonly objectsMax?: number;
}

/** Every window of the time that is committed when it begins. */
export async function rebuild(options: RebuildOptions): Promise<Rebuilt> {
  const { table, tables, source, reader, time, writer, onPlanned } = options;
  assertMovable(table.name, table.partitionBy);
  const sources = await RawSources.read(reader, rawTablesOf(tables, table, source));
  const { fold } = await reader.ledger(table.name);
  const plan = await planOf(fold, () => reader.entries(table.name, fold.nextSequence), {
    ...time,
    isThere: ({ ranges }) => sources.isAsFarAs(ranges),
  });
  assertPublishable(options, plan);
  assertOfTopic(table, plan);
  for (const { entry } of plan.windows)
    for (const range of entry.ranges) if (range.counts.records > 0) sources.holding(range);
  const carried = await carriedOf(options, {
    ...{ isReplaced: isReplacedBy(plan), places: plan.places, next: fold.nextSequence },
  });
  assertRoom(options, plan.windows.length + carried.size);
  const planned = rebuiltOf({ table, plan, source: sources.text, carried: carried.size });
  onPlanned(planned);
  if (writer === undefined || plan.windows.length === 0) return planned;
  const records = await options.openRecords(sources, options);
  try {
    const made = await makeWindows(options, plan, records);
    return { ...planned, ...(await swapIn(options, { plan, made, source: planned.source, writer })) };
  } finally {
    records.close();
  }
}

/** What has no partitions lies where the catalogued table says, which others rely on: nobody moves it. */
function assertMovable(name: string, { length }: { readonly length: number }): void {
  if (length > 0) return;
  const message =
    `${name} has no partitions, and a rebuild moves partitions: ` +
    'write a table of another name, with `partitionBy: [{ ingest: day }]` and `backfill: earliest`';
  throw new SluiceError('REBUILD_REFUSED', message, { place: name });
}

/** Nobody could publish a swap of what the config does not make: the table would stand behind it for ever. */
function assertPublishable({ table, schemas }: RebuildOptions, { places }: RebuildPlan): void {
  const definitions = new DefinitionsByVersion(table, schemas);
  for (const { output, partition } of places.values()) {
    assertMovable(outputTable(table, output), partition);
    const definition = definitions.of(table.configVersion, output);
    const theirs = columnsOf(partition);
    const ours = definition?.partitionColumns.map(({ name }) => name).join(', ');
    if (theirs === ours) continue;
    const message =
      definition === undefined
        ? `windows have rows of '${output}', which the steps do not make any more`
        : `windows have rows of ${definition.name} partitioned by (${theirs}), and the config partitions by (${ours})`;
    throw new SluiceError('REBUILD_REFUSED', message, { place: table.name });
  }
}

/** Rows of a table of one topic are all taken for that one's. */
function assertOfTopic(table: TableConfig, { windows }: RebuildPlan): void {
  if (namesTopic(table)) return;
  const ranges = windows.flatMap(({ entry }) => entry.ranges.filter(({ counts }) => counts.records > 0));
  const other = ranges.find(({ topic }) => !readsTopic(table, topic));
  if (other === undefined) return;
  const message = `windows have records of topic ${other.topic}, and the table is of ${topicsText(table)}: write \`topics\``;
  throw new SluiceError('REBUILD_REFUSED', message, { place: table.name });
}

const columnsOf = (partition: readonly { readonly column: string }[]) =>
  partition.map(({ column }) => column).join(', ');

type MadeObject = RemadeObject & Place;

interface Made {
  readonly rebuildId: string;
  readonly windows: readonly RemadeWindow[];
  readonly objects: readonly MadeObject[];
  /** Of a table that detects its columns: the last schema that was used. */
  readonly configVersion: string;
}

async function makeWindows(
  options: RebuildOptions,
  plan: RebuildPlan,
  records: WindowRecords,
): Promise<Made> {
  const { table, random, onProgress } = options;
  const rebuildId = random.hex(8);
  const windows: RemadeWindow[] = [];
  const objects: MadeObject[] = [];
  let { configVersion } = table;
  for (const [index, window] of plan.windows.entries()) {
    const { entry } = window;
    const made = await makeWindow(options, { window, records, rebuildId });
    objects.push(...made.objects);
    const rows: Record<string, number> = { rows: 0, quarantine: 0 };
    for (const { output, rows: n } of made.objects) rows[output] = (rows[output] ?? 0) + n;
    windows.push({ entry: entry.sequence, classes: made.classes, rows });
    configVersion = made.configVersion ?? configVersion;
    assertRoom(options, objects.length);
    assertBudget(table, { in: plan.before.in, quarantined: sumOf(windows).quarantined });
    await records.keepFor(plan.windows[index + 1]?.entry.ranges.filter((r) => r.counts.records > 0) ?? []);
    onProgress(index + 1, plan.windows.length);
  }
  return { rebuildId, windows, objects, configVersion };
}

/** Of all that is made again: one window that was bad already does not keep the others as they are. */
function assertBudget(table: TableConfig, so: Pick<Classes, 'in' | 'quarantined'>): void {
  const message = overBudget(table, so, 'these windows');
  if (message !== undefined) throw new SluiceError('REBUILD_REFUSED', message, { place: table.name });
}

interface Making {
  readonly window: PlannedWindow;
  readonly records: WindowRecords;
  readonly rebuildId: string;
}

/** As the window was: the same records, and opened when it was. */
async function makeWindow(options: RebuildOptions, { window, records, rebuildId }: Making) {
  const { table, transformer, scratch, objectsMax = OBJECTS_MAX } = options;
  const { entry } = window;
  const directory = join(scratch, 'rebuild');
  try {
    const made = transformer.run({
      // Each partition has a file of its own, and an entry may name so many. The budget is of all windows.
      table: { ...table, windowPartitionsMax: objectsMax, quarantineRatioMax: undefined },
      windowId: `${rebuildId}-${entry.sequence}`,
      segments: records.segments(entry.ranges),
      openedMs: Date.parse(entry.openedAt),
      directory,
    });
    const { classes, files, configVersion } = await made.catch((error: unknown) => {
      if (!(error instanceof SluiceError) || error.code !== 'WINDOW_PARTITIONS_MANY') throw error;
      const what = `more than ${objectsMax} partitions of window ${entry.sequence}`;
      throw tooLarge({ table: table.name }, what, { most: objectsMax });
    });
    assert(classes.in === window.classes.in, `window ${entry.sequence} had ${window.classes.in} records`);
    for (const { output, partition } of files) assertMovable(outputTable(table, output), partition);
    const objects: MadeObject[] = [];
    for (const file of files)
      objects.push(await upload(options, { file, rebuildId, window: entry.sequence }));
    return { classes, objects, configVersion };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

interface Upload {
  readonly file: OutputFile;
  readonly rebuildId: string;
  readonly window: number;
}

async function upload(options: RebuildOptions, { file, rebuildId, window }: Upload): Promise<MadeObject> {
  const { output, partition, path, index, extension, bytes, sha256, rows } = file;
  const to = placeIn(options.table, rebuildId, { output, partition });
  const name = `${rebuildId}-${window}-${index}.${extension}`;
  await patiently(options.clock, () => options.store.stage(path, `${to}${name}`, sha256));
  return { output, partition, entry: window, name, bytes, sha256, rows };
}

interface Swapping {
  readonly plan: RebuildPlan;
  readonly made: Made;
  readonly source: string;
  readonly writer: ReplayingWriter;
}

async function swapIn(
  options: RebuildOptions,
  { plan, made, source, writer }: Swapping,
): Promise<Partial<Rebuilt>> {
  const { rebuildId, windows, configVersion, objects } = made;
  const { after, before, replays } = plan;
  const byPlace = Map.groupBy(objects, ({ output, partition }) => placeKey(output, partition));
  const { entry, carried, partitions } = await swapPartitions(options, writer, {
    ...{ rebuildId, configVersion, source, after, before, windows, replays },
    places: new Map([...plan.places, ...placesOf(objects)]),
    objects: objects.length,
    isReplaced: isReplacedBy(plan),
    put: (key) => ({
      made: (byPlace.get(key) ?? []).map(({ entry: window, name, bytes, sha256, rows }) => {
        return { entry: window, name, bytes, sha256, rows };
      }),
    }),
  });
  return { entry, after: sumOf(windows), made: objects.length, carried, partitions };
}
