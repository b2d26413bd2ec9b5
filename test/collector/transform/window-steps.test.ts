// What looks at a whole window: duplicates, groups and rules, against references over all its records.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '@sluice/shared/errors.ts';
import fc from 'fast-check';
import { maybe, parseSteps, transform } from './step-cases.ts';

const small = fc.integer({ min: 0, max: 6 });
const sample = <T>(of: fc.Arbitrary<T>) => fc.sample(of, { numRuns: 500, seed: 6_174 });
const columnsOf = (columns: Readonly<Record<string, string>>) =>
  Object.entries(columns).map(([name, type]) => ({ name, type }));

const record = fc.record({ k: maybe(small), l: small, n: maybe(fc.integer({ min: -100, max: 100 })) });

for (const keep of ['first', 'last'] as const)
  test(`drop_duplicates keeps the ${keep} row of each key, and the others are merged`, async () => {
    const records = sample(record);
    const { rows, result } = await transform(
      {
        columns: columnsOf({ k: 'int', l: 'int', n: 'int' }),
        steps: parseSteps([{ filter: 'l < 6' }, { drop_duplicates: { keys: ['k', 'l'], keep } }]),
      },
      records.map((one) => JSON.stringify(one)),
    );
    const kept = new Map<string, number>();
    records.forEach(({ k, l }, offset) => {
      const key = `${k}/${l}`;
      if (l < 6 && (keep === 'last' || !kept.has(key))) kept.set(key, offset);
    });
    assert.deepEqual(
      rows.map((row) => Number(row['_offset'])),
      [...kept.values()].sort((a, b) => a - b),
    );
    const filtered = records.filter(({ l }) => l === 6).length;
    assert.deepEqual(result.classes, {
      in: 500,
      emitted: kept.size,
      merged: 500 - filtered - kept.size,
      filtered,
      quarantined: 0,
    });
  });

test('drop_duplicates by a column that orders them, over rows of which a record has several', async () => {
  const steps = parseSteps([
    { explode: { field: 'l' } },
    { drop_duplicates: { keys: ['l'], keep: 'last', order_by: 'v' } },
  ]);
  const { rows, result } = await transform({ columns: columnsOf({ v: 'int', l: 'array<int>' }), steps }, [
    '{"v":2,"l":[1,2]}',
    '{"v":1,"l":[2,1]}',
    '{"v":1,"l":[2,3]}',
    '{"v":0,"l":[]}',
  ]);
  assert.deepEqual(
    rows.map((row) => [row['_offset'], row['l']]),
    [
      ['0', 1],
      ['0', 2],
      ['2', 3],
    ],
  );
  assert.deepEqual(result.classes, { in: 4, emitted: 2, merged: 1, filtered: 1, quarantined: 0 });
});

test('aggregate makes one row of each group with exact sums, and all its records are merged', async () => {
  const records = sample(record);
  const { rows, result } = await transform(
    {
      columns: columnsOf({ k: 'int', l: 'int', n: 'int' }),
      provenance: 'none',
      steps: parseSteps([
        {
          aggregate: {
            by: ['k'],
            measures: [
              { column: 'all_rows', function: 'count' },
              { column: 'with_n', function: 'count', field: 'n' },
              { column: 'total', function: 'sum', field: 'n' },
              { column: 'low', function: 'min', field: 'n' },
              { column: 'high', function: 'max', field: 'n' },
            ],
          },
        },
      ]),
    },
    records.map((one) => JSON.stringify(one)),
  );
  const groups = [...Map.groupBy(records, ({ k }) => k)].sort(([a], [b]) => (a ?? 99) - (b ?? 99));
  const expected = groups.map(([k, members]) => {
    const values = members.flatMap(({ n }) => (n === null ? [] : [n]));
    const sum = values.reduce((a, b) => a + b, 0);
    return {
      k,
      all_rows: String(members.length),
      with_n: String(values.length),
      total: values.length === 0 ? null : String(sum),
      low: values.length === 0 ? null : Math.min(...values),
      high: values.length === 0 ? null : Math.max(...values),
    };
  });
  assert.deepEqual(rows, expected);
  assert.deepEqual([result.classes.emitted, result.classes.merged], [0, 500]);
});

test('sums of big integers and decimals have all their digits', async () => {
  const steps = parseSteps([
    {
      aggregate: {
        by: ['k'],
        measures: ['big', 'money'].map((field) => ({ column: `${field}_sum`, function: 'sum', field })),
      },
    },
  ]);
  const columns = columnsOf({ k: 'int', big: 'bigint', money: 'decimal(18,4)' });
  const value = '{"k":1,"big":9223372036854775807,"money":"x"}'.replace('"x"', '12345678901234');
  const { rows } = await transform({ columns, steps, provenance: 'none' }, [value, value, value]);
  assert.deepEqual(rows, [{ k: 1, big_sum: '27670116110564327421', money_sum: '37037036703702.0000' }]);
});

