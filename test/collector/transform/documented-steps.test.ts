// docs/transforms.md is true: each table in it passes its own examples, and every step is shown there.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadCollectorConfig } from '@sluice/collector/config.ts';
import { runExamples } from '@sluice/collector/ops/examples.ts';
import { STEP_NAMES } from '@sluice/collector/step-config.ts';
import { parse, stringify } from 'yaml';
import { temporaryDirectory } from '../../support/temp.ts';

const page = readFileSync(join(import.meta.dirname, '../../../docs/transforms.md'), 'utf8');
const tables = [...page.matchAll(/^```yaml\n(.*?)^```$/gms)].map(
  ([, text = '']) => parse(text) as { name: string; topic: string; steps?: Record<string, unknown>[] },
);

test('every table of docs/transforms.md does what its examples say', async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'pii.key'), 'a key for nothing but this test');
  writeFileSync(join(directory, 'shops.csv'), 'id,name,opened\n7,Nord,2020-01-31\n8,Süd,\n');
  const file = join(directory, 'collector.yaml');
  const config = {
    listen: { address: '0.0.0.0:8443', tls: { ca: 'ca.pem', cert: 'c.pem', key: 'c-key.pem' } },
    agents: [{ id: 'plant-7', topics: ['*'] }],
    lake: { store: './lake', catalog: 'file' },
    tables,
  };
  writeFileSync(file, stringify(config));
  const results = await runExamples(loadCollectorConfig(file), []);
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
