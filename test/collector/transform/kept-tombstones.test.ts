// The mark of a deletion that is kept as a row, in what compares rows with each other or holds them to rules:
// it has no values, and none of it is lost for that.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { plainRecord } from '../../support/written-lake.ts';
import { parseSteps, transform } from './step-cases.ts';

const keeping: Partial<TableConfig> = { record: { ...plainRecord, tombstones: 'keep' } };
const keptRows = (rows: Record<string, unknown>[]) =>
  rows.map(({ _key, v, _deleted }) => `${_key} ${v} ${_deleted}`).sort();

test('among duplicates by the record’s key the mark of a deletion is one of them, in its place', async () => {
  const changes = [
    { key: 'a', value: '{"v":1}' },
    { key: 'a', value: null },
    { key: 'b', value: null },
    { key: 'b', value: '{"v":2}' },
    { key: 'c', value: null },
    { key: 'c', value: null },
  ];
  for (const [keep, expected] of [
    ['last', ['a null true', 'b 2 false', 'c null true']],
    ['first', ['a 1 false', 'b null true', 'c null true']],
  ] as const) {
    const { rows, result } = await transform(
      {
        ...keeping,
        columns: [{ name: 'v', type: 'int' }],
        steps: parseSteps([{ drop_duplicates: { keys: ['_key'], keep } }]),
      },
      changes,
    );
    assert.deepEqual(keptRows(rows), expected);
    assert.deepEqual([result.classes.emitted, result.classes.merged], [3, 3]);
  }
});

test('the mark of a deletion without a value by which duplicates are told, or ordered, is nobody’s duplicate', async () => {
  const changes = [
    { key: 'a', value: '{"v":1,"w":1}' },
    { key: 'a', value: null },
    { key: 'a', value: '{"v":1,"w":2}' },
    { key: 'b', value: null },
    { key: 'c', value: '{"v":null,"w":3}' },
    { key: 'd', value: '{"v":null,"w":4}' },
  ];
  for (const [keys, order, expected] of [
    [['v'], undefined, ['a 1 false', 'a null true', 'b null true', 'd null false']],
    [['_key', 'v'], undefined, ['a 1 false', 'a null true', 'b null true', 'c null false', 'd null false']],
    [['_key'], 'w', ['a 1 false', 'a null true', 'b null true', 'c null false', 'd null false']],
  ] as const) {
    const step = { drop_duplicates: { keys, keep: 'last', ...(order && { order_by: order }) } };
    const { rows, result } = await transform(
      {
        ...keeping,
        columns: ['v', 'w'].map((name) => ({ name, type: 'int' })),
        steps: parseSteps([step]),
      },
      changes,
    );
    assert.deepEqual(keptRows(rows), expected, JSON.stringify(step));
    assert.equal(result.classes.emitted + result.classes.merged, 6);
  }
});

test('the mark of a deletion is held to no rule: it has no values', async () => {
  const rules = [
    { complete: 'v' },
    { range: { column: 'v', min: 0 } },
    { matches: { column: 's', pattern: 'x+' } },
    { condition: 'v IS NOT NULL AND s::INTEGER IS NULL' },
  ];
  const changes = [
    { key: 'a', value: null },
    { key: 'b', value: '{"v":null,"s":"x"}' },
    { key: 'c', value: null },
  ];
  const table = (...steps: object[]) => ({
    ...keeping,
    columns: [
      { name: 'v', type: 'int' },
      { name: 's', type: 'string' },
    ],
    steps: parseSteps(steps),
  });
  const held = await transform(table({ evaluate_data_quality: { rules, action: 'quarantine' } }), changes);
  assert.deepEqual(keptRows(held.rows), ['a null true', 'c null true']);
  assert.deepEqual(
    held.quarantine.map(({ code, _offset }) => [code, _offset]),
    [['RULE_BROKEN', '1']],
  );
  const told = [{ complete: 'v' }, { unique: ['v'] }, { rows: { max: 2 } }];
  const { result } = await transform(
    table({ evaluate_data_quality: { rules: told, action: 'report' } }),
    changes,
  );
  assert.deepEqual(
    result.brokenRules.map(({ rule, rows }) => [rule, rows]),
    [
      ['v is complete', 1],
      ['from 0 to 2 rows', 1],
    ],
  );
  const none = [changes[0], changes[2]].flatMap((one) => one ?? []);
  const fails = { evaluate_data_quality: { rules: told.slice(0, 2), action: 'fail' } };
  assert.equal((await transform(table(fails), none)).rows.length, 2);
});

