// A table that somebody has to help waits, says so, and goes on by itself: soon after, and at once when told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PARKED_RETRY_MS_MAX, PARKED_RETRY_MS_MIN } from '@sluice/collector/ledger/condition.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { fakeObjectStore } from '../../support/fake-object-store.ts';
import { claims, windowOf, writerOn } from '../../support/lake-fixture.ts';
import { manualClock, settle } from '../../support/manual-clock.ts';

/** A window that may not be uploaded before `allow`; `tries` counts the attempts. */
async function denied() {
  const store = fakeObjectStore();
  const clock = manualClock();
  const writer = writerOn(store, clock);
  await writer.load();
  await writer.open([{ ...claims, leaderEpoch: 0, start: 0, why: 'test' }]);
  const { stage } = store;
  const at = { tries: 0, allowed: false };
  store.stage = (...args) => {
    at.tries++;
    return at.allowed ? stage(...args) : Promise.reject(new SluiceError('STORE_DENIED', 's3:PutObject'));
  };
  const states: string[] = [];
  writer.onStateMoved(() => states.push(writer.status().state));
  const commit = writer.commitWindow(windowOf(0, 5));
  await settle();
  return { writer, clock, at, states, commit };
}

test('a table without permission is parked, says why and since when, and goes on by itself', async () => {
  const { writer, clock, at, states, commit } = await denied();
  const sinceMs = clock.wallMs();
  await clock.advance(90_000);
  assert.equal(writer.status().state, 'parked');
  assert.equal(writer.status().sinceMs, sinceMs);
  assert.match(writer.status().reason ?? '', /s3:PutObject/);
  at.allowed = true;
  await clock.advance(PARKED_RETRY_MS_MAX);
  await commit;
  assert.equal(writer.status().state, 'ready');
  assert.deepEqual(states, ['parked', 'ready']);
});

test('a parked table is tried ever more rarely, between its bounds, and never at the same beat as others', async () => {
  const { clock, at } = await denied();
  const waits: number[] = [];
  for (let tries = at.tries, waited = 0; waits.length < 12; waited += 100) {
    await clock.advance(100);
    if (at.tries === tries) continue;
    waits.push(waited);
    [tries, waited] = [at.tries, 0];
  }
  for (const [i, waitMs] of waits.entries()) {
    const longest = Math.min(PARKED_RETRY_MS_MIN * 2 ** i, PARKED_RETRY_MS_MAX);
    assert.ok(waitMs >= longest / 2 - 200 && waitMs <= longest, `wait ${i} took ${waitMs}`);
  }
  assert.ok(new Set(waits.slice(6)).size > 3, `${waits}`);
});

test('a parked table is tried at once when somebody says so', async () => {
  const { writer, clock, at, commit } = await denied();
  await clock.advance(300_000);
  const { tries } = at;
  writer.retryNow();
  await settle();
  assert.equal(at.tries, tries + 1);
  at.allowed = true;
  writer.retryNow();
  await commit;
  assert.equal(writer.status().state, 'ready');
});
