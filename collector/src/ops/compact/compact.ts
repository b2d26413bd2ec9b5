// `sluice-collector compact`: small objects of a partition become larger ones, whichever windows they are of,
// and the partition moves as a whole, by one entry for as many partitions as it may name. What a crash leaves
// behind:
//   1 join     objects at a place that no partition has, and that no entry names: nobody sees them
//   2 carry    copies there of what else lies in the partitions: the same
//   3 append   the swap is decided; whoever knows of the entry publishes it
//   4 publish  each partition of the catalog has its new place, all of it or nothing
// What was there before stays where it was: who has begun to read it reads on.
import { SluiceError } from '@sluice/shared/errors.ts';
import type { Random } from '@sluice/shared/random.ts';
import type {
  ChangingSchemas,
  JoinedObject,
  MovedPartition,
  ObjectsEntry,
  ReplayingWriter,
  TableConfig,
  TableSchemas,
} from '../../contracts.ts';
import { outputTable } from '../../lake/object-keys.ts';
import type { Fold } from '../../ledger/fold.ts';
import { DefinitionsByVersion } from '../../ledger/publish.ts';
import { sumOf } from '../../ledger/swaps.ts';
import { type Amount, amountOf, bothAmounts as both } from '../amount.ts';
import { type ChosenTime, cutIn, type Place } from '../rebuild/plan.ts';
import { patiently, placeIn, type SwapOptions, swapPartitions } from '../rebuild/swapping.ts';
import { windowOfEntry } from '../verify/replays.ts';
import { extensionOf, type ObjectJoiner, type OpenJoiner, Unjoinable } from './joiner.ts';
import { batchesOf, type CompactPlan, type PlannedPlace, placeText, planOf } from './plan.ts';
import type { Compacted } from './report.ts';

/** Of a table whose config says nothing else. */
const OBJECT_BYTES = 128 * 2 ** 20;
/** Of lines that are packed: one reader unpacks them all, some ten times as many bytes. */
const PACKED_TEXT_BYTES = 32 * 2 ** 20;

export interface CompactOptions extends SwapOptions {
  /** Of windows, by when they were opened. */
  readonly time: ChosenTime;
  /** What was committed later than this long ago stays as it is. */
  readonly olderThanMs: number;
  /** However much has to be copied beside. */
  readonly all: boolean;
  /** undefined: nothing is written. */
  readonly writer: ReplayingWriter | undefined;
  /** Directories that may be read: the lake, and where objects are fetched to. */
  readonly directories: readonly string[];
  /** Of the table, as its writer has them. */
  readonly schemas: TableSchemas | ChangingSchemas;
  /** Private, and removed by the caller. */
  readonly scratch: string;
  readonly random: Random;
  /** Opened where there is something to join, and closed in the end. */
  readonly openJoiner: OpenJoiner;
  /** Told before anything is made, and after each partition. */
  readonly onPlanned: (so: Compacted) => void;
  readonly onProgress: (done: number, of: number) => void;
  /** Told what is done after each ledger entry, which stays whatever becomes of it and of the next. */
  readonly onEntry: (so: Compacted) => void;
}

interface Options extends CompactOptions {
  readonly joiner: ObjectJoiner;
}

export async function compact(given: CompactOptions): Promise<Compacted> {
  const { table, reader, writer, scratch, directories, openJoiner, onPlanned } = given;
  const { output } = table;
  assertJoinable(given);
  const objectBytes = objectBytesOf(table);
  // What is still being published may be read by nobody yet.
  await writer?.flushPublished();
  const through = writer?.status().publishedThrough ?? Number.POSITIVE_INFINITY;
  const { fold } = await reader.ledger(table.name);
  const plan = await planOf(fold, () => reader.entries(table.name, fold.nextSequence), {
    ...{
      table,
      objectBytes,
      all: given.all,
      isChosen: chosenBy(given, { fold, through }),
      wrong: unmovable(given),
    },
    ...(given.objectsMax === undefined ? {} : { objectsMax: given.objectsMax }),
  });
  const planned = compactedOf(table, plan);
  onPlanned(planned);
  if (writer === undefined || plan.places.length === 0) return planned;
  const joiner = await openJoiner({ reader, directories, scratch, output, objectBytes });
  try {
    return await joinPlaces({ ...given, joiner }, { writer, plan, planned });
  } finally {
    await joiner.close();
  }
}

