// Orders as segments, as the agent makes them of batches that a producer has compressed.
import { crc32c } from '@sluice/shared/crc32c.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import { type OrderBatch, orderBatches } from './order-batches.ts';
import type { OrderOptions } from './orders.ts';

/** The agent's default. */
const SEGMENT_BYTES_MAX = 2 ** 20;
const TOPIC_ID = '0123456789abcdef0123456789abcdef';

/** Every order once; segments of one partition are contiguous. */
export function* orderSegments(topic: string, options: OrderOptions, timestamp: number): Generator<Segment> {
  const pending = new Map<number, OrderBatch[]>();
  for (const batch of orderBatches(options, timestamp)) {
    const batches = pending.get(batch.partition) ?? [];
    pending.set(batch.partition, batches);
    batches.push(batch);
    if (bytesOf(batches) < SEGMENT_BYTES_MAX) continue;
    pending.delete(batch.partition);
    yield segmentOf(topic, batches);
  }
  for (const batches of pending.values()) yield segmentOf(topic, batches);
}

/** Groups of segments of at least `bytesMax` of payload: what a window closed by bytes holds. */
export function* windows(segments: Iterable<Segment>, bytesMax: number): Generator<Segment[]> {
  let window: Segment[] = [];
  let bytes = 0;
  for (const segment of segments) {
    window.push(segment);
    bytes += segment.payload.byteLength;
    if (bytes < bytesMax) continue;
    yield window;
    window = [];
    bytes = 0;
  }
  if (window.length > 0) yield window;
}

function bytesOf(batches: readonly OrderBatch[]): number {
  return batches.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

function segmentOf(topic: string, batches: readonly OrderBatch[]): Segment {
  const payload = Buffer.concat(batches.map(({ bytes }) => bytes));
  const records = batches.reduce((sum, { count }) => sum + count, 0);
  const startOffset = batches[0]?.baseOffset ?? 0;
  return {
    topic,
    topicId: TOPIC_ID,
    partition: batches[0]?.partition ?? 0,
    leaderEpoch: 0,
    startOffset,
    nextOffset: startOffset + records,
    counts: { records, control: 0, aborted: 0, absent: 0 },
    skipped: [],
    timestampMax: batches.at(-1)?.timestamp ?? -1,
    codec: 'none',
    plainBytes: payload.length,
    crc32c: crc32c(payload),
    payload,
  };
}
