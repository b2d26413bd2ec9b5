// Doubles and floats that become decimals: with the digits that they have, or not at all.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { oneWindows } from './one-window.ts';
import { parseSteps } from './step-cases.ts';

const { transform } = oneWindows();

test('a double of few digits fits a decimal with digits to spare, and no digit is made up behind them', async () => {
  const steps = parseSteps([
    { derive: [{ column: 'q', type: 'decimal(38,18)', expression: 'v / 100' }] },
    {
      apply_mapping: [
        ['d', 'double', 'd', 'decimal(38,18)'],
        ['q', 'decimal(38,18)', 'q', 'decimal(38,18)'],
      ],
    },
  ]);
  const columns = [
    { name: 'v', type: 'bigint' },
    { name: 'd', type: 'double' },
  ];
  const { rows, quarantine } = await transform({ columns, steps }, [
    '{"v":150,"d":-1.1}',
    '{"v":1,"d":123456789.012345}',
    '{"v":12345678901,"d":0.0001}',
    '{"d":1234567890.5}',
    '{"d":0.30000000000000004}',
    '{"v":1234567890123}',
  ]);
  assert.deepEqual(
    rows.map(({ q, d }) => [q, d]),
    [
      ['1.500000000000000000', '-1.100000000000000000'],
      ['0.010000000000000000', '123456789.012345000000000000'],
      ['123456789.010000000000000000', '0.000100000000000000'],
    ],
  );
  assert.deepEqual(
    quarantine.map(({ field, _offset }) => [field, Number(_offset)]),
    [
      ['d', 3],
      ['d', 4],
      ['q', 5],
    ],
  );
});

test('a float is no decimal with digits that it does not have', async () => {
  const type = 'decimal(18,2)';
  const steps = parseSteps([
    { derive: [{ column: 'e', type, expression: 'f' }] },
    {
      apply_mapping: [
        ['f', 'float', 'f', type],
        ['e', type, 'e', type],
        ['g', 'float', 'g', type],
      ],
    },
  ]);
  const columns = [
    { name: 'f', type: 'float' },
    { name: 'g', type: 'float' },
  ];
  const { rows, quarantine } = await transform({ columns, steps }, [
    '{"f":12345.67,"g":0.1}',
    '{"f":1234567.89}',
    '{"g":1234567.89}',
  ]);
  assert.deepEqual(
    rows.map(({ f, e, g }) => [f, e, g]),
    [['12345.67', '12345.67', '0.10']],
  );
  assert.deepEqual(
    quarantine.map(({ field }) => field),
    ['e', 'g'],
  );
});
