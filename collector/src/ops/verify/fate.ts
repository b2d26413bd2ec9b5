// What became of one offset in one table: the entry that answers for it, its window, and the object and row
// that hold it. The ledger is walked once; only the objects of the entry that answers are read.
import { partitionKey, partitionName, slotKey } from '@sluice/shared/position.ts';
import type { LedgerOutput, LedgerRange, WindowEntry } from '../../contracts.ts';
import { type StandingEntry, StandingObjects, type StandingOutput } from '../../ledger/standing-objects.ts';
import { isPlural } from '../../step-config.ts';
import type { Database } from '../../transform/duckdb.ts';
import { literal } from '../../transform/sql/types.ts';
import { readerOfRows } from '../lake-reader.ts';
import { type Finding, finding } from './findings.ts';
import { type AskedOffset, wordsOn } from './ledger-word.ts';
import { type Audited, fetched, type Standing, seenOutput, standingOf, unreadable } from './objects.ts';
import { replaysOf, type TakenRecord, windowOfEntry } from './replays.ts';

/**
 * emitted, quarantined: a row says so. unseen: committed, and its rows do not say which record they are.
 * absent: its entry left it out (filtered, or Kafka holds no record there). waiting: committed, not
 * published. gap: Kafka lost it. uncommitted: not yet. outside: below the table's beginning, or its partition
 * was never opened. broken: see the findings.
 */
export type FateKind =
  | 'emitted'
  | 'quarantined'
  | 'unseen'
  | 'absent'
  | 'waiting'
  | 'gap'
  | 'uncommitted'
  | 'outside'
  | 'broken';

export interface Fate {
  readonly table: string;
  readonly partition: string;
  readonly topicId: string | undefined;
  readonly offset: number;
  readonly fate: FateKind;
  readonly message: string;
  /** Number of the ledger entry that answers. */
  readonly entry: number | undefined;
  readonly window: string | undefined;
  /** Key of the object with the row; the candidates where it cannot be told. */
  readonly objects: readonly string[];
  /** Of a quarantined record. */
  readonly code: string | undefined;
}

export interface FateTask extends Audited {
  readonly database: Database;
}

export interface FatesFound {
  readonly fates: readonly Fate[];
  readonly findings: readonly Finding[];
}

export async function fatesOf(task: FateTask, asked: AskedOffset): Promise<FatesFound> {
  const table = task.table.name;
  const spoken = await wordsOn(asked, task.reader.entries(table, task.fold.nextSequence));
  const standing = await StandingObjects.of(task.reader.entries(table, task.fold.nextSequence));
  const base = { table, partition: partitionName(asked), offset: asked.offset };
  const nothing = { topicId: undefined, entry: undefined, window: undefined, objects: [], code: undefined };
  if (spoken.length === 0) {
    const message = 'the table never opened this partition: nothing of it is committed';
    return { fates: [{ ...base, ...nothing, fate: 'outside', message }], findings: [] };
  }
  const findings: Finding[] = [];
  const fates: Fate[] = [];
  for (const { id, word } of spoken) {
    const head = { ...base, ...nothing, topicId: id.topicId };
    if (word.kind === 'window') {
      const { sequence, windowId } = word.entry;
      const entry = windowOfEntry(standing.last(word.entry));
      const found = await inWindow(task, { entry, range: word.range }, asked);
      findings.push(...found.findings);
      const by = standing.madeBy(sequence);
      const message =
        by === sequence ? found.fate.message : `made again by entry ${by}: ${found.fate.message}`;
      fates.push({ ...head, entry: sequence, window: windowId, ...found.fate, message });
      if (found.fate.fate !== 'quarantined') continue;
      const again = await ranAgain(
        { ...task, standing },
        { entry: by, topicId: id.topicId, ...asked },
        asked,
      );
      findings.push(...again.findings);
      fates.push(...again.fates.map((fate) => ({ ...head, ...fate })));
    } else {
      const entry = word.kind === 'uncommitted' ? undefined : word.entry;
      fates.push({ ...head, entry, fate: word.kind, message: word.message });
    }
  }
  return { fates, findings };
}

