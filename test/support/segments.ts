// Segments as an agent would make them, from records: real record batches, compressed and counted.
import type { BatchCodec } from '@sluice/shared/codecs.ts';
import { crc32c } from '@sluice/shared/crc32c.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { segmentOfRecords as asSegment } from '@sluice/shared/record-segment.ts';
import type { KafkaRecord } from '@sluice/shared/records.ts';
import type { Segment } from '@sluice/shared/segment.ts';

export interface SegmentOptions {
  readonly topic?: string;
  readonly partition?: number;
  readonly baseOffset?: number;
  readonly codec?: BatchCodec;
  readonly timestamp?: number;
}

/** One batch, one segment. A value is the record's; null is a tombstone. */
export function segmentOf(
  values: readonly (string | Buffer | null)[],
  {
    topic = 'claims',
    partition = 0,
    baseOffset = 0,
    codec = 'none',
    timestamp = 1_780_000_000_000,
  }: SegmentOptions = {},
): Segment {
  const records = values.map((value, i) => ({
    offset: baseOffset + i,
    timestamp,
    key: null,
    value: typeof value === 'string' ? Buffer.from(value) : value,
    headers: [],
  }));
  return segmentOfRecords(records, { topic, partition, codec });
}

export function segmentOfRecords(
  records: readonly KafkaRecord[],
  { topic = 'claims', partition = 0, codec = 'none' }: SegmentOptions = {},
): Segment {
  const id = { topic, topicId: NO_TOPIC_ID, partition };
  return asSegment(id, records, { codec: 'lz4', batchCodec: codec, leaderEpoch: 0 });
}

/** A segment whose payload nobody opens: `payloadBytes` of it, and as many records as there are offsets. */
export function opaqueSegment(
  startOffset: number,
  nextOffset: number,
  { topic = 'claims', partition = 0, payloadBytes = 100 }: SegmentOptions & { payloadBytes?: number } = {},
): Segment {
  const payload = Buffer.alloc(payloadBytes, startOffset % 251);
  return {
    topic,
    topicId: NO_TOPIC_ID,
    partition,
    leaderEpoch: 0,
    startOffset,
    nextOffset,
    counts: { records: nextOffset - startOffset, control: 0, aborted: 0, absent: 0 },
    skipped: [],
    timestampMax: 0,
    codec: 'none',
    plainBytes: payloadBytes,
    crc32c: crc32c(payload),
    payload,
  };
}
