// Replays under audit: each took records that a quarantine object of an earlier entry holds, and none that
// another replay took. Its objects are then held to it as those of a window are to theirs.
import { type PartitionId, partitionKey, partitionName, slotKey } from '@sluice/shared/position.ts';
import type {
  LedgerEntry,
  ObjectsEntry,
  ReplayEntry,
  ReplayedObject,
  ReplayedRange,
  SwapEntry,
  TableDefinition,
  WindowEntry,
} from '../../contracts.ts';
import type { StandingObjects } from '../../ledger/standing-objects.ts';
import type { Database } from '../../transform/duckdb.ts';
import { literal } from '../../transform/sql/types.ts';
import { type LakeReader, readerOf } from '../lake-reader.ts';
import { inOrder } from '../replay/taken.ts';
import { type Finding, finding } from './findings.ts';

/** Ranges that one statement asks for. */
const RANGES_ASKED_MAX = 500;

export interface ReplaySummary {
  readonly entries: number;
  /** Quarantined records that were run again and left the quarantine's count. */
  readonly records: number;
  readonly emitted: number;
  readonly merged: number;
  readonly filtered: number;
}

/** A replay as what answers for the ranges of its records. */
export function windowOfEntry<E extends ObjectsEntry>(entry: E): WindowEntry & Pick<E, 'outputs'> {
  const { outputs }: Pick<E, 'outputs'> = entry;
  if (entry.kind !== 'replay') return { ...entry, outputs };
  const { replayed, after: _after, ...rest } = entry;
  const ranges = replayed.flatMap((object) =>
    object.ranges.map(({ records, ...range }) => {
      const absent = range.next - range.start - records;
      return { ...range, leaderEpoch: -1, counts: { records, control: 0, aborted: 0, absent } };
    }),
  );
  return { ...rest, kind: 'fill', ranges, outputs };
}

/** One table's, in the order of its ledger. */
export class ReplayAudit {
  /** Entries by the key of their quarantine object. */
  readonly #quarantines = new Map<string, number>();
  readonly #taken = new Map<string, readonly ReplayedRange[]>();
  #sum = { entries: 0, records: 0, emitted: 0, merged: 0, filtered: 0 };

  readonly #replays = new Map<number, ReplayEntry>();

