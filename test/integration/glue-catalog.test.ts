// The catalog on an emulated Glue: tables as lake clients need them, partitions in Glue's own batches.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createCatalog } from '@sluice/collector/catalog/open-catalog.ts';
import type { Catalog, OutputFormat, TableDefinition } from '@sluice/collector/contracts.ts';
import { createObjectStore } from '@sluice/collector/lake/open-store.ts';
import { fakeObjectStore } from '../support/fake-object-store.ts';
import { claims, upTo, visible, windowOf, writerOn } from '../support/lake-fixture.ts';
import { MINISTACK_REGION, type MinistackServer, startMinistackServer } from '../support/ministack-server.ts';

let server: MinistackServer;
let catalog: Catalog;

before(async () => {
  server = await startMinistackServer();
  catalog = newCatalog('insurance');
});

after(async () => {
  catalog.close();
  await server.stop();
});

function newCatalog(database: string): Catalog {
  const remote = { region: MINISTACK_REGION, endpoint: server.endpoint };
  const store = createObjectStore({ store: 's3://lake/acme', ...remote });
  return createCatalog({ kind: 'glue', database, store, ...remote });
}

function definitionOf(name: string, output: OutputFormat): TableDefinition {
  return {
    name,
    columns: [{ name: 'n', type: output.kind === 'csv' ? 'string' : 'int' }],
    partitionColumns: [{ name: 'day', type: 'string' }],
    output,
    location: name,
    comment: 'test',
  };
}

/** What Glue itself holds, asked without our client. */
async function glue(action: string, body: object): Promise<Record<string, unknown>> {
  const reply = await fetch(server.endpoint, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': `AWSGlue.${action}`,
      authorization: `AWS4-HMAC-SHA256 Credential=test/20260101/${MINISTACK_REGION}/glue/aws4_request, SignedHeaders=host, Signature=0`,
    },
    body: JSON.stringify(body),
  });
  assert.ok(reply.ok, await reply.clone().text());
  return (await reply.json()) as Record<string, unknown>;
}

test('database and tables are created where missing, by many at once, with buckets and SerDe', async () => {
  const serdes = {
    parquet: 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe',
    csv: 'org.apache.hadoop.hive.serde2.OpenCSVSerde',
    json: 'org.openx.data.jsonserde.JsonSerDe',
  };
  for (const kind of ['parquet', 'csv', 'json'] as const) {
    const output: OutputFormat =
      kind === 'parquet' ? { kind, compression: 'zstd' } : { kind, compression: 'gzip' };
    const definition = definitionOf(`claims_${kind}`, output);
    await Promise.all(Array.from({ length: 4 }, () => catalog.ensureTable(definition)));
    await catalog.ensureTable(definition);
    const { Table } = (await glue('GetTable', { DatabaseName: 'insurance', Name: definition.name })) as {
      Table: { StorageDescriptor: { Location: string; NumberOfBuckets: number; SerdeInfo: object } };
    };
    const { Location, NumberOfBuckets, SerdeInfo } = Table.StorageDescriptor;
    assert.equal(Location, `s3://lake/acme/claims_${kind}/`);
    assert.equal(NumberOfBuckets, -1);
    assert.equal((SerdeInfo as { SerializationLibrary: string }).SerializationLibrary, serdes[kind]);
  }
  const { Database } = (await glue('GetDatabase', { Name: 'insurance' })) as { Database: { Name: string } };
  assert.equal(Database.Name, 'insurance');
});

test('250 partitions are registered, and registering them again, from anywhere, is success', async () => {
  const definition = definitionOf('events', { kind: 'parquet', compression: 'zstd' });
  await catalog.ensureTable(definition);
  const partitions = Array.from({ length: 250 }, (_, i) => ({ values: [`d${i}`], key: `events/day=d${i}/` }));
  await catalog.registerPartitions(definition, partitions);
  await catalog.registerPartitions(definition, partitions);
  const other = newCatalog('insurance');
  await other.registerPartitions(definition, partitions.slice(0, 5));
  other.close();
  const found = await catalog.partitions('events');
  assert.equal(found.length, 250);
  assert.deepEqual(found.map(({ location }) => location).sort(), partitions.map(({ key }) => key).sort());
});

test('a table that cannot take our rows is refused, naming the column', async () => {
  const definition = definitionOf('typed', { kind: 'parquet', compression: 'zstd' });
  await catalog.ensureTable(definition);
  const changed = { ...definition, columns: [{ name: 'n', type: 'string' }] };
  await assert.rejects(catalog.ensureTable(changed), { code: 'CATALOG_INCOMPATIBLE', message: /'n' as int/ });
  assert.ok((await catalog.tables()).some(({ name }) => name === 'typed'));
  await catalog.probe();
});

test('a window committed by the table writer has its partition in Glue when it is acknowledged', async () => {
  const store = fakeObjectStore();
  const mine = newCatalog('written');
  const writer = writerOn(store, undefined, mine);
  await writer.load();
  await writer.open([{ ...claims, leaderEpoch: 0, start: 0, why: 'test' }]);
  await writer.commitWindow(windowOf(0, 5));
  assert.equal(writer.acked(claims), 5);
  assert.deepEqual(visible(store), upTo(5));
  assert.deepEqual(
    (await mine.partitions('claims')).map(({ values }) => values),
    [['2026-01-01']],
  );
  mine.close();
});

test('columns and fields are added in place by many at once, and a partition of before stays', async () => {
  const first = definitionOf('grown', { kind: 'parquet', compression: 'zstd' });
  await catalog.growTable(first);
  await catalog.registerPartitions(first, [{ values: ['d0'], key: 'grown/day=d0/' }]);
  const others = Array.from({ length: 4 }, () => newCatalog('insurance'));
  await Promise.all(
    others.map((other, i) => {
      const columns = [
        ...first.columns,
        { name: 's', type: `struct<a:int,f${i}:string>` },
        { name: `c${i}`, type: 'date' },
      ];
      return other.growTable({ ...first, columns });
    }),
  );
  for (const other of others) other.close();
  const { Table } = (await glue('GetTable', { DatabaseName: 'insurance', Name: 'grown' })) as {
    Table: {
      TableType: string;
      StorageDescriptor: { NumberOfBuckets: number; Columns: { Name: string; Type: string }[] };
    };
  };
  const { Columns, NumberOfBuckets } = Table.StorageDescriptor;
  assert.deepEqual([Table.TableType, NumberOfBuckets, Columns.length], ['EXTERNAL_TABLE', -1, 6]);
  assert.match(Columns.find(({ Name }) => Name === 's')?.Type ?? '', /^struct<a:int(,f[0-3]:string){4}>$/);
  assert.deepEqual(
    (await catalog.partitions('grown')).map(({ values }) => values),
    [['d0']],
  );
});
