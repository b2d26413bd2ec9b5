// Several collectors on one table, without a word between them but the ledger: whoever needs an entry
// publishes it, what is swept is staged again, and an acknowledgement reaches the agent wherever it is
// connected.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TableWriter } from '@sluice/collector/contracts.ts';
import { hintKey, ledgerKey } from '@sluice/collector/lake/object-keys.ts';
import { type FakeObjectStore, fakeObjectStore } from '../../support/fake-object-store.ts';
import { claims, twoWriters, upTo, visible, windowOf, writerOn } from '../../support/lake-fixture.ts';
import { manualClock, settle } from '../../support/manual-clock.ts';

const COURTESY_MS = 5_000;
const SWEEPS_APART = 2;
const staged = (store: FakeObjectStore) =>
  [...store.objects.keys()].filter((key) => key.includes('/staged/'));

/** `writer` dies after its entry is written and before anything of it is published. */
async function commitAndDie(writer: TableWriter, store: FakeObjectStore, start: number, next: number) {
  store.faults = (op) => (op === 'publish' ? 'crash' : undefined);
  await assert.rejects(writer.commitWindow(windowOf(start, next, 'dead')));
  writer.close();
  store.faults = () => undefined;
}

test('another’s entry is left to it for five seconds, then published by whoever needs it', async () => {
  const store = fakeObjectStore();
  const clock = manualClock();
  const [one, other] = await twoWriters(store, clock);
  await commitAndDie(one, store, 0, 5);
  await other.refresh();
  await other.commitWindow(windowOf(5, 8));
  assert.deepEqual(visible(store), [5, 6, 7], 'one’s own is published at once');
  await clock.advance(COURTESY_MS - 1);
  assert.deepEqual(visible(store), [5, 6, 7]);
  assert.equal(other.acked(claims), 0, 'and not acknowledged before the one in front of it');
  await clock.advance(1);
  assert.deepEqual(visible(store), upTo(8));
  assert.equal(other.acked(claims), 8);
  assert.deepEqual(staged(store), []);
});

test('what a dead collector committed is published by one that only reads along', async () => {
  const store = fakeObjectStore();
  const clock = manualClock();
  const [one, other] = await twoWriters(store, clock);
  other.follow(true);
  await commitAndDie(one, store, 0, 5);
  const heard: number[] = [];
  other.onAcked(() => heard.push(other.acked(claims) ?? -1));
  await clock.advance(3_000 + COURTESY_MS);
  assert.deepEqual(visible(store), upTo(5));
  assert.deepEqual(heard, [5]);
});

test('an agent hears within seconds of what another collector committed and published', async () => {
  const store = fakeObjectStore();
  const clock = manualClock();
  const [one, other] = await twoWriters(store, clock);
  await one.commitWindow(windowOf(0, 5));
  await one.flushPublished();
  await clock.advance(3_000);
  assert.equal(other.acked(claims), 0, 'nobody waits for this table here');
  other.follow(true);
  await clock.advance(3_000);
  assert.equal(other.acked(claims), 5);
  other.follow(false);
  await one.commitWindow(windowOf(5, 8));
  await clock.advance(120_000);
  assert.equal(other.acked(claims), 8, 'it is looked at now and then all the same');
});

test('what is published is said in the ledger when nothing else is to be said for a while, once', async () => {
  const store = fakeObjectStore();
  const clock = manualClock();
  const [one, other] = await twoWriters(store, clock);
  await one.commitWindow(windowOf(0, 5));
  await clock.advance(600_000);
  assert.equal(one.status().lastSequence, 2);
  assert.equal(other.status().lastSequence, 2, 'of two collectors one says it');
  assert.equal(writerOn(store).status().publishedThrough, -1);
});

