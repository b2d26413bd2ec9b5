// An oracle that cannot fail proves nothing: each is shown a fault of each kind.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertContiguous, assertExactlyOnce } from '../support/oracles.ts';

test('exactly once holds for equal sets in any order', () => {
  assertExactlyOnce(['a', 'b'], ['b', 'a']);
});

for (const [fault, found, message] of [
  ['a lost record', ['a'], /1 missing \(b\)/],
  ['a doubled record', ['a', 'b', 'b'], /1 doubled \(b\)/],
  ['a record nobody produced', ['a', 'b', 'c'], /1 unknown \(c\)/],
] as const) {
  test(`exactly once names ${fault}`, () => {
    assert.throws(() => assertExactlyOnce(['a', 'b'], found), message);
  });
}

test('contiguous ranges have no hole, no overlap and no empty one', () => {
  const range = (start: number, next: number) => ({ start, next });
  assertContiguous([range(0, 5), range(5, 7)]);
  assert.throws(() => assertContiguous([range(0, 5), range(6, 7)]), /starts at 6 where 5/);
  assert.throws(() => assertContiguous([range(0, 5), range(4, 7)]), /starts at 4 where 5/);
  assert.throws(() => assertContiguous([range(0, 0)]), /empty/);
});