/** What replays made of a quarantined record, in their order. */
async function ranAgain(
  task: FateTask & { readonly standing: StandingObjects },
  taken: TakenRecord,
  asked: AskedOffset,
) {
  const fates: Pick<Fate, 'fate' | 'message' | 'objects' | 'code' | 'entry' | 'window'>[] = [];
  const findings: Finding[] = [];
  const entries = task.reader.entries(task.table.name, task.fold.nextSequence);
  for (const replay of await replaysOf(entries, taken)) {
    const now = task.standing.now(replay);
    if (now === undefined) continue;
    const entry = windowOfEntry(now);
    const { offset } = taken;
    const range = entry.ranges.find((r) => partitionKey(r) === partitionKey(taken) && covers(r, offset));
    if (range === undefined) continue;
    const found = await inWindow(task, { entry, range }, asked);
    const message = `run again: ${found.fate.message}`;
    fates.push({ ...found.fate, message, entry: replay.sequence, window: replay.windowId });
    findings.push(...found.findings);
  }
  if (fates.length > 1) {
    const message = `${fates.length} replays took offset ${asked.offset}: entries ${fates.map(({ entry }) => entry).join(', ')}`;
    const place = { table: task.table.name, place: `entry ${taken.entry}` };
    findings.push(finding('OFFSET_DUPLICATED', place, message));
  }
  return { fates, findings };
}

interface HoldingWindow {
  readonly entry: WindowEntry & Pick<StandingEntry, 'outputs'>;
  readonly range: LedgerRange;
}

interface InWindow {
  readonly fate: Pick<Fate, 'fate' | 'message' | 'objects' | 'code'>;
  readonly findings: readonly Finding[];
}

async function inWindow(
  task: FateTask,
  { entry, range }: HoldingWindow,
  asked: AskedOffset,
): Promise<InWindow> {
  const findings: Finding[] = [];
  const rows: HeldRow[] = [];
  const waiting: string[] = [];
  let unread = false;
  for (const output of entry.outputs) {
    const standing = await standingOf(task, entry, output);
    findings.push(...standing.findings);
    if (standing.pending) waiting.push(output.finalKey);
    else if (!standing.stands) unread = true;
    if (!standing.stands || !hasOffsets(task, output)) continue;
    const read = await rowsIn(task, { entry, output, standing }, asked);
    rows.push(...read.rows);
    findings.push(...read.findings);
    unread ||= read.unread;
  }
  const [row] = rows;
  const sum = rows.reduce((total, { times }) => total + times, 0);
  const copies = isPlural(task.table) ? manyTimes(rows) : sum;
  const twins = entry.ranges.filter((r) => slotKey(r) === slotKey(range) && covers(r, asked.offset)).length;
  if (copies > twins) {
    const message = `${partitionName(range)} offset ${asked.offset} is there ${copies} times: in ${rows.map(({ key }) => key).join(' and ')}`;
    const place = { table: entry.table, place: `entry ${entry.sequence}` };
    findings.push(finding('OFFSET_DUPLICATED', place, message));
    return {
      fate: { fate: 'broken', message, objects: rows.map(({ key }) => key), code: row?.code },
      findings,
    };
  }
  if (row !== undefined) return { fate: heldFate(row), findings };
  return unheld(task, { entry, range, waiting, unread, findings, offset: asked.offset });
}

/** A row of each output may stand beside the others; with one in the quarantine it is there twice. */
function manyTimes(rows: readonly HeldRow[]): number {
  const most = (of: readonly HeldRow[]) => Math.max(0, ...of.map(({ times }) => times));
  const quarantined = rows.filter(({ output }) => output === 'quarantine');
  return most(quarantined) + most(rows.filter(({ output }) => output !== 'quarantine'));
}

function heldFate({ key, code }: HeldRow): InWindow['fate'] {
  if (code === undefined)
    return { fate: 'emitted', message: 'a row of the table', objects: [key], code: undefined };
  return { fate: 'quarantined', message: `a row of the quarantine: ${code}`, objects: [key], code };
}

interface Unheld {
  readonly entry: WindowEntry;
  readonly range: LedgerRange;
  readonly waiting: readonly string[];
  /** An object is gone or cannot be read. */
  readonly unread: boolean;
  readonly findings: readonly Finding[];
  readonly offset: number;
}

