// Detection against a reference that was written apart: it has all values at once, and asks of each type
// whether every value is one of it. And what growing promises: what stands never moves.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { extendedType, nestedText, parseNested } from '@sluice/collector/nested-type.ts';
import type { DetectedColumn } from '@sluice/collector/tables.ts';
import type { ColumnChunk } from '@sluice/collector/transform/columns.ts';
import { growColumns } from '@sluice/collector/transform/grown-columns.ts';
import { NewsScan } from '@sluice/collector/transform/news-scan.ts';
import { parseObject, SeenObject } from '@sluice/collector/transform/seen-values.ts';
import fc from 'fast-check';

/** A number as it is written in JSON. */
class Bare {
  readonly token: string;

  constructor(token: string) {
    this.token = token;
  }
}

type Value = null | boolean | string | Bare | readonly Value[] | { readonly [key: string]: Value };

function toJson(value: Value): string {
  if (value instanceof Bare) return value.token;
  if (Array.isArray(value)) return `[${value.map(toJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)}:${toJson(inner)}`);
  return `{${members.join(',')}}`;
}

const isObject = (value: Value): value is { readonly [key: string]: Value } =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Bare);

/** Days of the calendar, found by asking for them. */
function isDay(text: string): boolean {
  const at = new Date(`${text}T00:00:00Z`);
  return /^\d{4}-\d\d-\d\d$/.test(text) && !text.startsWith('0000') && at.toJSON()?.slice(0, 10) === text;
}

const isTime = (text: string) =>
  isDay(text.slice(0, 10)) &&
  /^.{10}[T ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6}0*)?(Z|[+-]\d\d(:?\d\d)?)$/.test(text);

/** Whole, by its token: BigInt refuses everything else. */
function whole(value: Value): bigint | undefined {
  if (!(value instanceof Bare) || /[.eE]/.test(value.token)) return undefined;
  return BigInt(value.token);
}

/** In the order of choice. */
const SCALARS: readonly (readonly [type: string, holds: (value: Value) => boolean])[] = [
  ['boolean', (value) => typeof value === 'boolean'],
  ['bigint', (value) => whole(value) === BigInt.asIntN(64, whole(value) ?? 2n ** 70n)],
  ['decimal(38,0)', (value) => (whole(value) ?? 10n ** 40n) ** 2n < 10n ** 76n],
  [
    'double',
    (value) => {
      const digits = whole(value);
      if (!(value instanceof Bare)) return false;
      if (digits === undefined) return Number.isFinite(Number(value.token));
      return BigInt.asIntN(64, digits) === digits && BigInt(Number(value.token)) === digits;
    },
  ],
  ['timestamp', (value) => typeof value === 'string' && isTime(value)],
  ['date', (value) => typeof value === 'string' && isDay(value)],
  ['string', (value) => value !== null && !Array.isArray(value) && !isObject(value)],
];

const saysNothing = (value: Value): boolean =>
  value === null ||
  (typeof value === 'object' && !(value instanceof Bare) && Object.values(value).every(saysNothing));

/** 'none' where the values have no type in common; undefined where there is none to be seen. */
function expectedType(all: readonly Value[]): string | undefined {
  const values = all.filter((value) => value !== null);
  if (values.every(saysNothing)) return undefined;
  if (values.every((value) => Array.isArray(value))) {
    const inner = expectedType(values.flat());
    return inner === undefined || inner === 'none' ? inner : `array<${inner}>`;
  }
  if (values.every(isObject)) return expectedObject(values);
  return SCALARS.find(([, holds]) => values.every(holds))?.[0] ?? 'none';
}

function expectedObject(objects: readonly { readonly [key: string]: Value }[]): string | undefined {
  const keys = [...new Set(objects.flatMap((object) => Object.keys(object)))];
  const names = new Set(keys.map((key) => key.toLowerCase()));
  if (keys.length > 64 || names.size < keys.length || keys.some((key) => /\W|^\d|^$/.test(key))) {
    const inner = expectedType(objects.flatMap((object) => Object.values(object)));
    return inner === undefined || inner === 'none' ? inner : `map<string,${inner}>`;
  }
  const valuesOf = (key: string) => objects.map((object) => object[key] ?? null);
  const inner = keys.map((key) => [key, expectedType(valuesOf(key))]);
  if (inner.some(([, type]) => type === 'none')) return 'none';
  const fields = inner.flatMap(([key, type]) => (type === undefined ? [] : [`${key}:${type}`]));
  return fields.length === 0 ? undefined : `struct<${fields.join(',')}>`;
}

