// docs/output.md is true: the table in it passes its own examples, and what it says of each format is what
// the catalog is told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeFormat } from '@sluice/collector/catalog/storage-descriptor.ts';
import { outputSchema } from '@sluice/collector/table-output.ts';
import { documentedTables, documentedText, runTableExamples } from '../../support/table-examples.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const tables = documentedTables('output.md');

test('every table of docs/output.md does what its examples say', async () => {
  const results = await runTableExamples(temporaryDirectory(), tables);
  for (const { table, example, differences } of results)
    assert.deepEqual(differences, [], `${table}: ${example}`);
  assert.equal(results.length, tables.length, 'each table has an example');
  assert.equal(tables.length, 1);
});

test('docs/output.md has each format with its compressions and the SerDe that reads it', () => {
  const rows = documentedText('output.md').matchAll(/^\| `(\w+)`[^|]*\| ([^|]+) \| ([^|]+) \|/gm);
  const told = new Map([...rows].map(([, format = '', all = '', serde = '']) => [format, { all, serde }]));
  const kinds = ['parquet', 'json', 'csv'] as const;
  assert.deepEqual([...told.keys()], ['format', ...kinds]);
  for (const kind of kinds) {
    const { all = '', serde = '' } = told.get(kind) ?? {};
    const compressions = [...all.matchAll(/`(\w+)`/g)].map(([, name]) => name);
    for (const compression of ['zstd', 'snappy', 'gzip', 'none'])
      assert.equal(
        outputSchema.safeParse({ format: kind, compression }).success,
        compressions.includes(compression),
        `${kind} ${compression}`,
      );
    const [, name = ''] = /`(\w+)`/.exec(serde) ?? [];
    assert.ok(describeFormat({ kind, compression: 'gzip' }).serde.endsWith(`.${name}`), kind);
  }
});