test('pivot makes a column of each value', async () => {
  const steps = parseSteps([
    { pivot: { by: ['id'], name: 'q', value: 'n', columns: { Q1: 'first_quarter', "Q'2": 'q2' } } },
  ]);
  const columns = columnsOf({ id: 'int', q: 'string', n: 'int' });
  const row = (id: number, q: string, n: number) => JSON.stringify({ id, q, n });
  const values = [row(1, 'Q1', 5), row(1, "Q'2", 6), row(1, 'Q1', 7), row(2, 'Q3', 8)];
  const { rows } = await transform({ columns, steps, provenance: 'none' }, values);
  assert.deepEqual(rows, [
    { id: 1, first_quarter: 5, q2: 6 },
    { id: 2, first_quarter: null, q2: null },
  ]);
});

const RULES = [
  { complete: 's' },
  { range: { column: 'n', min: 0, max: 9 } },
  { matches: { column: 's', pattern: '[a-z]+' } },
  { condition: "10 / (n - 7) > -1000 AND s::VARCHAR <> 'bad'" },
];
const quality = (action: string, rules: readonly object[] = RULES) =>
  parseSteps([{ evaluate_data_quality: { rules, action } }]);
const ruled = columnsOf({ s: 'string', n: 'int' });
const VALUES = [
  '{"s":"ok","n":5}',
  '{"n":5}',
  '{"s":"ok","n":10}',
  '{"s":"Ok","n":1}',
  '{"s":"bad","n":1}',
  '{"s":"fine"}',
];

test('records that break a rule go to quarantine by the name of the rule', async () => {
  const { rows, quarantine } = await transform({ columns: ruled, steps: quality('quarantine') }, VALUES);
  assert.deepEqual(
    rows.map(({ s }) => s),
    ['ok', 'fine'],
  );
  assert.deepEqual(
    quarantine.map((row) => [row['code'], row['reason']]),
    [
      ['RULE_BROKEN', "s '' breaks the rule: s is complete"],
      ['RULE_BROKEN', "n '10' breaks the rule: n is from 0 to 9"],
      ['RULE_BROKEN', "s 'Ok' breaks the rule: s matches [a-z]+"],
      ['RULE_BROKEN', `breaks the rule: ${RULES[3]?.condition}`],
    ],
  );
});

const WHOLE = [...RULES.slice(0, 3), { unique: ['n'] }, { rows: { min: 7 } }];

test('rules that are reported count the rows that break them and change nothing', async () => {
  const { rows, result } = await transform({ columns: ruled, steps: quality('report', WHOLE) }, VALUES);
  assert.equal(rows.length, VALUES.length);
  assert.deepEqual(
    result.brokenRules.map(({ rule, rows: n }) => [rule, n]),
    [
      ['s is complete', 1],
      ['n is from 0 to 9', 1],
      ['s matches [a-z]+', 1],
      ['n is unique', 2],
      ['from 7 to any number of rows', 1],
    ],
  );
});

const failure = async (promise: Promise<unknown>) => {
  const error = await promise.then(
    () => undefined,
    (e: unknown) => e,
  );
  assert.ok(error instanceof SluiceError, 'it failed');
  return [error.code, error.message];
};

test('a rule that fails the window names how many rows break it, and a window that meets it passes', async () => {
  const steps = quality('fail', [{ unique: ['n'] }]);
  assert.deepEqual(await failure(transform({ columns: ruled, steps }, VALUES)), [
    'DATA_QUALITY_FAILED',
    'n is unique: 2 rows break this',
  ]);
  const { rows } = await transform({ columns: ruled, steps }, VALUES.slice(1, 4));
  assert.equal(rows.length, 3);
});

test('more bad records than the budget allows stop the window, and few records prove nothing', async () => {
  const values = (bad: number, good: number) => [
    ...Array.from({ length: bad }, () => '{"n":"x"}'),
    ...Array.from({ length: good }, () => '{"n":1}'),
  ];
  const table = { columns: ruled, quarantineRatioMax: 0.1 };
  const [code, message] = await failure(transform(table, values(12, 100)));
  assert.equal(code, 'QUARANTINE_BUDGET_EXCEEDED');
  assert.match(message ?? '', /^12 of 112 records/);
  assert.equal((await transform(table, values(12, 108))).rows.length, 108);
  assert.equal((await transform(table, values(9, 1))).rows.length, 1);
});
