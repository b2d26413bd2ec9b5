// What a table's ledger says, folded entry by entry. Pure. What the entries promise each other is asserted
// before one is folded (entry-check.ts); what has to be published before a position may be acknowledged is
// kept here.
import { mergedRanges, type OffsetRange } from '@sluice/shared/offset-range.ts';
import { type PartitionId, partitionKey } from '@sluice/shared/position.ts';
import type { LedgerEntry, ObjectsEntry, PublishedFirst, WindowEntry } from '../contracts.ts';
import { applyBackfill, cutHistory, isHistory, moveHistory, type WithHistory } from './backfill.ts';
import type { LedgerFormat } from './entry.ts';
import { checkEntry } from './entry-check.ts';
import { applySwap } from './swaps.ts';

export interface OpenGap {
  readonly start: number;
  readonly next: number;
  readonly reason: string;
}

/** Nothing was read there: the epochs in `open` and `gap` are those of the leader that was asked. */
const UNKNOWN_EPOCH = -1;

export interface FoldedPartition extends PartitionId, WithHistory {
  /** Of the last record below `next`; -1 where nobody has read it. */
  leaderEpoch: number;
  start: number;
  next: number;
  /** Next offset of the published prefix. */
  acked: number;
  records: number;
  /** What Kafka lost and no fill has brought, ascending. */
  gaps: OpenGap[];
  /** Where the log was truncated: offsets from `to` on came again. */
  forks: { from: number; to: number; leaderEpoch: number }[];
}

export interface Fold {
  readonly table: string;
  /** The highest of its entries: a reader that does not know it knows nothing of what stands. */
  format: LedgerFormat;
  /** Number of the next entry. */
  nextSequence: number;
  /** Token of the last entry; the next one must name it. */
  lastToken: string | null;
  /** Everything up to here stands at its final place, as far as this process knows. */
  publishedThrough: number;
  /** The same as the ledger itself says it: what a restart would know. */
  toldThrough: number;
  /** Last entry that has objects to publish. */
  lastTelling: number;
  /** Last entry of records that were run again: a replay, or a rebuild's swap. -1 for none. */
  lastRerun: number;
  /** Where swaps have moved partitions to: see placeKey. */
  readonly places: Map<string, string>;
  readonly partitions: Map<string, FoldedPartition>;
  /** Entries above publishedThrough, ascending; they move `acked` once everything up to them is published. */
  unpublished: LedgerEntry[];
  /** Numbers above publishedThrough whose objects stand, while an earlier entry's do not. */
  readonly standing: Set<number>;
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
    format: 1,
    nextSequence: 0,
    lastToken: null,
    publishedThrough: -1,
    toldThrough: -1,
    lastTelling: -1,
    lastRerun: -1,
    places: new Map(),
    partitions: new Map(),
    unpublished: [],
    standing: new Set(),
    totals: { in: 0, emitted: 0, merged: 0, filtered: 0, quarantined: 0, windows: 0 },
  };
}

/** Throws LEDGER_ENTRY_INVALID where the entry contradicts the ones before; the fold is unchanged then. */
export function foldEntry(fold: Fold, entry: LedgerEntry): void {
  checkEntry(fold, entry);
  apply(fold, entry);
  fold.unpublished.push(entry);
  fold.nextSequence++;
  fold.lastToken = entry.token;
  if (entry.format > fold.format) fold.format = entry.format;
  if (mustPublish(entry)) fold.lastTelling = entry.sequence;
  fold.toldThrough = Math.max(fold.toldThrough, entry.publishedThrough);
  advanceTo(fold, entry.publishedThrough);
}

export function isWindow(entry: LedgerEntry): entry is WindowEntry {
  return entry.kind === 'commit' || entry.kind === 'fill';
}

/** Whether it has objects that are staged. */
export function hasObjects(entry: LedgerEntry): entry is ObjectsEntry {
  return isWindow(entry) || entry.kind === 'replay';
}

/** Whether something of it has to be done before anything behind it may be acknowledged. */
export function mustPublish(entry: LedgerEntry): entry is PublishedFirst {
  return hasObjects(entry) || entry.kind === 'swap';
}

/** Acknowledged: what is published, and not beyond where a fork has cut. */
export function ackedOf(fold: Fold | undefined, id: PartitionId): number | undefined {
  const partition = fold?.partitions.get(partitionKey(id));
  return partition === undefined ? undefined : Math.min(partition.acked, partition.next);
}

/** What no fill has brought. */
export function openGapsOf(fold: Fold | undefined, id: PartitionId): OffsetRange[] {
  const gaps = fold?.partitions.get(partitionKey(id))?.gaps ?? [];
  return gaps.map(({ start, next }) => ({ startOffset: start, nextOffset: next }));
}

/** What no fill has brought to its final place: until then whoever holds it keeps it. */
export function keptGapsOf(fold: Fold | undefined, id: PartitionId): OffsetRange[] {
  const key = partitionKey(id);
  const fills = fold?.unpublished.flatMap((entry) => (entry.kind === 'fill' ? entry.ranges : [])) ?? [];
  const brought = fills.filter((range) => partitionKey(range) === key);
  const unpublished = brought.map(({ start, next }) => ({ startOffset: start, nextOffset: next }));
  return mergedRanges([...openGapsOf(fold, id), ...unpublished]);
}