/** What objects become at most, as they are packed. */
function objectBytesOf({ output }: TableConfig): number {
  if (output.kind === 'parquet') return output.objectBytes ?? OBJECT_BYTES;
  return output.compression === 'gzip' ? PACKED_TEXT_BYTES : OBJECT_BYTES;
}

/** COMPACT_REFUSED */
function refused({ name }: Pick<TableConfig, 'name'>, message: string): SluiceError {
  return new SluiceError('COMPACT_REFUSED', message, { place: name });
}

function assertJoinable({ table, schemas }: CompactOptions): void {
  const { output, partitionBy, name } = table;
  if (partitionBy.length === 0)
    throw refused(table, `${name} has no partitions, and a compaction moves partitions`);
  const named = 'now' in schemas ? schemas.now() : schemas;
  const odd = named.rows.find((column) => column.name.toLowerCase() === ROW_NUMBER);
  if (output.kind !== 'parquet' || odd === undefined) return;
  throw refused(table, `${name} has a column ${odd.name}, which is how rows of joined objects are numbered`);
}

/** As DuckDB calls it. */
const ROW_NUMBER = 'file_row_number';

function chosenBy(
  { time, olderThanMs, clock }: CompactOptions,
  { fold, through }: { readonly fold: Fold; readonly through: number },
): (entry: ObjectsEntry) => boolean {
  const { fromMs = Number.NEGATIVE_INFINITY, toMs = Number.POSITIVE_INFINITY } = time;
  const committedBeforeMs = clock.wallMs() - olderThanMs;
  return (entry) => {
    if (entry.sequence > through || Date.parse(entry.writtenAt) > committedBeforeMs) return false;
    const openedMs = Date.parse(entry.openedAt);
    if (openedMs < fromMs || toMs <= openedMs) return false;
    // No rebuild can make such a window again, nor what has rows in one object with it.
    return windowOfEntry(entry).ranges.every((range) => cutIn(fold, range) === undefined);
  };
}

/** What nobody could publish: the table would stand behind it for ever. */
function unmovable({ table, schemas }: CompactOptions): (place: Place) => string | undefined {
  const definitions = new DefinitionsByVersion(table, schemas);
  const columnsOf = (names: readonly string[]) => names.join(', ');
  return ({ output, partition }) => {
    const definition = definitions.of(table.configVersion, output);
    if (definition === undefined) return 'the steps do not make this output any more';
    const isNumbered = definition.columns.some(({ name }) => name.toLowerCase() === ROW_NUMBER);
    if (isNumbered && definition.output.kind === 'parquet') return `it has a column ${ROW_NUMBER}`;
    const theirs = columnsOf(partition.map(({ column }) => column));
    const ours = columnsOf(definition.partitionColumns.map(({ name }) => name));
    if (theirs !== ours) {
      const message = `${outputTable(table, output)} has objects partitioned by (${theirs}), and the config partitions by (${ours})`;
      throw refused(table, message);
    }
    return partition.length === 0 ? 'it has no partitions, and a compaction moves partitions' : undefined;
  };
}

const NONE: Amount = { objects: 0, bytes: 0 };

function compactedOf({ name }: TableConfig, { places, skipped }: CompactPlan): Compacted {
  return {
    table: name,
    partitions: places.length,
    small: amountOf(places.flatMap(({ parts }) => parts)),
    carried: places.map(({ carried }) => carried).reduce(both, NONE),
    skipped,
    ...{ entries: [], unpublished: [], moved: 0, joined: NONE, made: NONE },
  };
}

interface Joining {
  readonly writer: ReplayingWriter;
  readonly plan: CompactPlan;
  readonly planned: Compacted;
}

