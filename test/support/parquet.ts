// Parquet files written by hand, for lakes that are not what they should be, and files read back.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { temporaryDirectory } from './temp.ts';

const directory = temporaryDirectory();
let files = 0;

/** A Parquet file of what a SELECT gives. */
export async function parquetOf(select: string): Promise<Buffer> {
  const path = join(directory, `${files++}.parquet`);
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(`COPY (${select}) TO '${path}' (FORMAT parquet)`);
  connection.closeSync();
  instance.closeSync();
  return readFileSync(path);
}

/** Rows of several files, as DuckDB prints them to JSON. */
export async function rowsOfParquet(paths: readonly string[]): Promise<Record<string, unknown>[]> {
  if (paths.length === 0) return [];
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const list = paths.map((path) => `'${path}'`).join(', ');
  const result = await connection.runAndReadAll(`SELECT * FROM read_parquet([${list}])`);
  const rows = result.getRowObjectsJson() as Record<string, unknown>[];
  connection.closeSync();
  instance.closeSync();
  return rows;
}
