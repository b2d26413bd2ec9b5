// Tables beside a table, and rows of groups, in its partitions: an output has those partition columns that it
// has values for, none that its files have as well, and no value that no path can hold is ever written.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PartitionSpec, TableConfig } from '@sluice/collector/contracts.ts';
import { planFields } from '@sluice/collector/transform/sql/fields.ts';
import { plainTable } from '../../support/written-lake.ts';
import { oneWindows } from './one-window.ts';
import { parseSteps } from './step-cases.ts';

const { transform } = oneWindows();
const columnsOf = (columns: Readonly<Record<string, string>>) =>
  Object.entries(columns).map(([name, type]) => ({ name, type }));
const byDay = (field: string): PartitionSpec => ({
  ...{ kind: 'time', field, by: 'day', column: `${field}_day` },
  ...{ notBefore: '1970-01-02', notAfter: '2100-01-01' },
});
const byValue = (field: string, column = field): PartitionSpec => ({ kind: 'value', field, column });

interface Given extends Partial<Omit<TableConfig, 'columns' | 'steps'>> {
  readonly of: Readonly<Record<string, string>>;
  readonly steps?: readonly object[];
}

const tableOf = ({ of, steps = [], ...rest }: Given): Partial<TableConfig> => ({
  ...rest,
  columns: columnsOf(of),
  steps: parseSteps(steps),
});
const problemsOf = (given: Given) => planFields({ ...plainTable, ...tableOf(given) }).problems.join('; ');

test('a table of an array’s elements has no partition by a time that stays with the record', async () => {
  const table = tableOf({
    of: { id: 'int', at: 'timestamp', kind: 'string', lines: 'array<struct<kind:string,qty:int>>' },
    steps: [{ relationalize: ['lines'] }],
    partitionBy: [byDay('at'), byValue('kind')],
  });
  const { result, quarantine, read } = await transform(table, [
    '{"id":1,"at":"2026-01-02T03:04:05Z","kind":"a","lines":[{"kind":"x","qty":1},{"kind":"y","qty":2}]}',
    '{"id":2,"at":"1970-01-01T00:00:00Z","kind":"a","lines":[{"kind":"x","qty":3}]}',
    `{"id":3,"kind":"a","lines":[{"kind":"${'z'.repeat(300)}","qty":4}]}`,
  ]);
  const partitions = (output: string) =>
    result.files.filter((file) => file.output === output).map(({ partition }) => partition);
  assert.deepEqual(partitions('rows'), [
    [
      { column: 'at_day', value: '2026-01-02' },
      { column: 'kind', value: 'a' },
    ],
  ]);
  assert.deepEqual(partitions('lines'), [[{ column: 'kind', value: 'x' }], [{ column: 'kind', value: 'y' }]]);
  assert.deepEqual(
    (await read('lines')).map(({ qty }) => qty),
    [1, 2],
  );
  assert.deepEqual(
    quarantine.map(({ code, field }) => [code, field]),
    [
      ['PARTITION_TIME_OUT_OF_BOUNDS', 'at'],
      ['PARTITION_TOO_LONG', 'kind'],
    ],
  );
});

const REFUSED: readonly (readonly [string, Given, RegExp])[] = [
  [
    'a time that an output makes a text of',
    {
      of: { id: 'int', at: 'timestamp' },
      steps: [
        {
          split_rows: [
            { output: 'b', when: 'id > 1', steps: [{ format_timestamp: { field: 'at', pattern: 'yyyy' } }] },
          ],
        },
      ],
      partitionBy: [byDay('at')],
    },
    /^in 'b': partitionBy 'at' by day needs a timestamp or date, and it is string$/,
  ],
  [
    'a partition column that an output has as a column of its files',
    {
      of: { id: 'int', lines: 'array<struct<ingest_day:string>>' },
      steps: [{ relationalize: ['lines'] }],
      partitionBy: [{ kind: 'ingest', by: 'day', column: 'ingest_day' }],
    },
    /^in 'lines': partition column 'ingest_day' is a column already$/,
  ],
  [
    'an array as a partition of an output',
    {
      of: { id: 'int', kind: 'string' },
      steps: [
        {
          split_rows: [
            {
              ...{ output: 'b', when: 'id > 1' },
              steps: [{ split_string: { field: 'kind', separator: '/', column: 'kind' } }],
            },
          ],
        },
      ],
      partitionBy: [byValue('kind')],
    },
    /^in 'b': partitionBy 'kind': a array<string> makes no partition$/,
  ],
  [
    'a partition column that is named as a column about the record',
    { of: { id: 'int' }, partitionBy: [byValue('id', '_offset')] },
    /'_offset' has the name of a metadata column: say another with 'as'/,
  ],
  [
    'a partition column that is named as the number of a row',
    {
      of: { id: 'int', xs: 'array<int>' },
      steps: [{ explode: { field: 'xs' } }],
      partitionBy: [byValue('id', '_row')],
    },
    /'_row' has the name of a metadata column/,
  ],
  [
    'a column that is named as the number of a row',
    { of: { id: 'int', xs: 'array<int>' }, steps: [{ explode: { field: 'xs', position: '_row' } }] },
    /'_row' has the name of a metadata column/,
  ],
];

