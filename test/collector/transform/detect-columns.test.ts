// What a sample suggests: typed columns that take every object of the sample, safe names, and a word on what
// is odd.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { type Detection, detectColumns } from '@sluice/collector/transform/detect-columns.ts';
import { createTransformer } from '@sluice/collector/transform/transformer.ts';
import fc from 'fast-check';
import { segmentOf } from '../../support/segments.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { csvOf, plainRecord } from '../../support/written-lake.ts';

const transformer = createTransformer({ memoryBytesMax: 256e6, threads: 1 });
const home = temporaryDirectory();
let windows = 0;
after(() => transformer.close());

const detect = (values: readonly (string | null)[], format?: Detection['format'], header = false) =>
  detectColumns(
    values.map((value) => (value === null ? null : Buffer.from(value))),
    { format, header },
  );
const typesOf = (values: readonly string[]) =>
  Object.fromEntries(detect(values).columns.map(({ source, type }) => [source, type]));
const columnsOf = ({ columns }: Detection) =>
  Object.fromEntries(columns.map(({ source, name, type }) => [source, `${name} ${type}`]));

/** The table as the proposal says, fed with the sample. */
async function transform(detection: Detection, values: readonly string[]) {
  const directory = join(home, `w${windows++}`);
  mkdirSync(directory);
  const { columns, delimiter = ',' } = detection;
  const isCsv = detection.format === 'csv';
  const names = columns.map(({ source: from, name: to }) => ({ from, to }));
  const table: TableConfig = {
    name: 't',
    topic: 't',
    input: isCsv
      ? {
          ...csvOf(columns.map(({ source }) => source)),
          delimiter: delimiter ?? '',
          header: detection.header ? 'line' : 'none',
        }
      : { kind: 'json' },
    record: plainRecord,
    columns: columns.map(({ source, type }) => ({ name: source, type })),
    steps: [{ kind: 'rename_field', names }],
    partitionBy: [],
    output: { kind: 'parquet', compression: 'zstd' },
    provenance: 'position',
    quarantineRaw: 'keep',
    startAt: undefined,
    backfill: undefined,
    whenParked: 'hold',
    windowLengthMs: 1_000,
    windowBytesMax: 1_000_000,
    location: 't',
    configVersion: 'v',
  };
  const segments = [{ segment: segmentOf(values), fromOffset: 0 }];
  const { classes } = await transformer.run({ table, windowId: 'w', segments, openedMs: 0, directory });
  return classes;
}

test('each field gets the narrowest type that holds all its values', () => {
  const detection = detect([
    '{"n":1,"big":12345678901234567890,"x":1.5,"y":1,"b":true,"s":"a","t":"2026-01-02T03:04:05Z","d":"2026-01-02","z":null}',
    '{"n":-2,"big":1,"x":2.0,"y":1e3,"b":false,"s":"5","t":"2026-01-02 03:04:05.123+02:00","d":"2024-02-29","z":null}',
    '{"n":null,"x":1e-7}',
  ]);
  assert.equal(detection.format, 'json');
  assert.deepEqual(columnsOf(detection), {
    n: 'n bigint',
    big: 'big decimal(38,0)',
    x: 'x double',
    y: 'y double',
    b: 'b boolean',
    s: 's string',
    t: 't timestamp',
    d: 'd date',
  });
  assert.deepEqual(detection.notes, ['z: no value yet; left out until one comes']);
});

test('1.0 is no integer; a time without an offset, a day that is none and what overflows stay text', () => {
  const values = [
    '{"a":1.0,"local":"2026-01-02T03:04:05","day":"2026-02-30","fine":"2026-01-02T03:04:05.1234567Z","huge":1e400}',
  ];
  assert.deepEqual(columnsOf(detect(values)), {
    a: 'a double',
    local: 'local string',
    day: 'day string',
    fine: 'fine string',
    huge: 'huge string',
  });
});

