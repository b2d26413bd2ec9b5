// docs/transforms.md is true: each table in it passes its own examples, and every step is shown there.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { STEP_NAMES } from '@sluice/collector/step-config.ts';
import { documentedTables, runTableExamples } from '../../support/table-examples.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const tables = documentedTables('transforms.md');

test('every table of docs/transforms.md does what its examples say', async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'pii.key'), 'a key for nothing but this test');
  writeFileSync(join(directory, 'shops.csv'), 'id,name,opened\n7,Nord,2020-01-31\n8,Süd,\n');
  const results = await runTableExamples(directory, tables);
  for (const { table, example, differences } of results)
    assert.deepEqual(differences, [], `${table}: ${example}`);
  assert.equal(new Set(results.map(({ table }) => table)).size, tables.length, 'each table has an example');
});

test('every step that a config may name is shown in docs/transforms.md', () => {
  const shown = new Set(tables.flatMap(({ steps = [] }) => steps.flatMap((step) => Object.keys(step))));
  assert.deepEqual(
    STEP_NAMES.filter((name) => !shown.has(name)),
    [],
  );
});
