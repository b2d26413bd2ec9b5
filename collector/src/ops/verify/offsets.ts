// The offsets that the objects of one entry hold, against what the entry says of them: each once, inside its
// ranges, as many emitted and quarantined as its classes, and none missing that it does not call left out.
// Entries are read one at a time, and at most OFFSETS_AT_ONCE_MAX offsets of one are compared at a time:
// ranges of different entries do not overlap (the fold asserts it), so what holds inside each holds across
// all.
import { partitionName } from '@sluice/shared/position.ts';
import type { LedgerRange, TableDefinition, WindowEntry } from '../../contracts.ts';
import type { StandingOutput } from '../../ledger/standing-objects.ts';
import type { Database } from '../../transform/duckdb.ts';
import { readerOfRows } from '../lake-reader.ts';
import { type Finding, finding } from './findings.ts';
import { type OffsetRange, packs } from './offset-packs.ts';
import { type Slot, Slots } from './slots.ts';

/** Measured: 330 MB in all; four times as many took 930 MB. A larger window is read once for each million. */
export const OFFSETS_AT_ONCE_MAX = 1_000_000;

/** Named in a message; the others are counted. */
const NAMED_MAX = 5;
/** Kept of one entry, to be told whose they are. */
const STRAYS_MAX = 20;

export interface ObjectFile {
  readonly output: Pick<StandingOutput, 'output' | 'finalKey' | 'rows' | 'joined'>;
  readonly definition: TableDefinition;
  readonly path: string;
}

export interface EntryFiles {
  readonly database: Database;
  readonly entry: WindowEntry;
  readonly files: readonly ObjectFile[];
  /** Every object of the entry is among the files. */
  readonly isComplete: boolean;
  /** Whether rows say which record they are (`provenance`); quarantined ones always do. */
  readonly rowsHaveOffsets: boolean;
  /** A record may have several rows, which are numbered, and rows in several tables. */
  readonly manyRows: boolean;
  readonly offsetsAtOnceMax: number;
}

/** Records in an object of an entry that does not answer for them. */
export interface Strays {
  readonly entry: number;
  readonly key: string;
  /** undefined where the rows name none that the entry could answer for. */
  readonly at: Slot | undefined;
  readonly rows: number;
  readonly low: number;
  readonly high: number;
}

export interface OffsetsRead {
  readonly findings: readonly Finding[];
  readonly strays: readonly Strays[];
  readonly offsets: number;
}

/** How many rows a file holds; throws where it cannot be read as its table. */
export async function countRows(
  database: Database,
  { definition, path, output }: Pick<ObjectFile, 'definition' | 'path' | 'output'>,
  withOffsets: boolean,
): Promise<number> {
  const offsets = withOffsets ? ', count(_partition::BIGINT + _offset::BIGINT)' : '';
  const { rows } = await database.select(
    `SELECT count(*)${offsets} FROM ${readerOfRows(definition, path, output)}`,
  );
  return Number(rows[0]?.[0]);
}

export async function readOffsets(files: EntryFiles): Promise<OffsetsRead> {
  const slots = new Slots(files.entry.ranges);
  const ranges = files.entry.ranges.map((range) => ({ ...range, slot: slots.of(range) }));
  const task: Task = { ...files, slots, ranges };
  const seen = seenSql(task);
  const held: Held = { bySlot: new Map(), emitted: 0, quarantined: 0 };
  const missing: string[] = [];
  const findings: Finding[] = [];
  for (const pack of packs(ranges, task.offsetsAtOnceMax)) {
    await gather(task, seen, pack);
    const before = new Map(held.bySlot);
    await count(task, held);
    findings.push(...(await duplicates(task)));
    if (namesMissing(task)) missing.push(...(await missingOf(task, pack, { before, held })));
  }
  findings.push(...judged(task, held, missing));
  return {
    findings,
    strays: await straysOf(task, seen),
    offsets: held.emitted + held.quarantined,
  };
}

interface Task extends EntryFiles {
  readonly slots: Slots;
  readonly ranges: readonly (LedgerRange & OffsetRange)[];
}

interface Held {
  readonly bySlot: Map<number, number>;
  emitted: number;
  quarantined: number;
}

