// Whether an entry may follow what is folded: asked before it is written and again when it is read, because
// an entry is for ever. Pure. Ranges are contiguous per partition, offsets and classes balance, numbers have
// no hole, and each entry names the one before it.
import { SluiceError } from '@sluice/shared/errors.ts';
import { type PartitionId, partitionKey, partitionName } from '@sluice/shared/position.ts';
import type {
  ForkEntry,
  GapEntry,
  LedgerEntry,
  LedgerOutput,
  LedgerRange,
  ObjectsEntry,
  OpenEntry,
  ReplayEntry,
  WindowEntry,
} from '../contracts.ts';
import { isHistory, wrongBackfill } from './backfill.ts';
import type { Fold, FoldedPartition } from './fold.ts';
import { misplaced, wrongSwap } from './swaps.ts';

/** LEDGER_ENTRY_INVALID where it may not. */
export function checkEntry(fold: Fold, entry: LedgerEntry): void {
  if (entry.sequence !== fold.nextSequence)
    throw invalid(entry, `its number is ${entry.sequence} where ${fold.nextSequence} must come`);
  if (entry.previous !== fold.lastToken)
    throw invalid(
      entry,
      'it follows another entry than the one that stands before it: that one was replaced',
    );
  if (entry.publishedThrough >= entry.sequence) throw invalid(entry, 'it says that it is published itself');
  switch (entry.kind) {
    case 'open':
      checkOpen(fold, entry);
      return;
    case 'commit':
    case 'fill':
      checkWindow(fold, entry);
      return;
    case 'gap':
      checkGap(fold, entry);
      return;
    case 'fork':
      checkFork(fold, entry);
      return;
    case 'backfill':
      refuse(entry, wrongBackfill(fold, entry));
      return;
    case 'swap':
      refuse(entry, wrongSwap(fold, entry));
      return;
    case 'replay':
      checkReplay(fold, entry);
      return;
    case 'sweep':
    case 'published':
      return;
  }
}

function refuse(entry: LedgerEntry, wrong: string | undefined): void {
  if (wrong !== undefined) throw invalid(entry, wrong);
}

function checkOpen(fold: Fold, entry: OpenEntry): void {
  const seen = new Set<string>();
  for (const partition of entry.partitions) {
    if (fold.partitions.has(partitionKey(partition)))
      throw invalid(entry, `${partitionName(partition)} was opened before`);
    checkOnce(entry, partition, seen);
  }
}

function checkWindow(fold: Fold, entry: WindowEntry): void {
  let records = 0;
  const seen = new Set<string>();
  for (const range of entry.ranges) {
    checkOnce(entry, range, seen);
    if (entry.kind === 'commit') checkStart(fold, entry, range);
    else checkInGap(fold, entry, range);
    checkBalance(entry, range);
    records += range.counts.records;
  }
  checkBooks(entry, records);
  refuse(entry, misplaced(fold, entry.outputs));
}

/** Classes and rows add up. */
function checkBooks(entry: ObjectsEntry, records: number): void {
  const { in: total, emitted, merged, filtered, quarantined } = entry.classes;
  if (total !== records || total !== emitted + merged + filtered + quarantined)
    throw invalid(entry, `its classes do not add up: ${JSON.stringify(entry.classes)}, ${records} records`);
  const rows = new Map(Object.entries(rowsOf(entry.outputs)));
  const told = new Map(Object.entries(entry.rows));
  for (const output of new Set([...rows.keys(), ...told.keys()]))
    if ((rows.get(output) ?? 0) !== (told.get(output) ?? 0))
      throw invalid(entry, `its outputs hold other rows of ${output} than it says`);
}

/** Rows of each output; those that every table has are always told. */
export function rowsOf(outputs: readonly LedgerOutput[]): Record<string, number> {
  const rows = new Map([
    ['rows', 0],
    ['quarantine', 0],
  ]);
  for (const { output, rows: n } of outputs) rows.set(output, (rows.get(output) ?? 0) + n);
  return Object.fromEntries(rows);
}

