// docs/recipes.md is true: each table in it passes its own examples.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { documentedTables, runTableExamples } from '../../support/table-examples.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const tables = documentedTables('recipes.md');
const row = {
  type: 'record',
  name: 'Value',
  namespace: 'shop.public.accounts',
  fields: [
    { name: 'id', type: 'long' },
    {
      name: 'balance',
      type: ['null', { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 }],
      default: null,
    },
    {
      name: 'opened',
      type: ['null', { type: 'long', 'connect.name': 'io.debezium.time.MicroTimestamp' }],
      default: null,
    },
    {
      name: 'kind',
      type: ['null', { type: 'enum', name: 'Kind', symbols: ['CURRENT', 'SAVINGS'] }],
      default: null,
    },
  ],
};
const envelope = {
  type: 'record',
  name: 'Envelope',
  namespace: 'shop.public.accounts',
  fields: [
    { name: 'before', type: ['null', row], default: null },
    { name: 'after', type: ['null', 'Value'], default: null },
    { name: 'op', type: 'string' },
  ],
};

test('every table of docs/recipes.md does what its examples say', async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'pii.key'), 'a key for nothing but this test');
  writeFileSync(join(directory, 'accounts.avsc'), JSON.stringify(envelope));
  const results = await runTableExamples(directory, tables);
  for (const { table, example, differences } of results)
    assert.deepEqual(differences, [], `${table}: ${example}`);
  assert.equal(new Set(results.map(({ table }) => table)).size, tables.length, 'each table has an example');
});
