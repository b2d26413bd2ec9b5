// What stands in the lake beside ledger and checkpoints outlives its writer, too: golden files are read as
// they always were, and today's code writes the same bytes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFileCatalog } from '@sluice/collector/catalog/file-catalog.ts';
import { hintKey, schemaKey } from '@sluice/collector/lake/object-keys.ts';
import { decodeHint, encodeHint } from '@sluice/collector/ledger/checkpoint.ts';
import { openSchemaLog } from '@sluice/collector/schema/schema-log.ts';
import { fakeObjectStore } from '../support/fake-object-store.ts';
import { goldenFiles } from '../support/golden.ts';
import { goldenDefinition, goldenHint, goldenPartition, goldenSchema } from './golden-lake.ts';

const bytesOf = (directory: string, name: string) =>
  goldenFiles(directory).find((file) => file.name === name)?.bytes ?? assert.fail(name);

test('a golden hint says what it said, and is written the same', () => {
  const bytes = bytesOf('hint', '1-hint.json');
  assert.deepEqual(decodeHint(bytes), goldenHint);
  assert.deepEqual(encodeHint('claims', goldenHint), bytes);
  assert.ok(hintKey('claims').endsWith('claims.json'));
});

test('a golden detected schema says what it said, and is written the same', async () => {
  const bytes = bytesOf('schema', '1-schema.json');
  const store = fakeObjectStore(new Map([[schemaKey('claims', 1), bytes]]));
  assert.deepEqual(await openSchemaLog('claims', store).newest(), goldenSchema);
  const written = fakeObjectStore();
  const by = { writer: 'collector-1', atMs: Date.UTC(2026, 6, 1) };
  await openSchemaLog('claims', written).create(goldenSchema, by);
  assert.deepEqual([...written.objects.values()], [bytes]);
});

test('a golden table and its partition stand in the catalog in files, and are written the same', async () => {
  const store = fakeObjectStore();
  const catalog = createFileCatalog('sluice', store);
  await catalog.ensureTable(goldenDefinition);
  await catalog.registerPartitions(goldenDefinition, [goldenPartition]);
  const golden = ['1-table.json', '1-partition.json'].map((name) => bytesOf('catalog', name));
  assert.deepEqual([...store.objects.values()], golden);
  assert.deepEqual(await catalog.tables(), [goldenDefinition]);
  const { values, key: location } = goldenPartition;
  assert.deepEqual(await catalog.partitions('claims'), [{ values, location }]);
});

test('a golden partition that has moved is where its last move says, and is written the same', async () => {
  const store = fakeObjectStore();
  const catalog = createFileCatalog('sluice', store);
  const { values } = goldenPartition;
  const location = 'insurance/claims.rebuilt/e1e2e3e4/day=2026-07-01/';
  await catalog.movePartitions(goldenDefinition, [{ values, key: location }], 8);
  const [key = '', ...others] = store.objects.keys();
  assert.match(key, /^_sluice\/catalog\/sluice\/\.moved\/claims\/[^/]+\/00000000000000000008\.json$/);
  assert.deepEqual([others, store.objects.get(key)], [[], bytesOf('catalog', '1-moved-partition.json')]);
  assert.deepEqual(await catalog.partitions('claims'), [{ values, location }]);
});
