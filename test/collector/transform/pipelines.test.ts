// Steps in any order and any number: what a table's plan takes DuckDB takes as well, so that nobody is told
// of columns that only the transform knows, and each record of a window has one fate.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PartitionSpec, TableConfig } from '@sluice/collector/contracts.ts';
import { isGrouped } from '@sluice/collector/step-config.ts';
import { type Field, planFields } from '@sluice/collector/transform/sql/fields.ts';
import { identifier } from '@sluice/collector/transform/sql/types.ts';
import fc from 'fast-check';
import { temporaryDirectory } from '../../support/temp.ts';
import { plainTable } from '../../support/written-lake.ts';
import { oneWindows } from './one-window.ts';
import { parseSteps } from './step-cases.ts';

const { transform, transformer } = oneWindows();
const directory = temporaryDirectory();
const PIPELINES = 60;
const STEPS_MAX = 6;
const BRANCHES_MAX = 2;

const COLUMNS = {
  ...{ i: 'int', b: 'bigint', d: 'double', c: 'decimal(10,2)', s: 'string', s2: 'string', t: 'timestamp' },
  ...{ day: 'date', yes: 'boolean', list: 'array<int>', lines: 'array<struct<x:int,s:string>>' },
  ...{
    labels: 'map<string,int>',
    whole: 'struct<p:int,q:struct<r:string>>',
    either: 'choice<bigint,string>',
  },
};
const value = <T>(...values: T[]) => fc.option(fc.constantFrom(...values), { nil: undefined, freq: 5 });
const record = fc.record({
  ...{ i: value<unknown>(0, -5, 2147483647, null, 'x'), b: value(1, null), d: value(0.5, -1e300, null) },
  ...{
    c: value(1.25, null, 1.255),
    s: value('a', 'a/b', '', null, 'x@y.example', 'zz'),
    s2: value("b'", 'n'),
  },
  ...{ t: value('2026-01-02T03:04:05Z', '1970-01-01T00:00:00Z', null), day: value('2026-01-02', null) },
  ...{ yes: value(true, null), list: value<unknown>([1, 2], [], null, [null, 3], ['q']) },
  ...{
    lines: value<unknown>([{ x: 1, s: 'a' }], [], [null, { x: 2 }]),
    labels: value<unknown>({ a: 1 }, {}),
  },
  ...{ whole: value<unknown>({ p: 1, q: { r: 'z' } }, {}, null), either: value<unknown>(1, 'x', null) },
});

/** Numbers that decide, one after the other; shorter and smaller ones make simpler tables. */
class Choices {
  readonly #numbers: readonly number[];
  #at = 0;

  constructor(numbers: readonly number[]) {
    this.#numbers = numbers;
  }

