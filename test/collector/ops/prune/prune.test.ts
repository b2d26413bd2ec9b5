// What may be deleted, and what may not: told from ledger and catalog, whatever the hour. Objects of the
// fixture spell their offsets.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFileCatalog } from '@sluice/collector/catalog/file-catalog.ts';
import type { ObjectStore, ReplayingWriter, TableConfig } from '@sluice/collector/contracts.ts';
import { LakeReader } from '@sluice/collector/ops/lake-reader.ts';
import { leftBehind } from '@sluice/collector/ops/prune/left-places.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { CrashError, type FakeObjectStore, fakeObjectStore } from '../../../support/fake-object-store.ts';
import { claims, swapOf, windowOf, writerOn } from '../../../support/lake-fixture.ts';
import { type ManualClock, manualClock, settle } from '../../../support/manual-clock.ts';
import { pruneOn } from '../../../support/pruned-lake.ts';
import { seededRandom } from '../../../support/seeded-random.ts';
import { plainTable } from '../../../support/written-lake.ts';

const table: TableConfig = { ...plainTable, name: 'claims', location: 'claims' };
const OLD = ['claims/day=2026-01-01/w0-0.parquet', 'claims/day=2026-01-01/w3-0.parquet'];
const HOUR_MS = 3_600_000;

interface Site {
  readonly store: FakeObjectStore;
  readonly clock: ManualClock;
  readonly writer: ReplayingWriter;
}

/** Two windows, entries 1 and 2, swapped by entry 3; the ledger says that this is published. */
async function swapped(): Promise<Site> {
  const [store, clock] = [fakeObjectStore(), manualClock()];
  const writer = writerOn(store, clock);
  await writer.load();
  await writer.open([{ ...claims, leaderEpoch: 0, start: 0, why: 'test' }]);
  await writer.commitWindow(windowOf(0, 3));
  await writer.commitWindow(windowOf(3, 5));
  await writer.swap(swapOf(store, { window: 1, carried: [2] }));
  await writer.flushPublished();
  return { store, clock, writer };
}

const again = async ({ writer, store }: Site, id: string, after = 3) => {
  const entry = await writer.swap(swapOf(store, { window: 1, carried: [], id, after }));
  await writer.flushPublished();
  return entry;
};

const oldOf = ({ store }: Site) => OLD.filter((key) => store.objects.has(key));
const below = ({ store }: Site, prefix: string) =>
  [...store.objects.keys()].filter((key) => key.startsWith(prefix));

test('what a swap left is deleted, and nothing else', async () => {
  const site = await swapped();
  const before = new Set(site.store.objects.keys());
  const pruned = await pruneOn(site.store, table, site);
  assert.deepEqual(pruned.deleted, { objects: 2, bytes: 8 });
  assert.deepEqual([pruned.entries, pruned.places, pruned.kept], [[3], 1, []]);
  assert.deepEqual(before.difference(new Set(site.store.objects.keys())), new Set(OLD));
  assert.equal((await pruneOn(site.store, table, site)).deleted.objects, 0);
});

test('a dry run says the same and deletes nothing', async () => {
  const site = await swapped();
  const before = [...site.store.objects.keys()];
  const { left, deleted } = await pruneOn(site.store, table, { ...site, dryRun: true });
  assert.deepEqual([left.objects, deleted.objects], [2, 0]);
  assert.deepEqual([...site.store.objects.keys()], before);
});

test('of several swaps every place that was left goes, but for what no swap has taken along', async () => {
  const site = await swapped();
  await again(site, 'r2');
  await site.writer.commitWindow(windowOf(5, 6));
  const { entries, deleted } = await pruneOn(site.store, table, site);
  assert.deepEqual([entries, deleted.objects], [[3, 5], 3]);
  // As `verify` finds it: readers do not see it, and its rows are nowhere else.
  assert.deepEqual(below(site, 'claims.rebuilt/r/'), ['claims.rebuilt/r/day=2026-01-01/w3-0.parquet']);
  assert.equal(below(site, 'claims.rebuilt/r2/').length, 2);
});