  /** What a swap makes of quarantines and replays; objects that windows had before are sources no more. */
  swapped({ sequence, windows, replays, moves }: SwapEntry, standing: StandingObjects): void {
    // A compaction has none, and each walk is over all that were ever quarantined.
    if (windows.length === 0) return;
    const remade = new Set(windows.map(({ entry }) => entry));
    for (const [key, entry] of this.#quarantines)
      if (remade.has(standing.windowOf(entry, key))) this.#quarantines.delete(key);
    for (const { output, to, made } of moves)
      if (output === 'quarantine')
        for (const { name } of made) this.#quarantines.set(`${to}${name}`, sequence);
    for (const replay of replays) {
      const taken = this.#replays.get(replay);
      if (taken !== undefined) this.#count(taken, -1);
    }
  }

  /** Findings that the ledger alone shows. */
  add(entry: ObjectsEntry): Finding[] {
    if (entry.kind === 'replay') return this.#replay(entry);
    for (const { output, finalKey } of entry.outputs)
      if (output === 'quarantine') this.#quarantines.set(finalKey, entry.sequence);
    return [];
  }

  get summary(): ReplaySummary {
    return this.#sum;
  }

  #count({ classes }: ReplayEntry, times: 1 | -1): void {
    const { emitted, merged, filtered, in: records } = classes;
    const sum = this.#sum;
    this.#sum = {
      entries: sum.entries + times,
      records: sum.records + times * records,
      emitted: sum.emitted + times * emitted,
      merged: sum.merged + times * merged,
      filtered: sum.filtered + times * filtered,
    };
  }

  #replay(entry: ReplayEntry): Finding[] {
    this.#count(entry, 1);
    this.#replays.set(entry.sequence, entry);
    return entry.replayed.flatMap((object) => {
      if (this.#quarantines.get(object.finalKey) !== object.entry) return [unfounded(entry, object)];
      const taken = inOrder([...(this.#taken.get(object.finalKey) ?? []), ...object.ranges]);
      this.#taken.set(object.finalKey, taken);
      const twice = taken.find((range, i) => overlap(taken[i - 1], range));
      return twice === undefined ? [] : [takenTwice(entry, object, twice)];
    });
  }
}

/** Of two ranges in order; those of one object share an offset only where they share a record. */
function overlap(before: ReplayedRange | undefined, range: ReplayedRange): boolean {
  const isSame = before !== undefined && slotKey(before) === slotKey(range);
  return isSame && range.start < before.next;
}

function takenTwice({ table, sequence }: ReplayEntry, { finalKey }: ReplayedObject, range: ReplayedRange) {
  const { start, next } = range;
  const message = `it takes ${partitionName(range)} [${start}, ${next}) of ${finalKey}, and an earlier replay took some of that`;
  return finding('OFFSET_DUPLICATED', { table, place: `entry ${sequence}` }, message);
}

function unfounded({ table, sequence }: ReplayEntry, { entry, finalKey }: ReplayedObject) {
  const message = `it takes records of ${finalKey}, which is no quarantine object of entry ${entry}`;
  return finding('REPLAY_UNFOUNDED', { table, place: `entry ${sequence}` }, message);
}

export interface SourcesTask {
  readonly database: Database;
  readonly reader: LakeReader;
  readonly standing: StandingObjects;
  readonly quarantine: TableDefinition;
}

/** Whether the quarantine objects hold the records that were taken; one that is gone is found elsewhere. */
export async function sourceFindings(task: SourcesTask, entry: ReplayEntry): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { finalKey, ranges } of entry.replayed) {
    const key = task.standing.keyNow(finalKey);
    const path = await task.reader.local(key);
    if (path === undefined) continue;
    try {
      const records = ranges.reduce((sum, range) => sum + range.records, 0);
      const held = await countIn(task, path, ranges);
      if (held === records) continue;
      const message = `it takes ${records} records of ${finalKey}, which holds ${held} there`;
      findings.push(
        finding('REPLAY_UNFOUNDED', { table: entry.table, place: `entry ${entry.sequence}` }, message),
      );
    } finally {
      await task.reader.release(key);
    }
  }
  return findings;
}

async function countIn(
  { database, quarantine }: SourcesTask,
  path: string,
  ranges: readonly ReplayedRange[],
): Promise<number> {
  let held = 0;
  for (let from = 0; from < ranges.length; from += RANGES_ASKED_MAX) {
    const asked = ranges
      .slice(from, from + RANGES_ASKED_MAX)
      .map(
        ({ topic, partition, start, next }) =>
          `(_topic = ${literal(topic)} AND _partition = ${partition} AND _offset >= ${start} AND _offset < ${next})`,
      );
    const sql = `SELECT count(*) FROM ${readerOf(quarantine, [path])} WHERE ${asked.join(' OR ')}`;
    held += Number((await database.select(sql)).rows[0]?.[0]);
  }
  return held;
}

/** The replays that took a record of an entry's quarantine: one, or there is a finding. */
export async function replaysOf(
  entries: AsyncIterable<LedgerEntry>,
  { entry: from, offset, ...id }: TakenRecord,
): Promise<readonly ReplayEntry[]> {
  const found: ReplayEntry[] = [];
  for await (const entry of entries) {
    if (entry.kind !== 'replay') continue;
    const ranges = entry.replayed.flatMap((object) => (object.entry === from ? object.ranges : []));
    const holds = ranges.some(
      (r) => partitionKey(r) === partitionKey(id) && r.start <= offset && offset < r.next,
    );
    if (holds) found.push(entry);
  }
  return found;
}

export interface TakenRecord extends PartitionId {
  /** Number of the entry that put it into quarantine. */
  readonly entry: number;
  readonly offset: number;
}
