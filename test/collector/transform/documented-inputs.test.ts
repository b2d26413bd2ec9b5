// docs/inputs.md is true: each table in it passes its own examples.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { documentedTables, documentedText, runTableExamples } from '../../support/table-examples.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const tables = documentedTables('inputs.md');
const [proto = ''] = documentedText('inputs.md').match(/^\/\/ claim\.proto\n.*?(?=^```$)/ms) ?? [];
const claim = {
  type: 'record',
  name: 'Claim',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'amount', type: { type: 'bytes', logicalType: 'decimal', precision: 38, scale: 2 } },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-micros' } },
  ],
};

test('every table of docs/inputs.md does what its examples say', async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'claim.avsc'), JSON.stringify(claim));
  writeFileSync(join(directory, 'claim.proto'), proto);
  const results = await runTableExamples(directory, tables);
  for (const { table, example, differences } of results)
    assert.deepEqual(differences, [], `${table}: ${example}`);
  assert.equal(results.length, tables.length, 'each table has an example');
  assert.ok(tables.length >= 9);
});
