// `verify` finds every kind of fault by its place, and says in weaker words what it could not see.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { formatVerification, verify } from '@sluice/collector/ops/verify.ts';
import { createTransformer } from '@sluice/collector/transform/transformer.ts';
import { type FakeObjectStore, fakeObjectStore } from '../../support/fake-object-store.ts';
import { parquetOf } from '../../support/parquet.ts';
import { createWrittenLake, plainTable, type WrittenLake } from '../../support/written-lake.ts';

const transformer = createTransformer({ memoryBytesMax: 128e6, threads: 1 });
after(() => transformer.close());

const columns = [{ name: 'n', type: 'int' }];
const byDay: Partial<TableConfig> = { partitionBy: [{ kind: 'ingest', by: 'day', column: 'day' }] };

/** Two windows: offsets 0 to 2 with one bad record, and 3 to 4. */
async function written(
  change: Partial<TableConfig> = {},
): Promise<{ lake: WrittenLake; store: FakeObjectStore }> {
  const store = fakeObjectStore();
  const lake = await createWrittenLake(transformer, store, [{ ...plainTable, columns, ...change }]);
  await lake.write('claims', ['{"n":0}', '{"n":"x"}', '{"n":2}']);
  await lake.write('claims', ['{"n":3}', '{"n":4}']);
  return { lake, store };
}

async function findings(lake: WrittenLake): Promise<string[]> {
  const { findings: found } = await verify(lake.options);
  return found.map(({ place, what }) => `${place}: ${what}`);
}

/** In the order they came. */
const keysOf = (store: FakeObjectStore, prefix: string) =>
  store.created.filter((key) => key.startsWith(prefix) && store.objects.has(key));

for (const output of [
  { kind: 'parquet', compression: 'zstd' },
  { kind: 'csv', compression: 'gzip' },
  { kind: 'json', compression: 'none' },
] as const) {
  test(`a lake as it was written has no finding: ${output.kind}`, async () => {
    const { lake } = await written({ output, ...byDay });
    const { tables, findings: found } = await verify(lake.options);
    assert.deepEqual(found, []);
    const [table] = tables;
    assert.deepEqual(
      [table?.in, table?.emitted, table?.quarantined, table?.windows, table?.objects, table?.weaker],
      [5, 4, 1, 2, 3, []],
    );
    assert.deepEqual(table?.partitions, [{ partition: 'claims-0', start: 0, next: 5 }]);
  });
}

test('rows without a column to see, and none at all, are counted as they are', async () => {
  for (const kind of ['csv', 'json'] as const) {
    const { lake } = await written({ output: { kind, compression: 'none' }, provenance: 'none' });
    await lake.write('claims', ['{}', '{"n":null}', '{"n":1}']);
    assert.deepEqual(await findings(lake), [], kind);
  }
});

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

test('a ledger with a hole, or with an altered entry, is a finding and no verdict', async () => {
  const { lake, store } = await written();
  const [, second = ''] = keysOf(store, '_sluice/ledger/');
  const bytes = store.objects.get(second) ?? Buffer.alloc(0);
  store.objects.delete(second);
  const { tables, findings: found } = await verify(lake.options);
  assert.deepEqual(tables, []);
  assert.match(found[0]?.what ?? '', /entry 1 of \d is not there/);
  store.objects.set(second, Buffer.from(bytes.toString().replace('"in":3', '"in":4')));
  assert.match((await findings(lake)).join('\n'), /classes do not add up/);
});

test('a partition that is not registered, and a table that is not catalogued, are found: no reader sees them', async () => {
  const { lake, store } = await written(byDay);
  for (const key of keysOf(store, '_sluice/catalog/sluice/claims/')) store.objects.delete(key);
  assert.match(
    (await findings(lake)).join('\n'),
    /day=2026-01-01\/: the catalog does not have this partition/,
  );
  const other = await written();
  other.store.objects.delete('_sluice/catalog/sluice/claims.json');
  assert.match((await findings(other.lake)).join('\n'), /claims: the catalog does not have this table/);
});

test('an object that no entry names is found: readers would see its rows as well', async () => {
  const { lake, store } = await written(byDay);
  const [key = ''] = keysOf(store, 'claims/');
  const copy = key.replace('.parquet', '-copy.parquet');
  store.objects.set(copy, store.objects.get(key) ?? Buffer.alloc(0));
  assert.deepEqual(await findings(lake), [`${copy}: no entry names this object, and readers see it`]);
});

test('two tables are judged apart: what is wrong with one is not said of the other', async () => {
  const store = fakeObjectStore();
  const tables = ['a', 'b'].map((name) => ({ ...plainTable, name, location: name, columns }));
  const lake = await createWrittenLake(transformer, store, tables);
  for (const { name } of tables) await lake.write(name, ['{"n":1}']);
  store.objects.delete(keysOf(store, 'a/')[0] ?? '');
  const verification = await verify(lake.options);
  assert.deepEqual(
    verification.findings.map(({ table }) => table),
    ['a'],
  );
  const text = formatVerification(verification);
  assert.doesNotMatch(text, /a: .*\n {2}claims-0: .*without a gap or a duplicate/);
  assert.match(
    text,
    /b: 1 records in 1 windows = 1 rows \+ 0 filtered \+ 0 quarantined\n {2}claims-0: \[0, 1\) without a gap or a duplicate/,
  );
  assert.match(text, /FINDING a: .*\n1 finding\n$/);
});

test('without provenance the proof is weaker, and says so', async () => {
  const { lake } = await written({ provenance: 'none' });
  const verification = await verify(lake.options);
  assert.deepEqual(verification.findings, []);
  const text = formatVerification(verification);
  assert.match(text, /weaker proof: provenance is 'none'/);
  assert.doesNotMatch(text, /without a gap or a duplicate/);
  assert.match(text, /verified: .*the ledger/);
  const strong = formatVerification(await verify((await written()).lake.options));
  assert.match(
    strong,
    /\[0, 5\) without a gap or a duplicate\n.*verified: every offset has exactly one fate/s,
  );
});
