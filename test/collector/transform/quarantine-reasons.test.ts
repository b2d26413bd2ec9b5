// What the quarantine says of a record is enough to correct its producer: the field by its path, the value,
// the type that was wanted and the one that was found; and no value where raw bytes must not be kept.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSteps, transform } from './step-cases.ts';

const TYPES = {
  n: 'bigint',
  t: 'timestamp',
  l: 'array<struct<q:int>>',
  m: 'map<string,boolean>',
  d: 'decimal(30,9)',
};
const columns = [
  ...Object.entries(TYPES).map(([name, type]) => ({ name, type })),
  { name: 'a"b\\', type: 'date' },
];

/** A value, the code and the field of its record, the reason, and the reason without its value. */
const CASES: readonly (readonly [string, string, string | null, string, string])[] = [
  ['{"n":"5"}', 'CAST_FAILED', 'n', "n '5' is not bigint but string", 'n is not bigint but string'],
  ['{"n":5.5}', 'CAST_FAILED', 'n', "n '5.5' is not bigint but number", 'n is not bigint but number'],
  ['{"n":true}', 'CAST_FAILED', 'n', "n 'true' is not bigint but boolean", 'n is not bigint but boolean'],
  ['{"n":[1]}', 'CAST_FAILED', 'n', "n '[1]' is not bigint but array", 'n is not bigint but array'],
  ['{"t":5}', 'CAST_FAILED', 't', "t '5' is not timestamp but number", 't is not timestamp but number'],
  [
    '{"t":{"x":1}}',
    'CAST_FAILED',
    't',
    `t '{"x":1}' is not timestamp but object`,
    't is not timestamp but object',
  ],
  [
    '{"t":"soon"}',
    'CAST_FAILED',
    't',
    "t 'soon' is not timestamp but string",
    't is not timestamp but string',
  ],
  [
    '{"a\\"b\\\\":5}',
    'CAST_FAILED',
    'a"b\\',
    `a"b\\ '5' is not date but number`,
    'a"b\\ is not date but number',
  ],
  [
    '{"l":[{"q":1},{"q":"x"}]}',
    'CAST_FAILED',
    'l[1].q',
    "l[1].q 'x' is not int but string",
    'l[1].q is not int but string',
  ],
  [
    '{"m":5}',
    'CAST_FAILED',
    'm',
    "m '5' is not map<string,boolean> but number",
    'm is not map<string,boolean> but number',
  ],
  ['[1]', 'NOT_AN_OBJECT', null, "the value '[1]' is not an object", 'the value is not an object'],
  ['null', 'NOT_AN_OBJECT', null, "the value 'null' is not an object", 'the value is not an object'],
];
const INEXACT = 'a number has more digits than can be read exactly, or is too small to be told from 0';

for (const [value, code, field, reason, hidden] of CASES)
  test(`of ${value} it says: ${reason}`, async () => {
    const steps = parseSteps([{ rename_field: { 'a"b\\': 'day' } }]);
    for (const [quarantineRaw, expected] of [
      ['keep', reason],
      ['hash', hidden],
      ['drop', hidden],
    ] as const) {
      const { quarantine } = await transform({ columns, steps, quarantineRaw }, [value, '{"n":1}']);
      assert.deepEqual(
        quarantine.map((row) => [row['code'], row['field'], row['reason']]),
        [[code, field, expected]],
      );
    }
  });

test('digits that would be lost are told by their field, wherever it lies', async () => {
  const list = { name: 'deep', type: 'struct<list:array<struct<d:decimal(38,20)>>>' };
  const { quarantine } = await transform({ columns: [{ name: 'd', type: 'decimal(38,20)' }, list] }, [
    '{"d":0.12345678901234567891}',
    '{"x":0.12345678901234567891,"deep":{"list":[{"d":1,"0":[3,4]},{"d":0.12345678901234567891}]}}',
  ]);
  assert.deepEqual(
    quarantine.map((row) => [row['code'], row['field'], row['reason']]),
    [
      ['NUMBER_INEXACT', 'd', INEXACT],
      ['NUMBER_INEXACT', 'deep.list[1].d', INEXACT],
    ],
  );
});

test('a cast of a typed column says which type it had', async () => {
  const steps = parseSteps([{ apply_mapping: [['d', 'decimal(30,9)', 'd', 'int']] }]);
  const { quarantine } = await transform({ columns: columns.slice(4, 5), steps }, ['{"d":1.5}']);
  assert.equal(quarantine[0]?.['reason'], "d '1.500000000' is not int but decimal(30,9)");
});