test('a type holds all numbers of a field exactly, or it is text', () => {
  const json = (name: string, ...tokens: string[]) => tokens.map((token) => `{"${name}":${token}}`);
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['bigint', ['9223372036854775807', '-9223372036854775808', '-0']],
    ['decimal(38,0)', ['9223372036854775808', '1']],
    ['decimal(38,0)', [`${'9'.repeat(38)}`, `-${'9'.repeat(38)}`]],
    ['string', ['1'.padEnd(39, '0'), '1']],
    ['double', ['1.5', '9007199254740992', '1e3']],
    ['string', ['1.5', '9007199254740993']],
    ['string', ['1.5', '9223372036854775808']],
    ['double', ['0.1234567890123456789']],
    ['string', ['1e400']],
    ['string', ['1e-400']],
    ['double', ['0e-400', '0.0']],
    ['string', ['1', '"1"']],
    ['string', ['true', '1']],
    ['string', ['"2026-01-02"', '"2026-01-02T03:04:05Z"']],
    ['string', ['"2026-01-02"', '""']],
  ];
  for (const [type, tokens] of cases) assert.equal(typesOf(json('n', ...tokens))['n'], type, tokens.join());
});

test('objects nest, arrays and maps have one type inside, and what has none is JSON text, and it is said', async () => {
  const map = Object.fromEntries(Array.from({ length: 80 }, (_, i) => [`user-${i}`, i]));
  const values = [
    `{"policy":{"holder":{"name":"A"},"number":7},"tags":["a"],"either":5,"or":{"x":1},"users":${JSON.stringify(map)}}`,
    '{"policy":null,"tags":[],"either":"five","or":3,"lines":[{"sku":"A"},{"qty":2}],"heads":{"user-agent":"x"}}',
    '{"mixed":[1,"a"],"deep":{"a":{"b":[1,{"c":2}]}},"none":[],"empty":{},"Labels":{"a":1,"A":2}}',
    `{"levels":${'['.repeat(9)}1${']'.repeat(9)}}`,
  ];
  const detection = detect(values);
  assert.deepEqual(columnsOf(detection), {
    policy: 'policy struct<holder:struct<name:string>,number:bigint>',
    tags: 'tags array<string>',
    either: 'either string',
    or: 'or string',
    users: 'users map<string,bigint>',
    lines: 'lines array<struct<sku:string,qty:bigint>>',
    heads: 'heads map<string,string>',
    mixed: 'mixed array<string>',
    deep: 'deep string',
    Labels: 'labels map<string,bigint>',
    levels: 'levels string',
  });
  assert.deepEqual(detection.notes, [
    'or, deep: of several types, kept as JSON text',
    'none, empty: no value yet; left out until one comes',
    'levels: deeper than is looked into, kept as JSON text',
  ]);
  assert.equal((await transform(detection, values)).emitted, 4);
});

test('names and levels without end are bounded: what is beyond is a map, or left out, and it is said', () => {
  const wide = (n: number, from: number) =>
    `{${Array.from({ length: n }, (_, i) => `"k${from + i}":{"v":1}`).join(',')}}`;
  const detection = detect(Array.from({ length: 30 }, (_, i) => wide(500, i * 500)));
  assert.equal(detection.columns.length, 400);
  assert.match(detection.notes.join('\n'), /^\*: more fields than are looked at; left out$/m);
  const inner = detect(Array.from({ length: 30 }, (_, i) => `{"m":${wide(500, i * 500)}}`));
  assert.deepEqual(columnsOf(inner), { m: 'm map<string,struct<v:bigint>>' });
  const long = detect([`{"${'n'.repeat(300)}":1,"a":2}`]);
  assert.deepEqual(columnsOf(long), { a: 'a bigint' });
  const nested = detect([`{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`]);
  assert.deepEqual(columnsOf(nested), {});
});

test('names are safe and unique; what no mapping can name is left out, and it is said', () => {
  const detection = detect([
    '{"accountId":1,"account_id":2,"HTTPStatus":3,"Größe":4,"1st":5,"_id":6,"日本":7,"a b":8}',
    '{"_offset":1,"__Problem":1,"__x":1,"a.b":2,"":3,"Amount":4,"__proto__":9,"__typename":1}',
    '{"amount":5}',
    '{"amount":5}',
  ]);
  assert.deepEqual(columnsOf(detection), {
    accountId: 'account_id bigint',
    account_id: 'account_id_2 bigint',
    HTTPStatus: 'http_status bigint',
    Größe: 'gro_e bigint',
    '1st': 'c_1st bigint',
    _id: 'id bigint',
    日本: 'column_7 bigint',
    'a b': 'a_b bigint',
    'a.b': 'a_b_2 bigint',
    ['__proto__']: 'proto bigint',
    __typename: 'typename bigint',
    amount: 'amount bigint',
  });
  assert.deepEqual(detection.notes, [
    '_offset, __Problem, __x, : no column can read a field of this name; left out',
    'Amount: differs from another field only in case; left out',
  ]);
});

