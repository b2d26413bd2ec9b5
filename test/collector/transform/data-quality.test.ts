// Rules of evaluate_data_quality against a reference that takes one record at a time, whatever becomes of
// those that break one; and bounds that a column cannot have.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { plainTable } from '../../support/written-lake.ts';
import { oneWindows } from './one-window.ts';
import { maybe, parseSteps, type Row } from './step-cases.ts';

const { transform, transformer } = oneWindows();
const columns = Object.entries({
  n: 'int',
  d: 'decimal(6,2)',
  s: 'string',
  t: 'timestamp',
  day: 'date',
}).map(([name, type]) => ({ name, type }));
const record = fc.record({
  n: maybe(fc.integer({ min: -5, max: 5 })),
  d: maybe(fc.constantFrom(-1.25, 0, 1.01, 1.02, 99.5)),
  s: maybe(fc.constantFrom('', 'a', 'b', 'B1', '7', 'x7')),
  t: maybe(fc.constantFrom('2025-12-31T21:59:59Z', '2025-12-31T22:00:00Z', '2026-01-01T00:00:00Z')),
  day: maybe(fc.constantFrom('2025-12-31', '2026-01-01', '2026-01-02')),
});
const isIn = (value: unknown, least: unknown, most: unknown) =>
  value === null || ((value as number) >= (least as number) && (value as number) <= (most as number));

/** A rule, its name, and whether a record meets it. */
const RULES: readonly (readonly [object, string, (record: Row) => boolean])[] = [
  [{ complete: 's' }, 's is complete', ({ s }) => s !== null],
  [{ range: { column: 'n', min: -3, max: 3 } }, 'n is from -3 to 3', ({ n }) => isIn(n, -3, 3)],
  [{ range: { column: 'd', min: 0, max: 1.01 } }, 'd is from 0 to 1.01', ({ d }) => isIn(d, 0, 1.01)],
  [{ range: { column: 's', max: 'b' } }, 's is from any to b', ({ s }) => isIn(s, '', 'b')],
  [
    { range: { column: 't', min: '2026-01-01T00:00:00+02:00' } },
    't is from 2026-01-01T00:00:00+02:00 to any',
    ({ t }) => isIn(t, '2025-12-31T22:00:00Z', '9'),
  ],
  [
    { range: { column: 'day', max: '2026-01-01' } },
    'day is from any to 2026-01-01',
    ({ day }) => isIn(day, '', '2026-01-01'),
  ],
  [
    { matches: { column: 's', pattern: '[a-z]?[0-9]?' } },
    's matches [a-z]?[0-9]?',
    ({ s }) => s === null || /^[a-z]?[0-9]?$/.test(String(s)),
  ],
  // A text that is no number cannot be compared: it does not meet the condition.
  [{ condition: 's::INT > 5' }, 's::INT > 5', ({ s }) => s === null || s === '7'],
];
const records = fc.sample(record, { numRuns: 300, seed: 1_729 });
const values = records.map((one) => JSON.stringify(one));
const quality = (action: string, rules: readonly object[]) =>
  parseSteps([{ evaluate_data_quality: { rules, action } }]);

for (const [rule, name, meets] of RULES) {
  const breaking = records.flatMap((one, offset) => (meets(one) ? [] : [String(offset)]));

  test(`${name}: the records that break it are quarantined, and no others`, async () => {
    const { quarantine, rows } = await transform({ columns, steps: quality('quarantine', [rule]) }, values);
    assert.deepEqual(
      quarantine.map((row) => row['_offset']),
      breaking,
    );
    assert.ok(quarantine.every((row) => row['code'] === 'RULE_BROKEN'));
    assert.equal(rows.length, records.length - breaking.length);
    assert.ok(breaking.length > 10, 'some break it');
  });

  test(`${name}: where it is reported as many rows are counted, and where it fails they are told`, async () => {
    const { rows, result } = await transform({ columns, steps: quality('report', [rule]) }, values);
    assert.equal(rows.length, records.length);
    assert.deepEqual(
      result.brokenRules.map((one) => [one.rule, one.rows]),
      [[name, breaking.length]],
    );
    await assert.rejects(transform({ columns, steps: quality('fail', [rule]) }, values), {
      code: 'DATA_QUALITY_FAILED',
      message: `${name}: ${breaking.length} rows break this`,
    });
  });
}

for (const keys of [['n'], ['s', 'n'], ['d', 's', 'day']]) {
  test(`${keys} is unique: rows whose values another has are counted, and NULL is like no other`, async () => {
    const { result } = await transform({ columns, steps: quality('report', [{ unique: keys }]) }, values);
    const known = records.map((one: Row) => keys.map((key) => one[key])).filter((of) => !of.includes(null));
    const again = known.length - new Set(known.map((of) => JSON.stringify(of))).size;
    assert.ok(again > 0 && known.length < records.length);
    assert.deepEqual(result.brokenRules, [
      { output: 'rows', rule: `${keys.join(', ')} is unique`, rows: again },
    ]);
  });
}

test('a bound that the column cannot have is refused, and not rounded to one that it can', async () => {
  for (const [column, bound, type] of [
    ['n', 5.5, 'int'],
    ['n', 'many', 'int'],
    ['d', 1.005, 'decimal(6,2)'],
    ['day', '2026-01-01T10:00:00Z', 'date'],
    ['t', 'tomorrow', 'timestamp'],
  ] as const)
    for (const range of [
      { column, min: bound },
      { column, max: bound },
    ]) {
      const steps = quality('report', [{ range }]);
      assert.deepEqual(await transformer.validate({ ...plainTable, columns, steps }, '.'), [
        `evaluate_data_quality: '${bound}' is not ${type}, as ${column} is`,
      ]);
    }
});
