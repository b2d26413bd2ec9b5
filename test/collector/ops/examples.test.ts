// `sluice-collector test`: an example holds only where exactly what it says comes of its records.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runTableExamples } from '../../support/table-examples.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const directory = temporaryDirectory();

const claims = {
  name: 'claims',
  topic: 'claims',
  format: 'json',
  steps: [
    {
      apply_mapping: [
        ['accountId', 'bigint', 'account_id', 'bigint'],
        ['amount', 'string', 'amount', 'decimal(12,2)'],
        ['at', 'timestamp', 'at', 'timestamp'],
        ['status', 'string', 'status', 'string'],
      ],
    },
    { filter: "status <> 'void'" },
  ],
  partitionBy: [{ field: 'status' }],
};

async function differences(example: object, change: object = {}) {
  const tables = [{ ...claims, ...change, examples: [{ name: 'one', ...example }] }];
  const [result] = await runTableExamples(directory, tables);
  return result?.differences ?? ['it did not run'];
}

const records = [
  '{"accountId":9007199254740993,"amount":"12.50","at":"2026-01-02T03:04:05+01:00","status":"open"}',
  { json: { accountId: 2, amount: '3', status: 'void' } },
  { text: '{"accountId":3,"amount":"abc"}', key: 'k' },
  null,
];
const expected = {
  records,
  rows: [
    { account_id: '9007199254740993', amount: 12.5, at: '2026-01-02T02:04:05Z', status: 'open', _offset: 0 },
  ],
  quarantine: [
    { offset: 3, code: 'TOMBSTONE' },
    { offset: 2, code: 'CAST_FAILED', field: 'amount' },
  ],
  filtered: 1,
};

test('rows, quarantine and filtered records that are as expected make no difference', async () => {
  assert.deepEqual(await differences(expected), []);
});

test('rows are compared as readers of CSV and JSON tables see them, too', async () => {
  for (const format of ['csv', 'json'])
    assert.deepEqual(await differences(expected, { output: { format } }), [], format);
});

test('rows that are expected of an output that no step makes are no example that holds', async () => {
  const outputs = { large: [{ account_id: 1 }], rows: [{ account_id: 2 }] };
  assert.deepEqual(await differences({ ...expected, outputs }), [
    "no step makes the output 'large', of which rows are expected",
    "no step makes the output 'rows', of which rows are expected",
  ]);
});

test('whatever else comes of the records is told, each by name', async () => {
  const [row] = expected.rows;
  const wrong = [
    { offset: 3, code: 'TOMBSTONE' },
    { offset: 2, code: 'JSON_INVALID' },
  ];
  const told: readonly (readonly [object, RegExp])[] = [
    [{ rows: [{ ...row, amount: 12.51 }] }, /expected row is missing.*12\.51.*unexpected row.*12\.50/],
    [{ rows: [{ ...row, account_id: '9007199254740992' }] }, /expected row is missing/],
    [{ rows: [{ ...row, at: null }] }, /expected row is missing/],
    [{ rows: [{ ...row, colour: null }] }, /expected row is missing/],
    [{ rows: [row, row] }, /expected row is missing/],
    [{ rows: [] }, /^unexpected row: /],
    [{ filtered: 0 }, /^1 records were filtered, and 0 expected$/],
    [{ quarantine: [] }, /unexpected quarantined record.*abc.*unexpected.*TOMBSTONE/],
    [{ quarantine: wrong }, /expected quarantined record is missing.*JSON_INVALID/],
  ];
  const tables = told.map(([change], i) => ({
    ...{ ...claims, name: `claims_${i}` },
    examples: [{ name: 'one', ...expected, ...change }],
  }));
  const results = await runTableExamples(directory, tables);
  for (const [i, [, what]] of told.entries()) assert.match(results[i]?.differences.join('; ') ?? '', what);
});

test('a record of an example may be of another of the table’s topics, and is of the first by name where none is said', async () => {
  const table = {
    topic: undefined,
    topics: ['claims', 'appeals'],
    partitionBy: [],
    steps: [],
    columns: { n: 'int' },
  };
  const records = ['{"n":1}', { json: { n: 2 }, topic: 'claims' }, { json: { n: 3 }, topic: 'appeals' }];
  const rows = [
    { n: 1, _topic: 'appeals', _offset: 0 },
    { n: 2, _topic: 'claims', _offset: 1 },
    { n: 3, _topic: 'appeals', _offset: 2 },
  ];
  assert.deepEqual(await differences({ records, rows }, table), []);
});
