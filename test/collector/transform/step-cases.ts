// Steps against a reference that takes one record at a time and knows no SQL. Values are drawn with a fixed
// seed, so that a failure comes again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { type Step, stepSchema } from '@sluice/collector/step-config.ts';
import fc from 'fast-check';
import { oneWindows } from './one-window.ts';

export const { transform } = oneWindows();
const RECORDS = 300;

export type Row = Record<string, unknown>;
/** What the quarantine says of a record: its code and the field. */
export class Bad {
  readonly code: string;
  readonly field: string | null;

  constructor(code: string, field: string | null) {
    this.code = code;
    this.field = field;
  }
}

interface Case {
  readonly columns: Readonly<Record<string, string>>;
  readonly steps: readonly object[];
  readonly record: fc.Arbitrary<Row>;
  readonly reference: (record: Row, offset: number) => Row | Bad;
  readonly table?: Partial<TableConfig>;
  /** Of what JSON.stringify cannot write. */
  readonly write?: (record: Row) => string;
}

export const parseSteps = (steps: readonly object[]): Step[] => steps.map((step) => stepSchema.parse(step));

export function behaves(name: string, { columns, steps, record, reference, table, write }: Case): void {
  const written = write ?? ((one: Row) => JSON.stringify(one));
  test(name, async () => {
    const records = fc.sample(record, { numRuns: RECORDS, seed: 4_711 });
    const { rows, quarantine } = await transform(
      {
        columns: Object.entries(columns).map(([column, type]) => ({ name: column, type })),
        steps: parseSteps(steps),
        ...table,
      },
      records.map(written),
    );
    const found = new Map(rows.map(({ _partition, _offset, ...row }) => [Number(_offset), row]));
    const bad = new Map(quarantine.map((row) => [Number(row['_offset']), row]));
    records.forEach((one, offset) => {
      const expected = reference(one, offset);
      const told = written(one);
      if (expected instanceof Bad) {
        const row = bad.get(offset);
        assert.deepEqual([row?.['code'], row?.['field']], [expected.code, expected.field], told);
        assert.equal(found.get(offset), undefined, told);
      } else {
        assert.deepEqual(found.get(offset), expected, told);
        assert.equal(bad.get(offset), undefined, told);
      }
    });
  });
}

export const maybe = <T>(of: fc.Arbitrary<T>) => fc.option(of, { freq: 4 });
