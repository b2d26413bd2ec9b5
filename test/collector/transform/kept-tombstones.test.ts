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

test('groups count the mark of a deletion as a row of NULLs, and rules behind them are held to groups', async () => {
  const { rows, result } = await transform(
    {
      ...keeping,
      provenance: 'none',
      columns: [{ name: 'v', type: 'int' }],
      steps: parseSteps([
        { aggregate: { by: ['v'], measures: [{ column: 'n', function: 'count' }] } },
        { evaluate_data_quality: { rules: [{ complete: 'v' }], action: 'report' } },
      ]),
    },
    ['{"v":1}', null, null],
  );
  assert.deepEqual(
    rows.map(({ v, n }) => [v, n]),
    [
      [1, '1'],
      [null, '2'],
    ],
  );
  assert.deepEqual(result.brokenRules, [{ output: 'rows', rule: 'v is complete', rows: 1 }]);
});
