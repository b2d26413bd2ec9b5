// Large windows, whose chunks go straight into files where nothing is in the way: whatever stands in the way,
// and wherever it does, each record is written, filtered or quarantined once.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { stepSchema } from '@sluice/collector/step-config.ts';
import { segmentOf } from '../../support/segments.ts';
import { plainTable } from '../../support/written-lake.ts';
import { CHUNK, database, home, transformer } from './large-windows.ts';

const CHUNKS = 4;
const TOTAL = CHUNKS * CHUNK + 100;
const FILTERED = Math.ceil(TOTAL / 10);

const table: TableConfig = {
  ...plainTable,
  columns: [
    { name: 'n', type: 'bigint' },
    { name: 'day', type: 'string' },
  ],
  steps: [{ kind: 'filter', expression: 'n % 10 <> 0' }],
};
const BY_DAY: Partial<TableConfig> = { partitionBy: [{ kind: 'value', field: 'day', column: 'day' }] };

type Replaced = ReadonlyMap<number, string>;

/** Records {n, day} that fill a chunk, some of them replaced; the last chunk is a short one. */
function chunkWith(baseOffset: number, replaced: Replaced) {
  const length = Math.min(CHUNK, TOTAL - baseOffset);
  const valueAt = (n: number) => replaced.get(n) ?? `{"n":${n},"day":"mon"}`;
  return segmentOf(
    Array.from({ length }, (_, i) => valueAt(baseOffset + i)),
    { baseOffset },
  );
}

const PLAIN = Array.from({ length: CHUNKS + 1 }, (_, i) => chunkWith(i * CHUNK, new Map()));

let windows = 0;

async function transform(changes: Partial<TableConfig>, replaced: Replaced = new Map()) {
  const directory = join(home, `w${windows++}`);
  const segments = PLAIN.map((plain) => {
    const { startOffset: fromOffset, nextOffset } = plain;
    const isPlain = ![...replaced.keys()].some((n) => fromOffset <= n && n < nextOffset);
    return { segment: isPlain ? plain : chunkWith(fromOffset, replaced), fromOffset };
  });
  const request = { windowId: 'w', segments, openedMs: 0, directory };
  const result = await transformer.run({ ...request, table: { ...table, ...changes } });
  const files = result.files.filter(({ output }) => output === 'rows');
  const from = `read_parquet([${files.map(({ path }) => `'${path}'`).join(', ')}])`;
  const what =
    'count(*) AS rows, count(DISTINCT _offset) AS offsets, sum(n) AS n, count(*) FILTER (n <> _offset) AS wrong';
  const [read] = await database.rows(`SELECT ${what} FROM ${from}`);
  return { classes: result.classes, files, read, from };
}

const numbers = (row: Record<string, unknown> | undefined) =>
  Object.fromEntries(Object.entries(row ?? {}).map(([name, value]) => [name, Number(value)]));

/** Of the rows that pass the filter, without those in `gone`. */
function expected(gone: readonly number[] = []) {
  let rows = 0;
  let n = 0;
  for (let i = 0; i < TOTAL; i++) {
    if (i % 10 === 0 || gone.includes(i)) continue;
    rows++;
    n += i;
  }
  return { rows, offsets: rows, n, wrong: 0 };
}

async function groupsOf(path: string) {
  const columns = 'row_group_id, row_group_num_rows, min(data_page_offset) AS at';
  return await database.rows(`SELECT ${columns} FROM parquet_metadata('${path}') GROUP BY ALL ORDER BY 1`);
}

for (const partitioned of [{}, BY_DAY]) {
  const which = partitioned === BY_DAY ? 'a table by value' : 'a table without partitions';
  test(`${which} has one object a window, with every row once and in order`, async () => {
    const { classes, files, read, from } = await transform(partitioned);
    assert.equal(files.length, 1);
    assert.deepEqual(numbers(read), expected());
    const counted = { in: TOTAL, emitted: TOTAL - FILTERED, merged: 0, filtered: FILTERED, quarantined: 0 };
    assert.deepEqual(classes, counted);
    const order = 'SELECT count(*) AS n FROM (SELECT _offset < lag(_offset) OVER () AS back';
    assert.deepEqual(numbers((await database.rows(`${order} FROM ${from}) WHERE back`))[0]), { n: 0 });
    assert.equal((await groupsOf(files[0]?.path ?? '')).length, CHUNKS + 1);
  });
}