test('what was told to be left too short a time ago stays, however long ago the swap was written', async () => {
  const site = await swapped();
  const { store, clock, writer } = site;
  store.faults = (op, key) => (op === 'publish' && key.startsWith('claims.rebuilt/r2') ? 'fails' : undefined);
  await writer.commitWindow(windowOf(5, 6));
  writer.swap(swapOf(store, { window: 1, carried: [5], asOf: 1, id: 'r2', after: 3 })).catch(() => {});
  await settle();
  await clock.advance(2 * HOUR_MS);
  store.faults = () => undefined;
  await clock.advance(60_000);
  await writer.flushPublished();
  const call = { clock, olderThanMs: HOUR_MS };
  const { left, younger } = await pruneOn(store, table, call);
  assert.deepEqual([left.objects, younger.objects], [2, 2]);
  await clock.advance(HOUR_MS);
  assert.deepEqual((await pruneOn(store, table, call)).deleted.objects, 2);
});

test('what a swap leaves stays until the ledger says that it is published', async () => {
  const site = await swapped();
  const { store, clock, writer } = site;
  store.faults = (op, key) => (op === 'createIfAbsent' && key.includes('.moved/') ? 'fails' : undefined);
  writer.swap(swapOf(store, { window: 1, carried: [], id: 'r2', after: 3 })).catch(() => {});
  await settle();
  const { kept, deleted } = await pruneOn(store, table, { clock });
  assert.deepEqual(
    [deleted.objects, oldOf(site).length],
    [0, 2],
    'its partition is not where the ledger says',
  );
  assert.match(
    kept[0]?.why ?? '',
    /the catalog has this partition at claims.rebuilt\/r\/.*, and the ledger at/,
  );
  assert.match(
    kept[1]?.why ?? '',
    /entry 5, by which it was left, is not told to be published yet: whoever writes the table/,
  );
  writer.close();
});

test('where the catalog has a partition elsewhere, or not at all, all that it left stays', async () => {
  for (const [location, why] of [
    [
      'claims/day=2026-01-01/',
      /at claims\/day=2026-01-01\/, and the ledger at .*: a running collector puts it back/,
    ],
    [undefined, /the catalog does not have this partition/],
  ] as const) {
    const site = await swapped();
    const catalog = {
      ...createFileCatalog('sluice', site.store),
      partitions: async () => (location === undefined ? [] : [{ values: ['2026-01-01'], location }]),
    };
    const { kept, left, deleted } = await pruneOn(site.store, table, { ...site, catalog });
    assert.deepEqual([left.objects, deleted.objects, oldOf(site).length], [0, 0, 2]);
    assert.match(kept[0]?.why ?? '', why);
  }
});

test('one that dies halfway is called again, and goes on with what is still there', async () => {
  const site = await swapped();
  const { store, clock } = site;
  const dying: ObjectStore = {
    ...store,
    async remove([first = '']) {
      await store.remove([first]);
      throw new CrashError('killed');
    },
  };
  await assert.rejects(pruneOn(dying, table, { clock }), CrashError);
  assert.equal(oldOf(site).length, 1);
  assert.equal((await pruneOn(store, table, site)).deleted.objects, 1);
  assert.deepEqual(oldOf(site), []);
});

test('a role that may not delete is told by name, with the key', async () => {
  const site = await swapped();
  const denied: ObjectStore = {
    ...site.store,
    remove: ([key = '']) =>
      Promise.reject(new SluiceError('STORE_DENIED', 's3:DeleteObject', { place: key })),
  };
  await assert.rejects(pruneOn(denied, table, site), (error) => {
    assert.ok(error instanceof SluiceError);
    assert.deepEqual([error.code, error.place], ['PRUNE_DENIED', OLD[0]]);
    assert.match(error.message, /0 of 2 objects of claims were deleted before/);
    return true;
  });
});

test('a copy that arrives behind a prune is deleted by the next one', async () => {
  const site = await swapped();
  await pruneOn(site.store, table, site);
  site.store.objects.set(OLD[0] ?? '', Buffer.from('0,1,2'));
  assert.deepEqual((await pruneOn(site.store, table, site)).deleted, { objects: 1, bytes: 5 });
});