/** The entry's objects stand at their final place. */
export function markStanding(fold: Fold, sequence: number): void {
  if (sequence > fold.publishedThrough) fold.standing.add(sequence);
}

/** Acknowledges as far as every entry is published or has nothing to publish; nothing above `through`. */
export function settle(fold: Fold, through: number): void {
  for (;;) {
    const [first] = fold.unpublished;
    if (first === undefined || first.sequence > through) return;
    if (mustPublish(first) && !fold.standing.has(first.sequence)) return;
    advanceTo(fold, first.sequence);
  }
}

/** Everything up to `sequence` stands at its final place: the acknowledged positions follow. */
function advanceTo(fold: Fold, sequence: number): void {
  while (fold.unpublished[0] !== undefined && fold.unpublished[0].sequence <= sequence) {
    const entry = fold.unpublished.shift();
    if (entry === undefined) break;
    fold.standing.delete(entry.sequence);
    for (const { id, next, start } of advances(entry)) {
      const partition = fold.partitions.get(partitionKey(id));
      // A gap that begins below is one of the history.
      if (partition !== undefined && (start ?? partition.acked) >= partition.acked) partition.acked = next;
    }
  }
  fold.publishedThrough = Math.max(fold.publishedThrough, sequence);
}

function advances(entry: LedgerEntry): { id: PartitionId; next: number; start?: number }[] {
  switch (entry.kind) {
    case 'open':
      return entry.partitions.map((p) => ({ id: p, next: p.start }));
    case 'commit':
      return entry.ranges.map((r) => ({ id: r, next: r.next }));
    case 'gap':
      return entry.gaps.map((g) => ({ id: g, next: g.next, start: g.start }));
    case 'fork':
      return entry.forks.map((f) => ({ id: f, next: f.offset }));
    default:
      return [];
  }
}

function apply(fold: Fold, entry: LedgerEntry): void {
  switch (entry.kind) {
    case 'open':
      for (const { topic, topicId, partition, start } of entry.partitions) {
        const opened = { topic, topicId, partition, leaderEpoch: UNKNOWN_EPOCH, start };
        const state = { ...opened, next: start, acked: start, records: 0, gaps: [], forks: [] };
        fold.partitions.set(partitionKey(opened), state);
      }
      return;
    case 'commit':
    case 'fill':
      applyWindow(fold, entry);
      return;
    case 'gap':
      for (const { start, next, reason, ...id } of entry.gaps) {
        const partition = fold.partitions.get(partitionKey(id));
        if (partition === undefined) continue;
        partition.gaps.push({ start, next, reason });
        partition.gaps.sort((a, b) => a.start - b.start);
        if (isHistory(partition, { start, next })) {
          moveHistory(partition, next);
          continue;
        }
        partition.next = next;
        partition.leaderEpoch = UNKNOWN_EPOCH;
      }
      return;
    case 'fork':
      for (const { offset, leaderEpoch, ...id } of entry.forks) {
        const partition = fold.partitions.get(partitionKey(id));
        if (partition === undefined) continue;
        partition.forks.push({ from: partition.next, to: offset, leaderEpoch });
        partition.gaps = partition.gaps.flatMap((gap) =>
          without(gap, { start: offset, next: partition.next }),
        );
        partition.next = offset;
        partition.start = Math.min(partition.start, offset);
        partition.leaderEpoch = leaderEpoch;
        cutHistory(partition, offset);
      }
      return;
    case 'backfill':
      applyBackfill(fold, entry);
      return;
    case 'replay':
      fold.lastRerun = entry.sequence;
      return;
    case 'swap':
      applySwap(fold, entry);
      return;
    default:
      return;
  }
}

function applyWindow({ partitions, totals }: Fold, { kind, ranges, classes }: WindowEntry): void {
  for (const range of ranges) {
    const partition = partitions.get(partitionKey(range));
    if (partition === undefined) continue;
    partition.records += range.counts.records;
    if (kind === 'fill' && isHistory(partition, range)) {
      moveHistory(partition, range.next);
    } else if (kind === 'fill') {
      partition.gaps = partition.gaps.flatMap((gap) => without(gap, range));
    } else {
      partition.next = range.next;
      partition.leaderEpoch = range.leaderEpoch;
    }
  }
  totals.in += classes.in;
  totals.emitted += classes.emitted;
  totals.merged += classes.merged;
  totals.filtered += classes.filtered;
  totals.quarantined += classes.quarantined;
  totals.windows++;
}

/** What is left of a gap: up to two parts. */
function without(gap: OpenGap, { start, next }: { start: number; next: number }): OpenGap[] {
  if (next <= gap.start || gap.next <= start) return [gap];
  return [
    { ...gap, next: Math.min(start, gap.next) },
    { ...gap, start: Math.max(next, gap.start) },
  ].filter((left) => left.start < left.next);
}
