// A swap moves whole partitions: until it is published readers see what was there, then all that is there
// now, and whatever others commit meanwhile or afterwards is seen once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LedgerSwap, ReplayingWriter, SwapCommit } from '@sluice/collector/contracts.ts';
import { CHECKPOINT_EVERY } from '@sluice/collector/ledger/checkpoint.ts';
import { CrashError, fakeObjectStore } from '../../support/fake-object-store.ts';
import { claims, seenOffsets, swapOf, upTo, windowOf, writerOn } from '../../support/lake-fixture.ts';
import { manualClock, settle } from '../../support/manual-clock.ts';

async function opened(clock = manualClock(), more: { readonly checkpointEvery?: number } = {}) {
  const store = fakeObjectStore();
  const writer = writerOn(store, clock, undefined, more);
  await writer.load();
  await writer.open([{ ...claims, leaderEpoch: 0, start: 0, why: 'test' }]);
  await writer.commitWindow(windowOf(0, 3));
  await writer.commitWindow(windowOf(3, 5));
  return { store, writer, clock };
}

/** Window 0 to 2 as offsets 100 to 102: what a corrected config might make of it. */
const REMADE = [100, 101, 102];

test('a swap is seen when it resolves: what was made again, and what was carried, each once', async () => {
  const { store, writer } = await opened();
  const sequence = await writer.swap(swapOf(store, { window: 1, carried: [2] }));
  assert.equal(sequence, 3);
  assert.deepEqual(await seenOffsets(store), [3, 4, ...REMADE]);
  assert.deepEqual([writer.position(claims), writer.acked(claims)], [5, 5]);
});

test('a window that is committed behind a swap goes to the new place, wherever it was staged for', async () => {
  const { store, writer, clock } = await opened();
  const other = writerOn(store, clock);
  await other.load();
  await writer.swap(swapOf(store, { window: 1, carried: [2] }));
  const committed = other.commitWindow(windowOf(5, 6));
  await clock.advance(6_000);
  await committed;
  await writer.refresh();
  await writer.commitWindow(windowOf(6, 8));
  assert.deepEqual(await seenOffsets(store), [3, 4, 5, 6, 7, ...REMADE]);
});

test('a checkpoint knows where partitions are', async () => {
  const { store, writer } = await opened(manualClock(), { checkpointEvery: 4 });
  await writer.swap(swapOf(store, { window: 1, carried: [2] }));
  for (let n = 5; n < 12; n++) await writer.commitWindow(windowOf(n, n + 1));
  const next = writerOn(store, undefined, undefined, { checkpointEvery: 4 });
  await next.load();
  await next.commitWindow(windowOf(12, 13));
  assert.deepEqual(await seenOffsets(store), [...upTo(13).slice(3), ...REMADE]);
  assert.ok(CHECKPOINT_EVERY > 4);
});

test('of two swaps that know of the same ones the second is void, also after a restart', async () => {
  const { store, writer } = await opened();
  const other = writerOn(store);
  await other.load();
  await writer.swap(swapOf(store, { window: 1, carried: [2] }));
  const late = swapOf(store, { window: 2, carried: [1], id: 'late' });
  await assert.rejects(other.swap(late), { code: 'REBUILD_OVERTAKEN' });
  const restarted = writerOn(store);
  await restarted.load();
  await assert.rejects(restarted.swap(late), { code: 'REBUILD_OVERTAKEN' });
  const replay = { ...windowOf(7, 8, 'r'), after: -1, replayed: [] };
  await assert.rejects(restarted.replay(replay), { code: 'REPLAY_OVERTAKEN' });
  assert.deepEqual(await seenOffsets(store), [3, 4, ...REMADE]);
});

test('a window that comes between the making and the entry is carried, and copied when it is published', async () => {
  const { store, writer } = await opened();
  const other = writerOn(store);
  await other.load();
  const swap = swapOf(store, { window: 1, carried: [2] });
  await other.commitWindow(windowOf(5, 6));
  await other.flushPublished();
  let asked = 0;
  const late: SwapCommit = {
    ...swap,
    propose() {
      asked++;
      return swapOf(store, { window: 1, carried: [2, 3], asOf: 2 }).propose();
    },
  };
  await writer.swap(late);
  assert.deepEqual(await seenOffsets(store), [3, 4, 5, ...REMADE]);
  assert.equal(asked, 1);
});

test('nothing behind a swap is published before it, and it waits for all before it', async () => {
  const { store, writer, clock } = await opened();
  const other = writerOn(store, clock);
  await other.load();
  let failing = true;
  store.faults = (op, key) =>
    failing && op === 'publish' && key.startsWith('claims/day=2026-01-01/w5') ? 'fails' : undefined;
  const window = writer.commitWindow(windowOf(5, 6));
  await settle();
  const swap = writer.swap(swapOf(store, { window: 1, carried: [2, 3], asOf: 2 }));
  await settle();
  await other.refresh();
  const behind = other.commitWindow(windowOf(6, 7));
  await settle();
  await clock.advance(4_000);
  assert.deepEqual(await seenOffsets(store), upTo(5));
  failing = false;
  await clock.advance(60_000);
  await Promise.all([window, swap, behind]);
  assert.deepEqual(await seenOffsets(store), [3, 4, 5, 6, ...REMADE]);
});

