// relationalize, unpivot, pivot, lookup and drop_duplicates over random records, against references that
// build the same tables by hand: which rows there are, and whose each of them is.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { temporaryDirectory } from '../../support/temp.ts';
import { Bad, behaves, maybe, parseSteps, type Row, transform } from './step-cases.ts';

const small = fc.integer({ min: -2, max: 4 });
const word = fc.constantFrom('', 'a', 'ü', "it's", 'a.b');
const sample = <T>(of: fc.Arbitrary<T>, numRuns = 300) => fc.sample(of, { numRuns, seed: 5_040 });
const columnsOf = (columns: Readonly<Record<string, string>>) =>
  Object.entries(columns).map(([name, type]) => ({ name, type }));
const json = (records: readonly object[]) => records.map((one) => JSON.stringify(one));
const byPlace = (a: Row, b: Row) =>
  Number(a['_offset']) - Number(b['_offset']) || Number(a['_row']) - Number(b['_row']);

test('relationalize: each element is a row of its table, under the id that its parent has, and under no other', async () => {
  const lot = maybe(fc.record({ n: maybe(small) }));
  const item = maybe(fc.record({ sku: maybe(word), lots: maybe(fc.array(lot, { maxLength: 3 })) }));
  const record = fc.record({
    id: small,
    items: maybe(fc.array(item, { maxLength: 3 })),
    attrs: maybe(fc.dictionary(fc.constantFrom('a', 'b', 'c'), maybe(small), { maxKeys: 3 })),
  });
  const records = sample(record);
  const columns = columnsOf({
    id: 'int',
    items: 'array<struct<sku:string,lots:array<struct<n:int>>>>',
    attrs: 'map<string,int>',
  });
  const steps = parseSteps([{ relationalize: ['items', 'items.lots', 'attrs'] }]);
  const { rows, read } = await transform({ columns, steps }, json(records));
  const tables = { items: await read('items'), lots: await read('items_lots'), attrs: await read('attrs') };
  for (const table of Object.values(tables)) table.sort(byPlace);
  assert.equal(rows.length, records.length);
  const parents = new Map(rows.map((row) => [Number(row['_offset']), row]));
  const ids = rows.map((row) => row['items'] ?? row['attrs']).filter((id) => id !== null);
  assert.equal(new Set(ids).size, ids.length, 'records have ids of their own');

  const itemRows: unknown[] = [];
  const lotRows: unknown[] = [];
  const attrRows: unknown[] = [];
  let at = 0;
  records.forEach(({ id, items, attrs }, offset) => {
    const parent = parents.get(offset);
    assert.deepEqual(
      [parent?.['id'], parent?.['items'] === null, parent?.['attrs'] === null],
      [id, items === null, attrs === null],
    );
    (items ?? []).forEach((one, index) => {
      const lots = one?.lots ?? null;
      const own = tables.items[at++];
      assert.equal(own?.['lots'] === null, lots === null);
      itemRows.push([parent?.['items'], index, one?.sku ?? null]);
      for (const [i, inner] of (lots ?? []).entries()) lotRows.push([own?.['lots'], i, inner?.n ?? null]);
    });
    for (const [index, [key, value]] of Object.entries(attrs ?? {}).entries())
      attrRows.push([parent?.['attrs'], index, key, value]);
  });
  const told = (table: readonly Row[], names: readonly string[]) =>
    table.map((row) => ['relation_id', 'relation_index', ...names].map((name) => row[name]));
  assert.deepEqual(told(tables.items, ['sku']), itemRows);
  assert.deepEqual(told(tables.lots, ['n']), lotRows);
  assert.deepEqual(told(tables.attrs, ['key', 'value']), attrRows);
  const inner = tables.items.map((row) => row['lots']).filter((id) => id !== null);
  assert.equal(new Set(inner).size, inner.length, 'elements have ids of their own');
});

for (const keepNulls of [false, true])
  test(`unpivot ${keepNulls ? 'with' : 'without'} NULLs makes its rows in the order of the columns`, async () => {
    const records = sample(fc.record({ id: small, b: maybe(word), a: maybe(word) }));
    const columns = columnsOf({ id: 'int', a: 'string', b: 'string' });
    const steps = parseSteps([
      { unpivot: { fields: ['b', 'a'], name: 'which', value: 'what', keep_nulls: keepNulls } },
    ]);
    const { rows, result } = await transform({ columns, steps }, json(records));
    const expected = records.flatMap(({ id, a, b }, offset) =>
      [
        { which: 'b', what: b },
        { which: 'a', what: a },
      ]
        .filter(({ what }) => keepNulls || what !== null)
        .map((own, row) => ({ id, ...own, _partition: 0, _offset: String(offset), _row: row })),
    );
    assert.deepEqual(rows.toSorted(byPlace), expected);
    const none = records.filter(({ a, b }) => a === null && b === null).length;
    assert.equal(result.classes.filtered, keepNulls ? 0 : none);
  });

