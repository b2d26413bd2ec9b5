// Ranges as sets: whatever is asked, the answer holds the offsets that it should and no others.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  bothCommitted,
  commonRanges,
  mergedRanges,
  type OffsetRange,
  withoutRanges,
} from '@sluice/shared/offset-range.ts';
import fc from 'fast-check';

const OFFSETS = 40;
const range = fc
  .tuple(fc.nat(OFFSETS), fc.nat(8))
  .map(([startOffset, length]): OffsetRange => ({ startOffset, nextOffset: startOffset + length }));
const ranges = fc.array(range, { maxLength: 6 });

const offsetsOf = (list: readonly OffsetRange[]) =>
  new Set(
    list.flatMap(({ startOffset, nextOffset }) =>
      Array.from({ length: Math.max(0, nextOffset - startOffset) }, (_, i) => startOffset + i),
    ),
  );

test('common, left and merged ranges hold the offsets that they should', () => {
  fc.assert(
    fc.property(ranges, ranges, (some, others) => {
      const [a, b] = [offsetsOf(some), offsetsOf(others)];
      assert.deepEqual(offsetsOf(commonRanges(some, others)), a.intersection(b));
      assert.deepEqual(offsetsOf(withoutRanges(some, others)), a.difference(b));
      const merged = mergedRanges(some);
      assert.deepEqual(offsetsOf(merged), new Set([...a].sort((x, y) => x - y)));
      for (const [i, one] of merged.slice(1).entries())
        assert.ok(one.startOffset > (merged[i]?.nextOffset ?? 0));
    }),
  );
});

test('what one teller says is committed stays so, whatever another, older one wants', () => {
  const prefix = fc.tuple(fc.nat(OFFSETS), ranges).map(([nextOffset, open]) => ({
    nextOffset,
    open: commonRanges(open, [{ startOffset: 0, nextOffset }]),
  }));
  const isDone = (
    offset: number,
    { nextOffset, open }: { nextOffset: number; open: readonly OffsetRange[] },
  ) => offset < nextOffset && !offsetsOf(open).has(offset);
  fc.assert(
    fc.property(prefix, prefix, (a, b) => {
      const both = bothCommitted(a, b);
      for (let offset = 0; offset <= OFFSETS; offset++)
        assert.equal(isDone(offset, both), isDone(offset, a) || isDone(offset, b), `offset ${offset}`);
    }),
  );
});