const DEAD = 'claims.rebuilt/dead/day=2026-01-01/dead-1-0.parquet';

test('what no entry names is dead when a later swap came and it is unnamed still', async () => {
  const site = await swapped();
  const { store } = site;
  store.objects.set(DEAD, Buffer.from('1'));
  const seen = async () => {
    const { dead, open } = await pruneOn(store, table, site);
    return [dead.objects, open.objects];
  };
  assert.deepEqual(await seen(), [0, 1]);
  assert.deepEqual(await seen(), [0, 1], 'its maker may append still');
  await again(site, 'r2');
  const young = 'claims.rebuilt/r9/day=2026-01-01/r9-1-0.parquet';
  store.objects.set(young, Buffer.from('1'));
  assert.deepEqual(await seen(), [1, 1]);
  assert.deepEqual([store.objects.has(DEAD), store.objects.has(young)], [false, true]);
});

test('what is made while a prune looks is not dead to the next one, whatever swap came meanwhile', async () => {
  const site = await swapped();
  const young = 'claims.rebuilt/r9/day=2026-01-01/r9-1-0.parquet';
  let begun: Promise<unknown> | undefined;
  const store: ObjectStore = {
    ...site.store,
    async *list(prefix, ...after) {
      // Its maker has read the swap that is appended here, and may append behind it for hours.
      if (prefix === 'claims.rebuilt/')
        begun ??= again(site, 'r2').then(() => site.store.objects.set(young, Buffer.from('1')));
      await begun;
      yield* site.store.list(prefix, ...after);
    },
  };
  assert.equal((await pruneOn(store, table, site)).open.objects, 1);
  const { dead, open } = await pruneOn(site.store, table, site);
  assert.deepEqual([dead.objects, open.objects, site.store.objects.has(young)], [0, 1, true]);
});

test('no more is held than what lies where no partition is, however much stands', async () => {
  const site = await swapped();
  for (let n = 5; n < 25; n++) await site.writer.commitWindow(windowOf(n, n + 1));
  for (let n = 0; n < 20; n++)
    site.store.objects.set(`claims/day=2026-01-02/w${n}-0.parquet`, Buffer.from('1'));
  const stands = site.store.objects.size - OLD.length;
  const { more, deleted } = await pruneOn(site.store, table, { ...site, lyingMax: OLD.length });
  assert.deepEqual([more, deleted.objects, oldOf(site).length], [false, OLD.length, 0]);
  assert.equal(site.store.objects.size, stands);
});

test('what is more than may be held is said, and met by the next one', async () => {
  const site = await swapped();
  const call = { ...site, lyingMax: 1 };
  for (const [more, left] of [
    [true, 1],
    [false, 0],
  ] as const) {
    const pruned = await pruneOn(site.store, table, call);
    assert.deepEqual([pruned.more, pruned.deleted.objects, oldOf(site).length], [more, 1, left]);
  }
});

test('of all keys of a ledger those are kept that are asked about', async () => {
  const { store, clock } = await swapped();
  const [, asked = ''] = OLD;
  const catalog = createFileCatalog('sluice', store);
  const reader = new LakeReader({ store, catalog, scratch: '', clock, random: seededRandom(1) });
  const { fold } = await reader.ledger('claims');
  const entries = () => reader.entries('claims');
  const about = { entries, swaps: entries, isAsked: (key: string) => key === asked };
  const { places, named } = await leftBehind(fold, { ...about, isAskedOf: () => true });
  assert.deepEqual([[...named], places.flatMap(({ keys }) => keys)], [[asked], [asked]]);
  // Without the swaps of its partition it stands: nothing becomes dead because something was not kept.
  const unmoved = await leftBehind(fold, { ...about, isAskedOf: () => false });
  assert.equal(unmoved.places.flatMap(({ keys }) => keys).length, 0);
});

