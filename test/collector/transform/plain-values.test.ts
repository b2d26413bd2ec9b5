// Values that are spelled plainly are read without a check of each: what is taken for plain must be what the
// careful reading makes of it, and whatever that would not take, or take in another way, must not be.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { stepSchema } from '@sluice/collector/step-config.ts';
import type { ColumnChunk } from '@sluice/collector/transform/columns.ts';
import { openDatabase } from '@sluice/collector/transform/duckdb.ts';
import { PlainValues } from '@sluice/collector/transform/plain-values.ts';
import { compileTable } from '@sluice/collector/transform/sql/compile.ts';
import { planFields } from '@sluice/collector/transform/sql/fields.ts';
import { plainForms } from '@sluice/collector/transform/sql/plain-forms.ts';
import { jsonRules, StrictLook } from '@sluice/collector/transform/strict-json.ts';
import fc from 'fast-check';
import { temporaryDirectory } from '../../support/temp.ts';
import { plainTable } from '../../support/written-lake.ts';
import { CASES } from './json-cases.ts';
import { chunkOfValues, NULL_MARK, SEPARATOR } from './json-chunk.ts';
import { oneWindows } from './one-window.ts';

const TYPES = {
  tiny: 'tinyint',
  small: 'smallint',
  n: 'int',
  big: 'bigint',
  real: 'double',
  single: 'float',
  price: 'decimal(10,2)',
  flag: 'boolean',
  day: 'date',
  at: 'timestamp',
  text: 'string',
  who: 'struct<name:string,age:int,since:date,home:struct<city:string,zip:bigint>>',
  lines: 'array<struct<sku:string,qty:int,unit:double>>',
  tags: 'array<string>',
  more: 'map<string,int>',
};
const columns = Object.entries(TYPES).map(([name, type]) => ({ name, type }));
const table = { ...plainTable, columns };
const plan = planFields(table);
const marks = { separator: SEPARATOR, nullMark: NULL_MARK, elementMark: '\u001eelement' };
const compiled = compileTable(table, plan, marks);
const directory = temporaryDirectory();
const limits = { spillDirectory: directory, memoryBytesMax: 256e6, threads: 1 };
const database = await openDatabase({ directories: [directory], ...limits });
for (const sql of [...compiled.createStaged, ...(compiled.straight?.createCounters ?? [])])
  await database.run(sql);
after(() => database.close());

function lookAt(chunk: ColumnChunk, source = plan.source) {
  const plain = new PlainValues(plainForms(source));
  const exactText = new StrictLook(chunk, jsonRules(source, marks.elementMark), {
    also: (text) => plain.look(text),
  }).end();
  return { exactText, isPlain: plain.end(chunk) };
}

/** Rows as the chunk is read so, or undefined where it is refused. */
async function straightRows(reading: { readonly exactText: boolean; readonly isPlain: boolean }) {
  try {
    return await database.rows(compiled.straight?.select([], reading) ?? assert.fail());
  } catch {
    return undefined;
  }
}

const isTaken = (...values: string[]) => lookAt(chunkOfValues(values)).isPlain;

const PLAIN = [
  '{}',
  '{"n":0}',
  '{ "n" :\t-7 ,"big":-1}',
  '{"n":null,"at":null,"lines":null,"who":null}',
  '{"tiny":99,"small":-29999,"n":1999999999,"big":8999999999999999999}',
  '{"real":0.5}',
  '{"real":-123456789012345.123456789012345}',
  '{"flag":false}',
  '{"day":"2026-01-02","at":"2026-01-02T03:04:05.123456Z"}',
  '{"at":"2026-01-02 03:04:05+02:00"}',
  '{"day":"2024-02-29","at":"2000-02-29T23:59:59-1130"}',
  '{"at":"2026-12-31"}',
  '{"at":"2026-01-02 03:04"}',
  '{"text":"5","other":{"other":[1e9,"NaN"]}}',
  '{"who":{"name":"\\u00fc","age":5,"home":{"zip":1}},"lines":[{"qty":1},null]}',
  '{"price":"no number","single":"nor this"}',
];

