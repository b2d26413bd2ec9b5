// What of spooled segments is of the log as its newest epochs have it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { soundRanges } from '@sluice/agent/spool/wanted-ranges.ts';
import fc from 'fast-check';

const segments = fc
  .array(
    fc.record({
      start: fc.nat(20),
      length: fc.integer({ min: 1, max: 6 }),
      epoch: fc.integer({ min: -1, max: 3 }),
    }),
  )
  .map((list) =>
    list
      .map(({ start, length, epoch }) => ({
        startOffset: start,
        nextOffset: start + length,
        leaderEpoch: epoch,
      }))
      .sort((a, b) => a.startOffset - b.startOffset),
  );

test('an offset counts unless a segment of a newer epoch begins at it or below, and all of a log that was not cut does', () => {
  fc.assert(
    fc.property(segments, (headers) => {
      const sound = soundRanges(headers);
      for (const [i, { startOffset, nextOffset, leaderEpoch: epoch }] of headers.entries())
        for (let offset = startOffset; offset < nextOffset; offset++) {
          const isNewer = (h: (typeof headers)[number]) => h.leaderEpoch > epoch && h.startOffset <= offset;
          const counts = epoch < 0 || !headers.some(isNewer);
          assert.equal(sound[i]?.startOffset, startOffset);
          assert.equal(offset < (sound[i]?.nextOffset ?? 0), counts, `${offset} of ${i}`);
        }
    }),
  );
  const goesOn = [0, 0, -1, 1, 3].map((leaderEpoch, i) => ({
    startOffset: i,
    nextOffset: i + 1,
    leaderEpoch,
  }));
  assert.equal(soundRanges(goesOn), goesOn, 'it is not made anew');
});
