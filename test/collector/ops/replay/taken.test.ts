// What a replay names is exactly what it took, and what is named is found again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ChosenRow, inOrder, isTaken, replayedOf } from '@sluice/collector/ops/replay/taken.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { assert as check, integer, property, uniqueArray } from 'fast-check';

const id = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };
const object = { entry: 1, ranges: [], output: { finalKey: 'q' } as never, at: 'q' };
const rowAt = (row: number, offset: number, of = id): ChosenRow => ({ row, id: of, offset });
const named = (rows: readonly ChosenRow[]) => replayedOf([{ object, rows }])[0]?.ranges ?? [];

test('a range never spans a row that was not taken', () => {
  const ranges = named([rowAt(1, 3), rowAt(3, 9), rowAt(4, 20)]);
  assert.deepEqual(
    ranges.map(({ start, next, records }) => [start, next, records]),
    [
      [3, 4, 1],
      [9, 21, 2],
    ],
  );
});

test('a range holds records of one partition and one incarnation of its topic', () => {
  const again = { ...id, topicId: 'f'.repeat(32) };
  const other = { ...id, partition: 1 };
  const ranges = named([rowAt(1, 3), rowAt(2, 4, again), rowAt(3, 5), rowAt(4, 0, other)]);
  assert.deepEqual(
    ranges.map(({ topicId, partition, start, next }) => [topicId[0], partition, start, next]),
    [
      ['0', 0, 3, 4],
      ['f', 0, 4, 5],
      ['0', 0, 5, 6],
      ['0', 1, 0, 1],
    ],
  );
});

test('an object of which nothing was taken is not named', () => {
  assert.deepEqual(replayedOf([{ object, rows: [] }]), []);
});

test('of any rows of an object, those that were taken are found taken and the others are not', () => {
  const offsets = uniqueArray(integer({ min: 0, max: 60 }), { maxLength: 30 });
  check(
    property(offsets, integer({ min: 0, max: 2 ** 30 }), (drawn, mask) => {
      const sorted = drawn.toSorted((a, b) => a - b);
      const rows = sorted.map((offset, i) => rowAt(i + 1, offset, { ...id, partition: offset % 2 }));
      const byPartition = rows.toSorted((a, b) => a.id.partition - b.id.partition || a.offset - b.offset);
      const all = byPartition.map((row, i) => ({ ...row, row: i + 1 }));
      const taken = all.filter((_, i) => (mask >> i) & 1);
      const halves = [0, 1].flatMap((half) => named(taken.filter((_, i) => i % 2 === half)));
      const ranges = inOrder(halves);
      for (const row of all) assert.equal(isTaken(ranges, row), taken.includes(row), `${row.offset}`);
    }),
  );
});
