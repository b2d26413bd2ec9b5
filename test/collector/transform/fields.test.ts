// What the field plan makes of names that JavaScript objects have of their own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { planFields } from '@sluice/collector/transform/sql/fields.ts';
import { plainRecord } from '../../support/written-lake.ts';
import { parseSteps } from './step-cases.ts';

const mapped = (source: string, target: string): TableConfig => ({
  name: 't',
  topic: 't',
  input: { kind: 'json' },
  record: plainRecord,
  columns: [],
  steps: [
    {
      kind: 'apply_mapping',
      mappings: [{ source, sourceType: 'bigint', target, targetType: 'bigint' }],
    },
  ],
  partitionBy: [],
  output: { kind: 'parquet', compression: 'zstd' },
  provenance: 'position',
  quarantineRaw: 'keep',
  startAt: undefined,
  backfill: undefined,
  whenParked: 'hold',
  windowLengthMs: 1_000,
  windowBytesMax: 1_000,
  location: 't',
  configVersion: 'v',
});

test('a field named as something that every object has is read like any other', () => {
  for (const source of ['constructor', 'toString', '__proto__', 'valueOf']) {
    const { source: read, problems } = planFields(mapped(source, 'a'));
    assert.deepEqual(problems, []);
    assert.deepEqual(
      read.map(({ name }) => name),
      [source],
    );
  }
  assert.deepEqual(planFields(mapped('a', 'constructor')).problems, []);
});

test('a field named as what SQL has of a record beside its columns is refused, and not read in its place', () => {
  const problemsOf = (columns: TableConfig['columns'], steps: readonly object[]) =>
    planFields({ ...mapped('a', 'a'), columns, steps: parseSteps(steps) }).problems.join();
  for (const name of ['_offset', '_Key', '__problem', '__VALUE', '__filtered', '__x', '__m0']) {
    const rename = { rename_field: { [name]: 'a' } };
    const told = new RegExp(`no column can be named '${name}'`);
    assert.match(problemsOf([{ name, type: 'bigint' }], [rename]), told);
    const derive = { derive: [{ column: name, type: 'bigint', expression: '1' }] };
    assert.match(problemsOf([{ name: 'b', type: 'bigint' }], [derive, rename]), told);
  }
  for (const name of ['__op', '_offsets', '__value2', 'key', '_deleted'])
    assert.equal(problemsOf([{ name, type: 'bigint' }], [{ rename_field: { [name]: 'a' } }]), '');
});

test('objects that a mapping reads by names which differ only in case are refused: SQL does not tell them apart', () => {
  const mappings = (...sources: string[]) =>
    sources.map((source, i) => [source, 'bigint', `c${i}`, 'bigint']);
  const problemsOf = (...sources: string[]) =>
    planFields({ ...mapped('a', 'a'), steps: parseSteps([{ apply_mapping: mappings(...sources) }]) })
      .problems;
  assert.deepEqual(problemsOf('a.b', 'A.c'), ["'a' and 'A' are read as objects and differ only in case"]);
  assert.deepEqual(problemsOf('x.a.b', 'x.A.c'), [
    "'x.a' and 'x.A' are read as objects and differ only in case",
  ]);
  assert.match(problemsOf('a.b', 'A.b').join(), /'a.b' and 'A.b' differ in nothing or only in case/);
  assert.deepEqual(problemsOf('a.b', 'a.c', 'b.A', 'b.a2.x'), []);
});
