// History: parts of a partition's log that were read before this agent's time, and that a collector asks for.
// What the stages hand to each other of it.
import type { OffsetRange } from '@sluice/shared/offset-range.ts';
import type { PartitionId } from '@sluice/shared/position.ts';
import type { SourceBatch } from './contracts.ts';

/** A collector wants what Kafka has of a range: at most so many bytes of payload now, or one segment. */
export interface HistoryQuestion {
  readonly id: PartitionId;
  readonly range: OffsetRange;
  /** Stands on all that is sent of it. */
  readonly epoch: number;
  readonly bytesMax: number;
}

/** What Kafka has from an offset on, or where its log begins if that is behind it. */
export type LogPiece =
  | { readonly kind: 'batches'; readonly batches: readonly SourceBatch[] }
  | { readonly kind: 'lost'; readonly nextOffset: number; readonly reason: string };

/** A partition's log, read beside the group. Implemented by source/log-reader.ts. */
export interface LogReader {
  /**
   * The first batch may begin before the offset; none where there is nothing to take now. One batch is always
   * answered, whatever its size. KAFKA_*.
   */
  read(id: PartitionId, offset: number, bytesMax: number): Promise<LogPiece>;
  close(): Promise<void>;
}
