// Offsets stay exact, partitions are never mistaken for each other, and a cut through a segment counts every
// offset once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  NO_TOPIC_ID,
  offsetFromWire,
  partitionKey,
  partitionName,
  slotKey,
} from '@sluice/shared/position.ts';
import { type SkippedSpan, skippedFrom } from '@sluice/shared/segment.ts';
import fc from 'fast-check';

test('an offset that a number cannot hold exactly stops the program', () => {
  assert.equal(offsetFromWire(2n ** 53n - 1n), Number.MAX_SAFE_INTEGER);
  assert.equal(offsetFromWire('-1'), -1);
  for (const offset of [2n ** 53n, 2n ** 63n - 1n, -(2n ** 53n), 'x', '1.5'])
    assert.throws(() => offsetFromWire(offset), { code: 'ASSERTION_FAILED' });
});

test('two partitions have one key only if they are one partition of one incarnation', () => {
  // Kafka's own alphabet: a topic's name holds neither a slash nor a colon.
  const id = fc.record({
    topic: fc.stringMatching(/^[a-z0-9._-]{1,3}$/),
    topicId: fc.constantFrom(NO_TOPIC_ID, 'f'.repeat(32)),
    partition: fc.nat(12),
  });
  fc.assert(
    fc.property(id, id, (a, b) => {
      const same = a.topic === b.topic && a.topicId === b.topicId && a.partition === b.partition;
      assert.equal(partitionKey(a) === partitionKey(b), same);
    }),
  );
  assert.equal(partitionName({ topic: 'claims', partition: 3 }), 'claims-3');
  assert.equal(slotKey({ topic: 'claims', partition: 3 }), 'claims/3', 'of any incarnation');
});

const span = (kind: SkippedSpan['kind'], firstOffset: number, lastOffset: number, count: number) => ({
  kind,
  firstOffset,
  lastOffset,
  count,
});

test('spans below a cut are not counted, one in it by its offsets from there', () => {
  const spans = [span('control', 10, 10, 1), span('aborted', 12, 19, 5), span('control', 20, 20, 1)];
  const cases: readonly (readonly [number, number, number])[] = [
    [0, 2, 5],
    [11, 1, 5],
    [12, 1, 5],
    [17, 1, 3],
    [20, 1, 0],
    [21, 0, 0],
  ];
  for (const [from, control, aborted] of cases)
    assert.deepEqual(skippedFrom(spans, from), { control, aborted }, `from ${from}`);
});
