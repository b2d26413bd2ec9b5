// `sluice-collector replay`: quarantined records through the present config, each into the table at most once
// in all replays. One part at a time: read, transform, then one ledger entry that names the records that
// parsed and their objects, published as a window's are. What a crash leaves behind:
//   1 transform  files in the scratch directory
//   2 stage      objects under _sluice/staged/ that no entry names: a sweep removes them
//   3 append     the part is taken; whoever knows of the entry publishes it, the next replay first of all
//   4 publish    rows are visible, and the next replay leaves their records out
// What fails again stays where it is. The quarantine's rows are never touched.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@sluice/shared/clock.ts';
import { assert, SluiceError } from '@sluice/shared/errors.ts';
import type { Random } from '@sluice/shared/random.ts';
import type {
  Classes,
  OutputFile,
  ReplayingWriter,
  TableConfig,
  Transformer,
  TransformResult,
} from '../../contracts.ts';
import { namesTopic, topicsOf } from '../../table-topics.ts';
import { type Database, openDatabase } from '../../transform/duckdb.ts';
import { readsBeside } from '../../transform/sql/compile.ts';
import type { LakeReader } from '../lake-reader.ts';
import { addTo, type Part, type Place, partFrom, recordKey } from './parts.ts';
import { fileOf, type ImpossibleReason, type RowsTask, segmentsOf } from './quarantined-rows.ts';
import { type Selection, selectionSql } from './selection.ts';
import { inOrder, type Picked, type Quarantine, quarantineOf, replayedOf } from './taken.ts';

/** Where quarantine objects are read. */
const MEMORY_BYTES_MAX = 512_000_000;

/** Parts that are given to another replay in a row before the caller hears of it. */
const OVERTAKEN_MAX = 20;

export interface ReplayOptions {
  readonly table: TableConfig;
  readonly selection: Selection;
  /** undefined: nothing is written. */
  readonly writer: ReplayingWriter | undefined;
  readonly reader: LakeReader;
  /** Directories that may be read: the lake, and where objects are fetched to. */
  readonly directories: readonly string[];
  readonly transformer: Pick<Transformer, 'run'>;
  /** Private, and removed by the caller. */
  readonly scratch: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Told after each part. */
  readonly onProgress: (so: Replayed) => void;
}

/** What `--json` prints: docs/verify.md. */
export interface Replayed {
  readonly table: string;
  /** Nothing was written: what would become of the records. */
  readonly dryRun: boolean;
  /** Records that were run again: taken + failed. */
  readonly run: number;
  /** Those that parsed, by what became of them. */
  readonly taken: Pick<Classes, 'emitted' | 'merged' | 'filtered'>;
  /** Rows of each output. */
  readonly rows: Readonly<Record<string, number>>;
  /** Values of them that the config let become NULL where they failed, by column. */
  readonly nulled: Readonly<Record<string, number>>;
  /** Rules that their rows broke and that are only reported, each held against one part at a time. */
  readonly brokenRules: TransformResult['brokenRules'];
  /** Those that failed again and stay in quarantine, by their code of now. */
  readonly failed: Readonly<Record<string, number>>;
  /** Chosen records that an earlier replay took. */
  readonly earlier: number;
  /** Chosen records that cannot be run again, by reason. */
  readonly impossible: Readonly<Partial<Record<ImpossibleReason, number>>>;
  /** Numbers of the ledger entries. */
  readonly entries: readonly number[];
}

/** Everything that was in quarantine when it began; what comes meanwhile is left to the next replay. */
export async function replay(given: ReplayOptions): Promise<Replayed> {
  const { directories, scratch: spillDirectory } = given;
  const limits = { memoryBytesMax: MEMORY_BYTES_MAX, threads: 1 };
  const database = await openDatabase({ directories, spillDirectory, ...limits });
  try {
    return await replayParts({ ...given, database });
  } finally {
    database.close();
  }
}