  below(count: number): number {
    return (this.#numbers[this.#at++] ?? 0) % count;
  }

  of<T>(values: readonly T[]): T {
    const chosen = values[this.below(values.length)];
    assert.ok(chosen !== undefined, 'there is something to choose from');
    return chosen;
  }

  some<T>(values: readonly T[]): T[] {
    const first = this.below(values.length);
    return values.slice(first, first + 1 + this.below(3));
  }

  /** A name that nothing has. */
  name(): string {
    return `n${this.#at}`;
  }
}

type Maker = readonly [kinds: readonly Field['type']['kind'][], make: (of: string[], to: Choices) => object];
const KEYS = ['string', 'integer', 'date', 'boolean', 'timestamp', 'decimal'] as const;
const ANY = [...KEYS, 'float', 'array', 'map', 'struct'] as const;

/** By the types of the columns that they need, steps that name some of these. */
const ROW_WISE: readonly Maker[] = [
  [ANY, (of, to) => ({ select_fields: to.some(of) })],
  [ANY, (of, to) => ({ drop_fields: [to.of(of)] })],
  [ANY, (of, to) => ({ rename_field: { [to.of(of)]: to.name() } })],
  [['array', 'map'], (of, to) => ({ drop_null_fields: { fields: to.some(of) } })],
  [ANY, (of, to) => ({ filter: `${identifier(to.of(of))} IS NOT NULL` })],
  [
    ['integer'],
    (of, to) => ({ derive: [{ column: to.name(), type: 'array<double>', expression: `[${to.of(of)}]` }] }),
  ],
  [['string'], (of, to) => ({ fill_missing: [{ column: to.of(of), value: 'none' }] })],
  [ANY, (of, to) => ({ concat: { column: to.name(), fields: to.some(of), separator: '|' } })],
  [['string'], (of, to) => ({ split_string: { field: to.of(of), separator: '/', column: to.name() } })],
  [['timestamp', 'date'], (of, to) => ({ format_timestamp: { field: to.of(of), pattern: 'yyyy-MM' } })],
  [
    ['timestamp'],
    (of, to) => ({ truncate_timestamp: { field: to.of(of), to: 'day', zone: 'Asia/Kolkata' } }),
  ],
  [['string'], (of, to) => ({ mask: { fields: to.some(of) } })],
  [ANY, (_of, to) => ({ add_uuid: { column: to.name() } })],
  [ANY, (of, to) => ({ evaluate_data_quality: { rules: [{ complete: to.of(of) }], action: 'quarantine' } })],
];
const PLURAL: readonly Maker[] = [
  [
    ['array', 'map'],
    (of, to) => ({ explode: { field: to.of(of), column: to.name(), outer: to.of([true, false]) } }),
  ],
  [['struct'], (of, to) => ({ unnest: to.some(of) })],
  [['string'], (of, to) => ({ unpivot: { fields: to.some(of), name: to.name(), value: `${to.name()}v` } })],
  [['array', 'map'], (of, to) => ({ relationalize: [to.of(of)] })],
];
const WINDOW_WISE: readonly Maker[] = [
  [KEYS, (of, to) => ({ drop_duplicates: { keys: to.some(of), keep: to.of(['first', 'last']) } })],
  [KEYS, (of, to) => ({ drop_duplicates: { keys: [to.of(of)], order_by: to.of(of) } })],
  [
    ['timestamp', 'integer'],
    (of, to) => ({
      aggregate: { by: [to.of(of)], measures: [{ column: to.name(), function: 'min', field: to.of(of) }] },
    }),
  ],
  [
    ['string'],
    (of, to) => ({
      pivot: {
        by: to.some(of),
        name: to.of(of),
        value: to.of(of),
        columns: { a: to.name(), "b'": `${to.name()}b` },
      },
    }),
  ],
  [
    ['string'],
    (of, to) => ({
      sql: { query: `SELECT ${identifier(to.of(of))} AS s FROM rows GROUP BY ALL`, columns: { s: 'string' } },
    }),
  ],
  [ANY, (of, to) => ({ evaluate_data_quality: { rules: [{ unique: to.some(of) }], action: 'report' } })],
];

const columnsOf = (columns: Readonly<Record<string, string>>) =>
  Object.entries(columns).map(([name, type]) => ({ name, type }));
const plan = (table: TableConfig) => {
  const { problems, outputs } = planFields(table);
  return { problems, fields: outputs[0]?.fields ?? [] };
};

const decided = (to: Choices) => ({
  resolve_choice: [['either', to.of(['make_cols', 'cast:string', 'make_struct'])]],
});

/** Steps that a plan takes, each of the columns that the one before it gives; what it refuses is left out. */
function stepsFor(source: TableConfig, to: Choices, depth = 0): object[] {
  const steps: object[] = depth === 0 ? [decided(to)] : [];
  for (let left = to.below(STEPS_MAX) + 1; left > 0; left--) {
    const { fields } = plan({ ...source, steps: parseSteps(steps) });
    const [kinds, make] = to.of(to.of([ROW_WISE, PLURAL, WINDOW_WISE, WINDOW_WISE]));
    const of = fields.flatMap(({ name, type }) => (kinds.includes(type.kind) ? [name] : []));
    const columns = fields.map(({ name, type }) => ({ name, type: type.glue }));
    const isSplit = depth < BRANCHES_MAX && to.below(6) === 5;
    if (of.length === 0) continue;
    const step = isSplit
      ? {
          split_rows: [
            {
              ...{ output: `${to.name()}_${depth}`, when: `${identifier(to.of(of))} IS NOT NULL` },
              steps: stepsFor({ ...source, columns }, to, depth + 1),
            },
          ],
        }
      : make(of, to);
    const { problems } = plan({ ...source, steps: parseSteps([...steps, step]) });
    if (problems.length === 0) steps.push(step);
  }
  return steps;
}

function partitionsFor(fields: readonly Field[], to: Choices): PartitionSpec[] {
  const usable = fields.filter(({ type }) => KEYS.includes(type.kind as never));
  if (usable.length === 0 || to.below(4) === 0) return [];
  const { name: field, type } = to.of(usable);
  const bounds = { notBefore: '1970-01-02', notAfter: '2100-01-01' };
  return type.kind === 'timestamp' || type.kind === 'date'
    ? [{ kind: 'time', field, by: 'day', column: `${field}_day`, ...bounds }]
    : [{ kind: 'value', field, column: field }];
}

function tableFor(to: Choices): TableConfig {
  const tombstones = to.of(['quarantine', 'keep'] as const);
  const source = { ...plainTable, columns: columnsOf(COLUMNS), record: { ...plainTable.record, tombstones } };
  const table = { ...source, steps: parseSteps(stepsFor(source, to)) };
  const provenance = isGrouped(table.steps) ? 'none' : to.of(['none', 'position', 'full'] as const);
  const output = to.of([plainTable.output, { kind: 'csv', compression: 'none' } as const]);
  return { ...table, provenance, output, partitionBy: partitionsFor(plan(table).fields, to) };
}

test('what a plan takes DuckDB takes, and each record has one fate', async () => {
  let taken = 0;
  const numbers = fc.array(fc.nat({ max: 5_039 }), { minLength: 60, maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(numbers, fc.array(record, { minLength: 1, maxLength: 30 }), async (drawn, records) => {
      const table = tableFor(new Choices(drawn));
      if (plan(table).problems.length > 0) return;
      taken++;
      const told = () => JSON.stringify([table.steps, table.partitionBy, table.provenance]);
      assert.deepEqual(await transformer.validate(table, directory), [], told());
      await transform(table, [...records.map((one) => JSON.stringify(one)), null]);
    }),
    { numRuns: PIPELINES, seed: 1_887 },
  );
  assert.ok(taken > PIPELINES / 2, `${taken} of ${PIPELINES} were taken`);
});