const NOT_PLAIN = [
  '',
  '5',
  ' {"n":1}',
  '[{"n":1}]',
  '{"n":1.0}',
  '{"n":1e3}',
  '{"n":-0}',
  '{"n":"1"}',
  '{"n":true}',
  '{"n":[1]}',
  '{"n":2000000000}',
  '{"n":12345678901}',
  '{"tiny":100}',
  '{"small":30000}',
  '{"big":9000000000000000000}',
  '{"real":1e400}',
  '{"real":-0.0}',
  '{"real":-0}',
  '{"real":"0.5"}',
  '{"real":1234567890123456}',
  '{"real":true}',
  '{"flag":1}',
  '{"flag":"true"}',
  '{"day":20260102}',
  '{"day":"2026-1-2"}',
  '{"day":"epoch"}',
  '{"day":"2026-02-30"}',
  '{"day":"2100-02-29"}',
  '{"day":"0000-01-01"}',
  '{"at":"2026-04-31"}',
  '{"at":"2026-01-02T24:00:00Z"}',
  '{"at":"2026-01-02T23:60:00Z"}',
  '{"at":"2026-01-02T23:59:60Z"}',
  '{"at":"2026-01-02T23:59:59+24:00"}',
  '{"who":{"since":"2026-02-30"}}',
  '{"at":"2026-01-02T03:04:05.1234567Z"}',
  '{"at":"2026-01-02T03:04Z"}',
  '{"at":"2026-01-02 03:04:05 +05"}',
  '{"at":"infinity"}',
  '{"at":1780000000}',
  '{"text":5}',
  '{"text":{"a":1}}',
  '{"text":[]}',
  '{"who":5}',
  '{"who":[]}',
  '{"who":"{}"}',
  '{"who":{"name":5}}',
  '{"who":{"name":{}}}',
  '{"who":{"home":[]}}',
  '{"lines":{}}',
  '{"lines":"[]"}',
  '{"lines":[{"qty":"1"}]}',
  '{"other":{"n":"x"}}',
  '{"\\u006e":"x"}',
  '{"n":1,"\\u006e":"x"}',
] as const;

for (const value of PLAIN)
  test(`plain: ${value}`, async () => {
    assert.equal(isTaken('{"n":1}', value), true);
  });

for (const value of NOT_PLAIN)
  test(`not plain, beside others that are: ${value}`, () => {
    assert.equal(isTaken('{"n":1}', value, '{"n":2}'), false);
  });

test('a long text of escapes, or of digits, is looked through once', () => {
  const value = `{"n":1,"text":"${'\\u00fc'.repeat(150_000)}","other":["${'01'.repeat(500_000)}"]}`;
  const started = performance.now();
  assert.equal(isTaken(value), true);
  const tookMs = performance.now() - started;
  assert.ok(tookMs < 5_000, `it took ${tookMs} ms`);
});

test('one chunk says nothing of the next', () => {
  const plain = new PlainValues(plainForms(plan.source));
  const seen = ['{"n":1}', '{"n":"1"}', '{"n":1}'].map((value) => {
    plain.look(value);
    return plain.end(chunkOfValues([value]));
  });
  assert.deepEqual(seen, [true, false, true]);
});

test('a name that two fields want in two forms proves neither', () => {
  const twice = [
    { name: 'n', type: 'int' },
    { name: 'who', type: 'struct<n:string,name:string>' },
  ];
  const { source } = planFields({ ...plainTable, columns: twice });
  assert.deepEqual([...plainForms(source).keys()], ['who', 'name']);
});

const { transform } = oneWindows();
test('a day that there never was is quarantined, and its neighbours are not', async () => {
  const fields = [{ name: 'day', type: 'date' }, ...columns.filter(({ name }) => name === 'at')];
  const values = ['2026-02-28', '2026-02-30', '2026-03-01'].map((day) => `{"day":"${day}","at":"${day}"}`);
  const { rows, quarantine } = await transform({ columns: fields }, values);
  assert.deepEqual(
    rows.map(({ day }) => day),
    ['2026-02-28', '2026-03-01'],
  );
  assert.deepEqual(
    quarantine.map(({ code, _offset }) => [code, _offset]),
    [['CAST_FAILED', '1']],
  );
});

/** What a typed reading cannot take becomes NULL without a word: no form may let such a thing pass. */
test('a day is plain if, and only if, the calendar has it', async () => {
  const two = (n: number) => String(n).padStart(2, '0');
  const up = (to: number) => Array.from({ length: to + 1 }, (_none, i) => i);
  const years = ['0001', '0004', '0100', '0400', '1900', '2000', '2023', '2024', '2100', '2400', '9999'];
  const days = years.flatMap((year) =>
    up(13).flatMap((month) => up(32).map((day) => `${year}-${two(month)}-${two(day)}`)),
  );
  const list = `unnest([${days.map((day) => `'${day}'`).join(', ')}])`;
  const rows = await database.rows(
    `SELECT d, try_cast(d AS DATE) IS NOT NULL AS is FROM (SELECT ${list} AS d)`,
  );
  const forms = plainForms(plan.source);
  for (const name of ['day', 'at']) {
    const form = new RegExp(`^${forms.get(name)?.pattern}$`);
    assert.deepEqual(
      rows.filter(({ d, is }) => form.test(`"${d}"`) !== is).map(({ d }) => d),
      [],
    );
  }
});

