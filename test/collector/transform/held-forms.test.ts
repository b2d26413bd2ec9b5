// Values that are spelled as the first step wants them need no check of each cast: what is taken for such
// must be cast as it is with care, and no other.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openDatabase } from '@sluice/collector/transform/duckdb.ts';
import { JsonLook } from '@sluice/collector/transform/json-look.ts';
import { compileTable } from '@sluice/collector/transform/sql/compile.ts';
import { planFields } from '@sluice/collector/transform/sql/fields.ts';
import fc from 'fast-check';
import { temporaryDirectory } from '../../support/temp.ts';
import { plainTable } from '../../support/written-lake.ts';
import { chunkOfValues, NULL_MARK, SEPARATOR } from './json-chunk.ts';
import { parseSteps } from './step-cases.ts';

const marks = { separator: SEPARATOR, nullMark: NULL_MARK, elementMark: '\u001eelement' };
const TARGETS = {
  real: 'double',
  single: 'float',
  tiny: 'tinyint',
  small: 'smallint',
  n: 'int',
  big: 'bigint',
};

/** Texts to numbers, integers to narrower and to wider ones, one column to two types. */
const table = {
  ...plainTable,
  columns: [
    ...Object.keys(TARGETS).map((name) => ({ name, type: 'string' })),
    { name: 'wide', type: 'bigint' },
    { name: 'slim', type: 'int' },
    { name: 'both', type: 'string' },
  ],
  steps: parseSteps([
    {
      apply_mapping: [
        ...Object.entries(TARGETS).map(([name, type]) => [name, 'string', name, type]),
        ['wide', 'bigint', 'narrow', 'smallint'],
        ['slim', 'int', 'wider', 'bigint'],
        ['both', 'string', 'as_int', 'int'],
        ['both', 'string', 'as_real', 'double'],
      ],
    },
  ]),
};
const plan = planFields(table);
const compiled = compileTable(table, plan, marks);
const directory = temporaryDirectory();
const database = await openDatabase({
  ...{ directories: [directory], spillDirectory: directory, memoryBytesMax: 256e6, threads: 1 },
});
for (const sql of compiled.createStaged) await database.run(sql);
after(() => database.close());

async function staged(values: readonly string[], isPlain: boolean) {
  await database.appendChunk(chunkOfValues(values));
  for (const sql of compiled.insertStaged('clean', { exactText: false, isPlain })) await database.run(sql);
  await database.emptyRaw();
  const rows = await database.rows('SELECT * FROM staged ORDER BY _offset');
  for (const sql of compiled.createStaged) await database.run(sql);
  return rows;
}

const isPlain = (values: readonly string[]) => new JsonLook(chunkOfValues(values), plan, marks).end().isPlain;

test('no check is left where all that the first step wants is held, and a column of two casts keeps its own', () => {
  const [sql = ''] = compiled.insertStaged('clean', { exactText: false, isPlain: true });
  const told = [...sql.matchAll(/'CAST_FAILED' \|\| chr\(31\) \|\| '([a-z]+)'/g)].map(([, name]) => name);
  assert.deepEqual(told, ['both', 'both']);
  const [careful = ''] = compiled.insertStaged('clean', { exactText: false, isPlain: false });
  for (const name of Object.keys(TARGETS)) assert.match(careful, new RegExp(`'${name}'`));
});

const NUMBERS = [
  ...['0', '7', '-7', '007', '-0', '1.50', '-0.0', '0.000000000000001', '999999999999999.999999999999999'],
  ...['99', '100', '-99', '29999', '30000', '1999999999', '2147483648', '8999999999999999999'],
];
const STRANGE = [
  ...['', ' 1', '1 ', '+1', '1e3', '1_0', 'inf', 'NaN', '.5', '5.', '1.2.3', '0x1f', '١', 'x', '-', '1e400'],
  ...['9223372036854775808', '99999999999999999999', '0.0000000000000000000001', '1,5', '1\n'],
];

test('each number is cast as it is with care, or is not plain', async () => {
  const columns = [...Object.keys(TARGETS), 'both'];
  const values = [...NUMBERS, ...STRANGE].flatMap((text) =>
    columns.map((name) => JSON.stringify({ [name]: text })),
  );
  const integers = [0, -1, 29_999, 30_000, 1_999_999_999, 5_000_000_000, 1e15];
  values.push(...integers.flatMap((n) => [JSON.stringify({ wide: n }), JSON.stringify({ slim: n })]));
  const plain = values.filter((value) => isPlain([value]));
  assert.ok(plain.length > 30 && plain.length < values.length - 60, `${plain.length} of ${values.length}`);
  assert.equal(isPlain(plain), true);
  assert.deepEqual(await staged(plain, true), await staged(plain, false));
});

test('a text that the first step cannot cast makes its chunk one to be read with care', () => {
  for (const strange of STRANGE)
    assert.equal(isPlain(['{"real":"1.5"}', JSON.stringify({ real: strange })]), false, strange);
  assert.equal(isPlain(['{"wide":29999}', '{"wide":30000}']), false);
  assert.equal(isPlain(['{"slim":1}', '{"slim":5000000000}']), false, 'too large for what is read');
});

test('random texts that are taken for plain are cast as they are with care', async () => {
  const text = fc.oneof(
    fc.stringMatching(/^-?[0-9]{1,5}(\.[0-9]{1,3})?$/),
    fc.integer().map(String),
    fc.double().map(String),
    fc.stringMatching(/^[-+ 0-9._e]{1,6}$/),
  );
  const name = fc.constantFrom(...Object.keys(TARGETS), 'both');
  const record = fc.tuple(name, text).map(([name, text]) => ({ [name]: text }));
  let plain = 0;
  const property = fc.asyncProperty(fc.array(record, { minLength: 60, maxLength: 120 }), async (records) => {
    const values = records.map((one) => JSON.stringify(one)).filter((value) => isPlain([value]));
    plain += values.length;
    assert.deepEqual(await staged(values, true), await staged(values, false));
  });
  await fc.assert(property, { numRuns: 25 });
  assert.ok(plain > 100, `${plain} were plain`);
});
