// The quick look at nested values is sure of what is usual, or it would save nothing, and of nothing that it
// cannot tell apart. That what it is sure of is right is held against a reference in nested.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDatabase } from '@sluice/collector/transform/duckdb.ts';
import { quickLook } from '@sluice/collector/transform/sql/quick-nested.ts';
import { literal, parseType } from '@sluice/collector/transform/sql/types.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const PERSON = 'struct<name:string,tier:int,score:double,at:timestamp,home:struct<city:string,zip:string>>';
const LINES = 'array<struct<sku:string,qty:int>>';

const CERTAIN: readonly (readonly [string, unknown])[] = [
  [
    PERSON,
    {
      name: 'Ann "B" ü',
      tier: 3,
      score: 1.5e3,
      at: '2026-01-02T03:04:05Z',
      home: { city: '3rd st', zip: '01234' },
    },
  ],
  [PERSON, { name: null, tier: -1, more: [1] }],
  [PERSON, { home: { zip: '123e4567-e89b-12d3-a456-426614174000' } }],
  [PERSON, null],
  [LINES, []],
  [LINES, [{ sku: 'a', qty: 1 }, null, { qty: null, sku: 'x' }]],
  ['array<array<string>>', [['a'], [], [null, 'b', 7]]],
  ['array<decimal(5,2)>', [1.25, null, 3]],
];

const DOUBTFUL: readonly (readonly [string, unknown])[] = [
  [PERSON, 5],
  [PERSON, 'text'],
  [PERSON, []],
  [PERSON, {}],
  [PERSON, { tier: null }],
  [PERSON, { name: 'x', home: 5 }],
  [PERSON, { name: 'x', home: {} }],
  [PERSON, { name: { a: 1 } }],
  [PERSON, { name: '[x' }],
  [PERSON, { name: 1e300 }],
  [PERSON, { name: -0.5 }],
  [PERSON, { tier: '3' }],
  [PERSON, { tier: 1.5 }],
  [PERSON, { tier: true }],
  [PERSON, { tier: [1] }],
  [PERSON, { score: 'NaN' }],
  [PERSON, { at: '2026-01-02T03:04:05.1234567Z' }],
  [PERSON, { at: 20_260_102 }],
  [LINES, null],
  [LINES, {}],
  [LINES, [{ sku: 'a' }, 5]],
  [LINES, [{ sku: 'a' }, {}]],
  [LINES, [{ qty: 2 ** 31 }]],
  ['array<array<string>>', [['a'], null]],
  ['array<array<string>>', [['a'], 'b']],
  ['array<decimal(5,2)>', [1.255]],
];

async function sureOf(values: typeof CERTAIN): Promise<boolean[]> {
  const directory = temporaryDirectory();
  const limits = { spillDirectory: directory, memoryBytesMax: 256e6, threads: 1 };
  const database = await openDatabase({ directories: [directory], ...limits });
  const found: boolean[] = [];
  for (const [type, value] of values) {
    const look = quickLook(parseType(type) ?? assert.fail(type)) ?? assert.fail(type);
    const structure = literal(JSON.stringify({ v: look.structure }));
    const record = literal(JSON.stringify({ v: value }));
    const sql = `SELECT ${look.certain('r.v')} AS sure FROM (SELECT from_json(${record}, ${structure}) AS r)`;
    found.push((await database.rows(sql))[0]?.['sure'] as boolean);
  }
  database.close();
  return found;
}

const shown = (values: typeof CERTAIN, sure: readonly boolean[], wanted: boolean) =>
  values.filter((_one, i) => sure[i] !== wanted).map(([type, value]) => [type, JSON.stringify(value)]);

test('values as they usually are need no second look', async () => {
  assert.deepEqual(shown(CERTAIN, await sureOf(CERTAIN), true), []);
});

test('what DuckDB reads as NULL, guesses or spells in another way is looked at again', async () => {
  assert.deepEqual(shown(DOUBTFUL, await sureOf(DOUBTFUL), false), []);
});

test('maps, choices and bytes are never decided at a glance, wherever they stand', () => {
  for (const inner of ['map<string,int>', 'binary']) {
    assert.equal(quickLook(parseType(`array<${inner}>`) ?? assert.fail()), undefined);
    assert.equal(quickLook(parseType(`struct<a:int,b:${inner}>`) ?? assert.fail()), undefined);
  }
  assert.equal(quickLook(parseType('choice<int,string>') ?? assert.fail()), undefined);
});