test('a swap waits for a window that its writer committed and left unpublished', async () => {
  const { store, writer, clock } = await opened();
  const other = writerOn(store, clock);
  await other.load();
  store.faults = (op, key) => (op === 'publish' && key.includes('/w5-') ? 'fails' : undefined);
  other.commitWindow(windowOf(5, 6)).catch(() => {});
  await settle();
  other.close();
  store.faults = () => undefined;
  const swap = writer.swap(swapOf(store, { window: 1, carried: [2, 3], asOf: 2 }));
  await settle();
  assert.deepEqual(await seenOffsets(store), upTo(5));
  await clock.advance(6_000);
  await swap;
  assert.deepEqual(await seenOffsets(store), [3, 4, 5, ...REMADE]);
});

test('a window waits for a swap before it that its writer committed and left unpublished', async () => {
  const { store, writer, clock } = await opened();
  const other = writerOn(store, clock);
  await other.load();
  store.faults = (op, key) => (op === 'createIfAbsent' && key.includes('.moved') ? 'fails' : undefined);
  writer.swap(swapOf(store, { window: 1, carried: [2] })).catch(() => {});
  await settle();
  writer.close();
  store.faults = () => undefined;
  const window = other.commitWindow(windowOf(5, 6));
  await settle();
  assert.ok(![...store.objects.keys()].some((key) => key.startsWith('claims') && key.includes('/w5-')));
  await clock.advance(6_000);
  await window;
  assert.deepEqual(await seenOffsets(store), [3, 4, 5, ...REMADE]);
});

for (const [step, operation, key] of [
  ['the entry', 'createIfAbsent', /ledger\/claims\/0+4\.json/],
  ['copying what came late', 'publish', /^claims\.rebuilt/],
  ['moving the partition', 'createIfAbsent', /catalog/],
] as const)
  for (const when of ['crash', 'crash after'] as const)
    test(`a crash ${when === 'crash' ? 'before' : 'after'} ${step} leaves the old rows or the new ones`, async () => {
      const { store, writer } = await opened();
      await writer.commitWindow(windowOf(5, 6));
      store.faults = (op, at) => (op === operation && key.test(at) ? when : undefined);
      const swap = writer.swap(swapOf(store, { window: 1, carried: [2, 3], asOf: 2 }));
      await swap.catch((error: unknown) => assert.ok(error instanceof CrashError));
      store.faults = () => undefined;
      const [old, now] = [upTo(6), [3, 4, 5, ...REMADE]];
      const left = await seenOffsets(store);
      assert.deepEqual(left, left.includes(100) ? now : old);
      const next = writerOn(store);
      await next.load();
      const isCommitted = step !== 'the entry' || when === 'crash after';
      assert.deepEqual(await seenOffsets(store), isCommitted ? now : old);
      await next.commitWindow(windowOf(6, 7));
      assert.deepEqual(await seenOffsets(store), isCommitted ? [3, 4, 5, 6, ...REMADE] : upTo(7));
    });

const wrong: readonly (readonly [string, (swap: LedgerSwap) => Partial<LedgerSwap>])[] = [
  ['has copied what is not written yet', () => ({ asOf: 9 })],
  ['names no window that there is', ({ windows }) => ({ windows: windows.map((w) => ({ ...w, entry: 9 })) })],
  ['names a window twice', ({ windows }) => ({ windows: [...windows, ...windows] })],
  ['makes other records than there were', ({ before }) => ({ before: { ...before, in: 2, emitted: 2 } })],
  ['moves a partition twice', ({ moves }) => ({ moves: [...moves, ...moves] })],
  ['has rows of no window', ({ windows }) => ({ windows: windows.map((w) => ({ ...w, rows: {} })) })],
  [
    'takes more than there is',
    ({ before }) => ({ before: { ...before, in: 3, emitted: 0, quarantined: 3 } }),
  ],
  [
    'names an object twice',
    ({ moves }) => ({ moves: moves.map((m) => ({ ...m, made: [...m.made, ...m.made] })) }),
  ],
];

for (const [what, change] of wrong)
  test(`a swap that ${what} is not written`, async () => {
    const { store, writer } = await opened();
    const swap = swapOf(store, { window: 1, carried: [2] });
    const changed = { ...swap, propose: () => ({ ...swap.propose(), ...change(swap.propose()) }) };
    await assert.rejects(writer.swap(changed), { code: 'ASSERTION_FAILED' });
    assert.deepEqual(await seenOffsets(store), upTo(5));
  });

test('a place is used once: a second swap of a partition moves it on, and the first one’s is left', async () => {
  const { store, writer } = await opened();
  await writer.swap(swapOf(store, { window: 1, carried: [2] }));
  const again: ReplayingWriter = writer;
  const same = swapOf(store, { window: 1, carried: [2], after: 3 });
  await assert.rejects(again.swap(same), { code: 'ASSERTION_FAILED', message: /is a place already/ });
});
