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

const detect = (values: readonly (string | null)[], format?: Detection['format']) =>
  detectColumns(
    values.map((value) => (value === null ? null : Buffer.from(value))),
    format,
  );
const columnsOf = ({ columns }: Detection) =>
  Object.fromEntries(columns.map(({ source, name, type }) => [source, `${name} ${type}`]));

/** The table as the proposal says, fed with the sample. */
async function transform(detection: Detection, values: readonly string[]) {
  const directory = join(home, `w${windows++}`);
  mkdirSync(directory);
  const { columns, delimiter = ',' } = detection;
  const isCsv = detection.format === 'csv';
  const mappings = columns.map(({ source, name, type }) => ({
    source,
    sourceType: type,
    target: name,
    targetType: type,
  }));
  const table: TableConfig = {
    name: 't',
    topic: 't',
    input: isCsv
      ? { ...csvOf(columns.map(({ name }) => name)), delimiter: delimiter ?? '' }
      : { kind: 'json' },
    record: plainRecord,
    columns: isCsv ? columns.map(({ name, type }) => ({ name, type })) : [],
    steps: isCsv ? [] : [{ kind: 'apply_mapping', mappings }],
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
    z: 'z string',
  });
  assert.deepEqual(detection.notes, []);
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

test('objects are flattened by path; arrays, maps and what is now this and now that stay text, and it is said', () => {
  const map = Object.fromEntries(Array.from({ length: 80 }, (_, i) => [`user-${i}`, i]));
  const detection = detect([
    `{"policy":{"holder":{"name":"A"},"number":7},"tags":["a"],"either":5,"or":{"x":1},"users":${JSON.stringify(map)}}`,
    '{"policy":null,"tags":[],"either":"five","or":3}',
  ]);
  assert.deepEqual(columnsOf(detection), {
    'policy.holder.name': 'policy_holder_name string',
    'policy.number': 'policy_number bigint',
    tags: 'tags string',
    either: 'either string',
    or: 'or string',
    users: 'users string',
  });
  assert.deepEqual(detection.notes, [
    'tags: arrays, kept as JSON text',
    'either: of several types, kept as text',
    'or: an object in some records only, kept as JSON text',
    'users: deep, or with other keys in every record, kept as JSON text',
  ]);
});

test('names are safe and unique; what no mapping can name is left out, and it is said', () => {
  const detection = detect([
    '{"accountId":1,"account_id":2,"HTTPStatus":3,"Größe":4,"1st":5,"_id":6,"日本":7,"a b":8}',
    '{"_offset":1,"a.b":2,"":3,"Amount":4,"__proto__":9}',
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
    ['__proto__']: 'proto bigint',
    amount: 'amount bigint',
  });
  assert.deepEqual(detection.notes, [
    'Amount: differs from another field only in case; left out',
    '_offset, a.b, : no mapping can name this; left out',
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

test('CSV, when asked for: delimiter, types and numbered columns; leading zeros stay', async () => {
  const lines = ['007;1,5;2026-01-02;true;"a;b"', '042;2;2026-01-03;false;', 'broken'];
  const detection = detect(lines, 'csv');
  assert.equal(detection.delimiter, ';');
  assert.deepEqual(
    detection.columns.map(({ type }) => type),
    ['string', 'string', 'date', 'boolean', 'string'],
  );
  assert.match(detection.notes.join('\n'), /1 of 3 values looked at have not 5 fields/);
  assert.equal((await transform(detection, lines)).quarantined, 1);
});

test('more fields than a table can bear: the most frequent stay', () => {
  const many = Array.from({ length: 500 }, (_, i) => `"k${i}":${i}`);
  const detection = detect([`{${many.join(',')}}`, '{"k499":1}']);
  assert.equal(detection.columns.length, 400);
  assert.ok(detection.columns.some(({ name }) => name === 'k499'));
  assert.match(detection.notes.join(), /100 rarer fields are left out/);
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

test('mapped as proposed, no object of the sample is quarantined', async () => {
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
