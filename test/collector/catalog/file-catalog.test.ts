// The catalog in files, and what may go into a table that stands already.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFileCatalog } from '@sluice/collector/catalog/file-catalog.ts';
import { describeFormat, formatOf } from '@sluice/collector/catalog/storage-descriptor.ts';
import type { Column, TableDefinition } from '@sluice/collector/contracts.ts';
import { createDirectoryObjectStore } from '@sluice/collector/lake/directory-object-store.ts';
import { fakeObjectStore } from '../../support/fake-object-store.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const definition: TableDefinition = {
  name: 'claims',
  columns: [
    { name: 'n', type: 'int' },
    { name: 'amount', type: 'decimal(12,2)' },
  ],
  partitionColumns: [{ name: 'day', type: 'string' }],
  output: { kind: 'parquet', compression: 'zstd' },
  location: 'claims',
  comment: 'test',
};
const withColumns = (columns: readonly Column[]): TableDefinition => ({ ...definition, columns });

test('registering again, or from many collectors at once, adds each partition once', async () => {
  const store = fakeObjectStore();
  const catalogs = Array.from({ length: 8 }, () => createFileCatalog('sluice', store));
  await Promise.all(catalogs.map((catalog) => catalog.ensureTable(definition)));
  const days = ['2026-01-01', '2026/01?02', '__HIVE_DEFAULT_PARTITION__'];
  const partitions = days.map((day) => ({ values: [day], key: `claims/day=${day}/` }));
  await Promise.all(catalogs.map((catalog) => catalog.registerPartitions(definition, partitions)));
  await catalogs[0]?.registerPartitions(definition, partitions);
  const found = (await catalogs[1]?.partitions('claims')) ?? [];
  assert.deepEqual(found.map(({ values }) => values[0]).sort(), [...days].sort());
  assert.deepEqual(
    (await catalogs[2]?.tables())?.map(({ name }) => name),
    ['claims'],
  );
});

test('of a partition’s moves the highest number counts, however late a lower one comes', async () => {
  const store = fakeObjectStore();
  const catalog = createFileCatalog('sluice', store);
  await catalog.registerPartitions(definition, [{ values: ['a'], key: 'claims/day=a/' }]);
  const move = (to: string, order: number) =>
    createFileCatalog('sluice', store).movePartitions(
      definition,
      ['a', 'b'].map((day) => ({ values: [day], key: `claims.rebuilt/${to}/day=${day}/` })),
      order,
    );
  for (const [to, order] of [
    ['r2', 12],
    ['r1', 9],
    ['r2', 12],
  ] as const)
    await move(to, order);
  assert.deepEqual(await catalog.partitions('claims'), [
    { values: ['a'], location: 'claims.rebuilt/r2/day=a/' },
    { values: ['b'], location: 'claims.rebuilt/r2/day=b/' },
  ]);
  assert.deepEqual(await catalog.tables(), []);
});

test('a table of one format is never written in another', async () => {
  const catalog = createFileCatalog('sluice', fakeObjectStore());
  await catalog.ensureTable(definition);
  await assert.rejects(
    catalog.ensureTable({ ...definition, output: { kind: 'json', compression: 'none' } }),
    {
      code: 'CATALOG_INCOMPATIBLE',
      message: 'the catalogued table holds parquet, and the config writes json',
    },
  );
});

test('a partition of long values has a file that a directory can name, and one of its own', async () => {
  const catalog = createFileCatalog('sluice', createDirectoryObjectStore(temporaryDirectory()));
  const values = [...'ab'].map((last) => ['x'.repeat(250), `${'y'.repeat(249)}${last}`]);
  await catalog.registerPartitions(
    definition,
    values.map((list, i) => ({ values: list, key: `claims/${i}/` })),
  );
  const found = await catalog.partitions('claims');
  assert.deepEqual(found.map((p) => p.values).sort(), values);
});

test('a file that is no JSON is named, and tells of no partition', async () => {
  const store = fakeObjectStore();
  const catalog = createFileCatalog('sluice', store);
  await catalog.registerPartitions(definition, [{ values: ['a'], key: 'claims/day=a/' }]);
  const [key = ''] = [...store.objects.keys()];
  store.objects.set(key, Buffer.from('{'));
  await assert.rejects(catalog.partitions('claims'), { code: 'CATALOG_ENTRY_INVALID', place: key });
});

test('databases and tables whose names begin alike are kept apart', async () => {
  const store = fakeObjectStore();
  const [one, other] = [createFileCatalog('lake', store), createFileCatalog('lake2', store)];
  await one.ensureTable(definition);
  await one.ensureTable({ ...definition, name: 'claims_quarantine' });
  await one.registerPartitions({ ...definition, name: 'claims_quarantine' }, [{ values: ['q'], key: 'q/' }]);
  assert.deepEqual(await other.tables(), []);
  assert.deepEqual(await one.partitions('claims'), []);
  assert.deepEqual((await one.tables()).map(({ name }) => name).sort(), ['claims', 'claims_quarantine']);
});