interface Options extends ReplayOptions {
  readonly database: Database;
}

async function replayParts(options: Options): Promise<Replayed> {
  const { table, selection, reader, database, writer, onProgress } = options;
  const [onlyTopic] = namesTopic(table) ? [] : topicsOf(table);
  const chosen = { selected: selectionSql(selection), reads: readsBeside(table), onlyTopic };
  const task = { database, reader, ...chosen };
  const { nextSequence: end } = (await reader.ledger(table.name)).fold;
  const tally = new Tally(table.name, writer === undefined);
  let quarantine = await readQuarantine(options, end);
  let place: Place = { object: 0, row: 0 };
  let overtaken = 0;
  for (;;) {
    const part = await partFrom(task, quarantine, place);
    const made = part.records === 0 ? undefined : await runPart(options, task, part);
    try {
      const entry = made === undefined ? undefined : await write(options, made, quarantine.lastRerun);
      if (entry !== undefined) quarantine = { ...quarantine, lastRerun: entry };
      tally.add(part, made, entry);
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code !== 'REPLAY_OVERTAKEN') throw error;
      if (++overtaken === OVERTAKEN_MAX) throw error;
      const now = await readQuarantine(options, end);
      assertSameObjects(quarantine, now, table.name);
      quarantine = now;
      continue;
    } finally {
      for (const { object } of part.picks) await reader.release(object.at);
    }
    overtaken = 0;
    place = part.next;
    if (part.records > 0) onProgress(tally.sum());
    if (part.isLast) return tally.sum();
  }
}

/** Objects of entries before number `end`, and what all replays until now have taken of them. */
async function readQuarantine({ reader, table }: Options, end: number): Promise<Quarantine> {
  const { objects, taken, lastRerun } = await quarantineOf(() => reader.entries(table.name));
  return {
    objects: objects.filter(({ entry }) => entry < end),
    taken: new Map([...taken].map(([key, ranges]) => [key, inOrder(ranges)])),
    lastRerun,
  };
}

/** Where a rebuild came between, places among the objects mean others. */
function assertSameObjects(before: Quarantine, now: Quarantine, table: string): void {
  if (before.objects.every(({ at }, i) => at === now.objects[i]?.at)) return;
  const message =
    'a rebuild has made windows again, and their quarantine with them, while this replay ran: nothing has to be ' +
    'corrected, call it again, and it begins from what is in quarantine now';
  throw new SluiceError('REPLAY_STOPPED', message, { place: table });
}

interface MadePart extends Pick<TransformResult, 'nulled' | 'brokenRules'> {
  readonly windowId: string;
  readonly openedMs: number;
  readonly classes: Classes;
  readonly files: readonly OutputFile[];
  /** Of a table that detects its columns: under which of its schemas. */
  readonly configVersion: string | undefined;
  /** Without those that failed again. */
  readonly picks: readonly Picked[];
  readonly failed: ReadonlyMap<string, number>;
}

async function runPart(options: Options, task: RowsTask, part: Part): Promise<MadePart> {
  const { table, clock, random, scratch, transformer } = options;
  const windowId = random.hex(8);
  const openedMs = clock.wallMs();
  const result = await transformer.run({
    // What fails here is in quarantine already: no share of it is too much. Partition values are bounded by
    // the records of a part.
    table: { ...table, quarantineRatioMax: undefined, windowPartitionsMax: undefined },
    windowId,
    segments: segmentsOf(task, part.picks),
    openedMs,
    directory: join(scratch, 'replay'),
  });
  const failing = await failedOf(options, result);
  const picks = part.picks.map(({ object, rows }) => ({
    object,
    rows: rows.filter(({ id, offset }) => !failing.places.has(recordKey(id, offset))),
  }));
  const { emitted, merged, filtered, quarantined, in: all } = result.classes;
  const taken = picks.reduce((sum, { rows }) => sum + rows.length, 0);
  const adds = all === part.records && all === taken + quarantined;
  assert(adds, `${table.name}: ${part.records} records became ${JSON.stringify(result.classes)}`);
  const files = result.files.filter(({ output }) => output !== 'quarantine');
  const classes = { in: taken, emitted, merged, filtered, quarantined: 0 };
  const { configVersion, nulled, brokenRules } = result;
  const made = { windowId, openedMs, classes, files, configVersion, nulled, brokenRules };
  return { ...made, picks, failed: failing.byCode };
}

