// apply_mapping from one typed column to another, for every pair of types that convert, and what is chosen,
// filtered, unnested and computed, against references that take one value at a time and know no SQL.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { plainTable } from '../../support/written-lake.ts';
import { oneWindows } from './one-window.ts';
import { Bad, behaves, maybe, parseSteps, type Row, transform } from './step-cases.ts';

/** A value as JSON has it, and as a column of the type is read back. */
interface Value {
  readonly json: string;
  readonly read: unknown;
}

const same = (json: string, read: unknown = json): Value => ({ json, read });
const text = (value: string, read: unknown = value): Value => ({ json: JSON.stringify(value), read });
const WHOLE = ['0', '7', '-128', '127', '128', '32768', '-2147483648', '2147483647', '9007199254740993'];
const FRACTIONS = ['0.5', '-1.25', '2.675', '1e10', '0.1', '123456.789', '1e300'];

const GIVEN: Readonly<Record<string, readonly Value[]>> = {
  bigint: [...WHOLE, '9223372036854775807'].map((one) => same(one)),
  int: WHOLE.slice(0, 8).map((one) => same(one)),
  double: [...WHOLE.slice(0, 8), ...FRACTIONS].map((one) => same(one)),
  'decimal(20,3)': ['0', '7', '-1.25', '99.995', '12345678901234.5'].map((one) => same(one)),
  string: [
    ...[
      '7',
      '+7',
      ' 7',
      '7.0',
      '1e3',
      '0x1F',
      '1_0',
      '128',
      '99.995',
      '.5',
      '',
      'x',
      'NaN',
      'inf',
      'TRUE',
      'false',
      'yes',
    ],
    ...['2026-01-02', '2026-1-2', '2026-02-29', '2026-01-02T03:04:05+02:00', 'epoch', '9223372036854775808'],
  ].map((one) => text(one)),
  date: [text('2026-01-02'), text('0001-01-01'), text('9999-12-31')],
  timestamp: [
    text('2026-01-02T03:04:05.123456Z', '2026-01-02 03:04:05.123456'),
    text('1969-12-31T23:59:59.9999Z', '1969-12-31 23:59:59.9999'),
  ],
  boolean: [same('true', true), same('false', false)],
};

/** Digits of a number without a double: its sign, its digits, and how many stand behind the point. */
function exactly(number: string): { readonly unscaled: bigint; readonly scale: number } | undefined {
  const [, sign = '', ahead = '', behind = ''] = /^([+-]?)([0-9]*)(?:\.([0-9]*))?$/.exec(number) ?? [];
  if (ahead + behind === '') return undefined;
  const trimmed = behind.replace(/0+$/, '');
  const unscaled = BigInt(ahead + trimmed) * (sign === '-' ? -1n : 1n);
  return { unscaled, scale: trimmed.length };
}

/** A double's own digits, written out. */
const digitsOf = (number: number) =>
  Math.abs(number) >= 1e16 ? BigInt(number).toString() : String(number).replace(/^(-?)0$/, '$10');

const LIMITS: Readonly<Record<string, bigint>> = { tinyint: 7n, smallint: 15n, int: 31n, bigint: 63n };
const FAILS = Symbol('fails');

function toWhole(number: string, to: string): unknown {
  const exact = exactly(number);
  const limit = 1n << (LIMITS[to] ?? 0n);
  if (exact === undefined || exact.scale > 0 || exact.unscaled >= limit || exact.unscaled < -limit)
    return FAILS;
  return to === 'bigint' ? String(exact.unscaled) : Number(exact.unscaled);
}

