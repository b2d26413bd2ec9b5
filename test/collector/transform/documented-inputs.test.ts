// docs/inputs.md is true: each table in it passes its own examples.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadCollectorConfig } from '@sluice/collector/config.ts';
import { runExamples } from '@sluice/collector/ops/examples.ts';
import { parse, stringify } from 'yaml';
import { temporaryDirectory } from '../../support/temp.ts';

const page = readFileSync(join(import.meta.dirname, '../../../docs/inputs.md'), 'utf8');
const tables = [...page.matchAll(/^```yaml\n(.*?)^```$/gms)].map(
  ([, text = '']) => parse(text) as { readonly name: string },
);
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
  assert.equal(results.length, tables.length, 'each table has an example');
  assert.ok(tables.length >= 9);
});
