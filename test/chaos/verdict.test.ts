// The oracle of `npm run chaos` can fail: each way in which a lake can be wrong is said by name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FoundNumbers, floods, judge, neverHappened } from './verdict.ts';

/** Numbers 0 to 9: the send of 8 and 9 failed, 5 is a bad record. */
const numbers = { attempted: 10, unconfirmed: new Set([8, 9]) };
const right: FoundNumbers = {
  table: 'claims',
  rows: [4, 0, 1, 2, 3, 6, 7, 9],
  quarantined: [5],
  isBad: (n) => n === 5,
};
const wrong = (change: Partial<FoundNumbers>) => judge(numbers, { ...right, ...change });

test('a lake that holds each acknowledged number once is right, whatever became of a failed send', () => {
  assert.deepEqual(wrong({}), []);
  assert.deepEqual(wrong({ rows: [0, 1, 2, 3, 4, 6, 7] }), []);
});

test('an acknowledged number that is nowhere is named', () => {
  assert.deepEqual(wrong({ rows: [0, 1, 2, 4, 6] }), ['claims: 2 acknowledged numbers are missing (3, 7)']);
  assert.deepEqual(wrong({ quarantined: [] }), ['claims: 1 acknowledged numbers are missing (5)']);
});

test('a number that is there twice is named, also one whose send failed', () => {
  const twice = (n: number) => [`claims: 1 numbers are there more than once (${n})`];
  assert.deepEqual(wrong({ rows: [...right.rows, 3] }), twice(3));
  assert.deepEqual(wrong({ rows: [...right.rows, 9] }), twice(9));
  assert.deepEqual(wrong({ quarantined: [5, 5] }), twice(5));
});

test('a number that was never produced is named', () => {
  assert.deepEqual(wrong({ rows: [...right.rows, 10] }), ['claims: 1 numbers were never produced (10)']);
});

test('a number on the wrong side of the quarantine is named', () => {
  assert.deepEqual(wrong({ rows: [0, 1, 2, 3, 6, 7], quarantined: [5, 4] }), [
    'claims: 1 good numbers are in quarantine (4)',
  ]);
  assert.deepEqual(wrong({ rows: [...right.rows, 5], quarantined: [] }), [
    'claims: 1 bad numbers are rows (5)',
  ]);
});

test('a kind of fault that was due and never happened is named, once', () => {
  const counts = new Map([
    ['link cut', { times: 2 }],
    ['link slow', { times: 0 }],
  ]);
  assert.deepEqual(neverHappened(['link cut', 'link slow', 'link frozen', 'link frozen'], counts), [
    'link slow',
    'link frozen',
  ]);
  assert.deepEqual(neverHappened(['link cut'], counts), []);
});

test('a program that says the same some hundred times within a second is named with its words', () => {
  const line = (second: number, ms: number, msg: string) =>
    `{"level":"warn","time":"2026-01-01T00:00:0${second}.${ms}Z","n":1,"msg":"${msg}"}`;
  const lines = Array.from({ length: 150 }, (_, i) => i);
  const circling = lines.map((i) => line(1, 100 + i, 'asked again'));
  const busy = lines.map((i) => line(i % 5, 100 + i, 'window committed'));
  assert.deepEqual(floods([...circling, ...busy, 'no JSON', ''].join('\n')), [
    "150 times 'asked again' at 2026-01-01T00:00:01",
  ]);
  assert.deepEqual(floods([...busy, ...lines.map(() => '')].join('\n')), []);
});
