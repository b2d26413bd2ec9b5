// How rows leave a window: into which partitions, in which order, and in files of which size.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { OutputFile, OutputFormat, PartitionSpec, TableConfig } from '@sluice/collector/contracts.ts';
import { openDatabase } from '@sluice/collector/transform/duckdb.ts';
import { createTransformer } from '@sluice/collector/transform/transformer.ts';
import { segmentOf } from '../../support/segments.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { plainTable } from '../../support/written-lake.ts';

const home = temporaryDirectory();
const transformer = createTransformer({ memoryBytesMax: 256e6, threads: 1 });
const database = await openDatabase({
  directories: [home],
  spillDirectory: home,
  memoryBytesMax: 256e6,
  threads: 1,
});
after(async () => {
  database.close();
  await transformer.close();
});
let windows = 0;

/** 2026-11-23T23:30:00Z: in Berlin it is the next day. */
const OPENED_MS = Date.UTC(2026, 10, 23, 23, 30);

async function transform(table: Partial<TableConfig>, values: readonly string[]) {
  const directory = join(home, `w${windows++}`);
  mkdirSync(directory);
  const segments = [{ segment: segmentOf(values), fromOffset: 0 }];
  const whole = { ...plainTable, ...table };
  return await transformer.run({
    table: whole,
    windowId: 'w',
    segments,
    openedMs: OPENED_MS,
    directory,
  });
}

const rowsOf = (files: readonly OutputFile[]) => files.filter(({ output }) => output === 'rows');

async function read(file: OutputFile, what: string) {
  return await database.rows(`SELECT ${what} FROM read_parquet('${file.path}')`);
}

const AT = [{ name: 'at', type: 'timestamp' }];

async function partitionsOf(spec: PartitionSpec, times: readonly string[]) {
  const values = times.map((at) => JSON.stringify({ at }));
  const { files } = await transform({ columns: AT, partitionBy: [spec] }, values);
  return rowsOf(files).map(({ partition, rows }) => [partition[0]?.value, rows]);
}

test('a time is cut, spelled and shown in its zone, summer and winter', async () => {
  const times = ['2026-07-01T22:30:00Z', '2026-12-01T22:30:00Z', '2026-12-01T23:30:00Z'];
  const by = (spec: object) =>
    partitionsOf({ kind: 'time', field: 'at', by: 'day', column: 'p', ...spec }, times);
  assert.deepEqual(await by({ by: 'year' }), [['2026', 3]]);
  assert.deepEqual(await by({ by: 'month' }), [
    ['2026-07', 1],
    ['2026-12', 2],
  ]);
  assert.deepEqual(await by({ by: 'minute', pattern: 'HH.mm' }), [
    ['22.30', 2],
    ['23.30', 1],
  ]);
  assert.deepEqual(await by({ zone: 'Europe/Berlin' }), [
    ['2026-07-02', 1],
    ['2026-12-01', 1],
    ['2026-12-02', 1],
  ]);
});

test('the time of the window is spelled as the time of a record is', async () => {
  for (const spelling of [
    { by: 'day' },
    { by: 'hour' },
    { by: 'day', zone: 'Europe/Berlin' },
    { by: 'minute', pattern: 'yyyy_MM.dd HH-mm', zone: 'Asia/Kathmandu' },
    { by: 'hour', pattern: 'HH', zone: 'Europe/Berlin' },
  ] as const) {
    const at = new Date(OPENED_MS).toISOString();
    const ofRecord = await partitionsOf({ kind: 'time', field: 'at', column: 'p', ...spelling }, [at]);
    assert.deepEqual(
      await partitionsOf({ kind: 'ingest', column: 'p', ...spelling }, [at]),
      ofRecord,
      JSON.stringify(spelling),
    );
  }
});

test('a time that no clock meant goes to quarantine and makes no partition', async () => {
  const spec = {
    kind: 'time',
    field: 'at',
    by: 'day',
    column: 'p',
    notBefore: '1970-01-02',
    notAfter: '2100-01-01',
  } as const;
  const times = [
    '1970-01-01T00:00:00Z',
    '1970-01-02T00:00:00Z',
    '2099-12-31T23:59:59Z',
    '2100-01-01T00:00:00Z',
  ];
  const { files, classes } = await transform(
    { columns: AT, partitionBy: [spec] },
    times.map((at) => JSON.stringify({ at })),
  );
  assert.deepEqual(
    rowsOf(files).map(({ partition }) => partition[0]?.value),
    ['1970-01-02', '2099-12-31'],
  );
  assert.equal(classes.quarantined, 2);
  const quarantine = files.find(({ output }) => output === 'quarantine');
  assert.ok(quarantine !== undefined);
  assert.deepEqual(
    (await read(quarantine, 'code, reason')).map(({ code, reason }) => `${code}: ${reason}`),
    [
      "PARTITION_TIME_OUT_OF_BOUNDS: at '1970-01-01 00:00:00' is not at or after 1970-01-02",
      "PARTITION_TIME_OUT_OF_BOUNDS: at '2100-01-01 00:00:00' is not before 2100-01-01",
    ],
  );
});

