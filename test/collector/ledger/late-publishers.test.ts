// A publisher that slept while others published its entry, swapped the partition and pruned what it had left:
// what it looks for is gone, and its table goes on. What was never published stops it as before.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFileCatalog } from '@sluice/collector/catalog/file-catalog.ts';
import type { ObjectStore, ReplayingWriter, TableConfig } from '@sluice/collector/contracts.ts';
import { ledgerKey } from '@sluice/collector/lake/object-keys.ts';
import { type FakeObjectStore, fakeObjectStore } from '../../support/fake-object-store.ts';
import { claims, seenOffsets, swapOf, upTo, windowOf, writerOn } from '../../support/lake-fixture.ts';
import { type ManualClock, manualClock, settle } from '../../support/manual-clock.ts';
import { pruneOn } from '../../support/pruned-lake.ts';
import { plainTable } from '../../support/written-lake.ts';

const table: TableConfig = { ...plainTable, name: 'claims', location: 'claims' };

/** Its requests to publish the window of offsets 3 and 4 wait until it wakes. */
function sleepy(store: ObjectStore) {
  const awake = Promise.withResolvers<void>();
  const asleep: ObjectStore = {
    ...store,
    async publish(from, ...rest) {
      if (from.includes('/w3-')) await awake.promise;
      return store.publish(from, ...rest);
    },
  };
  return { asleep, wake: awake.resolve };
}

interface Site {
  readonly store: FakeObjectStore;
  readonly clock: ManualClock;
  readonly writer: ReplayingWriter;
}

async function opened(): Promise<Site> {
  const [store, clock] = [fakeObjectStore(), manualClock()];
  const writer = writerOn(store, clock);
  await writer.load();
  await writer.open([{ ...claims, leaderEpoch: 0, start: 0, why: 'test' }]);
  await writer.commitWindow(windowOf(0, 3));
  return { store, clock, writer };
}

/** Another writer, which knows what is committed by now. */
async function sleeping({ store, clock }: Pick<Site, 'store' | 'clock'>) {
  const { asleep, wake } = sleepy(store);
  const late = writerOn(asleep, clock, createFileCatalog('sluice', store));
  await late.load();
  return { late, wake };
}

/** What the window of the sleeper has staged is gone, and nobody has published it. */
function loseStaged({ objects }: FakeObjectStore): void {
  for (const key of objects.keys()) if (key.startsWith('_sluice/staged/')) objects.delete(key);
}

const REMADE = [100, 101, 102];

test('a window that others published, moved and pruned meanwhile does not stop the one who wakes', async () => {
  const { store, clock, writer } = await opened();
  const { late, wake } = await sleeping({ store, clock });
  const committed = late.commitWindow(windowOf(3, 5));
  await settle();
  await writer.refresh();
  await clock.advance(6_000);
  await writer.flushPublished();
  const swap = await writer.swap(swapOf(store, { window: 1, carried: [2] }));
  await writer.flushPublished();
  const { deleted, entries } = await pruneOn(store, table, { clock });
  assert.deepEqual([deleted.objects, entries], [2, [swap]]);
  wake();
  await committed;
  assert.equal(late.status().state, 'ready');
  await late.commitWindow(windowOf(5, 6));
  assert.deepEqual(await seenOffsets(store), [3, 4, 5, ...REMADE]);
});

test('a swap that others published, followed by another and pruned does not stop the one who wakes', async () => {
  const { store, clock, writer } = await opened();
  await writer.commitWindow(windowOf(3, 5));
  await writer.flushPublished();
  const { late, wake } = await sleeping({ store, clock });
  const first = late.swap(swapOf(store, { window: 1, carried: [2], asOf: 1 }));
  await settle();
  await writer.refresh();
  await clock.advance(6_000);
  await writer.flushPublished();
  const next = swapOf(store, { window: 2, carried: [], id: 'r2', after: 4 });
  await writer.swap(next);
  await writer.flushPublished();
  const { deleted, kept } = await pruneOn(store, table, { clock });
  assert.deepEqual([deleted.objects, kept], [3, []]);
  wake();
  assert.equal(await first, 4);
  assert.equal(late.status().state, 'ready');
  await late.commitWindow(windowOf(5, 6));
  assert.deepEqual(await seenOffsets(store), [5, 100, 101]);
});

test('a collector that starts in the middle of it begins to work all the same', async () => {
  const { store, clock, writer } = await opened();
  writer.close();
  const dying = writerOn(sleepy(store).asleep, clock, createFileCatalog('sluice', store));
  await dying.load();
  dying.commitWindow(windowOf(3, 5)).catch(() => {});
  await settle();
  dying.close();
  const { asleep, wake } = sleepy(store);
  const starting = writerOn(asleep, clock, createFileCatalog('sluice', store));
  const loaded = starting.load();
  await settle();
  const other = writerOn(store, clock);
  await other.load();
  await other.swap(swapOf(store, { window: 1, carried: [2] }));
  await other.flushPublished();
  assert.equal((await pruneOn(store, table, { clock })).deleted.objects, 2);
  wake();
  await loaded;
  await starting.commitWindow(windowOf(5, 6));
  assert.deepEqual(await seenOffsets(store), [3, 4, 5, ...REMADE]);
});

test('what nobody ever published stops the table, whatever follows in the ledger', async () => {
  const { store, clock, writer } = await opened();
  const { late, wake } = await sleeping({ store, clock });
  const committed = late.commitWindow(windowOf(3, 5));
  await settle();
  await writer.refresh();
  await writer.open([{ ...claims, partition: 1, leaderEpoch: 0, start: 0, why: 'test' }]);
  loseStaged(store);
  wake();
  await assert.rejects(committed, { code: 'STORE_STAGED_MISSING' });
  assert.equal(late.status().state, 'halted');
});

test('an entry that does not follow the one before it proves nothing of what is published', async () => {
  const { store, clock } = await opened();
  const { late, wake } = await sleeping({ store, clock });
  const committed = late.commitWindow(windowOf(3, 5));
  await settle();
  const own = JSON.parse(String(store.objects.get(ledgerKey('claims', 2))));
  const { format, table: name, writer, writtenAt } = own;
  const stray = { format, table: name, sequence: 3, token: 't', previous: 'other', writer, writtenAt };
  const told = { ...stray, publishedThrough: 2, kind: 'published' };
  store.objects.set(ledgerKey('claims', 3), Buffer.from(`${JSON.stringify(told)}\n`));
  loseStaged(store);
  wake();
  await assert.rejects(committed, { code: 'STORE_STAGED_MISSING' });
  assert.deepEqual(await seenOffsets(store), upTo(3));
});
