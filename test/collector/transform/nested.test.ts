// Arrays, maps and structs out of JSON, against a reference that walks the type: whole and exact, or the
// record is quarantined under the path of the first value that does not fit.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FieldType, isScalar, parseType } from '@sluice/collector/transform/sql/types.ts';
import fc from 'fast-check';
import { temporaryDirectory } from '../../support/temp.ts';
import { plainTable } from '../../support/written-lake.ts';
import { oneWindows } from './one-window.ts';

const { transform, transformer } = oneWindows();

const TYPES = [
  'array<int>',
  'array<array<string>>',
  'map<string,decimal(5,2)>',
  'struct<id:bigint,Tags:array<string>,at:date>',
  'array<struct<sku:string,qty:int,more:map<string,boolean>>>',
  'map<string,array<struct<x:double>>>',
];

const name = fc.constantFrom('id', 'Tags', 'at', 'sku', 'qty', 'more', 'x', 'a b', 'q"r', 'k/~', '', 'ü');
const scalar = fc.constantFrom<unknown>(
  ...[null, true, false, 0, 7, -1, 2.5, 1.25, 300, 3_000_000_000, 1e300],
  ...['', 'x', 'ü "q"', '2026-01-02', '7', 'null', '[1]', '{"a":1}'],
);
/** Any JSON, and JSON of the type more often than not. */
const anything = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    { weight: 3, arbitrary: scalar },
    { weight: 1, arbitrary: fc.array(tie('value'), { maxLength: 3 }) },
    { weight: 1, arbitrary: fc.dictionary(name, tie('value'), { maxKeys: 3 }) },
  ),
})).value;

const FITTING: Readonly<Record<string, readonly unknown[]>> = {
  int: [0, 7, -1],
  bigint: [3_000_000_000, 5],
  string: ['', 'x', 'ü "q"', '[1]', 'null'],
  'decimal(5,2)': [2.5, 1.25, 7],
  double: [2.5, 1e300, 0],
  boolean: [true, false],
  date: ['2026-01-02'],
};

function fitting(type: FieldType): fc.Arbitrary<unknown> {
  const other = { weight: 1, arbitrary: anything };
  const none = { weight: 2, arbitrary: fc.constant(null) };
  const of = (arbitrary: fc.Arbitrary<unknown>) => fc.oneof({ weight: 30, arbitrary }, other, none);
  if (isScalar(type)) return of(fc.constantFrom(...(FITTING[type.glue] ?? assert.fail(type.glue))));
  if (type.kind === 'array') return of(fc.array(fitting(type.element), { maxLength: 4 }));
  if (type.kind === 'map') return of(fc.dictionary(name, fitting(type.value), { maxKeys: 3 }));
  if (type.kind !== 'struct') return assert.fail(type.kind);
  const fields = type.fields.map((field) => [field.source, fitting(field.type)] as const);
  return of(fc.record(Object.fromEntries(fields), { requiredKeys: [] }));
}

/** A value as DuckDB prints it to JSON, or the path of what does not fit. */
class Wrong {
  readonly path: string;
  readonly type: string;
  readonly found: string;

  constructor(path: string, type: string, value: unknown) {
    this.path = path;
    this.type = type;
    this.found = Array.isArray(value) ? 'array' : typeof value;
  }
}

function read(value: unknown, type: FieldType, path: string): unknown {
  if (value === null || value === undefined) return null;
  if (isScalar(type)) return readScalar(value, type.glue, path);
  const isObject = typeof value === 'object' && !Array.isArray(value);
  if (type.kind === 'array') {
    if (!Array.isArray(value)) return new Wrong(path, type.glue, value);
    return whole(value.map((one, i) => read(one, type.element, `${path}[${i}]`)));
  }
  if (!isObject) return new Wrong(path, type.glue, value);
  if (type.kind === 'map') {
    const spelled = (key: string) => (/^[A-Za-z_][A-Za-z0-9_]*$/.test(key) ? key : `"${key}"`);
    const keys = Object.keys(value);
    const values = whole(
      keys.map((key) => read((value as never)[key], type.value, `${path}.${spelled(key)}`)),
    );
    return Array.isArray(values) ? keys.map((key, i) => ({ key, value: values[i] as unknown })) : values;
  }
  if (type.kind !== 'struct') return assert.fail(type.kind);
  const values = whole(
    type.fields.map((field) => read((value as never)[field.source], field.type, `${path}.${field.source}`)),
  );
  if (!Array.isArray(values)) return values;
  return Object.fromEntries(type.fields.map((field, i) => [field.name, values[i] as unknown]));
}

function whole(values: readonly unknown[]): unknown {
  return values.find((one) => one instanceof Wrong) ?? values;
}

function readScalar(value: unknown, glue: string, path: string): unknown {
  const wrong = new Wrong(path, glue, value);
  if (typeof value === 'object') return wrong;
  switch (glue) {
    case 'string':
      return String(value).replace('e+', 'e');
    case 'int':
      return Number.isInteger(value) && Math.abs(Number(value)) < 2 ** 31 ? value : wrong;
    case 'bigint':
      return Number.isInteger(value) && Math.abs(Number(value)) < 2 ** 63 ? String(value) : wrong;
    case 'decimal(5,2)':
      return typeof value === 'number' && Math.abs(value) < 1000 ? value.toFixed(2) : wrong;
    case 'double':
      return typeof value === 'number' ? value : wrong;
    case 'boolean':
      return typeof value === 'boolean' ? value : wrong;
    default:
      return value === '2026-01-02' ? value : wrong;
  }
}