const text = fc.constantFrom(
  ...['', 'a', '5', 'true', '2026-01-02', '2024-02-29', '2026-02-29', '0000-01-01', '2026-01-02T03:04:05Z'],
  ...['2026-01-02 03:04:05.123456+02:00', '2026-01-02T24:00:00Z', '2026-01-02T03:04:05', '2026-01-02T03:04Z'],
);
const number = fc
  .oneof(
    fc.integer().map(String),
    fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }).map(String),
    fc.constantFrom('9223372036854775807', '9223372036854775808', '-9223372036854775808', '9007199254740993'),
    fc.constantFrom('9'.repeat(38), `1${'0'.repeat(38)}`, '1.5', '-0', '1e3', '2.0', '1e400', '0.1'),
  )
  .map((token) => new Bare(token));
const key = fc.constantFrom('a', 'A', 'b', 'c_1', 'user-agent', 'ü', '1st');
const { value: anyValue } = fc.letrec<{ value: Value; array: Value; object: Value }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', maxDepth: 4 },
    ...[fc.constant(null), fc.boolean(), text, number, tie('array'), tie('object')],
  ),
  array: fc.array(tie('value'), { maxLength: 3 }),
  object: fc.dictionary(key, tie('value'), { maxKeys: 3, noNullPrototype: true }),
}));
/** Of one kind mostly, so that types are found and not only conflicts. */
const fieldValues = fc
  .constantFrom(fc.boolean(), text, number, fc.array(number, { maxLength: 2 }), anyValue)
  .chain((of) => fc.array(fc.oneof(of, of, of, fc.constant(null)) as fc.Arbitrary<Value>, { maxLength: 5 }));

function seenOf(texts: readonly string[]): SeenObject {
  const seen = new SeenObject();
  for (const one of texts) seen.add(parseObject(one) ?? {});
  return seen;
}

const grown = (standing: readonly DetectedColumn[], texts: readonly string[]) =>
  growColumns(standing, seenOf(texts)).columns;

/** JSON texts of records that have this one field. */
const records = (values: readonly Value[]) => values.map((value) => `{"f":${toJson(value)}}`);

test('a field has the first type of the table that every value of it is of', () => {
  fc.assert(
    fc.property(fieldValues, (values) => {
      const expected = expectedType(values);
      const [column] = grown([], records(values));
      assert.equal(column?.type, expected === 'none' ? 'string' : expected, toJson(values));
    }),
    { numRuns: 2_000 },
  );
});

test('the order of the records changes no type', () => {
  const sorted = (type: string | undefined) => type?.split(/[<>,]/).sort().join();
  fc.assert(
    fc.property(fieldValues, (values) => {
      const [there, back] = [records(values), records(values.toReversed())].map((texts) => grown([], texts));
      assert.equal(sorted(there?.[0]?.type), sorted(back?.[0]?.type));
    }),
    { numRuns: 500 },
  );
});

const anyRecords = fc.array(fc.dictionary(key, anyValue, { maxKeys: 4, noNullPrototype: true }), {
  maxLength: 4,
});

test('a later sample adds columns and fields at the end and changes nothing else; said twice it adds nothing', () => {
  fc.assert(
    fc.property(anyRecords, anyRecords, (first, second) => {
      const [a, b] = [first.map(toJson), second.map(toJson)];
      const before = grown([], a);
      const after = grown(before, b);
      before.forEach((column, i) => {
        const { source, name, type = '' } = after[i] ?? {};
        assert.deepEqual([source, name], [column.source, column.name]);
        assert.equal(extendedType(column.type, type), type, `${column.type} → ${type}`);
        assert.equal(extendedType(type, column.type), type);
      });
      assert.deepEqual(grown(after, b), after);
      assert.deepEqual(grown(after, a), after);
      const names = after.map(({ name }) => name);
      assert.equal(new Set(names).size, names.length);
    }),
    { numRuns: 1_000 },
  );
});