test('a few broken values leave a JSON topic a JSON topic; many make it text', () => {
  const good = (n: number) => Array.from({ length: n }, (_, i) => `{"n":${i}}`);
  const mostly = detect([...good(19), '{"n":', null]);
  assert.equal(mostly.format, 'json');
  assert.deepEqual(mostly.notes, [
    '1 of 21 values looked at have no value (tombstones): they go to quarantine',
    '1 of 20 values looked at are not JSON objects: they go to quarantine',
  ]);
  const half = detect([...good(5), 'a', 'b', '[1]', '7', '"x"']);
  assert.equal(half.format, 'text');
  assert.deepEqual(half.notes, ['only 5 of 10 values looked at are JSON objects: one text column']);
  assert.equal(detect(['{}', '{}'], 'json').format, 'text');
  assert.equal(detect([]).format, 'text');
});

test('values that are not UTF-8 become bytes, and a schema registry’s frame is recognised', () => {
  const framed = [1, 2].map((n) => Buffer.from([0, 0, 0, 0, 42, 0xff, n]));
  const detection = detectColumns(framed);
  assert.equal(detection.format, 'bytes');
  assert.match(detection.notes.join(), /schema id 42/);
});

test('CSV, when asked for: delimiter, types and numbered columns; leading zeros and digits stay', async () => {
  const lines = [
    '007;1,5;2026-01-02;true;"a;b";0.12345678901234567890',
    '042;2;2026-01-03;false;;1.5',
    'broken',
  ];
  const detection = detect(lines, 'csv');
  assert.equal(detection.delimiter, ';');
  assert.deepEqual(columnsOf(detection), {
    c0: 'c0 string',
    c1: 'c1 string',
    c2: 'c2 date',
    c3: 'c3 boolean',
    c4: 'c4 string',
    c5: 'c5 string',
  });
  assert.match(detection.notes.join('\n'), /1 of 3 values looked at have not 6 fields/);
  assert.equal((await transform(detection, lines)).quarantined, 1);
});

test('CSV with a line of names: they are the columns, and that line is no row', async () => {
  const lines = ['Account Id,amount', '1,2.5', '2,3'];
  const detection = detect(lines, 'csv', true);
  assert.deepEqual(columnsOf(detection), { 'Account Id': 'account_id bigint', amount: 'amount double' });
  const { emitted, filtered } = await transform(detection, lines);
  assert.deepEqual([emitted, filtered], [2, 1]);
});

test('more fields than a table can bear: the most frequent stay', () => {
  const many = Array.from({ length: 500 }, (_, i) => `"k${i}":${i}`);
  const detection = detect([`{${many.join(',')}}`, '{"k499":1}']);
  assert.equal(detection.columns.length, 400);
  assert.ok(detection.columns.some(({ name }) => name === 'k499'));
  assert.match(detection.notes.join(), /and 95 more: beyond 400 columns; left out/);
});

const scalar = fc.oneof(
  fc.constantFrom(
    null,
    true,
    false,
    'text',
    '',
    '2026-01-02T03:04:05Z',
    '2026-01-02',
    '2026-02-30',
    '1.5',
    'true',
  ),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }).map((n) => ({ bare: String(n) })),
);
const { value: anyValue } = fc.letrec((tie) => ({
  value: fc.oneof({ depthSize: 'small' }, scalar, fc.array(tie('value'), { maxLength: 2 }), tie('object')),
  object: fc.dictionary(
    fc.constantFrom('a', 'A', 'b', 'c d', 'x.y', '_key', 'constructor', 'ü"'),
    tie('value'),
  ),
}));
const anyObject = fc.dictionary(
  fc.constantFrom('a', 'A', 'b', 'c d', 'x.y', '_key', 'constructor', 'ü"'),
  anyValue,
);

/** JSON in which big integers stand bare. */
function toJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(toJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if ('bare' in value && typeof value.bare === 'string') return value.bare;
  return `{${Object.entries(value)
    .map(([key, inner]) => `${JSON.stringify(key)}:${toJson(inner)}`)
    .join(',')}}`;
}

test('read as proposed, no object of the sample is quarantined', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyObject, { minLength: 1, maxLength: 6 }), async (objects) => {
      const values = objects.map(toJson);
      const detection = detect(values);
      if (detection.format !== 'json') return;
      const classes = await transform(detection, values);
      assert.equal(classes.emitted, values.length, JSON.stringify(detection.columns));
    }),
    { numRuns: 60 },
  );
});