function toDecimal(number: string, precision: number, scale: number): unknown {
  const exact = exactly(number);
  if (exact === undefined || exact.scale > scale) return FAILS;
  const unscaled = exact.unscaled * 10n ** BigInt(scale - exact.scale);
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  if (digits.length > precision && unscaled !== 0n) return FAILS;
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** What a value of `from` is as `to`; undefined where the two do not convert. */
function converted(value: string, from: string, to: string): unknown {
  const isText = from === 'string';
  const number = from === 'double' ? digitsOf(Number(value)) : value;
  if (to in LIMITS) return isText && !/^[+-]?[0-9]+$/.test(value) ? FAILS : toWhole(number, to);
  if (to === 'decimal(7,2)') return toDecimal(number, 7, 2);
  if (to === 'double') {
    const isNumber = /^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$/.test(value);
    return isText && !isNumber ? FAILS : Number(value);
  }
  if (to === 'boolean') return { true: true, false: false }[value.toLowerCase()] ?? FAILS;
  if (to === 'date') {
    const day = /^\d{4}-\d\d-\d\d$/.exec(value)?.[0];
    const isDay = day !== undefined && new Date(`${day}T00:00:00Z`).toISOString().startsWith(day);
    return isDay ? day : FAILS;
  }
  return undefined;
}

const PAIRS: readonly (readonly [string, readonly string[]])[] = [
  ['bigint', ['tinyint', 'smallint', 'int', 'decimal(7,2)', 'double']],
  ['int', ['tinyint', 'smallint', 'bigint', 'decimal(7,2)', 'double']],
  ['double', ['tinyint', 'int', 'bigint', 'decimal(7,2)']],
  ['decimal(20,3)', ['tinyint', 'int', 'bigint', 'decimal(7,2)', 'double']],
  ['string', ['tinyint', 'int', 'bigint', 'decimal(7,2)', 'double', 'boolean', 'date']],
];
for (const [from, targets] of PAIRS)
  for (const to of targets)
    for (const action of ['quarantine', 'null'] as const)
      test(`apply_mapping from ${from} to ${to} is exact or ends in ${action}, value for value`, async () => {
        const given = GIVEN[from] ?? assert.fail(from);
        const steps = parseSteps([{ apply_mapping: [['v', from, 'out', to, action]] }]);
        const { rows, quarantine, result } = await transform(
          { columns: [{ name: 'v', type: from }], steps },
          given.map(({ json }) => `{"v":${json}}`),
        );
        const expected = given.map(({ json }) =>
          converted(JSON.parse(`[${json.replace(/^-?[0-9].*/, '"$&"')}]`)[0], from, to),
        );
        const found = new Map(rows.map((row) => [Number(row['_offset']), row['out']]));
        const failed = expected.flatMap((one, offset) => (one === FAILS ? [offset] : []));
        expected.forEach((one, offset) => {
          const wanted = one !== FAILS ? one : action === 'null' ? null : undefined;
          assert.deepEqual(found.get(offset), wanted, given[offset]?.json);
        });
        assert.deepEqual(
          quarantine.map((row) => Number(row['_offset'])),
          action === 'quarantine' ? failed : [],
        );
        const isCounted = action === 'null' && failed.length > 0;
        assert.deepEqual(result.nulled, isCounted ? [{ column: 'out', values: failed.length }] : []);
      });

test('every type is a text that says the same, and times are dates', async () => {
  const of = (from: string, ...to: string[]) => [from, to] as const;
  for (const [from, targets] of [
    of('bigint', 'string'),
    of('decimal(20,3)', 'string'),
    of('boolean', 'string'),
    of('date', 'string', 'timestamp'),
    of('timestamp', 'string', 'date'),
  ])
    for (const to of targets) {
      const given = GIVEN[from] ?? assert.fail(from);
      const steps = parseSteps([{ apply_mapping: [['v', from, 'out', to]] }]);
      const { rows } = await transform(
        { columns: [{ name: 'v', type: from }], steps },
        given.map(({ json }) => `{"v":${json}}`),
      );
      const expected = given.map(({ json, read }) => {
        if (to === 'date') return String(read).slice(0, 10);
        if (to === 'timestamp') return `${read} 00:00:00`;
        if (from === 'timestamp') return String(read).padEnd(26, '0');
        return from === 'decimal(20,3)' ? toDecimal(json, 20, 3) : String(read);
      });
      assert.deepEqual(
        rows.map(({ out }) => out),
        expected,
        `${from} to ${to}`,
      );
    }
});

test('a time is a number of milliseconds where it has nothing finer, and else no number', async () => {
  const steps = parseSteps([{ apply_mapping: [['v', 'timestamp', 'out', 'bigint']] }]);
  const times = ['2026-01-02T03:04:05.123Z', '1969-12-31T23:59:59.999Z', '1969-12-31T23:59:59.9999Z'];
  const { rows, quarantine } = await transform(
    { columns: [{ name: 'v', type: 'timestamp' }], steps },
    times.map((v) => JSON.stringify({ v })),
  );
  assert.deepEqual(
    rows.map(({ out }) => out),
    times.slice(0, 2).map((time) => String(Date.parse(time))),
  );
  assert.equal(quarantine[0]?.['reason'], "v '1969-12-31 23:59:59.9999' is not bigint but timestamp");
});

test('types that do not convert are refused with both named', async () => {
  const { transformer } = oneWindows();
  for (const [from, to] of [
    ['boolean', 'int'],
    ['int', 'boolean'],
    ['date', 'int'],
    ['binary', 'string'],
    ['array<int>', 'int'],
  ] as const) {
    const steps = parseSteps([{ apply_mapping: [['v', from, 'out', to]] }]);
    const table = { ...plainTable, columns: [{ name: 'v', type: from }], steps };
    const problems = await transformer.validate(table, '.');
    assert.ok(
      problems.join('; ').includes(`'v': ${from} does not convert to ${to}`) || from === 'binary',
      problems.join(),
    );
  }
});

test('a name with a point in it is read where backticks say so', async () => {
  const steps = parseSteps([
    {
      apply_mapping: [
        ['`a.b`', 'string', 'flat', 'string'],
        ['a.b', 'string', 'inner', 'string'],
        ['in.`c.d`.e', 'int', 'deep', 'int'],
      ],
    },
  ]);
  const { rows, quarantine } = await transform({ steps, provenance: 'none' }, [
    '{"a.b":"1","a":{"b":"2"},"in":{"c.d":{"e":3}}}',
    '{"in":{"c.d":{"e":"x"}}}',
  ]);
  assert.deepEqual(rows, [{ flat: '1', inner: '2', deep: 3 }]);
  assert.equal(quarantine[0]?.['field'], 'in.c.d.e');
});

const small = fc.integer({ min: -3, max: 3 });
const word = fc.constantFrom('', 'a', 'ü', "it's");

behaves('select_fields keeps what it names and nothing else', {
  columns: { a: 'string', b: 'int', c: 'int' },
  steps: [{ select_fields: ['c', 'a'] }],
  record: fc.record({ a: maybe(word), b: maybe(small), c: maybe(small) }),
  reference: ({ a, c }) => ({ c, a }),
});

test('select_fields writes its columns in the order in which it names them', async () => {
  const columns = ['a', 'b', 'c'].map((name) => ({ name, type: 'int' }));
  const steps = parseSteps([{ select_fields: ['c', 'a'] }]);
  const { rows } = await transform({ columns, steps, provenance: 'none' }, ['{"a":1,"b":2,"c":3}']);
  assert.deepEqual(Object.entries(rows[0] ?? {}), [
    ['c', 3],
    ['a', 1],
  ]);
});

test('filter keeps exactly the records for which its condition is true', async () => {
  const record = fc.record({ a: maybe(word), b: maybe(small), c: small });
  const records = fc.sample(record, { numRuns: 300, seed: 496 });
  const steps = parseSteps([{ filter: "b > 0 OR (a = 'a' AND 6 / c > 2)" }]);
  const columns = Object.entries({ a: 'string', b: 'int', c: 'int' }).map(([name, type]) => ({ name, type }));
  const { rows, quarantine, result } = await transform(
    { columns, steps },
    records.map((one) => JSON.stringify(one)),
  );
  const passes = ({ a, b, c }: (typeof records)[number]) => (b !== null && b > 0) || (a === 'a' && 6 / c > 2);
  const kept = records.flatMap((one, offset) => (passes(one) ? [String(offset)] : []));
  assert.deepEqual(
    rows.map((row) => row['_offset']),
    kept,
  );
  assert.deepEqual([quarantine.length, result.classes.filtered], [0, records.length - kept.length]);
});

const inner = fc.record({
  X: maybe(small),
  deep: maybe(fc.record({ y: maybe(word), z: maybe(fc.array(small)) })),
});
behaves('unnest makes a column of each field, however deep, and NULLs of a struct that is none', {
  columns: { id: 'int', s: 'struct<X:int,deep:struct<y:string,z:array<int>>>' },
  steps: [{ unnest: ['s'] }],
  record: fc.record({ id: small, s: maybe(inner) }),
  reference({ id, s }): Row {
    const { X = null, deep = null } = (s ?? {}) as Record<string, unknown>;
    const { y = null, z = null } = (deep ?? {}) as Record<string, unknown>;
    return { id, s_x: X, s_deep_y: y, s_deep_z: z };
  },
});

const either = maybe(
  fc.oneof(small, fc.double({ noNaN: true, noDefaultInfinity: true, min: -9, max: 9 }), word, fc.boolean()),
);
behaves('a choice takes the first of its types that a value fits, and what fits none is quarantined', {
  columns: { p: 'choice<bigint,string>', q: 'choice<boolean,double,string>' },
  steps: [
    {
      resolve_choice: [
        ['p', 'make_cols'],
        ['q', 'make_struct'],
      ],
    },
  ],
  record: fc.record({ p: either, q: either }),
  reference({ p, q }) {
    const isWhole = typeof p === 'number' && Number.isInteger(p) && !Object.is(p, -0);
    if (p !== null && typeof p !== 'string' && !isWhole && !Object.is(p, -0))
      return new Bad('CAST_FAILED', 'p');
    const of = (type: string) => (typeof q === type ? q : null);
    return {
      p_bigint: typeof p === 'number' ? String(p === 0 ? 0 : p) : null,
      p_string: typeof p === 'string' ? p : null,
      q: q === null ? null : { boolean: of('boolean'), double: of('number'), string: of('string') },
    };
  },
});

behaves('derive takes a whole number of any size that a double has, and quarantines one beyond its column', {
  columns: { n: 'double' },
  steps: [
    { derive: [{ column: 'big', type: 'bigint', expression: 'n * 1e9' }] },
    { derive: [{ column: 'exact', type: 'decimal(38,0)', expression: 'n * 1e9' }] },
  ],
  record: fc.record({ n: maybe(fc.integer({ min: -(10 ** 11), max: 10 ** 11 })) }),
  reference({ n }) {
    if (n === null) return { n, big: null, exact: null };
    const product = Number(n) * 1e9;
    if (product >= 2 ** 63 || product < -(2 ** 63)) return new Bad('CAST_FAILED', 'big');
    const big = String(BigInt(product));
    return { n, big, exact: big };
  },
});

behaves('derive loses no half of a number that is as large as a double with halves can be', {
  columns: { n: 'bigint' },
  steps: [
    { derive: [{ column: 'exact', type: 'decimal(38,1)', expression: 'n / 2' }] },
    { derive: [{ column: 'whole', type: 'bigint', expression: 'n / 2' }] },
  ],
  record: fc.record({ n: fc.integer({ min: -(2 ** 53) + 1, max: 2 ** 53 - 1 }) }),
  reference({ n }) {
    const doubled = BigInt(Number(n));
    if (Math.abs(Number(n) / 2) >= 1e14) return new Bad('CAST_FAILED', 'exact');
    if (doubled % 2n !== 0n) return new Bad('CAST_FAILED', 'whole');
    return { n: String(n), exact: `${doubled / 2n}.0`, whole: String(doubled / 2n) };
  },
});

test('a double with more digits than it has for certain is no decimal: neither a quotient nor a number that was read', async () => {
  const steps = parseSteps([
    { derive: [{ column: 'cents', type: 'decimal(18,2)', expression: 'v / 100' }] },
    { derive: [{ column: 'exact', type: 'decimal(20,2)', expression: 'v * 0.01' }] },
    {
      apply_mapping: [
        ['cents', 'decimal(18,2)', 'cents', 'decimal(18,2)'],
        ['exact', 'decimal(20,2)', 'exact', 'decimal(20,2)'],
        ['d', 'double', 'd', 'decimal(18,2)'],
      ],
    },
  ]);
  const columns = [
    { name: 'v', type: 'bigint' },
    { name: 'd', type: 'double' },
  ];
  const { rows, quarantine } = await transform({ columns, steps }, [
    '{"v":999999999999999,"d":9999999999999.99}',
    '{"v":9007199254740993}',
    '{"v":900719925474099301}',
    '{"d":70368744177663.99}',
  ]);
  assert.deepEqual(
    rows.map(({ cents, exact, d }) => [cents, exact, d]),
    [['9999999999999.99', '9999999999999.99', '9999999999999.99']],
  );
  assert.deepEqual(
    quarantine.map(({ field }) => field),
    ['cents', 'cents', 'd'],
  );
  assert.match(
    String(quarantine[0]?.['reason']),
    /is not decimal\(18,2\) for certain: a double has 15 digits/,
  );
});