/** One entry after the other, each whole by itself. */
async function joinPlaces(options: Options, { writer, plan, planned }: Joining): Promise<Compacted> {
  const { onProgress } = options;
  let so = planned;
  let { after } = plan;
  let done = 0;
  for (const places of batchesOf(plan.places, options)) {
    const rebuildId = options.random.hex(8);
    const made: MadePlace[] = [];
    for (const place of places) {
      const joined = await joinPlace(options, place, rebuildId);
      if (typeof joined === 'string')
        so = { ...so, skipped: [...so.skipped, skippedFor(options, place, joined)] };
      else made.push({ place, joined });
      done++;
      if (place !== places.at(-1)) onProgress(done, plan.places.length);
    }
    if (made.length > 0) {
      after = await swapIn(options, { writer, made, rebuildId, after }).catch((error: unknown) => {
        const unpublished = appendedBy(options, rebuildId);
        if (unpublished.length > 0) options.onEntry({ ...so, unpublished });
        throw error;
      });
      so = { ...so, entries: [...so.entries, after], ...totalsWith(so, made) };
      options.onEntry(so);
    }
    onProgress(done, plan.places.length);
  }
  return so;
}

/** What is decided stays so, also where the one who decided it could not publish it. */
function appendedBy({ folded }: Options, rebuildId: string): readonly number[] {
  const own = folded.filter((entry) => entry.kind === 'swap' && entry.rebuildId === rebuildId);
  return own.map(({ sequence }) => sequence);
}

const skippedFor = ({ table }: Options, place: PlannedPlace, why: string) => {
  return { place: placeText(table, place), objects: place.parts.length, why };
};

function totalsWith(so: Compacted, made: readonly MadePlace[]): Pick<Compacted, 'moved' | 'joined' | 'made'> {
  const objects = made.flatMap(({ joined }) => joined);
  return {
    moved: so.moved + made.length,
    joined: both(so.joined, amountOf(objects.flatMap(({ parts }) => parts))),
    made: both(so.made, amountOf(objects)),
  };
}

interface MadeObject extends JoinedObject {
  readonly parts: PlannedPlace['parts'];
}

interface MadePlace {
  readonly place: PlannedPlace;
  readonly joined: readonly MadeObject[];
}

/** Uploaded to where the partition will be; or why it stays as it is. */
async function joinPlace(
  options: Options,
  place: PlannedPlace,
  rebuildId: string,
): Promise<readonly MadeObject[] | string> {
  const { table, store, clock } = options;
  const to = placeIn(table, rebuildId, place);
  const made: MadeObject[] = [];
  try {
    for (const group of place.groups)
      for await (const { path, ...object } of options.joiner.join(group)) {
        const name = `${rebuildId}-${made.length}.${extensionOf(path)}`;
        await patiently(clock, () => store.stage(path, `${to}${name}`, object.sha256));
        made.push({ name, ...object });
      }
  } catch (error) {
    if (error instanceof Unjoinable) return error.message;
    throw error;
  }
  return made.length > 0 ? made : 'no two of its small objects have the same columns and compression';
}

interface SwappingIn {
  readonly writer: ReplayingWriter;
  readonly made: readonly MadePlace[];
  readonly rebuildId: string;
  readonly after: number;
}

/** Resolves with the number of the entry. */
async function swapIn(options: Options, { writer, made, rebuildId, after }: SwappingIn): Promise<number> {
  const { configVersion } = options.table;
  const parts = new Set(made.flatMap(({ joined }) => joined.flatMap((o) => o.parts.map(({ from }) => from))));
  const moves = new Map<string, Pick<MovedPartition, 'made' | 'joined'>>(
    made.map(({ place, joined }) => [place.key, { made: [], joined: joined.map(namedObject) }]),
  );
  const objects = made.reduce((sum, { joined }) => sum + joined.length, parts.size);
  const { entry } = await swapPartitions(options, writer, {
    ...{ rebuildId, configVersion, source: 'objects that stood there', after, objects },
    ...{ before: sumOf([]), windows: [], replays: [] },
    places: new Map(made.map(({ place: { key, output, partition } }) => [key, { output, partition }])),
    put: (key) => moves.get(key) ?? { made: [], joined: [] },
    isReplaced: (_entry, { finalKey }) => parts.has(finalKey),
  });
  return entry;
}

function namedObject({ name, bytes, sha256, rows, textBytes, parts }: MadeObject): JoinedObject {
  const named = parts.map(({ entry, from, rows: own, text }) => {
    return { entry, from, rows: own, ...(text === undefined ? {} : { text }) };
  });
  return { name, bytes, sha256, rows, ...(textBytes === undefined ? {} : { textBytes }), parts: named };
}
