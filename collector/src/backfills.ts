// History of a partition that a table wants beside what comes live: what the ledger keeps of it, and how the
// stages speak of it. It has a cursor of its own; the table's position never goes back for it.
import type { OffsetRange } from '@sluice/shared/offset-range.ts';
import type { PartitionId } from '@sluice/shared/position.ts';

/** Offsets [from, to), of which everything below `next` is in the table, or known to be lost. */
export interface Backfill {
  readonly from: number;
  readonly next: number;
  readonly to: number;
}

/** Part of the history that Kafka no longer has. */
export interface LostHistory extends PartitionId {
  readonly leaderEpoch: number;
  readonly start: number;
  readonly next: number;
  readonly reason: string;
}

/** What a table's ledger knows of its history. */
export interface BackfillLedger {
  /** undefined where none was begun. */
  backfill(partition: PartitionId): Backfill | undefined;
  /** Those that were never begun, from `from` on, where the table began behind that. */
  beginBackfill(wanted: readonly (PartitionId & { readonly from: number })[]): Promise<void>;
  /** LEDGER_RANGE_CONFLICT where what comes before is not committed yet. */
  loseHistory(lost: LostHistory): Promise<void>;
}

/** Who reads it from Kafka. */
export interface HistoryLink {
  /** Asks for what Kafka has of the range, at most so many bytes of payload or one segment. */
  readHistory(partition: PartitionId, range: OffsetRange, ask: HistoryAsk): void;
}

export interface HistoryAsk {
  /** What comes of it carries this epoch. */
  readonly epoch: number;
  readonly bytesMax: number;
}
