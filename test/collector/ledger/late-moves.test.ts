// A move of an earlier rebuild that reaches Glue when a later one has moved the partition on shows older
// rows: whoever writes the table puts it back, and nothing else that it finds.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createGlueCatalog } from '@sluice/collector/catalog/glue-catalog.ts';
import type { Catalog } from '@sluice/collector/contracts.ts';
import { ledgerKey } from '@sluice/collector/lake/object-keys.ts';
import { eventually } from '../../support/eventually.ts';
import { type FakeGlueServer, startFakeGlueServer } from '../../support/fake-glue-server.ts';
import { type FakeObjectStore, fakeObjectStore } from '../../support/fake-object-store.ts';
import { claims, swapOf, windowOf, writerOn } from '../../support/lake-fixture.ts';
import { manualClock, settle } from '../../support/manual-clock.ts';

before(() => {
  process.env['AWS_ACCESS_KEY_ID'] = 'test';
  process.env['AWS_SECRET_ACCESS_KEY'] = 'test';
});

after(() => {
  delete process.env['AWS_ACCESS_KEY_ID'];
  delete process.env['AWS_SECRET_ACCESS_KEY'];
});

interface Lake {
  readonly store: FakeObjectStore;
  readonly glue: FakeGlueServer;
  readonly catalog: Catalog;
}

async function lakeOnGlue(t: { after(done: () => Promise<void>): void }): Promise<Lake> {
  const glue = await startFakeGlueServer();
  const store = fakeObjectStore();
  const { endpoint } = glue;
  const catalog = createGlueCatalog({ database: 'sluice', region: 'us-east-1', endpoint, store });
  t.after(() => {
    catalog.close();
    return glue.stop();
  });
  return { store, glue, catalog };
}

/** Two rebuilds; the first one's request is still under way, and the partition lies where the second says. */
async function rebuiltTwice({ store, glue, catalog }: Lake, clock = manualClock()) {
  const writer = writerOn(store, clock, catalog);
  await writer.load();
  await writer.open([{ ...claims, leaderEpoch: 0, start: 0, why: 'test' }]);
  await writer.commitWindow(windowOf(0, 3));
  let updates = 0;
  glue.fault = (action) => (action === 'BatchUpdatePartition' && updates++ === 0 ? 'late' : undefined);
  const first = await writer.swap(swapOf(store, { window: 1, carried: [], id: 'r1' }));
  await writer.swap(swapOf(store, { window: 1, carried: [], id: 'r2', after: first }));
  return { writer, clock };
}

const placesOf = async ({ catalog }: Lake) =>
  (await catalog.partitions('claims')).map(({ location }) => location.split('/')[1]);
const put = (lake: Lake, to: string) =>
  eventually(`the partition lies in ${to}`, async () => (await placesOf(lake)).join() === to);

test('a late move is undone by the next look of a writer, which says so', async (t) => {
  const lake = await lakeOnGlue(t);
  const { clock, writer } = await rebuiltTwice(lake);
  lake.glue.arrive();
  assert.deepEqual(await placesOf(lake), ['r1'], 'as Glue does it: the last request counts');
  await writer.commitWindow(windowOf(3, 5));
  await clock.advance(45 * 60_000);
  await put(lake, 'r2');
  assert.ok([...lake.store.objects.keys()].some((key) => /^claims\.rebuilt\/r2\/.*w3-0/.test(key)));
});

test('a late move is undone at once by whoever is told to try now, also by a collector that came later', async (t) => {
  const lake = await lakeOnGlue(t);
  await rebuiltTwice(lake);
  lake.glue.arrive();
  const later = writerOn(lake.store, manualClock(), lake.catalog);
  await later.load();
  later.retryNow();
  await put(lake, 'r2');
});

test('a partition that stands where it belongs is not written, and one that is gone is not made anew', async (t) => {
  const lake = await lakeOnGlue(t);
  const { writer } = await rebuiltTwice(lake);
  const asked = (action: string) => lake.glue.calls.filter((call) => call.action === action).length;
  const writes = () => [asked('BatchUpdatePartition'), asked('BatchCreatePartition')];
  const before = writes();
  writer.retryNow();
  await eventually('it has looked', () => asked('BatchGetPartition') === 3);
  lake.glue.databases.get('sluice')?.get('claims')?.partitions.clear();
  writer.retryNow();
  // What is not returned is asked for twice.
  await eventually('it has looked again', () => asked('BatchGetPartition') === 5);
  for (let i = 0; i < 3; i++) await placesOf(lake);
  assert.deepEqual(writes(), before);
  assert.deepEqual(await placesOf(lake), []);
});