test('columns that are new are those that all records together would have had, where nothing contradicts', () => {
  const plain = fc.dictionary(
    fc.constantFrom('a', 'b', 'c', 'd'),
    fc.constantFrom<Value>(true, null, [true]),
    {
      noNullPrototype: true,
    },
  );
  const record = fc.record({ s: plain, l: fc.array(plain, { maxLength: 2 }) });
  const plainRecords = fc
    .array(record, { maxLength: 4 })
    .map((all) => all.map((one) => toJson(one as Value)));
  const sorted = (columns: readonly DetectedColumn[]) =>
    columns.map(({ source, type }) => [
      source,
      type
        .replace(/array<boolean>|boolean/g, 'x')
        .split(/[<>,]/)
        .sort(),
    ]);
  const conflictFree = (columns: readonly DetectedColumn[]) => columns.every(({ type }) => type !== 'string');
  fc.assert(
    fc.property(plainRecords, plainRecords, (a, b) => {
      const [together, first] = [grown([], [...a, ...b]), grown([], a)];
      if (!conflictFree(together) || !conflictFree(first)) return;
      const byName = (columns: readonly DetectedColumn[]) =>
        sorted(columns.toSorted((x, y) => (x.source < y.source ? -1 : 1)));
      assert.deepEqual(byName(grown(first, b)), byName(together));
    }),
    { numRuns: 500 },
  );
});

/** As a window hands its records over. */
const chunkOf = (texts: readonly string[]) =>
  ({ rows: texts.length, value: (row: number) => Buffer.from(texts[row] ?? '') }) as unknown as ColumnChunk;

test('no record with a field that would be a column passes the scan unseen, however deep it lies', () => {
  fc.assert(
    fc.property(anyRecords, anyRecords, (first, second) => {
      const [columns, texts] = [grown([], first.map(toJson)), second.map(toJson)];
      const scan = new NewsScan({ version: 1, isContract: false, columns });
      scan.look(chunkOf([...texts, '{', '7', '[]', 'null']));
      const isGrown = JSON.stringify(grown(columns, texts)) !== JSON.stringify(columns);
      if (isGrown) assert.notEqual(scan.news()?.columns, undefined);
      const again = new NewsScan({ version: 1, isContract: false, columns });
      again.look(chunkOf(first.map(toJson)));
      assert.equal(again.news()?.columns, undefined);
    }),
    { numRuns: 1_000 },
  );
});

test('what a schema knows is passed by: nulls and what is empty are no news', () => {
  const columns = grown([], ['{"a":1,"s":{"x":[{"y":1}]},"m":{"k-1":{"z":1}}}']);
  const newsOf = (...texts: string[]) => {
    const scan = new NewsScan({ version: 1, isContract: false, columns });
    scan.look(chunkOf(texts));
    return scan.news();
  };
  assert.equal(newsOf('{"a":"other","s":[],"m":5,"n":null,"e":[],"o":{"i":[null,{}]}}'), undefined);
  assert.equal(newsOf('{"s":{"x":[{"y":2},null]},"m":{"k-2":{"z":3}}}'), undefined);
  assert.match(JSON.stringify(newsOf('{"s":{"x":[{"y":2},{"w":2}]}}')?.columns), /struct<y:bigint,w:bigint>/);
  assert.match(JSON.stringify(newsOf('{"m":{"k-2":{"v":3}}}')?.columns), /struct<z:bigint,v:bigint>/);
  assert.deepEqual(newsOf('{"A":1}')?.leftOut, ['A']);
});

test('a type is read as it is written, and only structs grow', () => {
  for (const type of ['bigint', 'decimal(38,0)', 'array<struct<a:int,b:map<string,decimal(5,2)>>>'])
    assert.equal(nestedText(parseNested(type)), type);
  assert.equal(extendedType('Struct<A:INT>', 'struct<a:int,b:string>'), 'struct<A:INT,b:string>');
  assert.equal(
    extendedType('array<struct<a:int,b:int>>', 'array<struct<b:int>>'),
    'array<struct<a:int,b:int>>',
  );
  assert.equal(extendedType('int', 'bigint'), undefined);
  assert.equal(extendedType('struct<a:int>', 'struct<a:string>'), undefined);
  assert.equal(extendedType('struct<a:int>', 'map<string,int>'), undefined);
});