for (const [what, given, expected] of REFUSED)
  test(`${what} is refused by name`, () => assert.match(problemsOf(given), expected));

test('a table whose only column stands in the path has something to write, or is refused', () => {
  const given = { of: { id: 'int' }, partitionBy: [byValue('id')] };
  assert.match(problemsOf({ ...given, provenance: 'none' }), /^no column is left to write$/);
  assert.equal(problemsOf({ ...given, provenance: 'position' }), '');
  assert.equal(problemsOf({ ...given, provenance: 'none', partitionBy: [byValue('id', 'of')] }), '');
});

test('a table of one row for each record may name a column _row', () => {
  assert.equal(problemsOf({ of: { _row: 'int' }, partitionBy: [byValue('_row')] }), '');
});

test('rows of groups lie in partitions by a time that the groups have, and odd times are told', async () => {
  const table = tableOf({
    of: { k: 'string', at: 'timestamp' },
    provenance: 'none',
    steps: [{ aggregate: { by: ['k'], measures: [{ column: 'first_at', function: 'min', field: 'at' }] } }],
    partitionBy: [byDay('first_at')],
  });
  const { rows, result } = await transform(table, [
    '{"k":"a","at":"2026-01-03T00:00:00Z"}',
    '{"k":"a","at":"2026-01-02T00:00:00Z"}',
    '{"k":"b","at":"1970-01-01T00:00:00Z"}',
    '{"k":"c"}',
  ]);
  assert.deepEqual(
    result.files.map(({ partition, rows: n }) => [partition[0]?.value, n]),
    [
      ['1970-01-01', 1],
      ['2026-01-02', 1],
      [null, 1],
    ],
  );
  assert.equal(rows.length, 3);
  assert.deepEqual(result.brokenRules, [
    { output: 'rows', rule: 'first_at, of a partition, is at or after 1970-01-02', rows: 1 },
  ]);
});

test('a column that sql makes anew is not taken for the record’s of the same name', async () => {
  const table = tableOf({
    of: { k: 'string', day: 'string' },
    provenance: 'none',
    output: { kind: 'csv', compression: 'none' },
    steps: [
      {
        sql: {
          query: "SELECT replace(k, chr(10), ' ') AS k, day::TIMESTAMP AS day FROM rows",
          columns: { k: 'string', day: 'timestamp' },
        },
      },
    ],
    partitionBy: [byDay('day')],
  });
  const { rows, quarantine } = await transform(table, ['{"k":"a\\nb","day":"2026-01-02"}']);
  assert.deepEqual(
    rows.map((row) => Object.values(row)),
    [['a b', '2026-01-02 00:00:00.000000']],
  );
  assert.deepEqual(quarantine, []);
});

const UNWRITABLE: readonly (readonly [string, Given, RegExp])[] = [
  [
    'a path that a group’s value is too long for',
    {
      of: { k: 'string' },
      steps: [
        {
          sql: { query: 'SELECT repeat(k, 300) AS k, 1 AS n FROM rows', columns: { k: 'string', n: 'int' } },
        },
      ],
      partitionBy: [byValue('k')],
    },
    /'k' is longer than a path may name/,
  ],
  [
    'a line break in a text of a group, in CSV',
    {
      of: { k: 'string' },
      output: { kind: 'csv', compression: 'none' },
      steps: [{ sql: { query: 'SELECT k || chr(10) AS k FROM rows', columns: { k: 'string' } } }],
    },
    /'k' holds a line break/,
  ],
];

for (const [what, given, expected] of UNWRITABLE)
  test(`${what} holds the window by name and is not written`, async () => {
    await assert.rejects(
      transform({ ...tableOf(given), provenance: 'none' }, ['{"k":"a"}']),
      (error: Error) => {
        assert.match(error.message, expected);
        return 'code' in error && error.code === 'TRANSFORM_FAILED';
      },
    );
  });
