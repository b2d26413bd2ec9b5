// Tables that detect their columns, on an emulated S3 and Glue: collectors beside and after each other grow
// one Glue table, and every row is where the catalog says.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { createCatalog } from '@sluice/collector/catalog/open-catalog.ts';
import type { LedgerEntry } from '@sluice/collector/contracts.ts';
import { ledgerPrefix } from '@sluice/collector/lake/object-keys.ts';
import { createObjectStore } from '@sluice/collector/lake/open-store.ts';
import { eventually } from '../support/eventually.ts';
import { fastClock } from '../support/link-ends.ts';
import { createLinkPki } from '../support/link-pki.ts';
import { createLogPartition } from '../support/log-partition.ts';
import { MINISTACK_REGION, type MinistackServer, startMinistackServer } from '../support/ministack-server.ts';
import { temporaryDirectory } from '../support/temp.ts';
import { startWholeCollector } from '../support/whole-collector.ts';

const pki = await createLinkPki();
const collectorTls = await pki.collector();
const table = {
  ...{ name: 'claims', topic: 'claims', format: 'json', columns: 'detect', window: { every: '10s' } },
  partitionBy: [{ ingest: 'day' }],
};
let server: MinistackServer;

before(async () => {
  server = await startMinistackServer();
  await server.createBucket('lake');
});

after(() => server.stop());

function openLake(database: string) {
  const remote = { region: MINISTACK_REGION, endpoint: server.endpoint };
  const store = createObjectStore({ store: `s3://lake/${database}`, ...remote });
  return { store, catalog: createCatalog({ kind: 'glue', database, store, ...remote }) };
}

function createSite(t: TestContext, database: string) {
  const directory = temporaryDirectory();
  const start = (id: string) => {
    const at = { directory, lake: join(directory, 'lake'), id, tls: collectorTls, clock: fastClock };
    return startWholeCollector(t, { ...at, topics: [], tables: [table], openLake: () => openLake(database) });
  };
  const { store, catalog } = openLake(database);
  t.after(() => {
    store.close();
    catalog.close();
  });
  return { start, store, catalog };
}

test('two collectors and a third after them grow one Glue table, and no row is lost or twice', async (t) => {
  const { start, store, catalog } = createSite(t, 'fleet');
  const collectors = await Promise.all(['one', 'two'].map((id) => start(id)));
  const partitions = await Promise.all(
    collectors.map(async ({ port }, i) => {
      const partition = createLogPartition(t, pki, i);
      partition.add({ id: i, [`only_${i}`]: true, shared: { [`f${i}`]: i } });
      return { partition, uplink: await partition.connect(port) };
    }),
  );
  await eventually('both are queryable', () => partitions.every(({ partition }) => partition.isCommitted()));
  await partitions[0]?.partition.produce({ id: 3, late: '2026-01-02' });
  await Promise.all(partitions.map(({ uplink }) => uplink.stop(20_000)));
  await Promise.all(collectors.map((collector) => collector.drain()));
  const third = await start('three');
  await partitions[1]?.partition.connect(third.port);
  await partitions[1]?.partition.produce({ id: 4, shared: { f0: 1, f1: 2 } });
  const found = (await catalog.tables()).find(({ name }) => name === 'claims');
  const types = Object.fromEntries((found?.columns ?? []).map(({ name, type }) => [name, type]));
  const { shared, ...others } = types;
  assert.match(shared ?? '', /^struct<f[01]:bigint,f[01]:bigint>$/);
  assert.deepEqual(others, {
    ...{ id: 'bigint', only_0: 'boolean', only_1: 'boolean', late: 'date' },
    ...{ _partition: 'int', _offset: 'bigint' },
  });
  const entries: LedgerEntry[] = [];
  for await (const { key } of store.list(ledgerPrefix('claims')))
    entries.push(JSON.parse(Buffer.from((await store.read(key)) ?? '').toString()) as LedgerEntry);
  const rows = entries.flatMap((entry) => (entry.kind === 'commit' ? [entry.classes.emitted] : []));
  assert.equal(
    rows.reduce((a, b) => a + b, 0),
    4,
  );
  const last = entries.findLast((entry) => entry.kind === 'commit');
  assert.match(last?.configVersion ?? '', /\.s3$/);
});

test('a Glue table of somebody else is the contract: its columns are filled, and it is never changed', async (t) => {
  const { start, catalog } = createSite(t, 'theirs');
  const columns = [
    { name: 'claim_id', type: 'varchar(4)' },
    { name: 'amount', type: 'decimal(12,2)' },
    { name: '_partition', type: 'int' },
    { name: '_offset', type: 'bigint' },
  ];
  const partitionColumns = [{ name: 'ingest_day', type: 'string' }];
  await catalog.ensureTable({
    ...{ name: 'claims', columns, partitionColumns, location: 'claims', comment: 'theirs' },
    output: { kind: 'parquet', compression: 'zstd' },
  });
  const collector = await start('one');
  const partition = createLogPartition(t, pki, 0);
  await partition.connect(collector.port);
  await partition.produce({ claimId: 'C-1', amount: 1.5, extra: 1 }, { claimId: 'C-2', amount: 1.234 });
  await partition.produce({ claimId: 'C-3', more: { x: 1 } });
  await partition.produce({ claimId: 'C-1234' });
  assert.deepEqual((await catalog.tables()).find(({ name }) => name === 'claims')?.columns, columns);
  assert.equal((await catalog.partitions('claims')).length, 1);
  assert.equal(collector.log.said(/left out/).length, 2);
  assert.equal(collector.log.said(/contradict the detected schema/).length, 2);
});
