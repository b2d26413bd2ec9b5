// The Glue catalog against a Glue that keeps its limits and fails on cue.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { createGlueCatalog } from '@sluice/collector/catalog/glue-catalog.ts';
import type { Catalog, TableDefinition } from '@sluice/collector/contracts.ts';
import { type FakeGlueServer, startFakeGlueServer } from '../../support/fake-glue-server.ts';
import { fakeObjectStore } from '../../support/fake-object-store.ts';
import { claims, windowOf, writerOn } from '../../support/lake-fixture.ts';

let server: FakeGlueServer;
let catalog: Catalog;
const definition: TableDefinition = {
  name: 'claims',
  columns: [{ name: 'n', type: 'int' }],
  partitionColumns: [{ name: 'day', type: 'string' }],
  output: { kind: 'parquet', compression: 'zstd' },
  location: 'claims',
  comment: 'test',
};
const partitions = (n: number) =>
  Array.from({ length: n }, (_, i) => ({ values: [`d${i}`], key: `claims/day=d${i}/` }));
const asked = (action: string) => server.calls.filter((call) => call.action === action).length;

before(() => {
  process.env['AWS_ACCESS_KEY_ID'] = 'test';
  process.env['AWS_SECRET_ACCESS_KEY'] = 'test';
});

beforeEach(async () => {
  server = await startFakeGlueServer();
  const { endpoint } = server;
  catalog = createGlueCatalog({
    database: 'sluice',
    region: 'us-east-1',
    endpoint,
    store: fakeObjectStore(),
  });
});

test.afterEach(async () => {
  catalog.close();
  await server.stop();
});

after(() => {
  delete process.env['AWS_ACCESS_KEY_ID'];
  delete process.env['AWS_SECRET_ACCESS_KEY'];
});

test('the database is created only where it is missing', async () => {
  await catalog.ensureTable(definition);
  await catalog.ensureTable({ ...definition, name: 'orders' });
  assert.equal(asked('CreateDatabase'), 1);
  const descriptor = server.databases.get('sluice')?.get('claims')?.input['StorageDescriptor'];
  assert.partialDeepStrictEqual(descriptor, { NumberOfBuckets: -1, Location: 'memory://claims/' });
});

test('250 partitions go in three calls of at most 100, and what is known is not asked again', async () => {
  await catalog.ensureTable(definition);
  await catalog.registerPartitions(definition, partitions(250));
  await catalog.registerPartitions(definition, partitions(250));
  assert.equal(asked('BatchCreatePartition'), 3);
  assert.equal((await catalog.partitions('claims')).length, 250);
});

test('a reply lost after its effect is repeated, and finds its own partitions there as success', async () => {
  await catalog.ensureTable(definition);
  let lost = 0;
  server.fault = (action) => (action === 'BatchCreatePartition' && lost++ < 2 ? 'reply lost' : undefined);
  await catalog.registerPartitions(definition, partitions(3));
  assert.equal((await catalog.partitions('claims')).length, 3);
});

test('a throttled call is tried again', async () => {
  let throttled = 0;
  server.fault = () => (throttled++ < 2 ? 'throttled' : undefined);
  await catalog.ensureTable(definition);
  assert.ok(server.databases.get('sluice')?.has('claims'));
});

const moved = (n: number, to: string) =>
  partitions(n).map(({ values, key }) => ({ values, key: key.replace('claims/', `claims.rebuilt/${to}/`) }));
const placesNow = async () =>
  new Set((await catalog.partitions('claims')).map((p) => p.location.split('/')[1]));

test('partitions move, those that are missing are registered, and no call has more than 100', async () => {
  await catalog.ensureTable(definition);
  await catalog.registerPartitions(definition, partitions(150));
  await catalog.movePartitions(definition, moved(250, 'r1'), 7);
  assert.deepEqual(await placesNow(), new Set(['r1']));
  assert.equal((await catalog.partitions('claims')).length, 250);
  await catalog.registerPartitions(definition, partitions(250));
  assert.deepEqual(await placesNow(), new Set(['r1']));
});

