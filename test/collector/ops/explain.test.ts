// `sluice-collector explain`: what it prints of a table is what the catalog and the lake will hold.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { tableDefinitions } from '@sluice/collector/ledger/publish.ts';
import { explainTable } from '@sluice/collector/ops/explain.ts';
import { createTransformer } from '@sluice/collector/transform/transformer.ts';
import { plainTable } from '../../support/written-lake.ts';

const transformer = createTransformer({ memoryBytesMax: 64e6, threads: 1 });
after(() => transformer.close());

const table = {
  ...plainTable,
  name: 'claims',
  location: 'insurance/claims',
  windowLengthMs: 100_000,
  columns: [
    { name: 'at', type: 'timestamp' },
    { name: 'kind', type: 'string' },
  ],
  partitionBy: [
    { kind: 'time', field: 'at', by: 'month', column: 'month' },
    { kind: 'value', field: 'kind', column: 'kind_of' },
  ],
} as const;

const explained = (of: TableConfig) =>
  explainTable(of, {
    transformer,
    database: 'acme',
    url: (key) => `s3://lake/${key}`,
    nowMs: Date.UTC(2026, 10, 27),
  });
const said = explained(table);

test('every column and partition column of rows and quarantine is in the statement of its table', () => {
  const statements = said.split('CREATE EXTERNAL TABLE').slice(1);
  const definitions = Object.values(tableDefinitions(table, transformer.schema(table)));
  assert.equal(statements.length, definitions.length);
  for (const { name, columns, partitionColumns } of definitions) {
    const statement = statements.find((text) => text.includes(`\`acme\`.\`${name}\` (`)) ?? '';
    const [own = '', partitions = ''] = statement.split('PARTITIONED BY');
    for (const column of columns) assert.ok(own.includes(`  \`${column.name}\` ${column.type}`), column.name);
    for (const column of partitionColumns)
      assert.ok(partitions.includes(`  \`${column.name}\` ${column.type}`), column.name);
  }
});

test('a sample path is where a window would put its first object', () => {
  assert.match(said, /s3:\/\/lake\/insurance\/claims\/month=2026-11\/kind_of=<kind>\/<window>-0\.parquet/);
  for (const kind of ['json', 'csv'] as const) {
    const zipped = explained({ ...table, output: { kind, compression: 'gzip' } });
    assert.ok(zipped.includes(`/kind_of=<kind>/<window>-0.${kind}.gz\n`), kind);
  }
  assert.match(said, /LOCATION 's3:\/\/lake\/insurance\/claims\/'/);
});

test('requests are those of windows that close by time', () => {
  assert.match(said, /36 windows an hour/);
  assert.match(said, /one object a window: 108 PUT and COPY/);
});
