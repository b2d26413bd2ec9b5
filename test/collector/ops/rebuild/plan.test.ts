// What one entry, and one checkpoint, may name is bounded before anything is read or made: of entries alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CommitEntry } from '@sluice/collector/contracts.ts';
import { emptyFold } from '@sluice/collector/ledger/fold.ts';
import { PLACES_MAX, planOf } from '@sluice/collector/ops/rebuild/plan.ts';
import { commitOf, walked } from '../../../support/commit-entries.ts';

const WINDOWS_MAX = 10_000;

const windowOf = (sequence: number, day = 'a') => commitOf(sequence, { days: [day], bytes: 1, rows: 1 });

const planned = (windows: readonly CommitEntry[], toMs?: number, fold = emptyFold('claims')) =>
  planOf(fold, walked(windows), { fromMs: undefined, toMs, isThere: () => true });

test('10,000 windows are made again by one entry, and of one more it says which bound is met', async () => {
  const windows = Array.from({ length: WINDOWS_MAX + 1 }, (_, n) => windowOf(n));
  await assert.rejects(planned(windows), {
    code: 'REBUILD_TOO_LARGE',
    message: 'it would put 10001 windows into one ledger entry, which may name 10000',
    place: 'claims',
  });
  const { windows: taken } = await planned(windows, WINDOWS_MAX);
  assert.equal(taken.length, WINDOWS_MAX);
});

test('partitions that were ever moved are as many as a checkpoint may name', async () => {
  const fold = emptyFold('claims');
  for (let n = 0; n < PLACES_MAX - 1; n++) fold.places.set(`rows\u0000old-${n}`, 'claims.rebuilt/r/');
  const two = [windowOf(0, 'a'), windowOf(1, 'b')];
  await assert.rejects(planned(two, undefined, fold), {
    code: 'REBUILD_TOO_LARGE',
    message: 'it would put 100001 moved partitions into one checkpoint, which may name 100000',
  });
  const { places } = await planned(two, 1, fold);
  assert.deepEqual([...places.keys()], ['rows\u0000a']);
});
