// A segment: a run of consecutive record batches of one partition, covering [startOffset, nextOffset). It is
// what is spooled, sent and staged. The payload is whole record batches as the broker stores them; the first
// one may begin before startOffset and the records below it belong to the segment before.
import type { PartitionId } from './position.ts';

/** Compression of the payload as a whole; its batches may be compressed by the producer beside that. */
export type SegmentCodec = 'none' | 'lz4' | 'zstd';

export const SEGMENT_CODECS: readonly SegmentCodec[] = ['none', 'lz4', 'zstd'];

/**
 * Offsets that hold no record for a reader: control batches and aborted transactions, dropped whole by the
 * agent.
 */
export interface SkippedSpan {
  readonly kind: 'control' | 'aborted';
  readonly firstOffset: number;
  readonly lastOffset: number;
  /** Records in the dropped batch, at most lastOffset - firstOffset + 1. */
  readonly count: number;
}

export interface SegmentCounts {
  readonly records: number;
  readonly control: number;
  readonly aborted: number;
  /** Offsets that Kafka no longer has (compaction, or a batch that was emptied). */
  readonly absent: number;
}

export interface Segment extends PartitionId {
  readonly leaderEpoch: number;
  readonly startOffset: number;
  readonly nextOffset: number;
  /** `nextOffset - startOffset = records + control + aborted + absent`, asserted on both sides. */
  readonly counts: SegmentCounts;
  readonly skipped: readonly SkippedSpan[];
  /** Highest record timestamp in ms, -1 for a segment without records. */
  readonly timestampMax: number;
  readonly codec: SegmentCodec;
  /** Length of the payload before `codec` was applied. */
  readonly plainBytes: number;
  /** CRC-32C of `payload` as it is (compressed). */
  readonly crc32c: number;
  readonly payload: Uint8Array;
}

/** Header fields of a segment without its payload, e.g. for listing a spool. */
export type SegmentHeader = Omit<Segment, 'payload'> & { readonly payloadBytes: number };

/**
 * The skipped records of `spans` at or above `fromOffset`. A span cut in the middle counts its offsets from
 * there.
 */
export function skippedFrom(
  spans: readonly SkippedSpan[],
  fromOffset: number,
): { control: number; aborted: number } {
  const totals = { control: 0, aborted: 0 };
  for (const span of spans) {
    if (span.lastOffset < fromOffset) continue;
    totals[span.kind] += Math.min(span.count, span.lastOffset - Math.max(span.firstOffset, fromOffset) + 1);
  }
  return totals;
}

/**
 * Timestamps are the producer's and may be anything (nanoseconds where milliseconds are meant): what is not a
 * safe integer would break whoever reads the segment, for ever. -1 is none.
 */
export function boundedTimestamp(timestamp: number): number {
  return Math.min(Math.max(timestamp, -1), Number.MAX_SAFE_INTEGER);
}
