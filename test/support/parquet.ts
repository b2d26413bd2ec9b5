// Parquet files written by hand, for lakes that are not what they should be, and files read back, by one
// DuckDB a process: making one takes longer than most of what it is asked.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after } from 'node:test';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { temporaryDirectory } from './temp.ts';

const directory = temporaryDirectory();
let files = 0;
let opened: Promise<DuckDBConnection> | undefined;

after(async () => {
  (await opened)?.closeSync();
});

async function connection(): Promise<DuckDBConnection> {
  opened ??= DuckDBInstance.create(':memory:').then((instance) => instance.connect());
  return await opened;
}

/** A Parquet file of what a SELECT gives. */
export async function parquetOf(select: string): Promise<Buffer> {
  const path = join(directory, `${files++}.parquet`);
  await (await connection()).run(`COPY (${select}) TO '${path}' (FORMAT parquet)`);
  return readFileSync(path);
}

/** What a SELECT gives, as DuckDB prints it to JSON. */
export async function rowsOfSelect(select: string): Promise<Record<string, unknown>[]> {
  const result = await (await connection()).runAndReadAll(select);
  return result.getRowObjectsJson() as Record<string, unknown>[];
}

/** Rows of several files, as DuckDB prints them to JSON. */
export async function rowsOfParquet(paths: readonly string[]): Promise<Record<string, unknown>[]> {
  if (paths.length === 0) return [];
  const list = paths.map((path) => `'${path}'`).join(', ');
  return await rowsOfSelect(`SELECT * FROM read_parquet([${list}])`);
}
