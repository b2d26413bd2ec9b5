// The newest segments are in memory and nothing else: bounded, contiguous from where it was asked, gone when
// committed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HotSegments } from '@sluice/agent/spool/hot-segments.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import { rangeSegment } from '../../support/fake-spool.ts';

const MiB = 2 ** 20;
const sized = (start: number, next: number, bytes: number, partition = 0) =>
  rangeSegment(start, next, { partition, payload: new Uint8Array(bytes) });
const starts = (segments: readonly Segment[]) => segments.map(({ startOffset }) => startOffset);

test('a run is contiguous from the segment that covers the offset, and ends at a hole', () => {
  const hot = new HotSegments();
  hot.add([sized(0, 10, 1), sized(10, 20, 1), sized(30, 40, 1)]);
  const id = rangeSegment(0, 1);
  assert.deepEqual(starts(hot.read(id, 5, 100)), [0, 10]);
  assert.deepEqual(starts(hot.read(id, 10, 100)), [10]);
  assert.deepEqual(starts(hot.read(id, 20, 100)), []);
  assert.deepEqual(starts(hot.read(id, 35, 100)), [30]);
  assert.deepEqual(starts(hot.read(id, 0, 1)), [0], 'at least one, then as many as fit');
  assert.deepEqual(starts(hot.read({ ...id, partition: 1 }, 0, 100)), []);
});

test('the oldest leave first when memory is used up, over all partitions', () => {
  const hot = new HotSegments();
  for (let i = 0; i < 12; i++) hot.add([sized(i, i + 1, MiB, i % 2)]);
  const id = rangeSegment(0, 1);
  assert.deepEqual(starts(hot.read(id, 2, 100 * MiB)), []);
  const kept = [4, 6, 8, 10].filter((at) => hot.read(id, at, 1).length > 0);
  assert.deepEqual(kept, [4, 6, 8, 10]);
});

test('what is committed is gone, what is left is kept, and memory is free again', () => {
  const hot = new HotSegments();
  const id = rangeSegment(0, 1);
  for (let i = 0; i < 8; i++) hot.add([sized(i, i + 1, MiB)]);
  hot.committed(id, 7);
  assert.deepEqual(starts(hot.read(id, 6, 1)), []);
  assert.deepEqual(starts(hot.read(id, 7, 1)), [7]);
  for (let i = 8; i < 15; i++) hot.add([sized(i, i + 1, MiB)]);
  assert.equal(hot.read(id, 7, 100 * MiB).length, 8);
  hot.clear();
  assert.deepEqual(hot.read(id, 15, 1), []);
});
