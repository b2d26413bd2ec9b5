// Parquet files joined by their footers: an independent reader finds every value where the new footer says it
// is, and files that do not belong together are refused.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import {
  footerStart,
  joinedTail,
  PARQUET_MAGIC,
  PARQUET_TAIL_BYTES,
} from '@sluice/collector/transform/parquet-footer.ts';
import { parquetOf } from '../../support/parquet.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const home = temporaryDirectory();
let files = 0;

function cut(file: Buffer) {
  const start = footerStart(file.length, file.subarray(-PARQUET_TAIL_BYTES));
  const body = file.subarray(PARQUET_MAGIC.length, start);
  return { body, bodyBytes: body.length, footer: file.subarray(start, -PARQUET_TAIL_BYTES) };
}

function joined(wholes: readonly Buffer[]): string {
  const parts = wholes.map(cut);
  const path = join(home, `${files++}.parquet`);
  writeFileSync(path, Buffer.concat([PARQUET_MAGIC, ...parts.map(({ body }) => body), joinedTail(parts)]));
  return path;
}

async function rowsOf(sql: string): Promise<unknown[]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    return (await connection.runAndReadAll(sql)).getRowsJson();
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** Every kind of column, dictionaries with Bloom filters, nested ones, NULLs, and none at all. */
const COLUMNS =
  "i::BIGINT AS id, (i % 7)::SMALLINT AS few, i / 3.0 AS ratio, 'text ' || (i % 50) AS word, i % 3 = 0 AS third, " +
  "make_timestamp(i * 1000000) AS at, (i * 1.5)::DECIMAL(12,2) AS amount, encode('b' || i) AS bytes, " +
  "[i, i + 1] AS list, {'a': i, 'b': 'x' || i} AS struct, NULL::VARCHAR AS nothing";
const select = (from: number, to: number) => `SELECT ${COLUMNS} FROM range(${from}, ${to}) t(i)`;

for (const sizes of [[1], [1, 0, 1], [5_000, 130_000, 300], Array.from({ length: 20 }, (_, i) => i * 100)]) {
  test(`${sizes.length} files of ${sizes.slice(0, 3).join(', ')} rows are one with the rows of all`, async () => {
    let at = 0;
    const spans = sizes.map((size) => {
      at += size;
      return [at - size, at] as const;
    });
    const path = joined(await Promise.all(spans.map(([from, to]) => parquetOf(select(from, to)))));
    const [read, wanted] = [`SELECT * FROM read_parquet('${path}')`, select(0, at)];
    assert.deepEqual(await rowsOf(`SELECT count(*)::INT FROM (${read})`), [[at]]);
    const differing = `(${read} EXCEPT ALL ${wanted}) UNION ALL (${wanted} EXCEPT ALL ${read})`;
    assert.deepEqual(await rowsOf(`${differing} LIMIT 9`), []);
    const [metadata] = await rowsOf(`SELECT num_rows, num_row_groups FROM parquet_file_metadata('${path}')`);
    const groups = sizes.reduce((sum, size) => sum + Math.ceil(size / 122_880), 0);
    assert.deepEqual((metadata as unknown[]).map(Number), [at, groups]);
    // A filter on one value is answered by statistics and Bloom filters of the row group it is in.
    if (at > 200)
      assert.equal((await rowsOf(`SELECT 1 FROM read_parquet('${path}') WHERE id = ${at - 1}`)).length, 1);
    const found = await rowsOf(`SELECT count(*) FROM read_parquet('${path}') WHERE word = 'text 1'`);
    assert.deepEqual(found, await rowsOf(`SELECT count(*) FROM (${select(0, at)}) WHERE word = 'text 1'`));
  });
}

test('files of different columns are not joined', async () => {
  const wholes = await Promise.all([parquetOf('SELECT 1::INTEGER AS a'), parquetOf('SELECT 1::BIGINT AS a')]);
  assert.throws(() => joined(wholes), /different columns/);
});

test('a file that is not whole is not joined', async () => {
  const file = await parquetOf('SELECT 1 AS a');
  assert.throws(() => joined([file.subarray(0, -1)]), /not whole/);
  const long = Buffer.from(file);
  long.writeUInt32LE(file.length, file.length - PARQUET_TAIL_BYTES);
  assert.throws(() => joined([long]), /longer than the file/);
});