const pivoted = fc.record({ k: maybe(small), name: maybe(fc.constantFrom('x', 'y', "z'")), v: maybe(small) });
/** What is made of the values of one group and name, in the order of their records. */
const FUNCTIONS: Readonly<Record<string, (values: readonly number[]) => unknown>> = {
  first: ([first = null]) => first,
  min: (values) => (values.length === 0 ? null : Math.min(...values)),
  max: (values) => (values.length === 0 ? null : Math.max(...values)),
  sum: (values) => (values.length === 0 ? null : String(values.reduce((a, b) => a + b, 0))),
  count: (values) => String(values.length),
};
for (const [name, of] of Object.entries(FUNCTIONS))
  test(`pivot with ${name} has of each group and name what a reference computes`, async () => {
    const records = sample(pivoted);
    const steps = parseSteps([
      { pivot: { by: ['k'], name: 'name', value: 'v', columns: { x: 'ex', "z'": 'zet' }, function: name } },
    ]);
    const columns = columnsOf({ k: 'int', name: 'string', v: 'int' });
    const { rows, result } = await transform({ columns, steps, provenance: 'none' }, json(records));
    const groups = [...Map.groupBy(records, ({ k }) => k)].sort(([a], [b]) => (a ?? 99) - (b ?? 99));
    const expected = groups.map(([k, members]) => {
      const values = (wanted: string) =>
        members.flatMap(({ name: own, v }) => (own === wanted && v !== null ? [v] : []));
      return { k, ex: of(values('x')), zet: of(values("z'")) };
    });
    assert.deepEqual(rows, expected);
    assert.deepEqual([result.classes.merged, result.classes.emitted], [records.length, 0]);
  });

test('aggregate has of each group what a reference computes, for texts, times and doubles', async () => {
  const record = fc.record({
    k: maybe(word),
    s: maybe(word),
    d: maybe(fc.constantFrom(0.5, -1.25, 3)),
    m: maybe(fc.constantFrom(0.01, 12.5, -7)),
  });
  const records = sample(record);
  const measures = [
    { column: 's_min', function: 'min', field: 's' },
    { column: 's_count', function: 'count', field: 's' },
    { column: 'd_sum', function: 'sum', field: 'd' },
    { column: 'd_avg', function: 'avg', field: 'd' },
    { column: 'm_sum', function: 'sum', field: 'm' },
    { column: 'm_max', function: 'max', field: 'm' },
  ];
  const columns = columnsOf({ k: 'string', s: 'string', d: 'double', m: 'decimal(9,2)' });
  const steps = parseSteps([{ aggregate: { by: ['k'], measures } }]);
  const { rows } = await transform({ columns, steps, provenance: 'none' }, json(records));
  const bytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
  const expected = [...Map.groupBy(records, ({ k }) => k)].map(([k, members]): [unknown, Row] => {
    const of = <T>(pick: (one: (typeof records)[number]) => T | null) =>
      members.flatMap((one) => pick(one) ?? []);
    const [texts, doubles, money] = [of(({ s }) => s), of(({ d }) => d), of(({ m }) => m)];
    const sum = (all: readonly number[]) => all.reduce((a, b) => a + b, 0);
    const some = <T>(all: readonly unknown[], value: () => T) => (all.length === 0 ? null : value());
    return [
      k,
      {
        k,
        s_min: some(texts, () => texts.toSorted(bytes)[0]),
        s_count: String(texts.length),
        d_sum: some(doubles, () => sum(doubles)),
        d_avg: some(doubles, () => sum(doubles) / doubles.length),
        m_sum: some(money, () => (sum(money.map((one) => Math.round(one * 100))) / 100).toFixed(2)),
        m_max: some(money, () => Math.max(...money).toFixed(2)),
      },
    ];
  });
  assert.deepEqual(new Map(rows.map((row) => [row['k'], row])), new Map(expected));
});

for (const keep of ['first', 'last'] as const)
  test(`drop_duplicates ordered by a column keeps the ${keep} of each key, NULL behind all`, async () => {
    const records = sample(fc.record({ k: maybe(small), v: maybe(small) }));
    const steps = parseSteps([{ drop_duplicates: { keys: ['k'], keep, order_by: 'v' } }]);
    const { rows, result } = await transform(
      { columns: columnsOf({ k: 'int', v: 'int' }), steps },
      json(records),
    );
    const kept = [
      ...Map.groupBy(
        records.map((one, offset) => ({ ...one, offset })),
        ({ k }) => k,
      ).values(),
    ].map((members) => {
      const known = members.filter(({ v }) => v !== null);
      const sorted = (known.length > 0 ? known : members).toSorted(
        (a, b) => (a.v ?? 0) - (b.v ?? 0) || a.offset - b.offset,
      );
      return sorted.at(keep === 'first' ? 0 : -1)?.offset ?? -1;
    });
    assert.deepEqual(
      rows.map((row) => Number(row['_offset'])),
      kept.sort((a, b) => a - b),
    );
    assert.equal(result.classes.merged, records.length - kept.length);
  });

const file = join(temporaryDirectory(), 'kinds.csv');
const KINDS = new Map([
  ['1/a', 'one'],
  ['2/a', ''],
  ['3/ü', null],
  ["4/it's", 'a, b'],
]);
const lines = [...KINDS].map(([key, kind]) => `${key.replace('/', ',')},${kind === null ? '' : `"${kind}"`}`);
writeFileSync(file, ['n,s,kind', ...lines].join('\n'));
behaves('lookup puts beside a record what the file has under all of its keys, and quarantines one without', {
  columns: { n: 'bigint', s: 'string' },
  steps: [
    {
      lookup: { file, keys: { n: 'n', s: 's' }, columns: [{ from: 'kind', column: 'kind', type: 'string' }] },
    },
  ],
  record: fc.record({ n: maybe(fc.integer({ min: 1, max: 5 })), s: maybe(word) }),
  reference({ n, s }) {
    const kind = n === null || s === null ? undefined : KINDS.get(`${n}/${s}`);
    return kind === undefined ? new Bad('LOOKUP_MISSING', 'n') : { n: String(n), s, kind };
  },
});
