// A record of which several rows are made, in one table or in several: it is all of them or none, in exactly
// one class, against a reference that takes one record at a time.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { createTransformer } from '@sluice/collector/transform/transformer.ts';
import fc from 'fast-check';
import { segmentOf } from '../../support/segments.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { plainTable } from '../../support/written-lake.ts';
import { maybe, parseSteps, type Row, transform } from './step-cases.ts';

const RECORDS = 300;
const small = fc.integer({ min: -2, max: 3 });
const sample = <T>(of: fc.Arbitrary<T>) => fc.sample(of, { numRuns: RECORDS, seed: 8_128 });

/** What becomes of a record: rows by output, a problem, or nothing. */
type Outcome = Readonly<Record<string, readonly Row[]>> | 'quarantined' | 'filtered';

interface Case {
  readonly columns: Readonly<Record<string, string>>;
  readonly steps: readonly object[];
  readonly outputs: readonly string[];
  readonly records: readonly Row[];
  readonly reference: (record: Row) => Outcome;
}

async function behaves({ columns, steps, outputs, records, reference }: Case) {
  const { quarantine, read, result } = await transform(
    {
      columns: Object.entries(columns).map(([name, type]) => ({ name, type })),
      steps: parseSteps(steps),
    },
    records.map((one) => JSON.stringify(one)),
  );
  const outcomes = records.map(reference);
  for (const output of outputs) {
    const rows = Map.groupBy(await read(output), (row) => Number(row['_offset']));
    outcomes.forEach((outcome, offset) => {
      const expected = typeof outcome === 'string' ? [] : (outcome[output] ?? []);
      const found = (rows.get(offset) ?? []).map(({ _partition, _offset, _row, ...row }) => row);
      assert.deepEqual(found, expected, `${output} of ${JSON.stringify(records[offset])}`);
      const numbers = (rows.get(offset) ?? []).map(({ _row }) => _row);
      assert.deepEqual(numbers, [...numbers.keys()], 'rows of a record are numbered');
    });
  }
  const count = (of: string) => outcomes.filter((outcome) => outcome === of).length;
  assert.deepEqual(
    quarantine.map((row) => Number(row['_offset'])),
    outcomes.flatMap((outcome, offset) => (outcome === 'quarantined' ? [offset] : [])),
  );
  assert.deepEqual(result.classes, {
    in: records.length,
    emitted: records.length - count('quarantined') - count('filtered'),
    merged: 0,
    filtered: count('filtered'),
    quarantined: count('quarantined'),
  });
  for (const fate of ['quarantined', 'filtered']) assert.ok(count(fate) > 5, `only ${count(fate)} ${fate}`);
}

/** Not empty, or filtered. */
const emitted = (outcome: Readonly<Record<string, readonly Row[]>>): Outcome =>
  Object.values(outcome).every((rows) => rows.length === 0) ? 'filtered' : outcome;

test('explode makes a row of each element, and a record of which one row fails has none', async () => {
  const list = maybe(fc.array(maybe(small), { maxLength: 4 }));
  await behaves({
    columns: { id: 'int', items: 'array<int>' },
    steps: [
      { explode: { field: 'items', column: 'item', position: 'at' } },
      { filter: 'item <> 0' },
      { derive: [{ column: 'half', type: 'int', expression: 'CASE WHEN item < 3 THEN 6 / item END' }] },
      {
        derive: [
          { column: 'half', type: 'tinyint', expression: "CASE WHEN item = -2 THEN 'x'::INT ELSE half END" },
        ],
      },
    ],
    outputs: ['rows'],
    records: sample(fc.record({ id: small, items: list })),
    reference({ id, items }) {
      const rows = ((items ?? []) as (number | null)[]).flatMap((item, at) =>
        item === null || item === 0 ? [] : [{ id, item, at }],
      );
      if (rows.some(({ item }) => item === -2)) return 'quarantined';
      return emitted({ rows: rows.map((row) => ({ ...row, half: row.item < 3 ? 6 / row.item : null })) });
    },
  });
});

test('explode with outer keeps a record that has nothing to explode, and a map gives keys and values', async () => {
  const map = maybe(fc.dictionary(fc.constantFrom('a', 'b', 'c'), maybe(small), { maxKeys: 3 }));
  await behaves({
    columns: { id: 'tinyint', m: 'map<string,int>' },
    steps: [{ explode: { field: 'm', key: 'k', column: 'v', outer: true } }, { filter: 'id < 3' }],
    outputs: ['rows'],
    records: sample(fc.record({ id: fc.oneof(small, fc.constant(1_000)), m: map })),
    reference({ id, m }) {
      if (id === 1_000) return 'quarantined';
      if (id === 3) return 'filtered';
      const entries = Object.entries((m ?? {}) as Row);
      return {
        rows: entries.length === 0 ? [{ id, k: null, v: null }] : entries.map(([k, v]) => ({ id, k, v })),
      };
    },
  });
});

