// The schema of a table: one for everybody, under numbers that never change; a crash at any step leaves what
// the next one finishes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFileCatalog } from '@sluice/collector/catalog/file-catalog.ts';
import type { Catalog, DetectedColumn, TableConfig } from '@sluice/collector/contracts.ts';
import { withSchema } from '@sluice/collector/detected-schema.ts';
import { createEvents } from '@sluice/collector/events.ts';
import { openSchemaLog } from '@sluice/collector/schema/schema-log.ts';
import { TableSchema } from '@sluice/collector/schema/table-schema.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { type FakeObjectStore, fakeObjectStore } from '../../support/fake-object-store.ts';
import { manualClock } from '../../support/manual-clock.ts';
import { recordingLogger } from '../../support/recording-logger.ts';
import { plainTable } from '../../support/written-lake.ts';

const table: TableConfig = { ...plainTable, detects: true };
const column = (name: string, type = 'bigint'): DetectedColumn => ({ source: name, name, type });
const first = { after: 0, isContract: false };

/** As one collector has it. */
function schemaOn(store: FakeObjectStore, ensure?: (made: TableConfig, grow: boolean) => Promise<void>) {
  const catalog: Catalog = createFileCatalog('sluice', store);
  const log = recordingLogger();
  const grown = async (made: TableConfig) => {
    const { columns, location } = made;
    const definition = { name: 'claims', columns, partitionColumns: [], location, comment: '' };
    await catalog.growTable({ ...definition, output: { kind: 'parquet', compression: 'zstd' } });
  };
  const schema = new TableSchema({
    ...{ table, catalog, log: openSchemaLog('claims', store), ensure: ensure ?? grown },
    ...{ clock: manualClock(), events: createEvents(log, createMetrics()), writerId: 'one' },
  });
  const names = async () => (await catalog.tables())[0]?.columns.map(({ name }) => name);
  return { schema, log, names };
}

test('of many that detect at once one decides, and the others have its schema', async () => {
  const store = fakeObjectStore();
  const all = Array.from({ length: 5 }, () => schemaOn(store));
  await Promise.all(all.map(({ schema }, i) => schema.propose([column(`c${i}`)], first)));
  const known = await Promise.all(all.map(({ schema }) => schema.ready()));
  assert.equal(new Set(known.map((one) => JSON.stringify(one))).size, 1);
  assert.equal(known[0]?.version, 1);
  assert.equal(all.filter(({ log }) => log.said(/new columns/).length > 0).length, 1);
  assert.equal(new Set(all.map(({ schema }) => schema.table().configVersion)).size, 1);
});

test('crash after the schema is written, before the catalog has it: whoever comes next finishes that', async () => {
  const store = fakeObjectStore();
  const crash = schemaOn(store, () => Promise.reject(new Error('crash')));
  await assert.rejects(crash.schema.propose([column('a')], first), /crash/);
  const next = schemaOn(store);
  assert.equal(await next.names(), undefined);
  assert.deepEqual((await next.schema.ready())?.columns, [column('a')]);
  assert.deepEqual(await next.names(), ['a']);
});

test('a schema that its catalog refused is not handed out before the catalog takes it', async () => {
  const store = fakeObjectStore();
  let refuses = true;
  const { schema } = schemaOn(store, () =>
    refuses ? Promise.reject(new Error('denied')) : Promise.resolve(),
  );
  await assert.rejects(schema.propose([column('a')], first), /denied/);
  await assert.rejects(schema.ready(), /denied/);
  refuses = false;
  assert.equal((await schema.ready())?.version, 1);
});

test('a schema that was read is exactly what was written, and says what made a row', async () => {
  const store = fakeObjectStore();
  const columns = [column('a', 'struct<holderName:string>'), { source: 'Ü b', name: 'u_b', type: 'date' }];
  await schemaOn(store).schema.propose(columns, first);
  const [[key, bytes] = []] = [...store.objects].filter(([name]) => name.startsWith('_sluice/schemas/'));
  assert.equal(key, '_sluice/schemas/claims/00000000000000000001.json');
  const writtenAt = new Date(manualClock().wallMs()).toISOString();
  assert.equal(
    Buffer.from(bytes ?? '').toString(),
    `{"format":1,"table":"claims","version":1,"writer":"one","writtenAt":"${writtenAt}","isContract":false,"columns":[{"source":"a","name":"a","type":"struct<holderName:string>"},{"source":"Ü b","name":"u_b","type":"date"}]}\n`,
  );
  const made = withSchema(table, await schemaOn(store).schema.ready());
  assert.equal(made.configVersion, 'v1.s1');
  assert.deepEqual(made.columns, [
    { name: 'a', type: 'struct<holderName:string>' },
    { name: 'Ü b', type: 'date' },
  ]);
  assert.deepEqual(made.steps, [{ kind: 'rename_field', names: [{ from: 'Ü b', to: 'u_b' }] }]);
});

test('a schema object that was altered stops the table by name', async () => {
  const other = {
    format: 1,
    table: 'other',
    version: 1,
    writer: '',
    writtenAt: '',
    isContract: false,
    columns: [],
  };
  for (const body of ['{', '{"format":1}', JSON.stringify(other)]) {
    const store = fakeObjectStore();
    await schemaOn(store).schema.propose([column('a')], first);
    const [key = ''] = [...store.objects.keys()].filter((name) => name.startsWith('_sluice/schemas/'));
    store.objects.set(key, Buffer.from(body));
    await assert.rejects(schemaOn(store).schema.ready(), { code: 'DETECTED_SCHEMA_INVALID', place: key });
  }
});

test('under a changed config the catalog is asked again before anything is handed out, and a config that does not fit changes nothing', async () => {
  const asked: string[] = [];
  const { schema } = schemaOn(fakeObjectStore(), async ({ location }) => {
    asked.push(location);
    if (location === 'nowhere') throw new Error('does not fit');
  });
  await schema.propose([column('a')], first);
  await assert.rejects(schema.fits({ ...table, location: 'nowhere' }), /does not fit/);
  const version = schema.table().configVersion;
  await schema.ready();
  assert.deepEqual(asked, ['claims', 'nowhere'], 'the old config goes on as it was');
  const changed = { ...table, location: 'elsewhere', configVersion: 'v2' };
  await schema.fits(changed);
  schema.configure(changed);
  assert.deepEqual((await schema.ready())?.columns, [column('a')]);
  assert.deepEqual(asked.slice(2), ['elsewhere', 'elsewhere']);
  assert.notEqual(schema.table().configVersion, version);
});

test('before its first schema a table keeps its partitions and its format: windows under way are made with them', async () => {
  const store = fakeObjectStore();
  const { schema } = schemaOn(store);
  const byDay: Partial<TableConfig> = { partitionBy: [{ kind: 'ingest', by: 'day', column: 'day' }] };
  const asJson: Partial<TableConfig> = { output: { kind: 'json', compression: 'none' } };
  for (const change of [byDay, asJson])
    await assert.rejects(schema.fits({ ...table, ...change }), {
      code: 'CATALOG_INCOMPATIBLE',
      place: 'claims',
    });
  await schema.fits({ ...table, windowLengthMs: 1 });
  await schemaOn(store).schema.propose([column('a')], first);
  await schema.fits({ ...table, ...byDay });
  assert.equal(schema.table().configVersion, 'v1.s1', 'the catalog decides, as soon as there is a schema');
});