const NO_ROWS =
  "SELECT NULL::BIGINT AS p, NULL::BIGINT AS o, 0 AS f, false AS r, 0 AS w, '' AS t WHERE false";

/**
 * Slot, offset, number of the file, whether it is a row of a table, which of its record's rows, and the
 * output.
 */
function seenSql({ files, rowsHaveOffsets, manyRows, slots }: Task): string {
  const selects = files.flatMap(({ output, definition, path }, i) => {
    const isRow = output.output !== 'quarantine';
    if (isRow && !rowsHaveOffsets) return [];
    const number = isRow && manyRows ? '_row::BIGINT' : '0';
    const columns = `${slots.sql} AS p, _offset::BIGINT AS o, ${i} AS f, ${isRow} AS r, ${number} AS w, '${output.output}' AS t`;
    return [`SELECT ${columns} FROM ${readerOfRows(definition, path, output)}`];
  });
  return selects.length === 0 ? NO_ROWS : selects.join(' UNION ALL ');
}

function within(ranges: readonly OffsetRange[]): string {
  const conditions = ranges.map(({ slot, start, next }) => `(p = ${slot} AND o >= ${start} AND o < ${next})`);
  return conditions.length === 0 ? 'false' : conditions.join(' OR ');
}

/**
 * How often an offset may be there: more than once only where a topic that was created again has the same
 * numbers.
 */
function timesSql({ ranges }: Task): string {
  if (new Set(ranges.map(({ slot }) => slot)).size === ranges.length) return '1';
  return `(${ranges.map((range) => `(${within([range])})::INTEGER`).join(' + ')})`;
}

async function gather(task: Task, seen: string, pack: readonly OffsetRange[]) {
  await task.database.run(
    'CREATE OR REPLACE TEMP TABLE held AS SELECT *, least(n, times) AS counted FROM ' +
      `(SELECT *, ${timesSql(task)} AS times FROM (SELECT p, o, bool_and(r) AS r, min(f1) AS f1, max(f2) AS f2, ` +
      'coalesce(max(n) FILTER (r), 0) + coalesce(max(n) FILTER (NOT r), 0) AS n FROM ' +
      `(SELECT p, o, r, t, w, count(*) AS n, min(f) AS f1, max(f) AS f2 FROM (${seen}) ` +
      `WHERE ${within(pack)} GROUP BY p, o, r, t, w) GROUP BY p, o))`,
  );
}

async function count({ database }: EntryFiles, held: Held): Promise<void> {
  const { rows } = await database.select(
    'SELECT p, sum(counted), coalesce(sum(counted) FILTER (r), 0) FROM held GROUP BY p',
  );
  for (const [p, all, emitted] of rows) {
    const slot = Number(p);
    held.bySlot.set(slot, (held.bySlot.get(slot) ?? 0) + Number(all));
    held.emitted += Number(emitted);
    held.quarantined += Number(all) - Number(emitted);
  }
}

async function duplicates({ database, entry, files, slots }: Task): Promise<Finding[]> {
  const { rows } = await database.select(
    'SELECT p, o, n, f1, f2, count(*) OVER () FROM held WHERE n > times ' +
      `ORDER BY p, o LIMIT ${NAMED_MAX}`,
  );
  const total = Number(rows[0]?.[5] ?? 0);
  if (total === 0) return [];
  const key = (file: string | null | undefined) => files[Number(file)]?.output.finalKey;
  const named = rows.map(([p, o, n, f1, f2]) => {
    const where = f1 === f2 ? `in ${key(f1)}` : `in ${key(f1)} and ${key(f2)}`;
    return `${slots.name(Number(p))} offset ${o} ${n} times ${where}`;
  });
  const message = `${records(total)} more than once: ${named.join('; ')}${more(total, rows.length)}`;
  return [finding('OFFSET_DUPLICATED', placeOf(entry), message)];
}

/**
 * Only where no record was left out and no offset is Kafka's own is each offset that is not there missing.
 */
function namesMissing({ entry, isComplete, rowsHaveOffsets }: EntryFiles): boolean {
  const { filtered, merged } = entry.classes;
  const full = entry.ranges.every(({ start, next, counts }) => next - start === counts.records);
  return isComplete && rowsHaveOffsets && full && filtered + merged === 0;
}

