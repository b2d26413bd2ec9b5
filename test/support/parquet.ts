// Files written by hand, for lakes that are not what they should be.
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
