// What a chaos run says last can be acted on: the verdict, and for a failure how to repeat it and where its
// evidence is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Outcome, report } from './report.ts';

const outcome: Outcome = {
  options: { minutes: 3, seed: 17, sites: 2 },
  directory: 'chaos-directory',
  skipped: ['collector’s disk full: this user may not mount a small file system'],
  journal: {
    counts: new Map([
      ['S3 answers 503', { times: 2, requests: 31, noticed: 0 }],
      ['agent’s disk full', { times: 1, requests: 0, noticed: 1 }],
    ]),
    faults: 3,
    violations: [],
    elapsedMs: 215_000,
  },
  producers: [
    { topic: 'claims', numbers: { attempted: 10, unconfirmed: new Set([9]) }, ended: Promise.resolve() },
  ],
};
const linesOf = (violations: readonly string[]) =>
  report({ ...outcome, journal: { ...outcome.journal, violations: [...violations] } })
    .trimEnd()
    .split('\n');

test('a passing run ends with a line that says so and names the seed', () => {
  assert.match(linesOf([]).at(-1) ?? '', /^chaos passed \(seed 17\)/);
});

test('a failing run names each violation, and ends with the command that repeats it and its evidence', () => {
  const lines = linesOf(['claims: 1 acknowledged numbers are missing (5)']);
  assert.ok(lines.includes('✖ claims: 1 acknowledged numbers are missing (5)'));
  const last = lines.at(-1) ?? '';
  assert.match(last, /^chaos failed; evidence in chaos-directory; /);
  assert.match(last, /npm run chaos -- --minutes 3 --seed 17 --sites 2$/);
});

test('each fault is counted by kind, with the requests that were lied to and what was noticed', () => {
  const text = linesOf([]).join('\n');
  assert.match(text, /^ +2 {2}S3 answers 503 +31 requests$/m);
  assert.match(text, /^ +1 {2}agent’s disk full +noticed 1 times$/m);
  assert.match(text, /^ {2}skipped {2}collector’s disk full: this user may not mount/m);
  assert.match(text, /^records 9, unconfirmed 1, faults 3, seconds 215$/m);
});
