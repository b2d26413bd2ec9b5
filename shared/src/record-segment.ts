// Records as a segment of one record batch, as an agent would send them: for whoever has records and no
// Kafka.
import { type BatchCodec, compressPayload } from './codecs.ts';
import { crc32c } from './crc32c.ts';
import type { PartitionId } from './position.ts';
import { encodeRecordBatch, type KafkaRecord } from './records.ts';
import type { Segment } from './segment.ts';

export interface RecordSegmentOptions {
  /** Of the segment's payload. */
  readonly codec: Segment['codec'];
  /** Of the record batch in it; default none. */
  readonly batchCodec?: BatchCodec;
  /** -1 where unknown. */
  readonly leaderEpoch: number;
}

/** From the first record to behind the last; offsets between that no record has are absent. */
export function segmentOfRecords(
  { topic, topicId, partition }: PartitionId,
  records: readonly KafkaRecord[],
  { codec, batchCodec = 'none', leaderEpoch }: RecordSegmentOptions,
): Segment {
  const startOffset = records[0]?.offset ?? 0;
  const nextOffset = (records.at(-1)?.offset ?? startOffset - 1) + 1;
  const plain = encodeRecordBatch({ baseOffset: startOffset, codec: batchCodec }, records);
  const payload = compressPayload(codec, plain);
  const absent = nextOffset - startOffset - records.length;
  return {
    ...{ topic, topicId, partition, leaderEpoch, startOffset, nextOffset, skipped: [] },
    counts: { records: records.length, control: 0, aborted: 0, absent },
    timestampMax: records.reduce((max, { timestamp }) => Math.max(max, timestamp), -1),
    codec,
    plainBytes: plain.length,
    crc32c: crc32c(payload),
    payload,
  };
}
