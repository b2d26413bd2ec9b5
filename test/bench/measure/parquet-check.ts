// Reads Parquet files back and holds them against the generator's expectation.
import { DuckDBInstance } from '@duckdb/node-api';
import { assertKept, type KeptRow } from '../orders/kept.ts';
import type { Expectation } from '../orders/orders.ts';
import { CHECK_SQL } from '../orders/orders-table.ts';

/** Every Parquet file below `directory`. */
export async function checkParquet(name: string, directory: string, expected: Expectation): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    const files = `read_parquet('${directory}/**/*.parquet', hive_partitioning = false)`;
    const reader = await connection.runAndReadAll(`SELECT ${CHECK_SQL} FROM ${files}`);
    const [found] = reader.getRowObjects() as unknown as KeptRow[];
    if (found === undefined) throw new Error(`${name} left no file`);
    assertKept(name, found, expected);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