test('a table that cannot take our rows is refused, naming the column', async () => {
  const catalog = createFileCatalog('sluice', fakeObjectStore());
  await catalog.ensureTable(definition);
  const refused = (ours: TableDefinition, message: RegExp) =>
    assert.rejects(catalog.ensureTable(ours), { code: 'CATALOG_INCOMPATIBLE', message });
  await refused(withColumns([{ name: 'n', type: 'string' }]), /'n' as int/);
  await refused(withColumns([{ name: 'n', type: 'bigint' }]), /'n' as int/);
  await refused(withColumns([{ name: 'm', type: 'int' }]), /'m'/);
  await refused({ ...definition, partitionColumns: [] }, /partitioned by/);
  await catalog.ensureTable(withColumns([{ name: 'n', type: 'smallint' }]));
  await catalog.ensureTable(withColumns([{ name: 'amount', type: 'DECIMAL(12, 2)' }]));
});

test('a table that is to name the topic of each row is told how it gets the column, and CSV that it cannot', async () => {
  const place = ['_partition', '_offset'].map((name) => ({ name, type: 'bigint' }));
  const columns = [{ name: 'n', type: 'int' }, ...place];
  const topic = { name: '_topic', type: 'string' };
  const withTopic = [{ name: 'n', type: 'int' }, topic, ...place];
  const output = { kind: 'csv', compression: 'none' } as const;
  const rejects = async (standing: TableDefinition, message: RegExp) => {
    const catalog = createFileCatalog('sluice', fakeObjectStore());
    await catalog.ensureTable(standing);
    const ours = { ...standing, columns: withTopic };
    await assert.rejects(catalog.ensureTable(ours), { code: 'CATALOG_INCOMPATIBLE', message });
  };
  const parquet = { ...definition, columns };
  await rejects(
    parquet,
    /has no column '_topic' \(string\); add it, as docs\/runbook.md has it, or go on with `topic`/,
  );
  const csv = { ...parquet, output };
  await rejects(
    csv,
    /has no column '_topic' \(string\); CSV is read by position: write a table of another name/,
  );
  await rejects(
    { ...csv, columns: [...columns, topic] },
    /begins with \(n, _partition, _offset, _topic\), and the config writes \(n, _topic, _partition, _offset\); CSV is/,
  );
  const catalog = createFileCatalog('sluice', fakeObjectStore());
  await catalog.ensureTable({ ...parquet, columns: [...columns, topic] });
  await catalog.ensureTable({ ...parquet, columns: withTopic });
  await catalog.ensureTable({
    ...csv,
    name: 'wider',
    columns: [...withTopic, { name: 'more', type: 'string' }],
  });
  await catalog.ensureTable({ ...csv, name: 'wider', columns: withTopic });
});

test('every format has a SerDe of its own, and CSV keeps its backslashes', () => {
  for (const kind of ['parquet', 'csv', 'json'] as const) {
    const output =
      kind === 'parquet' ? { kind, compression: 'zstd' as const } : { kind, compression: 'none' as const };
    assert.equal(formatOf(describeFormat(output).serde)?.kind, kind);
  }
  const { serdeParameters } = describeFormat({ kind: 'csv', compression: 'none' });
  assert.deepEqual(serdeParameters, { separatorChar: ',', quoteChar: '"', escapeChar: '"' });
  assert.equal(formatOf('org.apache.hive.SomeOther'), undefined);
});

test('many that add columns and fields at once lose none of them; a table that was never there is made', async () => {
  const store = fakeObjectStore();
  const catalogs = Array.from({ length: 6 }, () => createFileCatalog('sluice', store));
  const struct = (field: string) => ({ name: 's', type: `struct<a:int,${field}:string>` });
  await Promise.all(
    catalogs.map((catalog, i) =>
      catalog.growTable(
        withColumns([...definition.columns, struct(`f${i}`), { name: `c${i}`, type: 'date' }]),
      ),
    ),
  );
  const [table] = (await catalogs[0]?.tables()) ?? [];
  const names = table?.columns.map(({ name }) => name) ?? [];
  assert.deepEqual(
    [names.slice(0, 2), names.slice(2).sort()],
    [
      ['n', 'amount'],
      ['c0', 'c1', 'c2', 'c3', 'c4', 'c5', 's'],
    ],
  );
  const grown = table?.columns.find(({ name }) => name === 's')?.type ?? '';
  assert.match(grown, /^struct<a:int(,f\d:string){6}>$/);
  const files = store.objects.size;
  await catalogs[3]?.growTable(withColumns([struct('f1')]));
  assert.equal(store.objects.size, files, 'nothing is lacking');
  const wrong = withColumns([{ name: 's', type: 'struct<a:string>' }]);
  await assert.rejects(async () => catalogs[1]?.growTable(wrong), { code: 'CATALOG_INCOMPATIBLE' });
});