test('a partition begins where the first collector says it does, whatever the others resolved', async () => {
  const store = fakeObjectStore();
  const [one, other] = [writerOn(store), writerOn(store)];
  await Promise.all([one.load(), other.load()]);
  await one.open([{ ...claims, leaderEpoch: 0, start: 5_000, why: 'startAt: latest (table)' }]);
  await other.open([{ ...claims, leaderEpoch: 0, start: 6_000, why: 'startAt: latest (table)' }]);
  assert.deepEqual([one.position(claims), other.position(claims)], [5_000, 5_000]);
  assert.equal(other.status().lastSequence, 0);
});

test('two collectors that both publish one entry make one object of it', async () => {
  const store = fakeObjectStore();
  const clock = manualClock();
  const [one, other] = await twoWriters(store, clock);
  let slow = true;
  const wake = Promise.withResolvers<void>();
  const { publish } = store;
  store.publish = async (...asked) => {
    if (slow) await wake.promise;
    return publish(...asked);
  };
  const commit = one.commitWindow(windowOf(0, 5));
  await settle();
  slow = false;
  await other.flushPublished().catch(() => {});
  await other.refresh();
  await clock.advance(COURTESY_MS);
  assert.equal(other.acked(claims), 5, 'it did not wait for the one that is slow');
  wake.resolve();
  await commit;
  assert.equal(one.acked(claims), 5);
  const rows = store.created.filter((key) => key.startsWith('claims/'));
  assert.deepEqual([rows.length, visible(store)], [1, upTo(5)]);
});

test('a sweep names in the ledger what it removes, and leaves what is needed or new', async () => {
  const store = fakeObjectStore();
  const clock = manualClock();
  const [one, other] = await twoWriters(store, clock);
  await commitAndDie(one, store, 0, 5);
  const needed = staged(store);
  store.objects.set('_sluice/staged/claims/dead-1/0.parquet', Buffer.from('x'));
  await other.sweep();
  store.objects.set('_sluice/staged/claims/new-1/0.parquet', Buffer.from('x'));
  assert.equal(staged(store).length, needed.length + 2, 'seen once, nothing goes');
  await other.sweep();
  assert.deepEqual(staged(store).sort(), [...needed, '_sluice/staged/claims/new-1/0.parquet'].sort());
  const entry = JSON.parse(String(store.objects.get(ledgerKey('claims', 2)))) as { keys: string[] };
  assert.deepEqual(entry.keys, ['_sluice/staged/claims/dead-1/0.parquet']);
});

test('garbage is swept by itself, an hour or two after it came', async () => {
  const store = fakeObjectStore();
  const clock = manualClock();
  await twoWriters(store, clock);
  store.objects.set('_sluice/staged/claims/dead-1/0.parquet', Buffer.from('x'));
  await clock.advance(2 * 3_600_000);
  assert.deepEqual(staged(store), []);
});

test('a collector that slept through a sweep of its window stages again and commits what is there', async () => {
  const store = fakeObjectStore();
  const clock = manualClock();
  const [sleeper, other] = await twoWriters(store, clock);
  let asleep = true;
  const wake = Promise.withResolvers<void>();
  const { createIfAbsent } = store;
  store.createIfAbsent = async (key, body) => {
    if (asleep && key.includes('/ledger/') && String(body).includes('"windowId":"w0"')) await wake.promise;
    return createIfAbsent(key, body);
  };
  const commit = sleeper.commitWindow(windowOf(0, 5));
  await settle();
  const before = staged(store);
  assert.equal(before.length, 1);
  for (let i = 0; i < SWEEPS_APART; i++) await other.sweep();
  assert.deepEqual(staged(store), []);
  asleep = false;
  wake.resolve();
  await commit;
  assert.deepEqual(visible(store), upTo(5));
  assert.equal(sleeper.acked(claims), 5);
  assert.deepEqual(staged(store), []);
});

