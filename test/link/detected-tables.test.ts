// Tables that detect their columns, whole: agents send, collectors write one lake, some at once, some after
// others, and whoever reads it finds one table that has everything.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createRegistryClient } from '@sluice/agent/schemas/registry-client.ts';
import { createFileCatalog } from '@sluice/collector/catalog/file-catalog.ts';
import { loadCollectorConfig } from '@sluice/collector/config.ts';
import { createObjectStore } from '@sluice/collector/lake/open-store.ts';
import { LakeReader } from '@sluice/collector/ops/lake-reader.ts';
import { runQuery } from '@sluice/collector/ops/query.ts';
import { verify } from '@sluice/collector/ops/verify/verify.ts';
import { knownTables } from '@sluice/collector/schema/known-tables.ts';
import { createTransformer } from '@sluice/collector/transform/transformer.ts';
import { systemClock } from '@sluice/shared/clock.ts';
import { systemRandom } from '@sluice/shared/random.ts';
import avsc from 'avsc';
import { eventually } from '../support/eventually.ts';
import { fastClock } from '../support/link-ends.ts';
import { createLinkPki } from '../support/link-pki.ts';
import { createLogPartition } from '../support/log-partition.ts';
import { startSchemaRegistry } from '../support/schema-registry.ts';
import { temporaryDirectory } from '../support/temp.ts';
import { startWholeCollector } from '../support/whole-collector.ts';

const pki = await createLinkPki();
const collectorTls = await pki.collector();
const createPartition = (t: TestContext, partition: number) => createLogPartition(t, pki, partition);
const claims = {
  name: 'claims',
  topic: 'claims',
  format: 'json',
  columns: 'detect',
  window: { every: '10s' },
};

/** A lake, and collectors on it. */
function createSite(t: TestContext, table: object = claims) {
  const directory = temporaryDirectory();
  const lake = join(directory, 'lake');
  const start = (id: string) =>
    startWholeCollector(t, {
      directory,
      lake,
      id,
      tls: collectorTls,
      topics: [],
      tables: [table],
      clock: fastClock,
    });
  return { directory, lake, start };
}

interface Site {
  readonly directory: string;
  readonly lake: string;
}

/** As the commands read it. */
async function reading(t: TestContext, { directory, lake }: Site, id: string) {
  const store = createObjectStore({ store: lake, region: undefined, endpoint: undefined });
  const read = loadCollectorConfig(join(directory, `${id}.yaml`));
  const config = { ...read, tables: await knownTables(read.tables, store) };
  const transformer = createTransformer({ memoryBytesMax: 64e6, threads: 1 });
  t.after(() => transformer.close());
  const catalog = createFileCatalog('sluice', store);
  const scratch = temporaryDirectory();
  const reader = new LakeReader({ store, catalog, scratch, clock: systemClock, random: systemRandom });
  const options = { config, reader, transformer, directories: [scratch, lake], scratch };
  return {
    select: async (sql: string) => (await runQuery(options, sql)).rows,
    verify: () => verify({ ...options, only: [], nowMs: systemClock.wallMs() }, 'deep'),
    table: async (name: string) => (await catalog.tables()).find((table) => table.name === name),
  };
}

const ledgerOf = ({ lake }: Site) =>
  readdirSync(join(lake, '_sluice/ledger/claims'))
    .sort()
    .map((file) => JSON.parse(readFileSync(join(lake, '_sluice/ledger/claims', file), 'utf8')));

/** The schemas that windows were made under, in the order of the ledger. */
const versionsOf = (site: Site) =>
  ledgerOf(site)
    .filter(({ kind }) => kind === 'commit')
    .map(({ configVersion }) => /\.s(\d+)$/.exec(configVersion)?.[1]);

test('the first window makes the table, later ones add columns and nested fields, a restart changes nothing', async (t) => {
  const site = createSite(t);
  const first = await site.start('first');
  const partition = createPartition(t, 0);
  const uplink = await partition.connect(first.port);
  await partition.produce({ id: 1, policy: { number: 7 }, note: null }, { id: 2, amount: 1.5 });
  await partition.produce({ id: 3, policy: { number: 8, holder: { name: 'Ada' } }, note: 'x' });
  await uplink.stop(20_000);
  await first.drain();
  const second = await site.start('second');
  await partition.connect(second.port);
  await partition.produce({ id: 4, amount: 2 });
  const lake = await reading(t, site, 'second');
  assert.deepEqual((await lake.table('claims'))?.columns, [
    { name: 'id', type: 'bigint' },
    { name: 'policy', type: 'struct<number:bigint,holder:struct<name:string>>' },
    { name: 'amount', type: 'double' },
    { name: '_partition', type: 'int' },
    { name: '_offset', type: 'bigint' },
    { name: 'note', type: 'string' },
  ]);
  assert.deepEqual(versionsOf(site), ['1', '2', '2']);
  assert.deepEqual(
    await lake.select('select id, policy.number, policy.holder.name, amount, note from claims order by id'),
    [
      ['1', '7', null, null, null],
      ['2', null, null, '1.5', null],
      ['3', '8', 'Ada', null, 'x'],
      ['4', null, null, '2', null],
    ],
  );
  assert.deepEqual((await lake.verify()).findings, []);
});

