// Records that become several rows go straight into files, too: each record is emitted, filtered or
// quarantined once, whatever number of rows it has, and rows stand in the order of their records.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { stepSchema } from '@sluice/collector/step-config.ts';
import { segmentOf } from '../../support/segments.ts';
import { plainTable } from '../../support/written-lake.ts';
import { CHUNK, database, home, transformer } from './large-windows.ts';

const CHUNKS = 2;
const TOTAL = CHUNKS * CHUNK + 50;
/** Record n has n % 3 elements, each of which knows where it stood. */
const elements = (n: number) => Array.from({ length: n % 3 }, (_, i) => `{"at":${i},"of":${n}}`);
const recordOf = (n: number) => `{"n":${n},"l":[${elements(n).join(',')}]}`;
const steps = (...given: object[]) => given.map((step) => stepSchema.parse(step));
const EXPLODE = { explode: { field: 'l', column: 'e' } };

const table: TableConfig = {
  ...plainTable,
  columns: [
    { name: 'n', type: 'bigint' },
    { name: 'l', type: 'array<struct<at:int,of:bigint>>' },
  ],
  steps: steps(EXPLODE, { unnest: ['e'] }),
};

let windows = 0;

async function transform(
  changes: Partial<TableConfig>,
  replaced?: { readonly at: number; readonly value: string },
) {
  const directory = join(home, `w${windows++}`);
  const values = Array.from({ length: TOTAL }, (_, n) => (n === replaced?.at ? replaced.value : recordOf(n)));
  const segments = Array.from({ length: CHUNKS + 1 }, (_, i) => {
    const segment = segmentOf(values.slice(i * CHUNK, (i + 1) * CHUNK), { baseOffset: i * CHUNK });
    return { segment, fromOffset: i * CHUNK };
  });
  const request = { windowId: 'w', segments, openedMs: 0, directory };
  const { classes, files } = await transformer.run({ ...request, table: { ...table, ...changes } });
  const path = files.find(({ output }) => output === 'rows')?.path ?? assert.fail();
  const what =
    'count(*) AS rows, count(DISTINCT _offset) AS records, ' +
    'count(*) FILTER (e_of IS DISTINCT FROM _offset OR n <> _offset OR e_at IS DISTINCT FROM _row) AS wrong';
  const [read] = await database.rows(`SELECT ${what} FROM '${path}'`);
  const before = 'lag(_offset) OVER () AS o, lag(_row) OVER () AS r';
  const [back] = await database.rows(
    `SELECT count(*) AS back FROM (SELECT _offset, _row, ${before} FROM '${path}') WHERE _offset < o OR (_offset = o AND _row <= r)`,
  );
  const [groups] = await database.rows(
    `SELECT count(DISTINCT row_group_id) AS groups FROM parquet_metadata('${path}')`,
  );
  const found = { ...read, ...back, ...groups } as Record<
    'rows' | 'records' | 'wrong' | 'back' | 'groups',
    bigint
  >;
  const { rows, records, wrong, back: backwards, groups: count } = found;
  return {
    classes,
    groups: Number(count),
    read: { rows: Number(rows), records: Number(records), wrong: Number(wrong), back: Number(backwards) },
  };
}

const FILTERED = Math.ceil(TOTAL / 3);
const [TWO, ONE] = [Math.floor(TOTAL / 3), Math.ceil((TOTAL - 1) / 3)];
const counted = (emitted: number, filtered: number, quarantined = 0) => {
  return { in: TOTAL, emitted, merged: 0, filtered, quarantined };
};

test('records with one row, several and none are counted once each, and no chunk waits in a table', async () => {
  const { classes, read, groups } = await transform({});
  assert.deepEqual(classes, counted(TOTAL - FILTERED, FILTERED));
  assert.deepEqual(read, { rows: ONE + 2 * TWO, records: TOTAL - FILTERED, wrong: 0, back: 0 });
  assert.equal(groups, CHUNKS + 1);
});

test('a record that cannot be read, in a later chunk, takes all its rows along and those of no other', async () => {
  const at = CHUNK + 2;
  const value = `{"n":${at},"l":[{"at":0,"of":${at}},{"at":"one"}]}`;
  const { classes, read } = await transform({}, { at, value });
  const lost = elements(at).length;
  assert.deepEqual(classes, counted(TOTAL - FILTERED - 1, FILTERED, 1));
  assert.deepEqual(read, { rows: ONE + 2 * TWO - lost, records: TOTAL - FILTERED - 1, wrong: 0, back: 0 });
});

test('a record that has nothing to explode keeps a row where that is asked for, and is emitted once', async () => {
  const outer = { explode: { field: 'l', column: 'e', outer: true } };
  const { classes, read, groups } = await transform({
    steps: steps(outer, { unnest: ['e'] }),
  });
  assert.deepEqual(classes, counted(TOTAL, 0));
  assert.deepEqual(
    { ...read, wrong: 0 },
    { rows: FILTERED + ONE + 2 * TWO, records: TOTAL, wrong: 0, back: 0 },
  );
  assert.equal(groups, CHUNKS + 1);
});

test('where rows are filtered behind the step that makes them, a record is counted by those that are left', async () => {
  const filter = { filter: 'e_at = 1' };
  const { classes, read } = await transform({ steps: steps(EXPLODE, { unnest: ['e'] }, filter) });
  assert.deepEqual(classes, counted(TWO, TOTAL - TWO));
  assert.deepEqual([read.rows, read.records], [TWO, TWO]);
});

test('a filter in front of it takes whole records', async () => {
  const filter = { filter: 'n % 2 = 0' };
  const { classes, read } = await transform({ steps: steps(filter, EXPLODE, { unnest: ['e'] }) });
  const kept = Array.from({ length: TOTAL }, (_, n) => n).filter((n) => n % 2 === 0 && n % 3 > 0);
  assert.deepEqual(classes, counted(kept.length, TOTAL - kept.length));
  assert.deepEqual([read.rows, read.wrong], [kept.reduce((sum, n) => sum + (n % 3), 0), 0]);
});

test('a chunk that is in doubt once is counted once, and goes straight into its file all the same', async () => {
  const filter = { filter: 'n % 2 = 0' };
  // Behind thousands of records that the first try has counted.
  const at = CHUNK - 10;
  const value = `{"n":${at},"l":[{}]}`;
  const { classes, groups } = await transform(
    { steps: steps(filter, EXPLODE, { unnest: ['e'] }) },
    { at, value },
  );
  const kept = Array.from({ length: TOTAL }, (_, n) => n).filter(
    (n) => n % 2 === 0 && (n % 3 > 0 || n === at),
  );
  assert.deepEqual(classes, counted(kept.length, TOTAL - kept.length));
  assert.equal(groups, CHUNKS + 1);
});