test('a move that is repeated changes nothing, and one that comes late is left out', async () => {
  await catalog.ensureTable(definition);
  await catalog.movePartitions(definition, moved(3, 'r1'), 7);
  await catalog.movePartitions(definition, moved(3, 'r2'), 9);
  await catalog.movePartitions(definition, moved(3, 'r1'), 7);
  await catalog.movePartitions(definition, moved(3, 'r2'), 9);
  assert.deepEqual(await placesNow(), new Set(['r2']));
  assert.equal(asked('BatchUpdatePartition'), 1);
});

test('what Glue did not come to is asked for again, a few times', async () => {
  await catalog.ensureTable(definition);
  await catalog.registerPartitions(definition, partitions(100));
  server.lookedAt = () => 40;
  await catalog.movePartitions(definition, moved(100, 'r1'), 7);
  assert.deepEqual(await placesNow(), new Set(['r1']));
  assert.equal(asked('BatchGetPartition'), 3);
  assert.equal(await catalog.putBackPartitions(definition, moved(100, 'r2'), 9), 100);
  let calls = 0;
  server.lookedAt = () => (calls++ === 0 ? 0 : 100);
  assert.equal(await catalog.putBackPartitions(definition, moved(100, 'r1'), 9), 100);
  server.lookedAt = () => 0;
  assert.equal(await catalog.putBackPartitions(definition, moved(100, 'r3'), 10), 0);
  server.lookedAt = () => 1;
  assert.equal(await catalog.putBackPartitions(definition, moved(100, 'r3'), 10), 5);
});

test('a move that Glue denies is named, and one whose reply is lost is repeated', async () => {
  await catalog.ensureTable(definition);
  await catalog.registerPartitions(definition, partitions(3));
  server.fault = (action) => (action === 'BatchUpdatePartition' ? 'denied' : undefined);
  await assert.rejects(catalog.movePartitions(definition, moved(3, 'r1'), 7), {
    code: 'CATALOG_DENIED',
    message: /glue:BatchUpdatePartition/,
  });
  let lost = 0;
  server.fault = (action) => (action === 'BatchUpdatePartition' && lost++ < 2 ? 'reply lost' : undefined);
  await catalog.movePartitions(definition, moved(3, 'r1'), 7);
  assert.deepEqual(await placesNow(), new Set(['r1']));
});

test('a denied action is named, and is not taken for a missing table', async () => {
  server.fault = () => 'denied';
  await assert.rejects(catalog.ensureTable(definition), { code: 'CATALOG_DENIED', message: /glue:GetTable/ });
  await assert.rejects(catalog.registerPartitions(definition, partitions(1)), {
    code: 'CATALOG_DENIED',
    message: /glue:BatchCreatePartition/,
  });
});

test('a table that was dropped is named, and is not made anew without its partitions', async () => {
  await catalog.ensureTable(definition);
  server.databases.get('sluice')?.delete('claims');
  await assert.rejects(catalog.registerPartitions(definition, partitions(1)), {
    code: 'CATALOG_TABLE_MISSING',
    place: 'claims',
  });
  assert.equal(asked('CreateTable'), 2, 'once before its database, and once behind it');
});

test('a partition that Glue refuses is not remembered as there', async () => {
  await catalog.ensureTable(definition);
  const wrong = [{ values: ['a', 'b'], key: 'claims/x/' }];
  for (let i = 0; i < 2; i++)
    await assert.rejects(catalog.registerPartitions(definition, wrong), { code: 'CATALOG_UNAVAILABLE' });
  assert.equal(asked('BatchCreatePartition'), 2);
});

test('a table that is not there has no partitions; a Glue that does not answer is not taken for that', async () => {
  assert.deepEqual(await catalog.partitions('claims'), []);
  server.fault = () => 'denied';
  await assert.rejects(catalog.partitions('claims'), { code: 'CATALOG_DENIED' });
});