test('two collectors that detect different schemas at once have one, with the columns of both', async (t) => {
  const site = createSite(t);
  const collectors = await Promise.all(['one', 'two'].map((id) => site.start(id)));
  const partitions = await Promise.all(
    collectors.map(async ({ port }, i) => {
      const partition = createPartition(t, i);
      partition.add({ id: i, [`only_${i}`]: true, shared: { [`f${i}`]: i } });
      await partition.connect(port);
      return partition;
    }),
  );
  await eventually('both are queryable', () => partitions.every(({ isCommitted }) => isCommitted()));
  await Promise.all(partitions.map((partition, i) => partition.produce({ id: i + 2, [`only_${i}`]: false })));
  const lake = await reading(t, site, 'one');
  assert.deepEqual(
    await lake.select('select id, only_0, only_1, shared.f0, shared.f1 from claims order by id'),
    [
      ['0', 'true', null, '0', null],
      ['1', null, 'true', null, '1'],
      ['2', 'false', null, null, null],
      ['3', null, 'false', null, null],
    ],
  );
  assert.equal(readdirSync(join(site.lake, '_sluice/schemas/claims')).length, 2);
  assert.deepEqual((await lake.verify()).findings, []);
});

test('what contradicts the schema is quarantined with one alert for its window, and the table is unharmed', async (t) => {
  const site = createSite(t);
  const collector = await site.start('one');
  const partition = createPartition(t, 0);
  await partition.connect(collector.port);
  await partition.produce({ id: 1, at: '2026-01-02T03:04:05Z', policy: { n: 1 } });
  await partition.produce(
    ...[
      { id: 'x' },
      { id: 2, at: 'soon' },
      { id: 3, policy: [] },
      { id: 4, policy: { n: 'seven' } },
      { id: 5 },
    ],
  );
  const lake = await reading(t, site, 'one');
  assert.deepEqual(await lake.select('select id from claims order by id'), [['1'], ['5']]);
  assert.deepEqual(await lake.select('select _offset, code, field from claims_quarantine order by _offset'), [
    ['1', 'CAST_FAILED', 'id'],
    ['2', 'CAST_FAILED', 'at'],
    ['3', 'CAST_FAILED', 'policy'],
    ['4', 'CAST_FAILED', 'policy.n'],
  ]);
  const alerts = collector.log.said(/contradict the detected schema/);
  assert.equal(alerts.length, 1);
  assert.match(JSON.stringify(alerts), /"records":4,"fields":\["at","id","policy","policy.n"\]/);
});

test('a window without any value makes no table and holds up nothing; the next one does', async (t) => {
  const site = createSite(t);
  const collector = await site.start('one');
  const partition = createPartition(t, 0);
  await partition.connect(collector.port);
  await partition.produce({}, { id: null, tags: [] });
  const before = await reading(t, site, 'one');
  assert.equal(await before.table('claims'), undefined);
  assert.deepEqual((await before.verify()).findings, []);
  await partition.produce({ id: 1 });
  const after = await reading(t, site, 'one');
  assert.deepEqual(await after.select('select id, _offset from claims'), [['1', '2']]);
  assert.deepEqual(versionsOf(site), ['0', '1']);
  assert.deepEqual((await after.verify()).findings, []);
});

test('a field that is empty in some records of the window that brings it has a type for all of them', async (t) => {
  const site = createSite(t);
  const collector = await site.start('one');
  const partition = createPartition(t, 0);
  await partition.connect(collector.port);
  await partition.produce({ id: 1 });
  await partition.produce({ id: 2, either: [] }, { id: 3, either: 5 });
  const lake = await reading(t, site, 'one');
  assert.deepEqual(await lake.select('select id, either from claims order by id'), [
    ['1', null],
    ['2', '[]'],
    ['3', '5'],
  ]);
});