test('a writer that is behind reads on before it looks', async (t) => {
  const lake = await lakeOnGlue(t);
  const { writer } = await rebuiltTwice(lake);
  const behind = writerOn(lake.store, manualClock(), lake.catalog);
  await behind.load();
  await writer.swap(swapOf(lake.store, { window: 1, carried: [], id: 'r3', after: 3 }));
  // Dropped by a hand and registered again where it lies: its number is not there any more.
  const partitions = lake.glue.databases.get('sluice')?.get('claims')?.partitions;
  for (const partition of partitions?.values() ?? []) partition['Parameters'] = {};
  behind.retryNow();
  await behind.refresh();
  for (let i = 0; i < 5; i++) await placesOf(lake);
  assert.deepEqual(await placesOf(lake), ['r3']);
});

test('a table that is halted moves nothing: it does not know what a newer collector has written', async (t) => {
  const lake = await lakeOnGlue(t);
  const { clock, writer } = await rebuiltTwice(lake);
  const { lastSequence } = writer.status();
  const last = String(lake.store.objects.get(ledgerKey('claims', lastSequence)));
  const newer = Buffer.from(last.replace('"format":1', '"format":3'));
  lake.store.objects.set(ledgerKey('claims', lastSequence + 1), newer);
  await assert.rejects(writer.refresh(), { code: 'LEDGER_FORMAT_NEWER' });
  lake.glue.arrive();
  writer.retryNow();
  await clock.advance(45 * 60_000);
  for (let i = 0; i < 5; i++) await placesOf(lake);
  assert.deepEqual(await placesOf(lake), ['r1']);
});

test('a look that crosses a later rebuild leaves alone what that has moved', async (t) => {
  const lake = await lakeOnGlue(t);
  const { writer } = await rebuiltTwice(lake);
  await writer.swap(swapOf(lake.store, { window: 1, carried: [], id: 'r3', after: 3 }));
  const definition = (await lake.catalog.tables()).find(({ name }) => name === 'claims') ?? assert.fail();
  const place = { values: ['2026-01-01'], key: 'claims.rebuilt/r2/day=2026-01-01/' };
  assert.equal(await lake.catalog.putBackPartitions(definition, [place], 3), 0);
  assert.deepEqual(await placesOf(lake), ['r3']);
});

test('a move of a swap that is not published yet is not made early', async (t) => {
  const lake = await lakeOnGlue(t);
  const { writer } = await rebuiltTwice(lake);
  await writer.commitWindow(windowOf(3, 5));
  lake.store.faults = (op, key) =>
    op === 'publish' && key.startsWith('claims.rebuilt/r3') ? 'fails' : undefined;
  const late = swapOf(lake.store, { window: 1, carried: [4], asOf: 1, id: 'r3', after: 3 });
  writer.swap(late).catch(() => {});
  await eventually('the swap waits', () => writer.status().state !== 'ready');
  const { length } = lake.glue.calls;
  writer.retryNow();
  await settle();
  assert.deepEqual([lake.glue.calls.length, await placesOf(lake)], [length, ['r2']]);
  writer.close();
});

test('a Glue that refuses the look harms nothing, and the next look puts the partition back', async (t) => {
  const lake = await lakeOnGlue(t);
  const { clock, writer } = await rebuiltTwice(lake);
  lake.glue.arrive();
  let denied = 0;
  lake.glue.fault = (action) => (action === 'BatchGetPartition' && ++denied > 0 ? 'denied' : undefined);
  writer.retryNow();
  await eventually('it was refused', () => denied === 1);
  await writer.commitWindow(windowOf(3, 5));
  assert.equal(writer.status().state, 'ready');
  lake.glue.fault = () => undefined;
  await clock.advance(45 * 60_000);
  await put(lake, 'r2');
});