test('windows make no new version of their table: Glue keeps no more than 100,000', async () => {
  const writer = writerOn(fakeObjectStore(), undefined, catalog);
  await writer.load();
  await writer.open([{ ...claims, leaderEpoch: 0, start: 0, why: 'test' }]);
  for (let i = 0; i < 20; i++) await writer.commitWindow(windowOf(i, i + 1));
  const table = server.databases.get('sluice')?.get('claims');
  assert.deepEqual([table?.version, asked('UpdateTable')], [0, 0]);
  assert.equal(table?.partitions.size, 1);
});

const grownBy = (name: string): TableDefinition => ({
  ...definition,
  columns: [...definition.columns, { name, type: 'string' }],
});
const columnsNow = () => {
  const { StorageDescriptor } = server.databases.get('sluice')?.get('claims')?.input ?? {};
  return (StorageDescriptor as { Columns: { Name: string; Type: string }[] }).Columns;
};

test('many that add columns to a table at once lose none of them, and change nothing else of it', async () => {
  await catalog.ensureTable(definition);
  const table = server.databases.get('sluice')?.get('claims');
  assert.ok(table);
  const theirs = { Owner: 'finance', Parameters: { EXTERNAL: 'TRUE', note: 'ours' } };
  table.input = { ...table.input, ...theirs, CreateTime: 1, IsRegisteredWithLakeFormation: false };
  await Promise.all(['a', 'b', 'c', 'd'].map((name) => catalog.growTable(grownBy(name))));
  const names = columnsNow().map(({ Name }) => Name);
  assert.deepEqual([names[0], names.slice(1).sort()], ['n', ['a', 'b', 'c', 'd']]);
  assert.partialDeepStrictEqual(table.input, { ...theirs, TableType: 'EXTERNAL_TABLE' });
  assert.ok(!('CreateTime' in table.input), 'what Glue itself writes is not written back');
  const asks = asked('UpdateTable');
  await catalog.growTable(grownBy('b'));
  assert.equal(asked('UpdateTable'), asks, 'nothing is lacking');
});

test('a change whose reply is lost is made once; one that is denied names the action', async () => {
  await catalog.growTable(definition);
  let lost = 0;
  server.fault = (action) => (action === 'UpdateTable' && lost++ === 0 ? 'reply lost' : undefined);
  await catalog.growTable(grownBy('a'));
  assert.equal(columnsNow().length, 2);
  server.fault = (action) => (action === 'UpdateTable' ? 'denied' : undefined);
  await assert.rejects(catalog.growTable(grownBy('b')), {
    code: 'CATALOG_DENIED',
    message: /glue:UpdateTable/,
  });
});

test('a standing column of another type refuses the growth, and the table stays as it was', async () => {
  await catalog.growTable(definition);
  const other = {
    ...grownBy('a'),
    columns: [
      { name: 'n', type: 'string' },
      { name: 'a', type: 'int' },
    ],
  };
  await assert.rejects(catalog.growTable(other), { code: 'CATALOG_INCOMPATIBLE', message: /'n' as int/ });
  assert.equal(columnsNow().length, 1);
});

test('a table without partitions that lies elsewhere is refused: nobody would see what is written', async () => {
  const whole = { ...definition, partitionColumns: [] };
  await catalog.ensureTable(whole);
  await catalog.ensureTable(whole);
  await catalog.growTable(whole);
  const elsewhere = { code: 'CATALOG_INCOMPATIBLE', message: /lies at 'claims\/', .* writes 'moved'/ };
  await assert.rejects(catalog.ensureTable({ ...whole, location: 'moved' }), elsewhere);
  await assert.rejects(catalog.growTable({ ...whole, location: 'moved' }), elsewhere);
});

test('a table with partitions may lie elsewhere: each partition says where it lies', async () => {
  await catalog.ensureTable(definition);
  await catalog.ensureTable({ ...definition, location: 'moved' });
});
