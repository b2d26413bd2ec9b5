// `verify` holds each object to its entry: gone, other rows, other offsets, other bytes, or one too many.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parquetOf } from '../../support/parquet.ts';
import { byDay, findings, keysOf, written } from '../../support/verified-lake.ts';

test('an object that is gone is found by its key', async () => {
  const { lake, store } = await written();
  const [key = ''] = keysOf(store, 'claims/');
  store.objects.delete(key);
  assert.deepEqual(await findings(lake), [`${key}: the object is gone, or was never published`]);
});

test('an object with another number of rows is found by both numbers', async () => {
  const { lake, store } = await written();
  const [key = ''] = keysOf(store, 'claims/');
  store.objects.set(key, await parquetOf('SELECT 0 n, 0 _partition, 0::BIGINT _offset'));
  assert.match(
    (await findings(lake)).join('\n'),
    new RegExp(`${key}: it holds 1 rows and the ledger says 2`),
  );
});

test('an offset that is there twice, and one that no range holds, are found by their partition', async () => {
  const rows = (offsets: string) => `SELECT 0 n, 0 _partition, unnest([${offsets}])::BIGINT _offset`;
  for (const [offsets, what] of [
    ['0, 0', /entry 1: partition 0: 1 offsets are there more than once/],
    ['0, 9', /entry 1: partition 0: offsets 0 to 9 leave the range/],
    ['0, 1', /entry 1: partition 0: 1 offsets are there more than once/],
  ] as const) {
    const { lake, store } = await written();
    const [first = ''] = keysOf(store, 'claims/');
    store.objects.set(first, await parquetOf(rows(offsets)));
    assert.match((await findings(lake)).join('\n'), what, offsets);
  }
});

test('rows of a partition that the entry knows nothing of are found', async () => {
  const { lake, store } = await written();
  const [key = ''] = keysOf(store, 'claims/');
  store.objects.set(key, await parquetOf('SELECT 0 n, 7 _partition, unnest([0, 2])::BIGINT _offset'));
  assert.match((await findings(lake)).join('\n'), /partition 7: offsets 0 to 2 leave the range/);
});

test('an object whose bytes are another’s is found although its rows would do', async () => {
  const { lake, store } = await written();
  const [key = ''] = keysOf(store, 'claims/');
  store.objects.set(key, await parquetOf('SELECT 99 n, 0 _partition, unnest([0, 2])::BIGINT _offset'));
  assert.match(
    (await findings(lake)).join('\n'),
    new RegExp(`${key}: its bytes are not those that were committed`),
  );
});

test('an object that no entry names is found: readers would see its rows as well', async () => {
  const { lake, store } = await written(byDay);
  const [key = ''] = keysOf(store, 'claims/');
  const copy = key.replace('.parquet', '-copy.parquet');
  store.objects.set(copy, store.objects.get(key) ?? Buffer.alloc(0));
  assert.deepEqual(await findings(lake), [`${copy}: no entry names this object, and readers see it`]);
});
