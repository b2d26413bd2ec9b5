// Runs of record batches → segments. Batches of one partition are joined until the segment is large or old
// enough; what holds no record for a reader is dropped and counted. Pure but for the clock; every offset ends
// up in exactly one count.
import type { Clock } from '@sluice/shared/clock.ts';
import { compressPayload } from '@sluice/shared/codecs.ts';
import { crc32c } from '@sluice/shared/crc32c.ts';
import { assert } from '@sluice/shared/errors.ts';
import { type PartitionId, partitionKey, partitionName } from '@sluice/shared/position.ts';
import { countRecordsFrom } from '@sluice/shared/records.ts';
import {
  boundedTimestamp,
  type Segment,
  type SegmentCodec,
  type SkippedSpan,
} from '@sluice/shared/segment.ts';
import type { SourceBatch } from '../contracts.ts';

export interface SegmenterOptions {
  readonly segmentBytesMax: number;
  readonly lingerMs: number;
  readonly compression: SegmentCodec;
  readonly clock: Clock;
  /** Takes finished segments, in offset order per partition. */
  emit(segment: Segment): void;
}

export interface Segmenter {
  /** Batches in offset order; the first may begin before `position`, the next offset of the partition. */
  push(partition: PartitionId, position: number, batches: readonly SourceBatch[]): number;
  /** Emits what is pending of one partition, or of all. */
  flush(partition?: PartitionId): void;
  /** Forgets what is pending of a partition: it is read again elsewhere. */
  reset(partition: PartitionId): void;
  readonly pendingBytes: number;
}

interface Pending {
  readonly id: PartitionId;
  readonly leaderEpoch: number;
  readonly startOffset: number;
  readonly sinceMs: number;
  nextOffset: number;
  batches: Buffer[];
  bytes: number;
  records: number;
  skipped: SkippedSpan[];
  timestampMax: number;
  compressed: boolean;
}

export function createSegmenter(options: SegmenterOptions): Segmenter {
  const { clock, segmentBytesMax, lingerMs } = options;
  const pending = new Map<string, Pending>();
  let bytes = 0;
  let timerIsSet = false;

  function open(id: PartitionId, leaderEpoch: number, startOffset: number): Pending {
    const fresh: Pending = {
      id: { topic: id.topic, topicId: id.topicId, partition: id.partition },
      leaderEpoch,
      startOffset,
      sinceMs: clock.monotonicMs(),
      nextOffset: startOffset,
      batches: [],
      bytes: 0,
      records: 0,
      skipped: [],
      timestampMax: -1,
      compressed: false,
    };
    pending.set(partitionKey(id), fresh);
    arm();
    return fresh;
  }

  function arm(): void {
    if (timerIsSet) return;
    timerIsSet = true;
    clock.after(lingerMs, () => {
      timerIsSet = false;
      const due = clock.monotonicMs() - lingerMs;
      for (const item of [...pending.values()]) if (item.sinceMs <= due) emit(item);
      if (pending.size > 0) arm();
    });
  }

  function emit(item: Pending): void {
    pending.delete(partitionKey(item.id));
    bytes -= item.bytes;
    options.emit(toSegment(item, options.compression));
  }

  function push(partition: PartitionId, position: number, batches: readonly SourceBatch[]): number {
    let next = position;
    for (const batch of batches) {
      if (batch.lastOffset < next) continue;
      let item = pending.get(partitionKey(partition));
      if (item !== undefined && (item.nextOffset !== next || item.leaderEpoch !== batch.leaderEpoch)) {
        emit(item);
        item = undefined;
      }
      item ??= open(partition, batch.leaderEpoch, next);
      add(item, batch, next);
      bytes += batch.kind === 'data' ? batch.bytes.length : 0;
      next = batch.lastOffset + 1;
      if (item.bytes >= segmentBytesMax) emit(item);
    }
    return next;
  }

  return {
    push,
    flush(partition) {
      const items = partition === undefined ? [...pending.values()] : [pending.get(partitionKey(partition))];
      for (const item of items) if (item !== undefined) emit(item);
    },
    reset(partition) {
      const item = pending.get(partitionKey(partition));
      if (item === undefined) return;
      bytes -= item.bytes;
      pending.delete(partitionKey(partition));
    },
    get pendingBytes() {
      return bytes;
    },
  };
}

/** History goes over the link in smaller pieces than what comes live, which waits for one of them at most. */
const HISTORY_SEGMENT_BYTES_MAX = 256 * 2 ** 10;

/** Makes segments of batches that are not spooled; the first may begin before `position`. */
export function historySegmenter(options: Omit<SegmenterOptions, 'emit' | 'lingerMs'>) {
  const segmentBytesMax = Math.min(options.segmentBytesMax, HISTORY_SEGMENT_BYTES_MAX);
  return (id: PartitionId, position: number, batches: readonly SourceBatch[]): readonly Segment[] => {
    const segments: Segment[] = [];
    const emit = (segment: Segment) => void segments.push(segment);
    const segmenter = createSegmenter({ ...options, segmentBytesMax, lingerMs: 0, emit });
    segmenter.push(id, position, batches);
    segmenter.flush();
    return segments;
  };
}

function add(item: Pending, batch: SourceBatch, from: number): void {
  if (batch.kind === 'data') {
    item.batches.push(batch.bytes);
    item.bytes += batch.bytes.length;
    item.records += batch.baseOffset < from ? countRecordsFrom(batch.bytes, from) : batch.count;
    item.timestampMax = Math.max(item.timestampMax, batch.timestampMax);
    item.compressed ||= batch.compressed;
  } else if (batch.kind !== 'empty') {
    const firstOffset = Math.max(batch.baseOffset, from);
    const count = Math.min(batch.count, batch.lastOffset - firstOffset + 1);
    item.skipped.push({ kind: batch.kind, firstOffset, lastOffset: batch.lastOffset, count });
  }
  item.nextOffset = batch.lastOffset + 1;
}

function toSegment(item: Pending, compression: SegmentCodec): Segment {
  const plain = Buffer.concat(item.batches, item.bytes);
  const packed = item.compressed || plain.length === 0 ? plain : compressPayload(compression, plain);
  const shrinks = packed.length < plain.length;
  const payload = shrinks ? packed : plain;
  const skipped = (kind: SkippedSpan['kind']) =>
    item.skipped.reduce((sum, span) => sum + (span.kind === kind ? span.count : 0), 0);
  const control = skipped('control');
  const aborted = skipped('aborted');
  const absent = item.nextOffset - item.startOffset - item.records - control - aborted;
  assert(absent >= 0, `${partitionName(item.id)}@${item.startOffset}: more records than offsets`);
  return {
    ...item.id,
    leaderEpoch: item.leaderEpoch,
    startOffset: item.startOffset,
    nextOffset: item.nextOffset,
    counts: { records: item.records, control, aborted, absent },
    skipped: item.skipped,
    timestampMax: boundedTimestamp(item.timestampMax),
    codec: shrinks ? compression : 'none',
    plainBytes: plain.length,
    crc32c: crc32c(payload),
    payload,
  };
}