for (const text of TYPES) {
  test(`any JSON as ${text} is whole and exact, or quarantined under the path of what does not fit`, async () => {
    const type = parseType(text) ?? assert.fail(text);
    const values = fc.sample(fitting(type), { numRuns: 400, seed: 5_150 });
    const records = values.map((v) => JSON.stringify({ v }));
    const { rows, quarantine } = await transform({ columns: [{ name: 'v', type: text }] }, records);
    const found = new Map(rows.map((row) => [Number(row['_offset']), row['v']]));
    const bad = new Map(quarantine.map((row) => [Number(row['_offset']), row]));
    let wrong = 0;
    records.forEach((told, offset) => {
      const expected = read(values[offset], type, 'v');
      if (!(expected instanceof Wrong)) {
        assert.deepEqual(found.get(offset), expected, told);
        return;
      }
      wrong++;
      assert.deepEqual(
        [bad.get(offset)?.['code'], bad.get(offset)?.['field']],
        ['CAST_FAILED', expected.path],
        told,
      );
      // A path with more than words in it is told, and not gone into again.
      const but = expected.path.includes('"') ? '' : ` but ${expected.found}`;
      assert.ok(String(bad.get(offset)?.['reason']).endsWith(`is not ${expected.type}${but}`), told);
    });
    assert.ok(wrong > 10 && wrong < 300, `${wrong} of ${records.length} were wrong`);
  });
}

test('a reason shows the inner value and what it should have been', async () => {
  const columns = [{ name: 'items', type: 'array<struct<qty:int>>' }];
  const { quarantine } = await transform({ columns }, [
    '{"items":[{"qty":1},{"qty":"many"}]}',
    '{"items":5}',
  ]);
  assert.deepEqual(
    quarantine.map((row) => row['reason']),
    ["items[1].qty 'many' is not int but string", "items '5' is not array<struct<qty:int>> but number"],
  );
});

test('inside a nested value digits are kept or missed by name, and a key twice is no map', async () => {
  const columns = [
    { name: 'd', type: 'array<decimal(38,20)>' },
    { name: 'm', type: 'map<string,double>' },
  ];
  const { rows, quarantine } = await transform({ columns }, [
    '{"d":[0.12345678901234567891]}',
    '{"d":[0.5],"m":{"x":0.12345678901234567891}}',
    '{"d":[12345678901234567]}',
    '{"m":{"x":1,"x":2}}',
    '{"d":[null]}',
  ]);
  assert.deepEqual(
    rows.map((row) => [row['_offset'], row['d']]),
    [
      ['1', ['0.50000000000000000000']],
      ['2', ['12345678901234567.00000000000000000000']],
      ['4', [null]],
    ],
  );
  assert.deepEqual(
    quarantine.map((row) => [row['_offset'], row['code']]),
    [
      ['0', 'NUMBER_INEXACT'],
      ['3', 'CAST_FAILED'],
    ],
  );
});

test('a text of JSON becomes a nested column by apply_mapping, and back', async () => {
  const steps = [
    {
      kind: 'apply_mapping' as const,
      mappings: [
        { source: 'j', sourceType: 'string', target: 'v', targetType: 'array<struct<a:decimal(38,20)>>' },
        { source: 'k', sourceType: 'array<int>', target: 'k', targetType: 'string' },
      ],
    },
  ];
  const json = (j: string) => JSON.stringify({ j, k: [1, null] });
  const { rows, quarantine } = await transform({ steps }, [
    json(' [ {"a":1.5} ]'),
    json('null'),
    json('[{"a":0.12345678901234567891}]'),
    json('[{"a":"0.12345678901234567891"}]'),
    json('{bad'),
  ]);
  assert.deepEqual(
    rows.map(({ v, k }) => [v, k]),
    [
      [[{ a: '1.50000000000000000000' }], '[1,null]'],
      [null, '[1,null]'],
    ],
  );
  assert.deepEqual(
    quarantine.map((row) => row['_offset']),
    ['2', '3', '4'],
  );
});

test('the catalogued type of a nested column is in lower case, and what no lake can hold is refused', async () => {
  const columns = [{ name: 'v', type: 'struct<orderId:int,Lines:array<map<string,decimal(4,1)>>>' }];
  const table = { ...plainTable, columns };
  assert.deepEqual(transformer.schema(table).rows[0], {
    name: 'v',
    type: 'struct<orderid:int,lines:array<map<string,decimal(4,1)>>>',
  });
  for (const type of [
    'struct<a:int,A:int>',
    'map<int,string>',
    'array<>',
    'struct<a-b:int>',
    'array<int',
    'struct<a:int>)',
    'array<choice<int,string>>',
    'choice<int>',
  ]) {
    const [problem] = await transformer.validate(
      { ...plainTable, columns: [{ name: 'v', type }] },
      temporaryDirectory(),
    );
    assert.match(problem ?? '', /which no column can have/, type);
  }
});
