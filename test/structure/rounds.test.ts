// How `npm test` lays its files out: each runs once, none that measures time has another beside it, and no
// more brokers than the machine carries.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LONGEST_FIRST, systemRounds } from '../run/rounds.ts';
import { testFiles } from '../run/test-files.ts';
import { textOf } from './source-tree.ts';

const files = testFiles('system', []);
const rounds = systemRounds(files, 2, textOf);
const hasBroker = (file: string) => /startBroker|startJourney|startTestBroker/.test(textOf(file));

test('every file runs once', () => {
  const placed = rounds.flatMap((round) => round.flatMap((lane) => lane.files));
  assert.deepEqual([...placed].sort(), [...files].sort());
});

test('what measures time runs alone', () => {
  const timed = files.filter((file) => /simulation|throttled|frozen|systemd-notify/.test(file));
  assert.equal(timed.length, 4);
  for (const file of timed) {
    const round = rounds.find((lanes) => lanes.some((lane) => lane.files.includes(file))) ?? [];
    assert.deepEqual(
      round.map(({ concurrency }) => concurrency),
      [1],
    );
  }
});

test('there are no more brokers at once than cores, however many the machine has', () => {
  for (const [cores, brokers] of [
    [1, 1],
    [2, 2],
    [64, 4],
  ] as const) {
    const lanes = systemRounds(files, cores, textOf).flat();
    const withBroker = lanes.filter((lane) => lane.files.some(hasBroker));
    assert.deepEqual(
      withBroker.map(({ concurrency }) => concurrency),
      [brokers],
    );
    assert.ok(withBroker[0]?.files.every(hasBroker));
  }
});

test('the longest start first, and each of them is still there', () => {
  for (const file of LONGEST_FIRST) assert.ok(files.includes(file), file);
  for (const lane of rounds[0] ?? []) {
    const named = LONGEST_FIRST.filter((file) => lane.files.includes(file));
    assert.deepEqual(lane.files.slice(0, named.length), named);
  }
});
