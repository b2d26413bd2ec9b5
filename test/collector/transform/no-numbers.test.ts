// What computes to no number, an infinity or NaN, never makes a file that its readers cannot read: a record's
// goes to quarantine, and what a whole window computes is spelled as JSON can spell it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { stepSchema } from '@sluice/collector/step-config.ts';
import { rowsOfSelect } from '../../support/parquet.ts';
import { oneWindows } from './one-window.ts';

const { transform } = oneWindows();
const columns = [
  { name: 'k', type: 'string' },
  { name: 'n', type: 'double' },
];
const output = { kind: 'json', compression: 'none' } as const;

test('sums that are no numbers are JSON in a JSON table, and numbers again to who reads it', async () => {
  const sums = stepSchema.parse({
    aggregate: { by: ['k'], measures: [{ column: 'total', function: 'sum', field: 'n' }] },
  });
  const record = (k: string, n: number | null) => JSON.stringify({ k, n });
  const twice = (k: string, n: number) => [record(k, n), record(k, n)];
  const { result } = await transform({ columns, steps: [sums], output, provenance: 'none' }, [
    ...twice('a', 1e308),
    ...twice('b', -1e308),
    record('d', 1.5),
    record('e', null),
  ]);
  const path = result.files[0]?.path ?? '';
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  const totals = lines.map((line) => JSON.parse(line)).map(({ k, total }) => [k, total]);
  assert.deepEqual(Object.fromEntries(totals), { a: 'Infinity', b: '-Infinity', d: 1.5, e: null });
  const typed = `format = 'newline_delimited', columns = {k: 'VARCHAR', total: 'DOUBLE'}`;
  const read = await rowsOfSelect(
    `SELECT k, total = 'inf' AS high, total = '-inf' AS low FROM read_json('${path}', ${typed}) ORDER BY k`,
  );
  assert.deepEqual(
    read.map(({ high, low }) => [high, low]),
    [
      [true, false],
      [false, true],
      [false, false],
      [null, null],
    ],
  );
});

const big = ['{"k":"a","n":1e308}', '{"k":"a","n":1e308}', '{"k":"b","n":2.5}'];
const totals = ['sum', 'avg'].map((called) => ({ column: `${called}_n`, function: called, field: 'n' }));
const sums = stepSchema.parse({ aggregate: { by: ['k'], measures: totals } });
const grouped = { columns, steps: [sums], provenance: 'none' } as const;

test('sums that are no numbers are infinities in Parquet, and in CSV the texts that are documented', async () => {
  const { rows } = await transform(grouped, big);
  const told = rows.map(({ k, sum_n, avg_n }) => [k, String(sum_n), String(avg_n)]);
  assert.deepEqual(told.sort(), [
    ['a', 'Infinity', 'Infinity'],
    ['b', '2.5', '2.5'],
  ]);
  const csv = { kind: 'csv', compression: 'none' } as const;
  const { result } = await transform({ ...grouped, output: csv }, big);
  const lines = readFileSync(result.files[0]?.path ?? '', 'utf8')
    .trim()
    .split('\n');
  assert.deepEqual(lines.sort(), ['a,inf,inf', 'b,2.5,2.5']);
});

test('a rule behind an aggregate finds sums that are no numbers', async () => {
  const rule = { rules: [{ condition: 'isfinite(sum_n)' }], action: 'fail' };
  const steps = [sums, stepSchema.parse({ evaluate_data_quality: rule })];
  await assert.rejects(transform({ ...grouped, steps }, big), { code: 'DATA_QUALITY_FAILED' });
  await transform({ ...grouped, steps }, big.slice(2));
});

test('a nested value with a number inside that is none is quarantined, and a text that says so is not', async () => {
  const derive = stepSchema.parse({
    derive: [
      { column: 'far', type: 'array<double>', expression: '[1.5, n * 10]' },
      {
        column: 'said',
        type: 'struct<text:string,n:double>',
        expression: `{text: 'NaN", Infinity', n: n}`,
      },
    ],
  });
  const { rows, result } = await transform({ columns, steps: [derive], output }, [
    '{"k":"a","n":1e308}',
    '{"k":"b","n":2}',
  ]);
  assert.deepEqual([result.classes.emitted, result.classes.quarantined], [1, 1]);
  assert.equal(rows[0]?.['k'], 'b');
});