test('no group and no query counts the mark of a deletion, and its record is merged', async () => {
  const key = { derive: [{ column: 'k', type: 'string', expression: '_key' }] };
  const rule = { evaluate_data_quality: { rules: [{ complete: 'k' }], action: 'report' } };
  const count = [{ column: 'n', function: 'count' }];
  const named = { name: 's', value: 'v', columns: { x: 'x' } };
  const query = 'SELECT k, count(*) AS n FROM rows GROUP BY k';
  for (const [step, expected] of [
    [{ aggregate: { by: ['k'], measures: count } }, [{ k: 'a', n: '2' }]],
    [{ pivot: { by: ['k'], ...named, function: 'first' } }, [{ k: 'a', x: 1 }]],
    [{ sql: { query, columns: { k: 'string', n: 'bigint' } } }, [{ k: 'a', n: '2' }]],
  ] as const) {
    const { rows, result } = await transform(
      {
        ...keeping,
        provenance: 'none',
        columns: ['v', 's'].map((name) => ({ name, type: name === 'v' ? 'int' : 'string' })),
        steps: parseSteps([key, step, rule]),
      },
      [
        { key: 'a', value: '{"v":1,"s":"x"}' },
        { key: 'a', value: null },
        { key: 'a', value: '{"v":1,"s":"y"}' },
        { key: 'b', value: null },
        null,
      ],
    );
    assert.deepEqual(rows, expected, JSON.stringify(step));
    assert.deepEqual([result.classes.merged, result.brokenRules], [5, []]);
  }
});

test('what a deletion ended is in no group behind the last word about each key', async () => {
  const { rows } = await transform(
    {
      ...keeping,
      provenance: 'none',
      columns: [{ name: 'v', type: 'int' }],
      steps: parseSteps([
        { drop_duplicates: { keys: ['_key'], keep: 'last' } },
        { aggregate: { by: ['v'], measures: [{ column: 'n', function: 'count' }] } },
      ]),
    },
    [
      { key: 'a', value: '{"v":1}' },
      { key: 'b', value: '{"v":1}' },
      { key: 'a', value: null },
    ],
  );
  assert.deepEqual(rows, [{ v: 1, n: '1' }]);
});

test('the mark of a deletion is one row behind unpivot, whatever stands in its columns', async () => {
  for (const keepNulls of [true, false]) {
    const { rows } = await transform(
      {
        ...keeping,
        columns: ['v', 'w'].map((name) => ({ name, type: 'int' })),
        steps: parseSteps([
          { fill_missing: [{ column: 'w', value: 7 }] },
          { unpivot: { fields: ['v', 'w'], name: 'name', value: 'value', keep_nulls: keepNulls } },
        ]),
      },
      [{ key: 'a', value: null }],
    );
    assert.deepEqual(
      rows.map(({ name, value, _deleted }) => [name, value, _deleted]),
      [[null, null, true]],
    );
  }
});

test('split_rows judges the mark of a deletion as any row, and relationalize has no element of it', async () => {
  const columns = [
    { name: 'v', type: 'int' },
    { name: 'l', type: 'array<int>' },
  ];
  const steps = parseSteps([
    {
      split_rows: [
        { output: 'eu', when: "_key = 'a'" },
        { output: 'big', when: 'v > 1' },
      ],
    },
    { relationalize: ['l'] },
  ]);
  const { rows, read } = await transform({ ...keeping, columns, steps }, [
    { key: 'a', value: null },
    { key: 'b', value: null },
    { key: 'b', value: '{"v":1,"l":[1]}' },
  ]);
  assert.deepEqual(keptRows(await read('eu')), ['a null true']);
  assert.deepEqual(keptRows(rows), ['b 1 false', 'b null true']);
  assert.equal((await read('l')).length, 1);
});
