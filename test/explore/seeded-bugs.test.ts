// An exploration that finds nothing proves something only if it finds what is there: each mistake is made on
// purpose, around the product's code, and must be found as the promise that it breaks.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ackPastUnpublished,
  carriedNotCopied,
  checkpointNotRead,
  joinedAfterEntry,
  laterWindowsForgotten,
  ownSuccessNotRecognised,
  partsDeletedBeforeMoved,
  prunedBeforePublished,
  publishBeforeCommit,
  stagedDeletedBeforePublished,
  sweepWithoutEntry,
} from './bugs.ts';
import { explore, summaryOf } from './explore.ts';
import { HALTS, isBelowCheckpoint, join, type Named, named, ONE, prune, rebuild, TWO } from './scenarios.ts';

const one = { windows: [ONE], wanted: [1, 1] };
const two = { windows: [TWO], wanted: [2, 1] };
const mayHaltWith = [...HALTS, 'STORE_STAGED_MISSING'];

const BUGS: readonly (readonly [Named, RegExp])[] = [
  [
    named('an object is published before its commit', { ...one, bug: publishBeforeCommit }),
    /is visible and no entry names it/,
  ],
  [
    named('staged objects are deleted before they are published', {
      ...{ ...one, mayHaltWith },
      bug: stagedDeletedBeforePublished,
    }),
    /is committed, and .* is neither staged nor published/,
  ],
  [
    named('a sweep deletes without an entry', { ...one, mayHaltWith, sweeps: 1, bug: sweepWithoutEntry }),
    /is committed, and .* is neither staged nor published/,
  ],
  [
    named('a position is acknowledged past an unpublished entry', { ...two, bug: ackPastUnpublished }),
    /is acknowledged and not visible/,
  ],
  [
    named('the newest ledger entry is deleted', { ...one, mayHaltWith, deletions: 1 }),
    /is visible in .* and in/,
  ],
  [
    named('entries that a checkpoint has outlived are deleted, and it is not looked for', {
      ...{ ...two, mayHaltWith, deletions: 2, mayDelete: isBelowCheckpoint },
      bug: checkpointNotRead,
    }),
    /is visible in .* and in/,
  ],
  [
    named('a lost reply is taken for another’s success', {
      ...one,
      lostOrLate: 1,
      bug: ownSuccessNotRecognised,
    }),
    /is committed, and .* is neither staged nor published/,
  ],
  [
    named('a partition moves without what goes along', { ...rebuild, bug: carriedNotCopied }),
    /is taken back|is acknowledged and not visible/,
  ],
  [
    named('a rebuild forgets what came while it was making', { ...rebuild, bug: laterWindowsForgotten }),
    /is taken back|is acknowledged and not visible/,
  ],
  [
    named('a join is decided before its object stands', { ...join, bug: joinedAfterEntry }),
    /is committed, and .*join\/joined is not there/,
  ],
  [
    named('what was joined is deleted before readers see what it became', {
      ...{ ...join, bug: partsDeletedBeforeMoved },
    }),
    /is neither staged nor published|is taken back|is acknowledged and not visible/,
  ],
  [
    named('what a swap leaves is pruned before readers see what it became', {
      ...{ ...prune, bug: prunedBeforePublished },
    }),
    /is neither staged nor published|is taken back|is acknowledged and not visible/,
  ],
  [
    named('a join forgets what came while it was joining', { ...join, bug: laterWindowsForgotten }),
    /is taken back|is acknowledged and not visible/,
  ],
];

for (const [scenario, promise] of BUGS) {
  test(`it is found when ${scenario.name}`, async (t) => {
    const found = await explore({ ...scenario, statesMax: 1_000_000 });
    t.diagnostic(
      `explored ${scenario.name}: ${found.violation?.way.length} steps to it; ${summaryOf(found)}`,
    );
    assert.match(found.violation?.what ?? 'nothing was found', promise);
  });
}

test('the same exploration twice is the same: collectors repeat themselves', async () => {
  const scenario = named('twice', { ...one, crashes: 1 });
  const [first, second] = [await explore(scenario), await explore(scenario)];
  assert.deepEqual({ ...first, seconds: 0 }, { ...second, seconds: 0 });
});