test('unpivot makes a row of each column that is not NULL', async () => {
  await behaves({
    columns: { id: 'tinyint', q1: 'int', q2: 'int' },
    steps: [{ unpivot: { fields: ['q1', 'q2'], name: 'quarter', value: 'amount' } }],
    outputs: ['rows'],
    records: sample(
      fc.record({ id: fc.oneof(small, fc.constant(1_000)), q1: maybe(small), q2: maybe(small) }),
    ),
    reference({ id, q1, q2 }) {
      if (id === 1_000) return 'quarantined';
      const all = [
        { id, quarter: 'q1', amount: q1 },
        { id, quarter: 'q2', amount: q2 },
      ];
      return emitted({ rows: all.filter(({ amount }) => amount !== null) });
    },
  });
});

test('unnest makes columns of structs in structs', async () => {
  const columns = [{ name: 's', type: 'struct<a:int,b:struct<c:string,d:array<int>>>' }];
  const { rows } = await transform({ columns, steps: parseSteps([{ unnest: ['s'] }]), provenance: 'none' }, [
    '{"s":{"a":1,"b":{"c":"x","d":[1]}}}',
    '{"s":null}',
  ]);
  assert.deepEqual(rows, [
    { s_a: 1, s_b_c: 'x', s_b_d: [1] },
    { s_a: null, s_b_c: null, s_b_d: null },
  ]);
});

test('split_rows sends each row to the first table whose condition holds, and takes a record from all that fails in one', async () => {
  const list = fc.array(small, { maxLength: 4 });
  await behaves({
    columns: { id: 'int', items: 'array<int>' },
    steps: [
      { explode: { field: 'items', column: 'n' } },
      {
        split_rows: [
          {
            output: 'big',
            when: 'n > 1',
            steps: [
              { derive: [{ column: 'm', type: 'tinyint', expression: 'n * 50' }] },
              { drop_fields: ['id'] },
            ],
          },
          { output: 'negative', when: 'n < 0', steps: [{ filter: 'n > -2' }] },
        ],
      },
      { rename_field: { n: 'small' } },
    ],
    outputs: ['rows', 'big', 'negative'],
    records: sample(fc.record({ id: small, items: list })),
    reference({ id, items }) {
      const all = items as number[];
      if (all.includes(3)) return 'quarantined';
      return emitted({
        rows: all.filter((n) => n === 0 || n === 1).map((n) => ({ id, small: n })),
        big: all.filter((n) => n > 1).map((n) => ({ n, m: n * 50 })),
        negative: all.filter((n) => n === -1).map((n) => ({ id, n })),
      });
    },
  });
});

test('a condition that throws for a record quarantines that record', async () => {
  const steps = parseSteps([{ split_rows: [{ output: 'one', when: 's::INT = 1' }] }]);
  const { rows, quarantine, read } = await transform({ columns: [{ name: 's', type: 'string' }], steps }, [
    '{"s":"1"}',
    '{"s":"x"}',
    '{"s":null}',
  ]);
  assert.deepEqual(
    [rows.length, (await read('one')).length, quarantine[0]?.['code']],
    [1, 1, 'FILTER_FAILED'],
  );
});

test('of several conditions the one that throws is told, and none behind the one that is met is asked', async () => {
  const splits = ["s = 'a'", 's::INT > 1', 's::INT > 0'].map((when, i) => ({ output: `o${i}`, when }));
  const steps = parseSteps([{ filter: 's::INT > 0' }, { split_rows: splits }]);
  const columns = [{ name: 's', type: 'string' }];
  const split = await transform(
    { columns, steps: steps.slice(1) },
    ['a', '2', '1', 'x'].map((s) => JSON.stringify({ s })),
  );
  const told = ({ quarantine }: typeof split) => quarantine.map(({ field, reason }) => [field, reason]);
  assert.deepEqual(told(split), [
    [null, "the condition of split_rows for 'o1' cannot be evaluated for this record"],
  ]);
  for (const [i, s] of ['a', '2', '1'].entries())
    assert.deepEqual(
      (await split.read(`o${i}`)).map((row) => row['s']),
      [s],
    );
  const filtered = await transform({ columns, steps: steps.slice(0, 1) }, ['{"s":"x"}']);
  assert.deepEqual(told(filtered), [[null, 'the filter cannot be evaluated for this record']]);
});