function checkReplay(fold: Fold, entry: ReplayEntry): void {
  if (entry.after !== fold.lastRerun)
    throw invalid(entry, `it follows replay or swap ${entry.after}, and ${fold.lastRerun} is the last one`);
  const seen = new Set<string>();
  let records = 0;
  for (const { entry: from, finalKey, ranges } of entry.replayed) {
    if (from >= entry.sequence || seen.has(finalKey))
      throw invalid(entry, `it names ${finalKey} twice, or an entry that is not before it`);
    seen.add(finalKey);
    const ends = new Map<string, number>();
    for (const range of ranges) {
      opened(fold, entry, range);
      if (range.start < (ends.get(partitionKey(range)) ?? 0) || range.next - range.start < range.records)
        throw invalid(entry, `${partitionName(range)} [${range.start}, ${range.next}) cannot be`);
      ends.set(partitionKey(range), range.next);
      records += range.records;
    }
  }
  if (entry.classes.quarantined > 0 || entry.outputs.some(({ output }) => output === 'quarantine'))
    throw invalid(entry, 'it quarantines what was in quarantine');
  checkBooks(entry, records);
  refuse(entry, misplaced(fold, entry.outputs));
}

function checkGap(fold: Fold, entry: GapEntry): void {
  const seen = new Set<string>();
  for (const gap of entry.gaps) {
    checkOnce(entry, gap, seen);
    if (!isHistory(opened(fold, entry, gap), gap)) checkStart(fold, entry, gap);
    if (gap.next <= gap.start) throw invalid(entry, 'a gap is empty');
  }
}

function checkFork(fold: Fold, entry: ForkEntry): void {
  const seen = new Set<string>();
  for (const fork of entry.forks) {
    checkOnce(entry, fork, seen);
    const { next, leaderEpoch } = opened(fold, entry, fork);
    if (fork.offset >= next)
      throw invalid(entry, `${partitionName(fork)} forks at ${fork.offset} and is committed to ${next} only`);
    if (fork.leaderEpoch <= leaderEpoch)
      throw invalid(
        entry,
        `${partitionName(fork)} forks to epoch ${fork.leaderEpoch}, not above ${leaderEpoch}`,
      );
  }
}

function checkOnce(entry: LedgerEntry, partition: PartitionId, seen: Set<string>): void {
  const key = partitionKey(partition);
  if (seen.has(key)) throw invalid(entry, `${partitionName(partition)} is named twice`);
  seen.add(key);
}

function checkStart(fold: Fold, entry: LedgerEntry, range: PartitionId & { start: number }): void {
  const { next } = opened(fold, entry, range);
  if (next !== range.start)
    throw invalid(entry, `${partitionName(range)} starts at ${range.start} where ${next} must come`);
}

/** Whether a fill may bring it: of a gap that is still open, or of the history from where that stands. */
export function isLacking(partition: FoldedPartition, range: { start: number; next: number }): boolean {
  const inGap = partition.gaps.some((gap) => gap.start <= range.start && range.next <= gap.next);
  return inGap || isHistory(partition, range);
}

function checkInGap(fold: Fold, entry: LedgerEntry, range: LedgerRange): void {
  if (!isLacking(opened(fold, entry, range), range))
    throw invalid(entry, `${partitionName(range)} [${range.start}, ${range.next}) lies in no open gap`);
}

function opened(fold: Fold, entry: LedgerEntry, id: PartitionId): FoldedPartition {
  const partition = fold.partitions.get(partitionKey(id));
  if (partition === undefined) throw invalid(entry, `${partitionName(id)} was never opened`);
  return partition;
}

function checkBalance(entry: LedgerEntry, { start, next, counts, ...id }: LedgerRange): void {
  const { records, control, aborted, absent } = counts;
  if (next <= start || next - start !== records + control + aborted + absent)
    throw invalid(entry, `${partitionName(id)} [${start}, ${next}) does not balance`);
}

function invalid(entry: LedgerEntry, message: string): SluiceError {
  return new SluiceError('LEDGER_ENTRY_INVALID', message, {
    place: `${entry.table} entry ${entry.sequence}`,
  });
}
