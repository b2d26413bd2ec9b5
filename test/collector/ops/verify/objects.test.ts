// `verify` tells where each object of an entry is: as committed, replaced, deleted, on its way, never
// published, or one too many.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WindowEntry } from '@sluice/collector/contracts.ts';
import { formatVerification } from '@sluice/collector/ops/verify/report.ts';
import { verify } from '@sluice/collector/ops/verify/verify.ts';
import type { FakeObjectStore } from '../../../support/fake-object-store.ts';
import { parquetOf } from '../../../support/parquet.ts';
import { byDay, findings, keysOf, written } from '../../../support/verified-lake.ts';

/** The last window's entry: nothing behind it says that it is published. */
function lastWindow(store: FakeObjectStore): WindowEntry {
  const key = keysOf(store, '_sluice/ledger/').at(-1) ?? '';
  return JSON.parse(String(store.objects.get(key))) as WindowEntry;
}

/** As a crash between entry and publication leaves it. */
function unpublish(store: FakeObjectStore, { outputs }: WindowEntry): void {
  for (const { stagedKey, finalKey } of outputs) {
    store.objects.set(stagedKey, store.objects.get(finalKey) ?? Buffer.alloc(0));
    store.objects.delete(finalKey);
  }
}

test('a deleted object is told from one never published, each with its own remedy', async () => {
  const { lake, store } = await written();
  const [first = ''] = keysOf(store, 'claims/');
  store.objects.delete(first);
  const last = lastWindow(store);
  unpublish(store, last);
  const nowMs = lake.options.nowMs + 600_001;
  for (const mode of ['shallow', 'deep'] as const) {
    const { findings: found } = await verify({ ...lake.options, nowMs }, mode);
    const [deleted, waiting] = found;
    assert.equal(found.length, 2);
    assert.equal(deleted?.code, 'OBJECT_DELETED');
    assert.match(deleted?.message ?? '', /the ledger says that entry 1 is published, and the object is gone/);
    assert.match(deleted?.remedy ?? '', /Put the object back/);
    assert.equal(waiting?.code, 'OBJECT_NOT_PUBLISHED');
    assert.equal(waiting?.place, last.outputs[0]?.finalKey);
    assert.match(
      waiting?.message ?? '',
      /entry 2 was committed at .* and was never published: .*_sluice\/staged\//,
    );
    assert.match(waiting?.remedy ?? '', /Start a collector/);
  }
});

test('what was committed a moment ago and is on its way is no finding, and no full proof', async () => {
  const { lake, store } = await written();
  unpublish(store, lastWindow(store));
  const found = await verify({ ...lake.options, nowMs: lake.options.nowMs + 600_000 }, 'deep');
  assert.deepEqual(found.findings, []);
  assert.match(
    formatVerification(found),
    /contiguous in the ledger\n {2}weaker proof: entry 2 is committed and still being published\n/,
  );
});

test('an object that is gone with its staged copy was published and deleted, even where the ledger does not say so', async () => {
  const { lake, store } = await written();
  const [output] = lastWindow(store).outputs;
  store.objects.delete(output?.finalKey ?? '');
  assert.match((await findings(lake)).join(), /^OBJECT_DELETED .*it is gone, and so is its staged copy/);
});

test('of an object that was deleted after it was published, a staged copy that still lies there is named', async () => {
  const { lake, store } = await written();
  const [, key = ''] = keysOf(store, '_sluice/ledger/');
  unpublish(store, JSON.parse(String(store.objects.get(key))) as WindowEntry);
  const found = await findings(lake);
  assert.match(found[0] ?? '', /^OBJECT_DELETED .*; a staged copy still lies at _sluice\/staged\/claims\//);
});

test('what is published between one question and the next is no finding', async () => {
  const { lake, store } = await written(byDay);
  const last = lastWindow(store);
  const [output] = last.outputs;
  const bytes = store.objects.get(output?.finalKey ?? '') ?? Buffer.alloc(0);
  store.objects.delete(output?.finalKey ?? '');
  const registrations = keysOf(store, '_sluice/catalog/sluice/claims/').map(
    (name) => [name, store.objects.get(name) ?? Buffer.alloc(0)] as const,
  );
  store.faults = (operation, key) => {
    if (operation !== 'head' || key !== output?.stagedKey) return undefined;
    store.objects.set(output.finalKey, bytes);
    for (const [name, registration] of registrations) store.objects.set(name, registration);
    return undefined;
  };
  assert.deepEqual(await findings(lake), []);
});

test('an object whose bytes are another’s is found although its rows would do, also where the store tells no truth', async () => {
  const { lake, store } = await written();
  const [key = ''] = keysOf(store, 'claims/');
  const right = store.objects.get(key) ?? Buffer.alloc(0);
  store.objects.set(key, await parquetOf('SELECT 99 n, 0 _partition, unnest([0, 2])::BIGINT _offset'));
  assert.match((await findings(lake)).join('\n'), new RegExp(`^OBJECT_REPLACED ${key}: it has`));
  const { head } = store;
  store.head = async (asked) => {
    const found = await head(asked);
    if (asked !== key) return found;
    store.objects.set('aside', right);
    return head('aside');
  };
  assert.deepEqual(await findings(lake, 'shallow'), []);
  assert.match(
    (await findings(lake)).join('\n'),
    new RegExp(`^OBJECT_REPLACED ${key}: its bytes have SHA-256`),
  );
});

test('an object that cannot be read is found, and the others of its table are judged', async () => {
  const { lake, store } = await written();
  const [first = '', second = ''] = keysOf(store, 'claims/');
  store.objects.set(first, Buffer.from('no Parquet'));
  store.objects.delete(second);
  const found = (await findings(lake)).join('\n');
  assert.match(found, new RegExp(`OBJECT_UNREADABLE ${first}: `));
  assert.match(found, new RegExp(`OBJECT_DELETED ${second}: `));
});

test('an object that no entry names is found: readers would see its rows as well', async () => {
  const { lake, store } = await written(byDay);
  const [key = ''] = keysOf(store, 'claims/');
  const copy = key.replace('.parquet', '-copy.parquet');
  store.objects.set(copy, store.objects.get(key) ?? Buffer.alloc(0));
  for (const mode of ['shallow', 'deep'] as const)
    assert.deepEqual(await findings(lake, mode), [
      `OBJECT_UNKNOWN ${copy}: no entry names this object, and readers see it`,
    ]);
});

test('a table that the catalog lacks is one finding, however many objects it has', async () => {
  const { lake, store } = await written();
  store.objects.delete('_sluice/catalog/sluice/claims.json');
  assert.deepEqual(await findings(lake), [
    'TABLE_NOT_CATALOGUED claims: the catalog does not have this table',
  ]);
});