test('relationalize gives each array a table, joined by the ids that its parent holds, to any depth', async () => {
  const columns = [
    { name: 'id', type: 'int' },
    { name: 'who', type: 'struct<name:string,tags:array<string>>' },
    { name: 'items', type: 'array<struct<sku:string,lots:array<struct<n:tinyint>>,at:struct<x:int>>>' },
    { name: 'attrs', type: 'map<string,int>' },
  ];
  const steps = parseSteps([{ relationalize: ['who_tags', 'items', 'items.lots', 'attrs'] }]);
  const values = [
    {
      id: 1,
      who: { name: 'Ada', tags: ['a', 'b'] },
      items: [
        { sku: 'x', lots: [{ n: 1 }, { n: 2 }], at: { x: 7 } },
        { sku: 'y', lots: [] },
      ],
      attrs: { k: 5 },
    },
    { id: 2, items: [{ sku: 'z', lots: [{ n: 3 }] }] },
    { id: 3, items: [{ sku: 'z', lots: [{ n: 300 }] }], who: { name: 'Bob', tags: ['c'] } },
  ];
  const { rows, quarantine, read, result } = await transform(
    { columns, steps },
    values.map((v) => JSON.stringify(v)),
  );
  const at = (name: string) =>
    read(name).then((all) =>
      all.sort((a, b) => `${a['_offset']}-${a['_row']}`.localeCompare(`${b['_offset']}-${b['_row']}`)),
    );
  const [tags, items, lots, attrs] = [
    await at('who_tags'),
    await at('items'),
    await at('items_lots'),
    await at('attrs'),
  ];
  assert.deepEqual(
    rows.map((row) => [row['id'], row['who_name'], row['attrs'] === null]),
    [
      [1, 'Ada', false],
      [2, null, true],
    ],
  );
  assert.deepEqual(
    items.map((row) => [row['relation_index'], row['sku'], row['at_x']]),
    [
      [0, 'x', 7],
      [1, 'y', null],
      [0, 'z', null],
    ],
  );
  assert.deepEqual(
    tags.map((row) => row['value']),
    ['a', 'b'],
  );
  assert.deepEqual(
    attrs.map((row) => [row['key'], row['value']]),
    [['k', 5]],
  );
  assert.deepEqual(
    lots.map((row) => row['n']),
    [1, 2, 3],
  );
  const parents = (children: Row[], of: Row[], column: string) =>
    children.map((child) => of.findIndex((row) => row[column] === child['relation_id']));
  assert.deepEqual(parents(items, rows, 'items'), [0, 0, 1]);
  assert.deepEqual(parents(tags, rows, 'who_tags'), [0, 0]);
  assert.deepEqual(parents(attrs, rows, 'attrs'), [0]);
  assert.deepEqual(parents(lots, items, 'lots'), [0, 0, 2]);
  assert.equal(quarantine[0]?.['field'], 'items[0].lots[0].n');
  assert.deepEqual([result.classes.emitted, result.classes.quarantined], [2, 1]);
});

test('rows of many chunks keep their records apart', async () => {
  const values = Array.from({ length: 70_000 }, (_, n) =>
    JSON.stringify({ n, l: n % 3 === 0 ? [] : [n, -n] }),
  );
  const columns = [
    { name: 'n', type: 'int' },
    { name: 'l', type: 'array<int>' },
  ];
  const steps = parseSteps([
    { explode: { field: 'l' } },
    { split_rows: [{ output: 'minus', when: 'l < 0' }] },
  ]);
  const { rows, read, result } = await transform({ columns, steps }, values);
  const minus = await read('minus');
  assert.deepEqual([rows.length, minus.length], [46_666, 46_666]);
  assert.deepEqual([result.classes.emitted, result.classes.filtered], [46_666, 23_334]);
  assert.ok(rows.every((row) => String(row['n']) === row['_offset'] && row['l'] === row['n']));
});

test('records of all chunks of a window are told apart, also where a later chunk is smaller', async () => {
  const pad = 'x'.repeat(450_000);
  const records = (from: number, count: number, padding: string) =>
    segmentOf(
      Array.from({ length: count }, (_, i) => JSON.stringify({ n: from + i, pad: padding, list: [1, 2] })),
      { baseOffset: from },
    );
  const directory = join(temporaryDirectory(), 'w');
  const table = {
    ...plainTable,
    columns: [
      { name: 'n', type: 'int' },
      { name: 'list', type: 'array<int>' },
    ],
    steps: parseSteps([{ explode: { field: 'list', column: 'item' } }]),
  };
  const transformer = createTransformer({ memoryBytesMax: 256e6, threads: 1 });
  // The first chunk is full after 16 MiB.
  const segments = [records(0, 40, pad), records(40, 10, '')].map((segment) => ({ segment, fromOffset: 0 }));
  try {
    const { classes, files } = await transformer.run({
      ...{ table, windowId: 'w', segments, openedMs: 0, directory },
    });
    assert.deepEqual([classes.in, classes.emitted], [50, 50]);
    assert.equal(
      files.reduce((sum, { rows }) => sum + rows, 0),
      100,
    );
  } finally {
    await transformer.close();
  }
});
