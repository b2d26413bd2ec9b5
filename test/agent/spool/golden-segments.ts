// What the golden spool file of format 1 holds: it was written once by the code that released that format and
// is never written again. A new format gets a file of its own beside it.
import { compressPayload } from '@sluice/shared/codecs.ts';
import { crc32c } from '@sluice/shared/crc32c.ts';
import { encodeRecordBatch } from '@sluice/shared/records.ts';
import type { Segment } from '@sluice/shared/segment.ts';

export const goldenTopic = 'claims.eu-1';
export const goldenSpooledMs = 1_780_000_000_000;

const id = { topic: goldenTopic, topicId: '00112233445566778899aabbccddeeff', partition: 3 };

function batch(baseOffset: number, values: readonly string[]): Buffer {
  const records = values.map((value, i) => ({
    offset: baseOffset + i,
    timestamp: 1_779_999_999_000 + i,
    key: Buffer.from('k'),
    value: Buffer.from(value),
    headers: [],
  }));
  return encodeRecordBatch({ baseOffset, leaderEpoch: 5 }, records);
}

function segment(
  range: Pick<Segment, 'startOffset' | 'nextOffset' | 'counts' | 'skipped'>,
  plain: Buffer,
): Segment {
  const packed = compressPayload('lz4', plain);
  const payload = packed.length < plain.length ? packed : plain;
  return {
    ...id,
    ...range,
    leaderEpoch: 5,
    timestampMax: plain.length === 0 ? -1 : 1_779_999_999_001,
    codec: payload === packed ? 'lz4' : 'none',
    plainBytes: plain.length,
    crc32c: crc32c(payload),
    payload,
  };
}

const nothingSkipped = { control: 0, aborted: 0, absent: 0 };

/** Committed and gone; compressed; with control, aborted and compacted offsets; without any record. */
export const goldenSegments: readonly Segment[] = [
  segment(
    { startOffset: 1_000, nextOffset: 1_002, counts: { records: 2, ...nothingSkipped }, skipped: [] },
    batch(1_000, ['one', 'two']),
  ),
  segment(
    { startOffset: 1_002, nextOffset: 1_007, counts: { records: 5, ...nothingSkipped }, skipped: [] },
    batch(
      1_002,
      Array.from({ length: 5 }, (_, i) => `${i}`.repeat(200)),
    ),
  ),
  segment(
    {
      startOffset: 1_007,
      nextOffset: 1_020,
      counts: { records: 2, control: 1, aborted: 3, absent: 7 },
      skipped: [
        { kind: 'aborted', firstOffset: 1_009, lastOffset: 1_011, count: 3 },
        { kind: 'control', firstOffset: 1_012, lastOffset: 1_012, count: 1 },
      ],
    },
    batch(1_007, ['three', 'four']),
  ),
  segment(
    {
      startOffset: 1_020,
      nextOffset: 1_021,
      counts: { records: 0, control: 1, aborted: 0, absent: 0 },
      skipped: [{ kind: 'control', firstOffset: 1_020, lastOffset: 1_020, count: 1 }],
    },
    Buffer.alloc(0),
  ),
];