test('a time is plain only where its type is read of it, and as the careful reading has it', async () => {
  const fractions = ['', '.', '.0', '.120', '.123456', '.1234560', `.${'0'.repeat(300)}`, '.1234567'];
  const clocks = ['03', '03:04', '24:00', '23:59:60', ...fractions.map((fraction) => `23:59:59${fraction}`)];
  const offsets = ['Z', 'z', '+', '+5', '+05', '-23', '+24', '+0530', '-05:59', '+05:60', '+05:30:00', 'UTC'];
  const ends = ['', ...offsets.flatMap((offset) => [offset, ` ${offset}`])];
  const times = clocks.flatMap((clock) => ends.map((end) => `${clock}${end}`));
  const days = ['0001-01-01', '2024-02-29', '2026-02-29', '9999-12-31'];
  const all = days.flatMap((day) =>
    ['T', ' ', 't', '  '].flatMap((between) => times.map((time) => `${day}${between}${time}`)),
  );
  const plain = [...days, ...all].map((at) => `{"at":"${at}"}`).filter((value) => isTaken(value));
  assert.ok(plain.length > 200 && plain.length < all.length / 4, `${plain.length} of ${all.length}`);
  const chunk = chunkOfValues(plain);
  await database.appendChunk(chunk);
  const read = await straightRows({ exactText: false, isPlain: true });
  const careful = await straightRows({ exactText: false, isPlain: false });
  await database.emptyRaw();
  assert.ok(careful?.length === plain.length, 'the careful reading refuses none of them');
  const missing = read?.flatMap(({ at }, i) => (at === null ? [plain[i]] : []));
  assert.deepEqual(missing, []);
  assert.deepEqual(read, careful);
});

test('what steps leave out is held to its type all the same', async () => {
  const fields = ['n', 'day', 'who', 'lines'].map((name) => ({
    name,
    type: TYPES[name as keyof typeof TYPES],
  }));
  const good = '{"n":1,"day":"2026-02-28"}';
  const doubtful = '{"n":4,"lines":[5]}';
  assert.equal(isTaken(good, doubtful), true);
  const values = [good, '{"n":2,"day":"2026-02-30"}', '{"n":3,"who":{"since":"2026-02-30"}}', doubtful];
  const steps = [stepSchema.parse({ drop_fields: ['day', 'who', 'lines'] })];
  const { rows, quarantine } = await transform({ columns: fields, steps }, values);
  assert.deepEqual(
    rows.map(({ n }) => n),
    [1],
  );
  assert.deepEqual(
    quarantine.map(({ field }) => field),
    ['day', 'who.since', 'lines[0]'],
  );
  const plain = await transform({ columns: fields, steps }, [good, doubtful]);
  assert.deepEqual(
    plain.quarantine.map(({ field }) => field),
    ['lines[0]'],
  );
});

test('objects that a table of exploded arrays gets are read plainly, too', async () => {
  const exploding = { ...table, input: { kind: 'json', array: 'explode' } as const };
  const { createStaged, insertStaged } = compileTable(exploding, planFields(exploding), marks);
  for (const sql of createStaged) await database.run(sql);
  await database.appendChunk(
    chunkOfValues(['{"n":1,"day":"2026-01-02","tags":["x"],"lines":[{"qty":1}]}', '{}']),
  );
  for (const sql of insertStaged('clean', { exactText: false, isPlain: true })) await database.run(sql);
  await database.emptyRaw();
  const rows = await database.rows(
    'SELECT n, day::VARCHAR AS day, len(tags) AS tags, lines[1].qty AS qty FROM staged',
  );
  for (const sql of compiled.createStaged) await database.run(sql);
  assert.deepEqual(rows, [
    { n: 1, day: '2026-01-02', tags: 1n, qty: 1 },
    { n: null, day: null, tags: null, qty: null },
  ]);
});

