// `query` reads what is committed and registered, in every format that is written, and nothing else.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { OutputFormat, TableConfig } from '@sluice/collector/contracts.ts';
import { runQuery } from '@sluice/collector/ops/query.ts';
import { createTransformer } from '@sluice/collector/transform/transformer.ts';
import { fakeObjectStore } from '../../support/fake-object-store.ts';
import { createWrittenLake, plainTable, type WrittenLake } from '../../support/written-lake.ts';

const transformer = createTransformer({ memoryBytesMax: 128e6, threads: 1 });
after(() => transformer.close());

const lakeOf = (...tables: Partial<TableConfig>[]) =>
  createWrittenLake(
    transformer,
    fakeObjectStore(),
    tables.map((table) => ({ ...plainTable, ...table })),
  );

const query = (lake: WrittenLake, sql: string) => runQuery(lake.options, sql);

const OUTPUTS: readonly OutputFormat[] = [
  { kind: 'parquet', compression: 'zstd' },
  { kind: 'csv', compression: 'none' },
  { kind: 'csv', compression: 'gzip' },
  { kind: 'json', compression: 'none' },
  { kind: 'json', compression: 'gzip' },
];

for (const output of OUTPUTS) {
  test(`a ${output.kind} table with ${output.compression}, partitioned by one of its columns, reads as it was written`, async () => {
    const lake = await lakeOf({
      output,
      columns: [
        { name: 'n', type: 'int' },
        { name: 'word', type: 'string' },
        { name: 'text', type: 'string' },
      ],
      partitionBy: [{ kind: 'value', field: 'word', column: 'word' }],
    });
    await lake.write('claims', ['{"n":0,"word":"a b","text":"x, \\"y\\""}', '{"n":1,"word":"a/b=c%*[d]"}']);
    await lake.write('claims', ['{"n":2,"text":""}', '{"n":3,"word":"","text":"z"}']);
    const { columns, rows } = await query(lake, 'select n, word, text, _offset from claims order by _offset');
    assert.deepEqual(columns, ['n', 'word', 'text', '_offset']);
    assert.deepEqual(rows, [
      ['0', 'a b', 'x, "y"', '0'],
      ['1', 'a/b=c%*[d]', null, '1'],
      ['2', null, '', '2'],
      ['3', '', 'z', '3'],
    ]);
  });
}
