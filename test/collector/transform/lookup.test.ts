// A reference file: its values beside each record that has a key in it, against a map; and what is wrong with
// a file stops the table by name.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { stepSchema } from '@sluice/collector/step-config.ts';
import { createTransformer } from '@sluice/collector/transform/transformer.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { plainTable } from '../../support/written-lake.ts';
import { oneWindows } from './one-window.ts';

const directory = temporaryDirectory();
/** What S3 has, and where its copy is. */
const onS3 = new Map<string, string>();
const { transform, transformer } = oneWindows(undefined, {
  async copyOf(url) {
    const copy = onS3.get(url);
    if (copy === undefined) throw new SluiceError('REFERENCE_UNUSABLE', 'it is not there', { place: url });
    return copy;
  },
  close() {},
});
const columns = [
  { name: 'k', type: 'int' },
  { name: 's', type: 'string' },
];
const lookupOf = (file: string) => ({
  file,
  keys: { k: 'id', s: 'Kind of' },
  columns: [{ from: 'price', column: 'price', type: 'decimal(30,12)' }],
});
const lookup = (file: string, change: object = {}) => [
  stepSchema.parse({ lookup: { ...lookupOf(join(directory, file)), ...change } }),
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

test('JSON lines are read as they are written, digit for digit', async () => {
  const lines = [
    '{"id":1,"Kind of":"a","price":12345678901234567.123456789012,"note":{"p":1.50,"q":["}",2]}}',
    '',
    '{"id":2,"Kind of":"a","price":"0.5","note":"2020-01-31T00:00:00Z"}\r',
    '{"note":true,"price":null,"Kind of":"a","id":3}',
    '{"id":4,"Kind of":"a","price":-0.000000000001,"note":-1.50}',
  ];
  write('exact.json', lines.join('\n'));
  const taken = [
    { from: 'price', column: 'price', type: 'decimal(30,12)' },
    { from: 'note', column: 'note', type: 'string' },
  ];
  const values = [1, 2, 3, 4].map((k) => `{"k":${k},"s":"a"}`);
  const { rows } = await transform({ columns, steps: lookup('exact.json', { columns: taken }) }, values);
  assert.deepEqual(
    rows.map(({ price, note }) => [price, note]),
    [
      ['12345678901234567.123456789012', '{"p":1.50,"q":["}",2]}'],
      ['0.500000000000', '2020-01-31T00:00:00Z'],
      [null, 'true'],
      ['-0.000000000001', '-1.50'],
    ],
  );
});

test('JSON lines that are none, or lack a column altogether, are told', async () => {
  for (const [text, expected] of [
    ['{"id":1,"Kind of":"a","price":1}\n{"id":2', /line 2 is no JSON object/],
    ['[1]', /line 1 is no JSON object/],
    ['{"id":1,"Kind of":"a","prize":1}', /no line has 'price'/],
    ['{"id":1,"Kind of":"a","price":1.5e-3}', /price '1.5e-3' is not decimal/],
  ] as const) {
    write('bad.json', text);
    await assert.rejects(transform({ columns, steps: lookup('bad.json') }, VALUES), {
      code: 'REFERENCE_UNUSABLE',
      message: expected,
    });
  }
});

test('a file on S3 is read from its copy of now, and one that is missing is named', async () => {
  const steps = [stepSchema.parse({ split_rows: [{ output: 'big', when: 'k > 1', steps: [] }] })];
  const url = 's3://acme/reference/prices.csv';
  const [look] = lookup('any.csv', { file: url });
  const tables = { columns, steps: [look, ...steps].flatMap((step) => step ?? []) };
  const inside = stepSchema.parse({
    split_rows: [{ output: 'big', when: 'k = 1', steps: [{ lookup: lookupOf(url) }] }],
  });
  write('one.csv', CSV);
  write('two.csv', CSV.replace('0.100000000001', '7'));
  const prices = async () => {
    onS3.set(url, join(directory, 'one.csv'));
    const first = await transform(tables, VALUES.slice(0, 1));
    onS3.set(url, join(directory, 'two.csv'));
    const second = await transform({ columns, steps: [inside] }, VALUES.slice(0, 1));
    return [first.rows[0]?.['price'], (await second.read('big'))[0]?.['price']];
  };
  assert.deepEqual(await prices(), ['0.100000000001', '7.000000000000']);
  onS3.clear();
  await assert.rejects(transform(tables, VALUES), { code: 'REFERENCE_UNUSABLE', place: url });
  await assert.rejects(transformer.validate({ ...plainTable, ...tables }, directory), { place: url });
});

test('without S3 a table with a file there is checked as if the file were empty', async () => {
  const offline = createTransformer({ memoryBytesMax: 64e6, threads: 1 });
  try {
    const steps = [stepSchema.parse({ lookup: lookupOf('s3://acme/prices.json') })];
    assert.deepEqual(await offline.validate({ ...plainTable, columns, steps }, directory), []);
    const wrong = [...steps, stepSchema.parse({ filter: 'pric > 1' })];
    assert.match(
      (await offline.validate({ ...plainTable, columns, steps: wrong }, directory)).join(),
      /pric/,
    );
  } finally {
    await offline.close();
  }
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