test('what was unnamed and is named by now stands, whatever a prune saw before', async () => {
  const site = await swapped();
  const { store, writer } = site;
  const swap = swapOf(store, { window: 1, carried: [], id: 'r2', after: 3 });
  swap.propose();
  assert.equal((await pruneOn(store, table, site)).open.objects, 1);
  await writer.swap(swap);
  await writer.flushPublished();
  const { dead } = await pruneOn(store, table, site);
  assert.equal(dead.objects, 0);
  assert.equal(below(site, 'claims.rebuilt/r2/').length, 1);
});

test('what another table of the catalog may show is never taken for dead', async () => {
  const site = await swapped();
  const { store } = site;
  store.objects.set(DEAD, Buffer.from('1'));
  await pruneOn(store, table, site);
  await again(site, 'r2');
  const plain = createFileCatalog('sluice', store);
  const [claimsTable] = await plain.tables();
  assert.ok(claimsTable);
  const two = { ...plain, tables: async () => [claimsTable, { ...claimsTable, name: 'claims_of_old' }] };
  const shown = {
    ...plain,
    partitions: async () => [{ values: ['x'], location: DEAD.replace(/[^/]*$/, '') }],
  };
  for (const catalog of [two, shown]) {
    await pruneOn(store, table, { ...site, catalog, dryRun: true }).then(({ dead }) =>
      assert.equal(dead.objects, 0),
    );
  }
  assert.equal((await pruneOn(store, table, site)).dead.objects, 1);
});

test('what no entry names where readers look stays: `verify` tells it', async () => {
  const site = await swapped();
  const { store } = site;
  const stray = 'claims.rebuilt/r/day=2026-01-01/stray.parquet';
  store.objects.set(stray, Buffer.from('1'));
  const { dead, open } = await pruneOn(store, table, site);
  assert.deepEqual([dead.objects, open.objects, store.objects.has(stray)], [0, 0, true]);
});

/** As a prune before the swap leaves it. */
const remember = ({ store }: Site, key: string) =>
  store.objects.set(
    '_sluice/unnamed/claims.json',
    Buffer.from(JSON.stringify({ format: 1, table: 'claims', lastRerun: -1, keys: [key] })),
  );

test('what was seen unnamed where a partition is by now stays, as the ledger or the catalog has it', async () => {
  const inLedger = 'claims.rebuilt/r/day=2026-01-01/';
  const inCatalog = 'claims.rebuilt/dead/day=2026-01-01/';
  for (const [at, seen] of [
    [inLedger, inCatalog],
    [inCatalog, inCatalog],
  ] as const) {
    const site = await swapped();
    const stray = `${at}stray.parquet`;
    site.store.objects.set(stray, Buffer.from('1'));
    remember(site, stray);
    const catalog = {
      ...createFileCatalog('sluice', site.store),
      partitions: async () => [{ values: ['2026-01-01'], location: seen }],
    };
    const { dead } = await pruneOn(site.store, table, { ...site, catalog });
    assert.deepEqual([dead.objects, site.store.objects.has(stray)], [0, true], at);
  }
});

test('a catalog that does not have the table, as of another database, proves nothing unseen', async () => {
  const site = await swapped();
  const { store } = site;
  store.objects.set(DEAD, Buffer.from('1'));
  remember(site, DEAD);
  const other = createFileCatalog('other', store);
  const { dead, open, deleted } = await pruneOn(store, table, { ...site, catalog: other });
  assert.deepEqual([dead.objects, open.objects, deleted.objects], [0, 1, 0]);
  assert.ok(store.objects.has(DEAD));
  remember(site, DEAD);
  assert.equal((await pruneOn(store, table, site)).dead.objects, 1);
});

test('of what a prune saw nothing is believed that cannot be understood', async () => {
  for (const text of [
    'no JSON',
    '{"format":2}',
    `{"format":1,"table":"other","lastRerun":-1,"keys":["${DEAD}"]}`,
  ]) {
    const site = await swapped();
    site.store.objects.set('_sluice/unnamed/claims.json', Buffer.from(text));
    site.store.objects.set(DEAD, Buffer.from('1'));
    const { dead, open } = await pruneOn(site.store, table, site);
    assert.deepEqual([dead.objects, open.objects], [0, 1], text);
  }
});