test('a table of somebody else that cannot take the rows is told by name and gets no columns', async (t) => {
  const site = createSite(t);
  const columns = [{ name: 'id', type: 'bigint' }];
  const store = createObjectStore({ store: site.lake, region: undefined, endpoint: undefined });
  const catalog = createFileCatalog('sluice', store);
  await catalog.ensureTable({
    ...{ name: 'claims', columns, partitionColumns: [], location: 'claims', comment: 'theirs' },
    output: { kind: 'parquet', compression: 'zstd' },
  });
  const collector = await site.start('one');
  const partition = createPartition(t, 0);
  await partition.connect(collector.port);
  partition.add({ id: 1 });
  const told = () => collector.log.said(/table waits/);
  await eventually('it is told', () => told().length > 0);
  assert.match(JSON.stringify(told()), /CATALOG_INCOMPATIBLE.*has no column '_partition'/);
  assert.deepEqual((await catalog.tables()).find(({ name }) => name === 'claims')?.columns, columns);
});

test('a table that somebody else made is filled as it is, and what it has no column for is told once', async (t) => {
  const site = createSite(t, { ...claims, provenance: 'none' });
  const store = createObjectStore({ store: site.lake, region: undefined, endpoint: undefined });
  const columns = [
    { name: 'claim_id', type: 'string' },
    { name: 'amount', type: 'decimal(12,2)' },
    { name: 'policy', type: 'struct<holdername:string>' },
  ];
  await createFileCatalog('sluice', store).ensureTable({
    ...{ name: 'claims', columns, partitionColumns: [], location: 'claims', comment: 'theirs' },
    output: { kind: 'parquet', compression: 'zstd' },
  });
  const collector = await site.start('one');
  const partition = createPartition(t, 0);
  await partition.connect(collector.port);
  await partition.produce({ amount: 1.5, extra: true });
  await partition.produce({ claimId: 'C-1', amount: 2, policy: { holderName: 'Ada' }, extra: false });
  await partition.produce({ claimId: 'C-2', amount: 1.234 });
  const lake = await reading(t, site, 'one');
  assert.deepEqual((await lake.table('claims'))?.columns, columns);
  assert.deepEqual(await lake.select('select * from claims order by amount'), [
    [null, '1.50', null],
    ['C-1', '2.00', "{'holdername': 'Ada'}"],
  ]);
  assert.deepEqual(await lake.select('select code, field from claims_quarantine'), [
    ['CAST_FAILED', 'amount'],
  ]);
  assert.equal(collector.log.said(/left out/).length, 1);
});

test('values that name schemas of a registry make the table, and a later schema grows it', async (t) => {
  const registry = await startSchemaRegistry(t);
  const long = (name: string) => ({ name, type: 'long' });
  const fields = [long('id'), { name: 'in', type: { type: 'record', name: 'In', fields: [long('a')] } }];
  const later = [
    long('id'),
    { name: 'in', type: { type: 'record', name: 'In', fields: [long('a'), long('b')] } },
    { name: 'dueDay', type: { type: 'int', logicalType: 'date' } },
  ];
  const framed = (id: number, value: object) => {
    const head = Buffer.alloc(5);
    head.writeUInt32BE(id, 1);
    const schema = { type: 'record', name: 'Claim', fields: id === 1 ? fields : later };
    registry.schemas.set(`/schemas/ids/${id}`, { schema: JSON.stringify(schema) });
    return Buffer.concat([head, avsc.Type.forSchema(schema as avsc.Schema).toBuffer(value)]);
  };
  const site = createSite(t, { ...claims, format: { avro: { registry: 'confluent' } } });
  const { port } = await site.start('first');
  const partition = createPartition(t, 0);
  await partition.connect(port, createRegistryClient({ url: registry.url, clock: systemClock }));
  await partition.produce(framed(1, { id: 1, in: { a: 2 } }));
  await partition.produce(
    framed(1, { id: 2, in: { a: 3 } }),
    framed(2, { id: 3, in: { a: 4, b: 5 }, dueDay: 1 }),
  );
  const lake = await reading(t, site, 'first');
  assert.deepEqual((await lake.table('claims'))?.columns, [
    { name: 'id', type: 'bigint' },
    { name: 'in', type: 'struct<a:bigint,b:bigint>' },
    { name: '_partition', type: 'int' },
    { name: '_offset', type: 'bigint' },
    { name: 'due_day', type: 'date' },
  ]);
  assert.deepEqual(versionsOf(site), ['1', '2']);
  assert.deepEqual(await lake.select('select id, "in".a, "in".b, due_day from claims order by id'), [
    ['1', '2', null, null],
    ['2', '3', null, null],
    ['3', '4', '5', '1970-01-02'],
  ]);
  assert.deepEqual((await lake.verify()).findings, []);
});
