// What is read of a partition's log: record batches as the broker stores them, as they come, or pieces of the
// history that a collector asks for.
import type { OffsetRange } from '@sluice/shared/offset-range.ts';
import type { PartitionId } from '@sluice/shared/position.ts';

/** One record batch as the broker stores it, copied out of the fetch response. */
export interface SourceBatch {
  /**
   * data: spooled. control, aborted: dropped whole, counted. empty: position advances, nothing is counted.
   */
  readonly kind: 'data' | 'control' | 'aborted' | 'empty';
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** Records in the batch by its header. */
  readonly count: number;
  readonly timestampMax: number;
  readonly leaderEpoch: number;
  /** Whether the producer compressed it: such batches are not compressed again. */
  readonly compressed: boolean;
  /** Whole batch; empty for anything but data. */
  readonly bytes: Buffer;
  /** Its CRC-32C is wrong: what the header says may be wrong as well. */
  readonly damaged?: true;
}

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
