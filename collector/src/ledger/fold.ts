// What a table's ledger says, folded entry by entry. Pure. Every promise that the entries make to each other is asserted
// here: ranges are contiguous per partition, offsets and classes balance, numbers have no hole.
import { SluiceError } from '@sluice/shared/errors.ts';
import { type PartitionId, partitionKey, partitionName } from '@sluice/shared/position.ts';
import type { CommitEntry, LedgerEntry, LedgerRange } from '../contracts.ts';

export interface FoldedPartition extends PartitionId {
  leaderEpoch: number;
  start: number;
  next: number;
  /** Next offset of the published prefix. */
  acked: number;
  records: number;
  gaps: { start: number; next: number; reason: string }[];
}

export interface Fold {
  readonly table: string;
  /** Number of the next entry. */
  nextSequence: number;
  /** Everything up to here stands at its final place, as far as this process knows. */
  publishedThrough: number;
  /** The same as the ledger itself says it: what a restart would know. */
  toldThrough: number;
  /** Last entry that has something to publish or acknowledge. */
  lastTelling: number;
  readonly partitions: Map<string, FoldedPartition>;
  /** Entries above publishedThrough, ascending; they move `acked` once they are published. */
  unpublished: LedgerEntry[];
  readonly totals: {
    in: number;
    emitted: number;
    merged: number;
    filtered: number;
    quarantined: number;
    windows: number;
  };
}

export function emptyFold(table: string): Fold {
  return {
    table,
    nextSequence: 0,
    publishedThrough: -1,
    toldThrough: -1,
    lastTelling: -1,
    partitions: new Map(),
    unpublished: [],
    totals: { in: 0, emitted: 0, merged: 0, filtered: 0, quarantined: 0, windows: 0 },
  };
}

/** Throws LEDGER_ENTRY_INVALID where the entry contradicts the ones before; the fold is unchanged then. */
export function foldEntry(fold: Fold, entry: LedgerEntry): void {
  checkEntry(fold, entry);
  apply(fold, entry);
  fold.unpublished.push(entry);
  fold.nextSequence++;
  if (entry.kind !== 'published') fold.lastTelling = entry.sequence;
  fold.toldThrough = Math.max(fold.toldThrough, entry.publishedThrough);
  markPublished(fold, entry.publishedThrough);
}

/** Everything up to `sequence` stands at its final place: the acknowledged positions follow. */
export function markPublished(fold: Fold, sequence: number): PartitionId[] {
  const moved = new Map<string, PartitionId>();
  while (fold.unpublished[0] !== undefined && fold.unpublished[0].sequence <= sequence) {
    const entry = fold.unpublished.shift();
    if (entry === undefined) break;
    for (const { id, next } of advances(entry)) {
      const partition = fold.partitions.get(partitionKey(id));
      if (partition === undefined) continue;
      partition.acked = next;
      moved.set(partitionKey(id), id);
    }
  }
  fold.publishedThrough = Math.max(fold.publishedThrough, sequence);
  return [...moved.values()];
}

function advances(entry: LedgerEntry): { id: PartitionId; next: number }[] {
  switch (entry.kind) {
    case 'open':
      return entry.partitions.map((p) => ({ id: p, next: p.start }));
    case 'commit':
      return entry.ranges.map((r) => ({ id: r, next: r.next }));
    case 'gap':
      return entry.gaps.map((g) => ({ id: g, next: g.next }));
    case 'published':
      return [];
  }
}

/** Whether the entry may follow what is folded: asked before it is written too, because an entry is for ever. */
export function checkEntry(fold: Fold, entry: LedgerEntry): void {
  if (entry.sequence !== fold.nextSequence)
    throw invalid(entry, `its number is ${entry.sequence} where ${fold.nextSequence} must come`);
  if (entry.publishedThrough >= entry.sequence) throw invalid(entry, 'it says that it is published itself');
  switch (entry.kind) {
    case 'open':
      for (const partition of entry.partitions)
        if (fold.partitions.has(partitionKey(partition)))
          throw invalid(entry, `${partitionName(partition)} was opened before`);
      return;
    case 'commit':
      checkCommit(fold, entry);
      return;
    case 'gap':
      for (const gap of entry.gaps) {
        checkStart(fold, entry, gap);
        if (gap.next <= gap.start) throw invalid(entry, 'a gap is empty');
      }
      return;
    case 'published':
      return;
  }
}

function checkCommit(fold: Fold, entry: CommitEntry): void {
  let records = 0;
  const seen = new Set<string>();
  for (const range of entry.ranges) {
    const key = partitionKey(range);
    if (seen.has(key)) throw invalid(entry, `${partitionName(range)} has two ranges`);
    seen.add(key);
    checkStart(fold, entry, range);
    checkBalance(entry, range);
    records += range.counts.records;
  }
  const { in: total, emitted, merged, filtered, quarantined } = entry.classes;
  if (total !== records || total !== emitted + merged + filtered + quarantined)
    throw invalid(entry, `its classes do not add up: ${JSON.stringify(entry.classes)}, ${records} records`);
  const rows = { rows: 0, quarantine: 0 };
  for (const output of entry.outputs) rows[output.output] += output.rows;
  if (rows.rows !== entry.rows.rows || rows.quarantine !== entry.rows.quarantine)
    throw invalid(entry, 'its outputs hold other rows than it says');
}

function checkStart(fold: Fold, entry: LedgerEntry, range: PartitionId & { start: number }): void {
  const partition = fold.partitions.get(partitionKey(range));
  if (partition === undefined) throw invalid(entry, `${partitionName(range)} was never opened`);
  if (partition.next !== range.start)
    throw invalid(
      entry,
      `${partitionName(range)} starts at ${range.start} where ${partition.next} must come`,
    );
}

function checkBalance(entry: LedgerEntry, { start, next, counts, ...id }: LedgerRange): void {
  const { records, control, aborted, absent } = counts;
  if (next <= start || next - start !== records + control + aborted + absent)
    throw invalid(entry, `${partitionName(id)} [${start}, ${next}) does not balance`);
}

function apply(fold: Fold, entry: LedgerEntry): void {
  switch (entry.kind) {
    case 'open':
      for (const { topic, topicId, partition, leaderEpoch, start } of entry.partitions) {
        const opened = { topic, topicId, partition, leaderEpoch, start };
        const state = { ...opened, next: start, acked: start, records: 0, gaps: [] };
        fold.partitions.set(partitionKey(opened), state);
      }
      return;
    case 'commit':
      for (const range of entry.ranges) {
        const partition = fold.partitions.get(partitionKey(range));
        if (partition === undefined) continue;
        partition.next = range.next;
        partition.leaderEpoch = range.leaderEpoch;
        partition.records += range.counts.records;
      }
      fold.totals.in += entry.classes.in;
      fold.totals.emitted += entry.classes.emitted;
      fold.totals.merged += entry.classes.merged;
      fold.totals.filtered += entry.classes.filtered;
      fold.totals.quarantined += entry.classes.quarantined;
      fold.totals.windows++;
      return;
    case 'gap':
      for (const { start, next, reason, ...id } of entry.gaps) {
        const partition = fold.partitions.get(partitionKey(id));
        if (partition === undefined) continue;
        partition.next = next;
        partition.gaps.push({ start, next, reason });
      }
      return;
    case 'published':
      return;
  }
}

function invalid(entry: LedgerEntry, message: string): SluiceError {
  return new SluiceError('LEDGER_ENTRY_INVALID', message, {
    place: `${entry.table} entry ${entry.sequence}`,
  });
}
