// Steps behind aggregate and sql: rows of groups have no offset and no timestamp, and every step that looks
// at the whole window takes them all the same, in an order of their own that does not change from try to try.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { planFields } from '@sluice/collector/transform/sql/fields.ts';
import fc from 'fast-check';
import { plainTable } from '../../support/written-lake.ts';
import { oneWindows } from './one-window.ts';
import { maybe, parseSteps } from './step-cases.ts';

const { transform } = oneWindows();
const columns = Object.entries({ shop: 'string', kind: 'string', n: 'int' }).map(([name, type]) => ({
  name,
  type,
}));
const largest = {
  aggregate: { by: ['shop', 'kind'], measures: [{ column: 'n', function: 'max', field: 'n' }] },
};
const grouped = (...steps: readonly object[]): Partial<TableConfig> => ({
  columns,
  provenance: 'none',
  steps: parseSteps(steps),
});
interface One {
  readonly shop: string | null;
  readonly kind: string | null;
  readonly n: number | null;
}
const records: readonly One[] = fc.sample(
  fc.record({
    shop: maybe(fc.constantFrom('A', 'B', 'C', 'D')),
    kind: maybe(fc.constantFrom('a', 'b', 'c', "d'")),
    n: maybe(fc.integer({ min: -9, max: 99 })),
  }),
  { numRuns: 120, seed: 1_931 },
);
const values = records.map((one) => JSON.stringify(one));
const shops = [...new Set(records.map(({ shop }) => shop))].sort();
const largestOf = (shop: string | null, kinds: readonly (string | null)[]) => {
  const all = records.flatMap((one) =>
    one.shop === shop && kinds.includes(one.kind) && one.n !== null ? [one.n] : [],
  );
  return all.length === 0 ? null : Math.max(...all);
};
const byShop = (rows: readonly Record<string, unknown>[]) =>
  [...rows].sort((a, b) => shops.indexOf(a['shop'] as never) - shops.indexOf(b['shop'] as never));

test('pivot makes columns of the rows of groups, whichever of them is wanted', async () => {
  for (const called of ['first', 'max'] as const) {
    const pivot = {
      pivot: {
        ...{ by: ['shop'], name: 'kind', value: 'n', function: called },
        columns: { a: 'a', "d'": 'd' },
      },
    };
    const { rows, result } = await transform(grouped(largest, pivot), values);
    assert.deepEqual(
      byShop(rows),
      shops.map((shop) => ({ shop, a: largestOf(shop, ['a']), d: largestOf(shop, ["d'"]) })),
    );
    assert.equal(result.classes.merged, records.length);
  }
});

test('of groups that are duplicates the same one stays, by a column or by all of them', async () => {
  const kinds = [...new Set(records.map(({ kind }) => kind))];
  const most = { drop_duplicates: { keys: ['shop'], keep: 'last', order_by: 'n' } };
  const { rows } = await transform(grouped(largest, most), values);
  assert.deepEqual(
    byShop(rows).map(({ shop, n }) => [shop, n]),
    shops.map((shop) => [shop, largestOf(shop, kinds)]),
  );
  const first = { drop_duplicates: { keys: ['shop'] } };
  const kept = await transform(grouped(largest, first), values);
  assert.deepEqual(
    byShop(kept.rows).map(({ shop, kind }) => [shop, kind]),
    shops.map((shop) => [shop, 'a']),
  );
});

test('sql reads the rows of groups, and rules are held against what it makes', async () => {
  const sql = {
    sql: {
      query: 'SELECT shop, count(*) AS kinds FROM rows GROUP BY shop',
      columns: { shop: 'string', kinds: 'bigint' },
    },
  };
  const rules = { evaluate_data_quality: { rules: [{ complete: 'shop' }], action: 'report' } };
  for (const tombstones of ['quarantine', 'keep'] as const) {
    const record = { ...plainTable.record, tombstones };
    const { rows, result } = await transform({ ...grouped(largest, sql, rules), record }, values);
    const kindsOf = (shop: string | null) =>
      new Set(records.filter((one) => one.shop === shop).map(({ kind }) => kind)).size;
    assert.deepEqual(
      byShop(rows),
      shops.map((shop) => ({ shop, kinds: String(kindsOf(shop)) })),
    );
    assert.deepEqual(result.brokenRules, [{ output: 'rows', rule: 'shop is complete', rows: 1 }]);
  }
});

test('what is known of a record is no column of a group, and is refused by name', () => {
  const problems = (table: Partial<TableConfig>) => planFields({ ...plainTable, ...table }).problems;
  assert.deepEqual(problems(grouped(largest, { drop_duplicates: { keys: ['_key'] } })), [
    "drop_duplicates names '_key', which is no column at that step",
  ]);
  const output = { ...plainTable.output, sortBy: ['_offset'] };
  assert.deepEqual(problems({ ...grouped(largest), output }), [
    "output.sortBy names '_offset', which is no column after the steps",
  ]);
});