async function missingOf(
  { database, slots }: Task,
  pack: readonly OffsetRange[],
  { before, held }: { readonly before: ReadonlyMap<number, number>; readonly held: Held },
): Promise<string[]> {
  const missing: string[] = [];
  for (const [slot, ranges] of Map.groupBy(pack, (range) => range.slot)) {
    const span = ranges.reduce((sum, { start, next }) => sum + next - start, 0);
    const found = (held.bySlot.get(slot) ?? 0) - (before.get(slot) ?? 0);
    if (found >= span) continue;
    for (const { start, next } of ranges) {
      const { rows } = await database.select(
        `SELECT range FROM range(${start}, ${next}) WHERE range NOT IN (SELECT o FROM held WHERE p = ${slot}) ` +
          `ORDER BY range LIMIT ${NAMED_MAX}`,
      );
      missing.push(...rows.map(([offset]) => `${slots.name(slot)} offset ${offset}`));
    }
  }
  return missing.slice(0, NAMED_MAX);
}

function judged(task: Task, held: Held, named: readonly string[]): Finding[] {
  const { entry, isComplete, rowsHaveOffsets } = task;
  const { classes, ranges } = entry;
  const wrong: string[] = [];
  if (!isComplete) return [];
  if (rowsHaveOffsets) {
    const unseen =
      ranges.reduce((sum, { counts }) => sum + counts.records, 0) - held.emitted - held.quarantined;
    const lost = unseen - classes.filtered - classes.merged;
    if (lost > 0) return [missingFinding(entry, lost, named)];
    wrong.push(...partitionsOverfull(task, held));
    if (held.emitted !== classes.emitted)
      wrong.push(`${classes.emitted} records are emitted by the ledger and ${held.emitted} by the objects`);
  }
  if (held.quarantined !== classes.quarantined)
    wrong.push(
      `${classes.quarantined} records are quarantined by the ledger and ${held.quarantined} by the objects`,
    );
  return wrong.map((message) => finding('CLASSES_MISCOUNTED', placeOf(entry), message));
}

function missingFinding(entry: WindowEntry, lost: number, named: readonly string[]): Finding {
  const { filtered, merged } = entry.classes;
  const left = filtered + merged === 0 ? 'none' : `${filtered + merged}`;
  const which =
    named.length > 0
      ? `: ${named.join('; ')}${more(lost, named.length)}`
      : `, somewhere in ${entry.ranges.map((r) => `${partitionName(r)} [${r.start}, ${r.next})`).join(', ')}`;
  const have = lost === 1 ? '1 record has' : `${lost} records have`;
  const message = `${have} no row, and ${left} was left out by the entry${which}`;
  return finding('OFFSET_MISSING', placeOf(entry), message);
}

/** More of a partition than its ranges count: what another partition lacks must not make up for it. */
function partitionsOverfull({ ranges }: Task, held: Held): string[] {
  return [...Map.groupBy(ranges, ({ slot }) => slot)].flatMap(([slot, [...own]]) => {
    const counted = own.reduce((sum, { counts }) => sum + counts.records, 0);
    const found = held.bySlot.get(slot) ?? 0;
    const [range] = own;
    if (range === undefined || found <= counted) return [];
    return [`${partitionName(range)}: the ledger counts ${counted} records and the objects hold ${found}`];
  });
}

async function straysOf({ database, entry, files, slots, ranges }: Task, seen: string): Promise<Strays[]> {
  const { rows } = await database.select(
    `SELECT f, p, count(*), min(o), max(o) FROM (${seen}) WHERE NOT coalesce(${within(ranges)}, false) ` +
      `GROUP BY f, p ORDER BY f, p LIMIT ${STRAYS_MAX}`,
  );
  return rows.map(([f, p, n, low, high]) => ({
    entry: entry.sequence,
    key: files[Number(f)]?.output.finalKey ?? '',
    at: p === null || p === undefined ? undefined : slots.at(Number(p)),
    rows: Number(n),
    low: Number(low),
    high: Number(high),
  }));
}

const placeOf = ({ table, sequence }: WindowEntry) => ({ table, place: `entry ${sequence}` });
const records = (n: number) => (n === 1 ? '1 record is there' : `${n} records are there`);
const more = (total: number, named: number) => (total > named ? ` and ${total - named} more` : '');