test('of many partitions each has its own rows and no others, in the order they arrived', async () => {
  const columns = [
    { name: 'n', type: 'int' },
    { name: 'k', type: 'string' },
  ];
  const keyOf = (n: number) => (n % 41 === 40 ? null : `key-${n % 41}`);
  const values = Array.from({ length: 2_000 }, (_, n) => JSON.stringify({ n, k: keyOf(n) }));
  const partitionBy = [
    { kind: 'value', field: 'k', column: 'k' },
    { kind: 'ingest', by: 'day', column: 'day' },
  ] as const;
  const { files, classes } = await transform({ columns, partitionBy }, values);
  assert.deepEqual([rowsOf(files).length, classes.emitted], [41, 2_000]);
  for (const file of rowsOf(files)) {
    const key = file.partition[0]?.value;
    const found = (await read(file, 'n')).map(({ n }) => Number(n));
    const wanted = Array.from({ length: 2_000 }, (_, n) => n).filter((n) => keyOf(n) === key);
    assert.deepEqual(found, wanted, `${key}`);
  }
});

const text = (n: number) =>
  Array.from({ length: 8 }, (_, i) => (n * 7919 + i * 104_729) % 1_000_003).join('');

test('rows are sorted within a file, row groups and files have the size that is asked for', async () => {
  const columns = [
    { name: 'n', type: 'int' },
    { name: 't', type: 'string' },
  ];
  const values = Array.from({ length: 30_000 }, (_, n) =>
    JSON.stringify({ n: (n * 7_919) % 30_000, t: text(n) }),
  );
  const output: OutputFormat = {
    kind: 'parquet',
    compression: 'gzip',
    sortBy: ['n'],
    rowGroupRows: 4_096,
    objectBytes: 300_000,
  };
  const { files } = await transform({ columns, output }, values);
  const written = rowsOf(files);
  assert.ok(written.length > 1, `${written.length} file`);
  assert.deepEqual(
    written.map(({ index }) => index),
    written.map((_file, i) => i),
  );
  const seen: number[] = [];
  for (const file of written) {
    seen.push(...(await read(file, 'n')).map(({ n }) => Number(n)));
    const groups = await database.rows(
      `SELECT row_group_num_rows AS n, compression FROM parquet_metadata('${file.path}') WHERE column_id = 0`,
    );
    assert.ok(groups.every(({ n }) => Number(n) <= 4_096) && groups[0]?.['compression'] === 'GZIP');
  }
  assert.equal(seen.length, 30_000);
  assert.equal(
    seen.findIndex((n, i) => n !== i),
    -1,
    'rows are not in the order of n',
  );
});

test('a file is packed at the level that its table asks for, and at 2 where it asks for none', async () => {
  // One group, of texts that a higher level finds more of.
  const values = Array.from({ length: 20_000 }, (_, n) =>
    JSON.stringify({ t: text((n * 7_919) % 4_001) + text(n) }),
  );
  const bytesAt = async (compressionLevel: number | undefined) => {
    const level = compressionLevel === undefined ? {} : { compressionLevel };
    const output: OutputFormat = { kind: 'parquet', compression: 'zstd', ...level };
    const { files } = await transform({ columns: [{ name: 't', type: 'string' }], output }, values);
    const [file, ...others] = rowsOf(files);
    assert.ok(file !== undefined && others.length === 0);
    const [row] = await read(file, 'count(*) AS n, count(DISTINCT t) AS texts');
    assert.deepEqual([Number(row?.['n']), Number(row?.['texts'])], [20_000, 20_000]);
    return file.bytes;
  };
  const [low, middle, high] = [await bytesAt(1), await bytesAt(2), await bytesAt(19)];
  assert.ok(high < middle && middle !== low, `${low}, ${middle}, ${high}`);
  assert.equal(await bytesAt(undefined), middle);
});

test('the last rows of a window are a row group without having been staged, however few', async () => {
  const { files } = await transform({ columns: [{ name: 'n', type: 'bigint' }] }, ['{"n":1}', '{"n":2}']);
  const [file, ...others] = rowsOf(files);
  assert.ok(file !== undefined && others.length === 0);
  assert.match(file.path, /joined-0\.parquet$/);
  assert.deepEqual(
    (await read(file, 'n')).map(({ n }) => Number(n)),
    [1, 2],
  );
});
