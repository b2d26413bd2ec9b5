// A table of which records have several rows, in several tables: all of them are committed, published,
// queried and proven together, and one that is missing or there twice is found by its place.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runQuery } from '@sluice/collector/ops/query.ts';
import { parseOffset } from '@sluice/collector/ops/verify/ledger-word.ts';
import { verify, verifyOffset } from '@sluice/collector/ops/verify/verify.ts';
import { stepSchema } from '@sluice/collector/step-config.ts';
import { fakeObjectStore } from '../../../support/fake-object-store.ts';
import { parquetOf } from '../../../support/parquet.ts';
import { findings, keysOf, transformer } from '../../../support/verified-lake.ts';
import { createWrittenLake, plainTable } from '../../../support/written-lake.ts';

const steps = [
  { explode: { field: 'items', column: 'n' } },
  { split_rows: [{ output: 'big', when: 'n > 9' }] },
].map((step) => stepSchema.parse(step));
const columns = [
  { name: 'day', type: 'date' },
  { name: 'items', type: 'array<tinyint>' },
];
const partitionBy = [{ kind: 'value' as const, field: 'day', column: 'day' }];

async function written() {
  const store = fakeObjectStore();
  const lake = await createWrittenLake(transformer, store, [{ ...plainTable, columns, steps, partitionBy }]);
  const record = (items: readonly number[], day = '2026-01-01') => JSON.stringify({ day, items });
  await lake.write('claims', [record([1, 2, 10]), record([11, 12]), record([]), record([300])]);
  await lake.write('claims', [record([3, 3], '2026-01-02')]);
  return { store, lake };
}

test('several rows of a record, in several tables, are no finding, and each output is a table of its own', async () => {
  const { lake, store } = await written();
  const { tables, findings: found } = await verify(lake.options, 'deep');
  assert.deepEqual(found, []);
  assert.deepEqual(
    tables.map(({ in: total, emitted, filtered, quarantined }) => [total, emitted, filtered, quarantined]),
    [[5, 3, 1, 1]],
  );
  const big = await runQuery(lake.options, 'SELECT n, _offset, _row FROM claims_big ORDER BY n');
  assert.deepEqual(big.rows, [
    ['10', '0', '0'],
    ['11', '1', '0'],
    ['12', '1', '1'],
  ]);
  const both = await runQuery(
    lake.options,
    'SELECT (SELECT count(*) FROM claims), (SELECT count(*) FROM claims_big), (SELECT count(*) FROM claims_quarantine)',
  );
  assert.deepEqual(both.rows, [['4', '3', '1']]);
  assert.ok(keysOf(store, 'claims_big/day=2026-01-01/').length > 0);
  assert.ok(keysOf(store, '_sluice/catalog/sluice/claims_big').length > 0);
});

test('the fate of a record is told though it has several rows', async () => {
  const { lake } = await written();
  const fate = async (offset: number) => {
    const { fates, findings: found } = await verifyOffset(lake.options, parseOffset(`claims:0:${offset}`));
    assert.deepEqual(found, []);
    return fates[0]?.fate;
  };
  assert.deepEqual(
    [await fate(0), await fate(1), await fate(2), await fate(3)],
    ['emitted', 'emitted', 'absent', 'quarantined'],
  );
});

test('elements of an array are rows of one record to verify, too', async () => {
  const store = fakeObjectStore();
  const table = {
    ...plainTable,
    columns: [{ name: 'n', type: 'int' }],
    input: { kind: 'json', array: 'explode' } as const,
  };
  const lake = await createWrittenLake(transformer, store, [table]);
  await lake.write('claims', ['[{"n":1},{"n":1}]', '{"n":2}', '[]', '[{"n":1},{"n":"x"}]']);
  const { tables, findings: found } = await verify(lake.options, 'deep');
  assert.deepEqual(found, []);
  assert.deepEqual(
    tables.map(({ in: total, emitted, filtered, quarantined }) => [total, emitted, filtered, quarantined]),
    [[4, 2, 1, 1]],
  );
  const { fates, findings: ofOne } = await verifyOffset(lake.options, parseOffset('claims:0:0'));
  assert.deepEqual([fates[0]?.fate, ofOne], ['emitted', []]);
});

const rowsOf = (rows: string) => parquetOf(`SELECT unnest([${rows}], recursive := true) FROM range(1)`);
const row = (offset: number, number: number) =>
  `{'n': 1::TINYINT, '_partition': 0, '_offset': ${offset}::BIGINT, '_row': ${number}}`;

test('a row of a record that is there twice is found, and so is a record none of whose rows is left', async () => {
  const { lake, store } = await written();
  const [first = ''] = keysOf(store, 'claims/day=2026-01-01/');
  store.objects.set(first, await rowsOf([row(0, 0), row(0, 0)].join(', ')));
  assert.match((await findings(lake)).join('\n'), /OFFSET_DUPLICATED entry 1: .*offset 0 2 times/);
  const other = await written();
  const [big = ''] = keysOf(other.store, 'claims_big/');
  other.store.objects.set(big, await rowsOf([row(0, 0), row(0, 1), row(0, 2)].join(', ')));
  assert.match((await findings(other.lake)).join('\n'), /OFFSET_MISSING entry 1: 1 record has no row/);
});

test('an object beside the table that no entry names is found', async () => {
  const { lake, store } = await written();
  store.objects.set('claims_big/day=2026-01-01/stray.parquet', Buffer.from('x'));
  assert.match((await findings(lake)).join('\n'), /OBJECT_UNKNOWN claims_big\/day=2026-01-01\/stray/);
});
