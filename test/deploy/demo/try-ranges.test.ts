// Which offsets are tried: as many as asked for where the topic has them, shared out fairly, inside the log.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseRanges, offsetsIn } from '@sluice/deploy/demo/try-ranges.ts';
import { rowLines } from '@sluice/deploy/demo/try-report.ts';
import fc from 'fast-check';

const log = (partition: number, logStart: number, logEnd: number) => ({ partition, logStart, logEnd });

test('the newest of a skewed topic: what a small partition lacks the large one gives', () => {
  const logs = [log(0, 100, 1_000), log(1, 50, 60), log(2, 7, 7)];
  assert.deepEqual(chooseRanges(logs, { from: { latest: 200 }, records: 200 }), [
    { partition: 0, from: 810, to: 1_000 },
    { partition: 1, from: 50, to: 60 },
    { partition: 2, from: 7, to: 7 },
  ]);
  assert.deepEqual(chooseRanges(logs, { from: 'earliest', records: 30 })[0], {
    partition: 0,
    from: 100,
    to: 120,
  });
  assert.deepEqual(chooseRanges(logs, { from: { latest: 400 }, records: 11 })[0], {
    partition: 0,
    from: 610,
    to: 615,
  });
});

test('as many offsets as asked for, or all there are; never outside the log', () => {
  const logs = fc
    .array(fc.tuple(fc.nat(1_000), fc.nat(1_000)), { minLength: 1, maxLength: 8 })
    .map((list) => list.map(([start, length], partition) => log(partition, start, start + length)));
  const from = fc.oneof(
    fc.constant('earliest' as const),
    fc.record({ latest: fc.integer({ min: 1, max: 5_000 }) }),
  );
  fc.assert(
    fc.property(logs, from, fc.integer({ min: 1, max: 5_000 }), (all, where, records) => {
      const ranges = chooseRanges(all, { from: where, records });
      const there = all.reduce((sum, { logStart, logEnd }) => sum + logEnd - logStart, 0);
      const reach = where === 'earliest' ? there : Math.min(there, where.latest);
      assert.equal(offsetsIn(ranges), Math.min(records, reach));
      for (const [i, range] of ranges.entries()) {
        const { logStart = 0, logEnd = 0 } = all[i] ?? {};
        assert.ok(logStart <= range.from && range.from <= range.to && range.to <= logEnd);
      }
    }),
  );
});

test('rows stand side by side where they fit, else column by column, and never speak to the terminal', () => {
  const rows = [
    { a: '1', b: 'x' },
    { a: '22', b: '\u001b[31mred\n' },
  ];
  assert.deepEqual(rowLines(rows, 80), ['a   b', '1   x', '22   [31mred']);
  assert.deepEqual(rowLines(rows, 5), ['a  1  22', 'b  x   [31mred']);
  assert.deepEqual(rowLines([], 80), ['']);
});
