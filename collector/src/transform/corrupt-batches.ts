// Record batches whose records cannot be read, in segments that arrived as they were sent: the bytes broke
// before, a batch's own (decision 0004) or the whole payload's (0008). They go to quarantine as one piece,
// one row for each record that the header counts, so that ranges and classes add up. Pure.
import { decompressPayload } from '@sluice/shared/codecs.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { BATCH_RECORDS_MAX, type RecordBatchHeader, walkBatches } from '@sluice/shared/record-batch.ts';
import { countRecordsFrom } from '@sluice/shared/records.ts';
import { boundedTimestamp, type Segment, skippedFrom } from '@sluice/shared/segment.ts';
import type { StagedSegment } from '../contracts.ts';
import type { OddCode, PartSource } from './odd-record.ts';

/** Records that are quarantined together: [startOffset, startOffset + records) stand for them. */
export interface CorruptRun extends PartSource {
  readonly startOffset: number;
  readonly records: number;
  readonly timestamp: number;
  readonly code: OddCode;
  readonly reason: string;
  /** All bytes that could not be read, a view. */
  readonly raw: Buffer;
}

export type Unreadable = SluiceError & { readonly code: OddCode };

const UNREADABLE: ReadonlySet<string> = new Set<OddCode>([
  'SEGMENT_CORRUPT',
  'RECORD_BATCH_CORRUPT',
  'RECORD_BATCH_TOO_LARGE',
]);

export type PayloadPiece =
  | { readonly kind: 'batch'; readonly header: RecordBatchHeader; readonly bytes: Buffer }
  /** From here to the end of the payload nothing tells where a batch begins. */
  | { readonly kind: 'rest'; readonly bytes: Buffer; readonly error: Unreadable };

/** Batch by batch, as far as they can be told apart. */
export function* piecesOf({ codec, payload: packed, plainBytes }: Segment): Generator<PayloadPiece> {
  const { buffer, byteOffset, byteLength } = packed;
  // What comes from another thread is a plain Uint8Array.
  let payload = Buffer.from(buffer, byteOffset, byteLength);
  let at = 0;
  try {
    payload = decompressPayload(codec, payload, plainBytes);
    for (const batch of walkBatches(payload)) {
      at += batch.header.totalBytes;
      yield { kind: 'batch', ...batch };
    }
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    yield { kind: 'rest', bytes: payload.subarray(at), error };
  }
}

/**
 * A broken batch or payload, or one that no limit admits. A compression that is unknown here is not broken:
 * it waits for an upgrade.
 */
export function isUnreadable(error: unknown): error is Unreadable {
  return error instanceof SluiceError && UNREADABLE.has(error.code);
}

/**
 * As many records as the agent has counted for this batch. Throws what was caught where no count can be
 * believed.
 */
export function corruptBatch(
  { segment, fromOffset }: StagedSegment,
  { header, bytes }: { readonly header: RecordBatchHeader; readonly bytes: Buffer },
  error: Unreadable,
): CorruptRun {
  const startOffset = Math.max(header.baseOffset, fromOffset);
  const records = Math.min(
    countRecordsFrom(bytes, fromOffset),
    Math.max(0, segment.nextOffset - startOffset),
  );
  return run(segment, { startOffset, records, timestamp: header.baseTimestamp, bytes, error });
}

/**
 * What the agent has counted and is not accounted for yet. `told`: records of this segment so far, at
 * `nextOffset` now.
 */
export function corruptRest(
  { segment, fromOffset }: StagedSegment,
  { bytes, error }: { readonly bytes: Buffer; readonly error: Unreadable },
  so: { readonly told: number; readonly nextOffset: number },
): CorruptRun {
  const startOffset = Math.max(so.nextOffset, fromOffset);
  const { control, aborted } = skippedFrom(segment.skipped, startOffset);
  const room = segment.nextOffset - startOffset - control - aborted;
  const counted = segment.counts.records - (fromOffset === segment.startOffset ? so.told : 0);
  const records = Math.max(0, Math.min(counted, room));
  return run(segment, { startOffset, records, timestamp: segment.timestampMax, bytes, error });
}

function run(
  { topic, partition }: Segment,
  at: {
    readonly startOffset: number;
    readonly records: number;
    readonly timestamp: number;
    readonly bytes: Buffer;
    readonly error: Unreadable;
  },
): CorruptRun {
  const { startOffset, records, bytes, error } = at;
  if (records > BATCH_RECORDS_MAX) throw error;
  const { code, message: reason } = error;
  const timestamp = boundedTimestamp(at.timestamp);
  return { topic, partition, startOffset, records, timestamp, code, reason, raw: bytes };
}
