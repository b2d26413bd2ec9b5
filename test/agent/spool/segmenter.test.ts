// Segments follow each other without a gap, every offset is counted once, and payloads hold the batches as
// they were.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SourceBatch } from '@sluice/agent/contracts.ts';
import { createSegmenter } from '@sluice/agent/spool/segmenter.ts';
import { decompressPayload } from '@sluice/shared/codecs.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { walkBatches } from '@sluice/shared/record-batch.ts';
import { decodeRecords, encodeRecordBatch } from '@sluice/shared/records.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import fc from 'fast-check';
import { manualClock } from '../../support/manual-clock.ts';

const claims = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };

interface Planned {
  readonly kind: SourceBatch['kind'];
  readonly hole: number;
  readonly records: number;
  readonly spread: number;
}

function batchOf(plan: Planned, baseOffset: number): SourceBatch {
  const records = Array.from({ length: plan.records }, (_, i) => ({
    offset: baseOffset + i * plan.spread,
    timestamp: 1_000,
    key: null,
    value: Buffer.from(`v${baseOffset + i}`),
    headers: [],
  }));
  const lastOffset = baseOffset + (plan.records - 1) * plan.spread;
  const bytes = plan.kind === 'data' ? encodeRecordBatch({ baseOffset }, records) : Buffer.alloc(0);
  const count = plan.kind === 'empty' ? 0 : plan.records;
  return {
    kind: plan.kind,
    baseOffset,
    lastOffset,
    count,
    timestampMax: 1_000,
    leaderEpoch: 0,
    compressed: false,
    bytes,
  };
}

const planned = fc.record({
  kind: fc.constantFrom('data', 'data', 'data', 'control', 'aborted', 'empty') as fc.Arbitrary<
    SourceBatch['kind']
  >,
  hole: fc.integer({ min: 0, max: 3 }),
  records: fc.integer({ min: 1, max: 6 }),
  spread: fc.integer({ min: 1, max: 2 }),
});

test('every offset is in one segment and in one count, wherever reading begins', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(planned, { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 0, max: 4 }),
      fc.integer({ min: 1, max: 400 }),
      async (plans, start, segmentBytesMax) => {
        const batches: SourceBatch[] = [];
        let at = 0;
        for (const plan of plans) {
          at += plan.hole;
          const batch = batchOf(plan, at);
          batches.push(batch);
          at = batch.lastOffset + 1;
        }
        const segments: Segment[] = [];
        const clock = manualClock();
        const options = { segmentBytesMax, lingerMs: 200, compression: 'lz4' as const, clock };
        const segmenter = createSegmenter({ ...options, emit: (segment) => segments.push(segment) });
        segmenter.push(claims, start, batches);
        await clock.advance(500);
        assert.equal(segmenter.pendingBytes, 0);
        let next = start;
        const seen: number[] = [];
        for (const segment of segments) {
          assert.equal(segment.startOffset, next);
          const { records, control, aborted, absent } = segment.counts;
          assert.equal(segment.nextOffset - segment.startOffset, records + control + aborted + absent);
          const plain = decompressPayload(segment.codec, Buffer.from(segment.payload), segment.plainBytes);
          const inside = [...walkBatches(plain)]
            .flatMap(({ bytes }) => decodeRecords(bytes))
            .filter(({ offset }) => offset >= segment.startOffset);
          assert.equal(inside.length, records);
          seen.push(...inside.map(({ offset }) => offset));
          next = segment.nextOffset;
        }
        const expected = batches
          .filter(({ kind }) => kind === 'data')
          .flatMap(({ bytes }) => decodeRecords(bytes).map(({ offset }) => offset))
          .filter((offset) => offset >= start);
        assert.deepEqual(seen, expected);
      },
    ),
    { numRuns: 60 },
  );
});

test('a segment leaves when it is old enough and not before', async () => {
  const segments: Segment[] = [];
  const clock = manualClock();
  const segmenter = createSegmenter({
    segmentBytesMax: 2 ** 20,
    lingerMs: 200,
    compression: 'none',
    clock,
    emit: (segment) => segments.push(segment),
  });
  segmenter.push(claims, 0, [batchOf({ kind: 'data', hole: 0, records: 3, spread: 1 }, 0)]);
  await clock.advance(199);
  assert.equal(segments.length, 0);
  await clock.advance(2);
  assert.equal(segments.length, 1);
});

test('a segment holds a timestamp that every reader can take, whatever a producer wrote', () => {
  const segments: Segment[] = [];
  const options = { segmentBytesMax: 1, lingerMs: 200, compression: 'none' as const, clock: manualClock() };
  const segmenter = createSegmenter({ ...options, emit: (segment) => segments.push(segment) });
  const plan = { kind: 'data', hole: 0, records: 1, spread: 1 } as const;
  segmenter.push(claims, 0, [{ ...batchOf(plan, 0), timestampMax: 1_700_000_000_000_000_000 }]);
  segmenter.push(claims, 1, [{ ...batchOf(plan, 1), timestampMax: -(2 ** 63) }]);
  assert.deepEqual(
    segments.map(({ timestampMax }) => timestampMax),
    [Number.MAX_SAFE_INTEGER, -1],
  );
});