async function failedOf({ database }: Options, { files }: TransformResult) {
  const places = new Set<string>();
  const byCode = new Map<string, number>();
  for (const { output, path } of files) {
    if (output !== 'quarantine') continue;
    const place = '_topic AS c, _partition AS p, _offset AS o';
    const rows = await database.rows(`SELECT ${place}, code FROM ${fileOf(path)}`);
    for (const { c, p, o, code } of rows) {
      places.add(recordKey({ topic: String(c), partition: Number(p) }, Number(o)));
      byCode.set(String(code), (byCode.get(String(code)) ?? 0) + 1);
    }
  }
  return { places, byCode };
}

/** The number of its entry; undefined where nothing is to be written. */
async function write(
  { writer, scratch, table }: Options,
  { windowId, openedMs, classes, files, configVersion, picks }: MadePart,
  after: number,
): Promise<number | undefined> {
  try {
    if (writer === undefined || classes.in === 0) return undefined;
    const made = { windowId, openedMs, classes, files, table, configVersion };
    return await writer.replay({ ...made, after, replayed: replayedOf(picks) });
  } finally {
    await rm(join(scratch, 'replay'), { recursive: true, force: true });
  }
}

class Tally {
  readonly #table: string;
  readonly #dryRun: boolean;
  #run = 0;
  #earlier = 0;
  readonly #taken = { emitted: 0, merged: 0, filtered: 0 };
  readonly #rows = new Map<string, number>();
  readonly #nulled = new Map<string, number>();
  readonly #broken: { output: string; rule: string; rows: number }[] = [];
  readonly #failed = new Map<string, number>();
  readonly #impossible = new Map<ImpossibleReason, number>();
  readonly #entries: number[] = [];

  constructor(table: string, dryRun: boolean) {
    this.#table = table;
    this.#dryRun = dryRun;
  }

  add(part: Part, made: MadePart | undefined, entry: number | undefined): void {
    this.#run += part.records;
    this.#earlier += part.earlier;
    for (const [reason, n] of part.impossible) addTo(this.#impossible, reason, n);
    if (made === undefined) return;
    this.#taken.emitted += made.classes.emitted;
    this.#taken.merged += made.classes.merged;
    this.#taken.filtered += made.classes.filtered;
    for (const { output, rows } of made.files) addTo(this.#rows, output, rows);
    for (const { column, values } of made.nulled) addTo(this.#nulled, column, values);
    for (const broken of made.brokenRules) this.#addBroken(broken);
    for (const [code, n] of made.failed) addTo(this.#failed, code, n);
    if (entry !== undefined) this.#entries.push(entry);
  }

  #addBroken({ output, rule, rows }: Replayed['brokenRules'][number]): void {
    const known = this.#broken.find((one) => one.output === output && one.rule === rule);
    if (known === undefined) this.#broken.push({ output, rule, rows });
    else known.rows += rows;
  }

  sum(): Replayed {
    return {
      table: this.#table,
      dryRun: this.#dryRun,
      run: this.#run,
      taken: { ...this.#taken },
      rows: Object.fromEntries(this.#rows),
      nulled: Object.fromEntries(this.#nulled),
      brokenRules: this.#broken.map((one) => ({ ...one })),
      failed: Object.fromEntries(this.#failed),
      earlier: this.#earlier,
      impossible: Object.fromEntries(this.#impossible),
      entries: [...this.#entries],
    };
  }
}