/** Those of the values that are plain one by one, read together; where that is refused, each by itself. */
async function assertSame(values: readonly string[]): Promise<number> {
  const plain = values.filter((value) => isTaken(value));
  if (plain.length === 0) return 0;
  const chunk = chunkOfValues(plain);
  const { exactText, isPlain } = lookAt(chunk);
  assert.ok(isPlain);
  await database.appendChunk(chunk);
  const read = await straightRows({ exactText, isPlain: true });
  const careful = read && (await straightRows({ exactText, isPlain: false }));
  await database.emptyRaw();
  if (read !== undefined) assert.deepEqual(read, careful, plain.join('\n'));
  else if (plain.length > 1) for (const value of plain) await assertSame([value]);
  return plain.length;
}

test('each value of the table of cases is read plainly as it is read with care, or is not plain', async () => {
  const values = CASES.flatMap(({ type, json }) =>
    columns.flatMap((one) => (one.type === type ? [`{"${one.name}":${json}}`] : [])),
  );
  const plain = await assertSame(values);
  assert.ok(plain > 15 && plain < values.length - 15, `${plain} of ${values.length}`);
});

const odd = fc.constantFrom<unknown>(
  ...[null, true, 0, -0.5, 7, 2.5, 1e300, 2 ** 31, '', '7', 'x', '[1]', '{"a":1}', '1.50'],
  ...[[], {}, [1], [null], { a: 1 }, { name: null }, '2026-01-02T03:04:05Z'],
);
const FITTING: Readonly<Record<keyof typeof TYPES, fc.Arbitrary<unknown>>> = {
  tiny: fc.integer({ min: -99, max: 99 }),
  small: fc.integer({ min: -29_999, max: 29_999 }),
  n: fc.integer({ min: -1_999_999_999, max: 1_999_999_999 }),
  big: fc.maxSafeInteger(),
  real: fc.integer({ min: 1, max: 10 ** 12 }).map((n) => n / 1_000),
  single: fc.constantFrom(0.5, -1, 3),
  price: fc.constantFrom(1.25, -7, 10.5),
  flag: fc.boolean(),
  day: fc.constantFrom('2026-01-02', '2000-02-29', '0001-01-01', '9999-12-31'),
  at: fc.constantFrom('2026-01-02T03:04:05.123Z', '2026-01-02', '2026-01-02 03:04:05.1+02:00'),
  text: fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('null', '-0', 'a "b"', '\u0000')),
  who: fc.record(
    {
      name: fc.string(),
      age: fc.integer({ min: 0, max: 120 }),
      since: fc.constantFrom('2026-01-02'),
      home: fc.record({ city: fc.string(), zip: fc.maxSafeInteger(), 'more city': fc.string() }),
    },
    { requiredKeys: [] },
  ),
  lines: fc.array(
    fc.option(fc.record({ sku: fc.string(), qty: fc.nat(2 ** 30), unit: fc.constantFrom(0.5, 2, -7.25) })),
    { maxLength: 4 },
  ),
  tags: fc.array(fc.option(fc.constantFrom('x', '', '7', 'ü "q"')), { maxLength: 3 }),
  more: fc.dictionary(fc.string(), fc.nat(2 ** 30), { maxKeys: 2 }),
};

const value = (name: keyof typeof TYPES) =>
  fc.oneof(
    { weight: 150, arbitrary: FITTING[name] },
    { weight: 10, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: odd },
  );
const record = fc.record(
  Object.fromEntries(Object.keys(TYPES).map((name) => [name, value(name as keyof typeof TYPES)])),
  { requiredKeys: [] },
);

test('an element that may be no object is in doubt, and its record is read with care', async () => {
  for (const lines of ['[{}]', '[{"qty":null}]', '[5]', '[{"qty":1},[]]']) {
    const chunk = chunkOfValues([`{"lines":${lines}}`]);
    await database.appendChunk(chunk);
    assert.equal(await straightRows({ exactText: false, isPlain: true }), undefined, lines);
    await database.emptyRaw();
  }
  const { rows, quarantine } = await transform({ columns: columns.filter(({ name }) => name === 'lines') }, [
    '{"lines":[{}]}',
    '{"lines":[{"qty":1}]}',
    '{"lines":[5]}',
  ]);
  assert.deepEqual([rows.length, quarantine.map(({ field }) => field)], [2, ['lines[0]']]);
});

test('random records that are taken for plain are read as they are with care', async () => {
  let [plain, all] = [0, 0];
  const property = fc.asyncProperty(fc.array(record, { minLength: 20, maxLength: 40 }), async (records) => {
    all += records.length;
    plain += await assertSame(records.map((one) => JSON.stringify(one)));
  });
  await fc.assert(property, { numRuns: 10 });
  assert.ok(plain > all / 3 && plain < all, `${plain} of ${all} were plain`);
});