test('a deleted entry that is created again is not acted upon: nothing is visible twice, nothing acknowledged', async () => {
  const options = { checkpointEvery: 2 };
  const cases: readonly (readonly [string, readonly number[], string])[] = [
    ['entries stand behind it', [1], 'LEDGER_ENTRY_INVALID'],
    ['a checkpoint goes farther', [2, 3, 4], 'LEDGER_MISSING_ENTRY'],
    ['a checkpoint ends with it', [3, 4], 'LEDGER_ENTRY_INVALID'],
  ];
  for (const [what, gone, code] of cases) {
    const store = fakeObjectStore();
    const other = writerOn(store, undefined, undefined, options);
    await other.load();
    await other.open([{ ...claims, leaderEpoch: 0, start: 0, why: 'test' }]);
    const known = Math.min(...gone) - 1;
    for (let i = 0; i < known; i++) await other.commitWindow(windowOf(i, i + 1));
    const sleeper = writerOn(store, undefined, undefined, options);
    await sleeper.load();
    for (let i = known; i < 4; i++) await other.commitWindow(windowOf(i, i + 1));
    for (const sequence of gone) store.objects.delete(ledgerKey('claims', sequence));
    // What a sleeper may have put over it.
    store.objects.delete(hintKey('claims'));
    await assert.rejects(sleeper.commitWindow(windowOf(known, known + 1, 'sleeper')), { code }, what);
    assert.equal(sleeper.status().state, 'halted', what);
    assert.equal(sleeper.acked(claims), known, what);
    assert.deepEqual(visible(store), upTo(4), what);
  }
});

test('a gap that was recorded is filled by whoever still has it, visible once, and only while it is open', async () => {
  const store = fakeObjectStore();
  const clock = manualClock();
  const [one, other] = await twoWriters(store, clock);
  await one.gap([{ ...claims, leaderEpoch: 0, start: 0, next: 10, reason: 'retention' }]);
  await one.commitWindow(windowOf(10, 12));
  await other.fillWindow(windowOf(2, 6, 'fill'));
  assert.deepEqual(visible(store), [2, 3, 4, 5, 10, 11]);
  await assert.rejects(one.fillWindow(windowOf(5, 8, 'late')), { code: 'LEDGER_RANGE_CONFLICT' });
  await one.fillWindow(windowOf(6, 10, 'rest'));
  await clock.advance(COURTESY_MS);
  assert.deepEqual(visible(store), [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  assert.equal(one.acked(claims), 12);
});

test('behind what one collector has committed of a new log another commits nothing of the old one', async () => {
  const store = fakeObjectStore();
  const [one, other] = await twoWriters(store, manualClock());
  const inEpoch = (leaderEpoch: number, start: number, next: number) => {
    const window = windowOf(start, next);
    return { ...window, ranges: window.ranges.map((range) => ({ ...range, leaderEpoch })) };
  };
  await one.commitWindow(inEpoch(1, 0, 7));
  await other.refresh();
  await assert.rejects(other.commitWindow(inEpoch(0, 7, 9)), { code: 'LEDGER_RANGE_CONFLICT' });
  await assert.rejects(other.commitWindow(inEpoch(0, 7, 9)), /is at epoch 1 and the window is of epoch 0/);
  await other.commitWindow(inEpoch(1, 7, 8));
  await other.commitWindow(inEpoch(-1, 8, 9));
  await other.commitWindow(inEpoch(2, 9, 10));
  assert.equal(other.position(claims), 10);
  assert.deepEqual(visible(store), upTo(10));
});

test('a truncated log is recorded once, whoever says it, and the partition goes on from there', async () => {
  const store = fakeObjectStore();
  const clock = manualClock();
  const [one, other] = await twoWriters(store, clock);
  await one.commitWindow(windowOf(0, 5));
  const fork = { ...claims, leaderEpoch: 1, offset: 3, reason: 'unclean election' };
  await one.fork([fork]);
  await other.fork([fork]);
  assert.equal(one.position(claims), 3);
  assert.equal(other.status().lastSequence, 2);
  const window = windowOf(3, 6, 'again');
  await other.commitWindow({ ...window, ranges: window.ranges.map((r) => ({ ...r, leaderEpoch: 1 })) });
  assert.equal(other.position(claims), 6);
});
