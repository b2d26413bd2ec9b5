// `query` reads what is committed and registered, in every format that is written, and nothing else.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { OutputFormat, TableConfig } from '@sluice/collector/contracts.ts';
import { createDirectoryObjectStore } from '@sluice/collector/lake/directory-object-store.ts';
import { LakeReader } from '@sluice/collector/ops/lake-reader.ts';
import { formatTable, runQuery } from '@sluice/collector/ops/query.ts';
import { createTransformer } from '@sluice/collector/transform/transformer.ts';
import { fakeObjectStore } from '../../support/fake-object-store.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { createWrittenLake, plainTable, type WrittenLake } from '../../support/written-lake.ts';

const transformer = createTransformer({ memoryBytesMax: 128e6, threads: 1 });
after(() => transformer.close());

const lakeOf = (...tables: Partial<TableConfig>[]) =>
  createWrittenLake(
    transformer,
    fakeObjectStore(),
    tables.map((table) => ({ ...plainTable, ...table })),
  );

const query = (lake: WrittenLake, sql: string) => runQuery(lake.options, sql);

const OUTPUTS: readonly OutputFormat[] = [
  { kind: 'parquet', compression: 'zstd' },
  { kind: 'csv', compression: 'none' },
  { kind: 'csv', compression: 'gzip' },
  { kind: 'json', compression: 'none' },
  { kind: 'json', compression: 'gzip' },
];

for (const output of OUTPUTS) {
  test(`a ${output.kind} table with ${output.compression}, partitioned by one of its columns, reads as it was written`, async () => {
    const lake = await lakeOf({
      output,
      columns: [
        { name: 'n', type: 'int' },
        { name: 'word', type: 'string' },
        { name: 'text', type: 'string' },
      ],
      partitionBy: [{ kind: 'value', field: 'word', column: 'word' }],
    });
    await lake.write('claims', ['{"n":0,"word":"a b","text":"x, \\"y\\""}', '{"n":1,"word":"a/b=c%*[d]"}']);
    await lake.write('claims', ['{"n":2,"text":""}', '{"n":3,"word":"","text":"z"}']);
    const { columns, rows } = await query(lake, 'select n, word, text, _offset from claims order by _offset');
    assert.deepEqual(columns, ['n', 'word', 'text', '_offset']);
    assert.deepEqual(rows, [
      ['0', 'a b', 'x, "y"', '0'],
      ['1', 'a/b=c%*[d]', null, '1'],
      ['2', null, '', '2'],
      ['3', '', 'z', '3'],
    ]);
  });
}

const columns = [{ name: 'n', type: 'int' }];
const byDay: Partial<TableConfig> = { columns, partitionBy: [{ kind: 'ingest', by: 'day', column: 'day' }] };
const numbers = async (lake: WrittenLake, sql = 'select n from claims order by n') =>
  (await query(lake, sql)).rows.map(([n]) => n);

test('quarantine and tables are read side by side, and a table without a window yet is empty', async () => {
  const lake = await lakeOf({ columns }, { name: 'orders', location: 'orders', columns });
  await lake.write('claims', ['{"n":1}', '{"n":"x"}']);
  const { rows } = await query(
    lake,
    'select c.n, q.reason from claims c, claims_quarantine q where q._offset = c._offset + 1',
  );
  assert.deepEqual(rows, [['1', "n 'x' is not int but string"]]);
  assert.deepEqual(await query(lake, 'select n, _offset from orders'), {
    columns: ['n', '_offset'],
    rows: [],
  });
});

test('an object of a partition that is not registered is not read', async () => {
  const store = fakeObjectStore();
  const lake = await createWrittenLake(transformer, store, [{ ...plainTable, ...byDay }]);
  await lake.write('claims', ['{"n":1}']);
  assert.deepEqual(await numbers(lake), ['1']);
  for (const key of store.objects.keys())
    if (key.startsWith('_sluice/catalog/sluice/claims/')) store.objects.delete(key);
  assert.deepEqual(await numbers(lake), []);
});

test('an object that nobody committed is not read, though it lies beside those that are', async () => {
  const store = fakeObjectStore();
  const lake = await createWrittenLake(transformer, store, [{ ...plainTable, ...byDay }]);
  await lake.write('claims', ['{"n":1}']);
  const [key = ''] = [...store.objects.keys()].filter((name) => name.startsWith('claims/'));
  store.objects.set(`${key}.copy`, store.objects.get(key) ?? Buffer.alloc(0));
  assert.deepEqual(await numbers(lake), ['1']);
});

test('a catalog that does not answer is an error and not an empty table', async () => {
  const lake = await lakeOf(byDay);
  await lake.write('claims', ['{"n":1}']);
  const failing = { ...lake.catalog, partitions: () => Promise.reject(new Error('throttled')) };
  const reader = new LakeReader({ ...lake.readerOptions, catalog: failing });
  await assert.rejects(runQuery({ ...lake.options, reader }, 'select n from claims'), /throttled/);
});

const REFUSED: readonly (readonly [string, string, RegExp])[] = [
  ['a statement that writes', 'delete from claims', /base table/],
  ['a file that is written', "copy (select 1) to '/tmp/x'", /disabled by configuration/],
  ['two statements', 'select 1; select 2', /not one SELECT/],
  ['a table that is made', 'create table t as select 1', /not one SELECT/],
  ['a setting that is changed', 'set threads = 9', /not one SELECT/],
  ['another database', "attach '/tmp/x.db'", /not one SELECT/],
  ['an extension', 'install httpfs', /not one SELECT/],
  ['nothing', '', /not one SELECT/],
  ['what is no SQL', 'selct n from claims', /syntax error/],
  ['a table that is not there', 'select * from orders', /orders does not exist/],
  ['a file outside the lake', "select * from read_text('/etc/hostname')", /disabled|not allowed|Permission/i],
  [
    'another machine',
    "select * from read_csv('http://127.0.0.1:1/x')",
    /disabled|not allowed|Permission|extension/i,
  ],
  [
    'a way out through a setting',
    "select * from (select set_config('enable_external_access', 'true'))",
    /set_config/,
  ],
];

for (const [what, sql, message] of REFUSED) {
  test(`${what} is refused`, async () => {
    const lake = await lakeOf({ columns });
    await assert.rejects(query(lake, sql), { code: 'QUERY_REFUSED', message });
  });
}

test('nothing is written where files may be, either', async () => {
  const lake = await lakeOf({ columns });
  const path = join(lake.options.scratch, 'x.csv');
  await assert.rejects(query(lake, `copy (select 1) to '${path}'`), {
    code: 'QUERY_REFUSED',
    message: /not one SELECT/,
  });
  assert.equal(existsSync(path), false);
});

test('a lake in a directory is read where it lies', async () => {
  const root = temporaryDirectory();
  const lake = await createWrittenLake(transformer, createDirectoryObjectStore(root), [
    { ...plainTable, ...byDay },
  ]);
  await lake.write('claims', ['{"n":1}']);
  assert.deepEqual(await numbers(lake), ['1']);
});

test('a table for the terminal is aligned, cut and counted', () => {
  const rows = [
    ['1', 'x'.repeat(70)],
    [null, 'y'],
  ];
  assert.deepEqual(formatTable({ columns: ['n', 'text'], rows }).split('\n'), [
    'n  text',
    `-  ${'-'.repeat(60)}`,
    `1  ${'x'.repeat(59)}…`,
    '   y',
    '(2 rows)',
    '',
  ]);
});
