// The engine of windows and commands: a command that asks it thousands of times stays within its memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDatabase } from '@sluice/collector/transform/duckdb.ts';
import { temporaryDirectory } from '../../support/temp.ts';

test('what a SELECT has read is given up when it is told', async () => {
  const directory = temporaryDirectory();
  const limits = { memoryBytesMax: 256_000_000, threads: 1, spillDirectory: directory };
  const database = await openDatabase({ directories: [directory], ...limits });
  const path = `${directory}/some.parquet`;
  await database.run(
    `COPY (SELECT range % 8 AS p, range AS n FROM range(1200)) TO '${path}' (FORMAT parquet)`,
  );
  const count = `SELECT count(*), count(p + n) FROM read_parquet(['${path}'], union_by_name = true)`;
  for (let n = 0; n < 400; n++) assert.deepEqual((await database.select(count)).rows, [['1200', '1200']]);
  const held = 'SELECT sum(memory_usage_bytes) AS bytes FROM duckdb_memory()';
  const [row] = await database.rows(held);
  database.close();
  assert.ok(Number(row?.['bytes']) < 20_000_000, `${row?.['bytes']} bytes are held`);
});
