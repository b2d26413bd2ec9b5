// A reference file: its values beside each record that has a key in it, against a map; and what is wrong with
// a file stops the table by name.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { stepSchema } from '@sluice/collector/step-config.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { plainTable } from '../../support/written-lake.ts';
import { oneWindows } from './one-window.ts';

const { transform, transformer } = oneWindows();
const directory = temporaryDirectory();
const columns = [
  { name: 'k', type: 'int' },
  { name: 's', type: 'string' },
];
const lookup = (file: string, change: object = {}) => [
  stepSchema.parse({
    lookup: {
      file: join(directory, file),
      keys: { k: 'id', s: 'Kind of' },
      columns: [{ from: 'price', column: 'price', type: 'decimal(30,12)' }],
      ...change,
    },
  }),
];
const write = (name: string, text: string) => writeFileSync(join(directory, name), text);
const CSV = 'id,Kind of,price\n1,a,0.100000000001\n1,"b,\'",12345678901234567.5\n2,a,\n';
write('ref.csv', CSV);
const VALUES = [
  '{"k":1,"s":"a"}',
  '{"k":1,"s":"b,\'"}',
  '{"k":2,"s":"a"}',
  '{"k":3,"s":"a"}',
  '{"k":1}',
  '{"k":"x"}',
];

for (const missing of ['quarantine', 'null', 'filter'] as const)
  test(`columns come from the file exactly; where it has no such key: ${missing}`, async () => {
    const { rows, quarantine, result } = await transform(
      { columns, steps: lookup('ref.csv', { missing }) },
      VALUES,
    );
    const found = new Map(rows.map((row) => [Number(row['_offset']), row['price']]));
    const known: [number, unknown][] = [
      [0, '0.100000000001'],
      [1, '12345678901234567.500000000000'],
      [2, null],
    ];
    const nulls: [number, unknown][] =
      missing === 'null'
        ? [
            [3, null],
            [4, null],
          ]
        : [];
    assert.deepEqual(
      [...found].sort(([a], [b]) => a - b),
      [...known, ...nulls],
    );
    assert.deepEqual(
      quarantine.map((row) => row['code']),
      missing === 'quarantine' ? ['LOOKUP_MISSING', 'LOOKUP_MISSING', 'CAST_FAILED'] : ['CAST_FAILED'],
    );
    assert.equal(result.classes.filtered, missing === 'filter' ? 2 : 0);
  });

test('the next window sees what changed in the file', async () => {
  write('changing.csv', CSV);
  const steps = lookup('changing.csv');
  const price = async () => (await transform({ columns, steps }, VALUES.slice(0, 1))).rows[0]?.['price'];
  assert.equal(await price(), '0.100000000001');
  write('changing.csv', CSV.replace('0.100000000001', '7'));
  assert.equal(await price(), '7.000000000000');
});

test('JSON lines are read by name', async () => {
  write('ref.json', '{"id":1,"Kind of":"a","price":1.5}\n{"id":2,"Kind of":"a"}\n');
  const { rows } = await transform({ columns, steps: lookup('ref.json') }, VALUES.slice(0, 1));
  assert.equal(rows[0]?.['price'], '1.500000000000');
});

const UNUSABLE: readonly (readonly [string, string, RegExp])[] = [
  ['a key twice', `${CSV}1,a,5\n`, /the key '1, a' is there twice/],
  ['a value of another type', CSV.replace('0.1', 'x'), /price 'x.*' is not decimal\(30,12\)/],
  ['a key of another type', `${CSV}one,a,5\n`, /id 'one' is not int/],
  ['a row without a key', `${CSV},a,5\n`, /a row has no key/],
  ['a column that is not there', CSV.replace('price', 'cost'), /price/],
];
for (const [what, text, expected] of UNUSABLE)
  test(`a file with ${what} stops the table, and check says so`, async () => {
    write('bad.csv', text);
    const error = await transform({ columns, steps: lookup('bad.csv') }, VALUES).catch((e: unknown) => e);
    assert.ok(error instanceof SluiceError && error.code === 'REFERENCE_UNUSABLE', String(error));
    assert.match(error.message, expected);
    const problems = await transformer.validate(
      { ...plainTable, columns, steps: lookup('bad.csv') },
      directory,
    );
    assert.match(problems.join(), expected);
  });

test('a file that is not there is named', async () => {
  const problems = await transformer.validate(
    { ...plainTable, columns, steps: lookup('gone.csv') },
    directory,
  );
  assert.match(problems.join(), /ENOENT/);
});