/** Committed, and no object that could be read holds it. */
function unheld(task: FateTask, { entry, range, waiting, unread, findings, offset }: Unheld): InWindow {
  const answer = (fate: FateKind, message: string, objects: readonly string[] = []): InWindow => ({
    fate: { fate, message, objects, code: undefined },
    findings,
  });
  const keys = entry.outputs.map(({ finalKey }) => finalKey);
  if (unread) return answer('broken', 'committed, and not every object can be read: see the findings', keys);
  if (waiting.length > 0)
    return answer('waiting', `committed by entry ${entry.sequence}, which is still being published`, waiting);
  const { filtered, merged, emitted } = entry.classes;
  const { control, aborted, absent } = range.counts;
  const left = `filtered ${filtered}, merged ${merged} of the window; control ${control}, aborted ${aborted}, absent ${absent} of [${range.start}, ${range.next})`;
  const isEmitted = task.table.provenance === 'none' && emitted > 0;
  const leftOut = filtered + merged + control + aborted + absent;
  if (isEmitted) {
    const maybe = leftOut === 0 ? 'emitted' : `emitted, or left out (${left})`;
    const rows = entry.outputs
      .filter(({ output }) => output !== 'quarantine')
      .map(({ finalKey }) => finalKey);
    return answer('unseen', `${maybe}: with provenance 'none' no row says which record it is`, rows);
  }
  if (leftOut > 0 && findings.length === 0)
    return answer('absent', `filtered or absent inside entry ${entry.sequence}: ${left}`);
  if (leftOut > 0)
    return answer('broken', `no row, and the objects are not what was committed: ${left}`, keys);
  const message = `${partitionName(range)} offset ${offset} has no row, and the entry left none out`;
  const place = { table: entry.table, place: `entry ${entry.sequence}` };
  const lost = finding('OFFSET_MISSING', place, message);
  return { fate: { fate: 'broken', message, objects: keys, code: undefined }, findings: [...findings, lost] };
}

interface HeldRow {
  readonly key: string;
  readonly output: string;
  readonly times: number;
  readonly code: string | undefined;
}

function hasOffsets({ table }: FateTask, { output }: LedgerOutput): boolean {
  return output === 'quarantine' || table.provenance !== 'none';
}

interface RowsRead {
  readonly rows: readonly HeldRow[];
  readonly findings: readonly Finding[];
  readonly unread: boolean;
}

async function rowsIn(
  task: FateTask,
  held: { readonly entry: WindowEntry; readonly output: StandingOutput; readonly standing: Standing },
  { topic, partition, offset }: AskedOffset,
): Promise<RowsRead> {
  const { entry, output, standing } = held;
  const file = await fetched(task, output, standing);
  if (file === undefined) return { rows: [], findings: [], unread: true };
  const { definition } = seenOutput(task, output.output);
  const code = output.output === 'quarantine' ? 'min(code)' : 'NULL';
  try {
    const numbered = output.output !== 'quarantine' && isPlural(task.table);
    const { rows } = await task.database.select(
      `SELECT coalesce(max(n), 0), min(c) FROM (SELECT count(*) AS n, ${code} AS c ` +
        `FROM ${readerOfRows(definition, file.path, output)} ` +
        `WHERE ${ofTopic(entry, topic)}_partition::BIGINT = ${partition} AND _offset::BIGINT = ${offset} ${numbered ? ' GROUP BY _row' : ''})`,
    );
    const times = Number(rows[0]?.[0] ?? 0);
    const row = { key: output.finalKey, output: output.output, times, code: rows[0]?.[1] ?? undefined };
    return { rows: times === 0 ? [] : [row], findings: file.findings, unread: false };
  } catch (error) {
    const findings = [...file.findings, unreadable(task.table.name, output, error)];
    return { rows: [], findings, unread: true };
  } finally {
    await task.copies.release(output);
  }
}

/** Rows of an entry of one topic need not name it. */
function ofTopic({ ranges }: WindowEntry, topic: string): string {
  return ranges.every((range) => range.topic === topic) ? '' : `_topic = ${literal(topic)} AND `;
}

const covers = ({ start, next }: LedgerRange, offset: number) => start <= offset && offset < next;