for (const [where, at] of [
  ['the first chunk', 7],
  ['a later chunk', 2 * CHUNK + 7],
  ['the last chunk', TOTAL - 3],
] as const) {
  test(`a record of another partition in ${where} is in an object of its own`, async () => {
    const { classes, files, read } = await transform(BY_DAY, new Map([[at, `{"n":${at},"day":"tue"}`]]));
    assert.deepEqual(
      files.map(({ partition, rows }) => [partition[0]?.value, rows]),
      [
        ['mon', TOTAL - FILTERED - 1],
        ['tue', 1],
      ],
    );
    assert.deepEqual(numbers(read), expected());
    assert.equal(classes.filtered, FILTERED);
  });

  for (const [what, value] of [
    ['a value that does not cast', `{"n":"x${at}"}`],
    ['a value that is not JSON', `{"n":${at}`],
    ['a value with a comma too many', `{"n":${at},"day":"mon",}`],
  ] as const) {
    test(`${what} in ${where} is quarantined, and all others are written once`, async () => {
      const { classes, files, read } = await transform(BY_DAY, new Map([[at, value]]));
      assert.equal(files.length, 1);
      assert.equal(classes.quarantined, 1);
      assert.equal(classes.filtered, FILTERED);
      assert.deepEqual(numbers(read), expected([at]));
    });
  }
}

test('a key and a reference file are there for every chunk that goes straight into a file', async () => {
  const [key, file] = [join(home, 'key'), join(home, 'days.csv')];
  writeFileSync(key, 'sixteen bytes and more');
  writeFileSync(file, 'name,nth\nmon,1\n');
  const steps = [
    { lookup: { file, keys: { day: 'name' }, columns: [{ from: 'nth', column: 'nth', type: 'int' }] } },
    { hash: { fields: ['day'], key } },
  ].map((step) => stepSchema.parse(step));
  const { files, from } = await transform({ steps });
  const hash = createHmac('sha256', 'sixteen bytes and more').update('mon').digest('hex');
  const what = `count(*) FILTER (nth = 1 AND day = '${hash}') AS found`;
  assert.deepEqual(numbers((await database.rows(`SELECT ${what} FROM ${from}`))[0]), { found: TOTAL });
  assert.equal((await groupsOf(files[0]?.path ?? '')).length, CHUNKS + 1);
});

test('an object that has reached its size is followed by another', async () => {
  const output = { kind: 'parquet', compression: 'zstd', objectBytes: 200_000 } as const;
  const { files, read } = await transform({ output });
  assert.ok(files.length > 1 && files.length < CHUNKS, `${files.length} objects`);
  assert.deepEqual(numbers(read), expected());
});

test('row groups of fewer rows than a chunk holds are all of about one size', async () => {
  for (const [rowGroupRows, least] of [
    [70_000, 30_000],
    [30_000, 18_000],
  ] as const) {
    const output = { kind: 'parquet', compression: 'zstd', rowGroupRows } as const;
    const { files } = await transform({ output });
    const groups = await groupsOf(files[0]?.path ?? '');
    const sizes = groups.map((group) => Number(group['row_group_num_rows']));
    // The last chunk has what is left.
    for (const size of sizes.slice(0, -1))
      assert.ok(size >= least && size <= rowGroupRows + 2_048, sizes.join());
  }
});

test('row groups of more rows than a chunk holds are as large as they were asked to be', async () => {
  const output = { kind: 'parquet', compression: 'zstd', rowGroupRows: 100_000 } as const;
  const { files } = await transform({ output });
  const groups = await groupsOf(files[0]?.path ?? '');
  assert.ok(Number(groups[0]?.['row_group_num_rows']) >= 100_000);
});
