// `sql:` is the way out of the steps, and out of nothing else: no file, no environment, no network, no key,
// no setting, no table but the rows of its window.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { stepSchema } from '@sluice/collector/step-config.ts';
import { openDatabase } from '@sluice/collector/transform/duckdb.ts';
import { expressionProblem, queryProblem } from '@sluice/collector/transform/own-sql-check.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { plainTable } from '../../support/written-lake.ts';
import { oneWindows } from './one-window.ts';

const { transform, transformer } = oneWindows();
const directory = temporaryDirectory();
const secret = join(temporaryDirectory(), 'secret.csv');
writeFileSync(secret, 'a,b\n1,2\n');
const columns = [{ name: 'n', type: 'int' }];
const own = (query: string, made: Record<string, string> = { a: 'int' }) => [
  stepSchema.parse({ sql: { query, columns: made } }),
];

test('a query makes rows of rows, and its records are merged', async () => {
  const query = `WITH doubled AS (SELECT n * 2 AS m, _offset FROM rows) -- a comment
    SELECT m::INTEGER AS a, max(_offset) AS last FROM doubled, range(2) GROUP BY m ORDER BY m`;
  const { rows, result } = await transform(
    { columns, steps: own(query, { a: 'int', last: 'bigint' }), provenance: 'none' },
    ['{"n":1}', '{"n":1}', '{"n":2}', '{"n":"x"}'],
  );
  assert.deepEqual(rows, [
    { a: 2, last: '1' },
    { a: 4, last: '2' },
  ]);
  assert.deepEqual(result.classes, { in: 4, emitted: 0, merged: 3, filtered: 0, quarantined: 1 });
});

test('a query that gives other types than are declared is refused, and nothing is rounded', async () => {
  const problems = await transformer.validate(
    { ...plainTable, columns, steps: own('SELECT 1.5 AS a FROM rows') },
    directory,
  );
  assert.match(problems.join(), /does not give the types that are declared: a int/);
});

const HOSTILE: readonly (readonly [string, RegExp])[] = [
  [`SELECT * FROM read_text('${secret}')`, /reads read_text/],
  [`SELECT * FROM '${secret}'`, /may read rows alone/],
  [`SELECT * FROM "${secret}"`, /may read rows alone/],
  [`SELECT (SELECT content FROM read_text('${secret}')) AS a FROM rows`, /reads read_text/],
  [`SELECT a FROM read_csv('${secret}')`, /reads read_csv/],
  ["SELECT * FROM glob('/*')", /reads glob/],
  ["SELECT * FROM read_parquet('https://example.com/x.parquet')", /reads read_parquet/],
  ["SELECT getenv('HOME') AS a FROM rows", /calls getenv/],
  ["SELECT current_setting('allowed_directories') AS a FROM rows", /calls current_setting/],
  ["SELECT getvariable('key_0_inner') AS a FROM rows", /calls getvariable/],
  ['SELECT * FROM duckdb_variables()', /reads duckdb_variables/],
  ['SELECT * FROM duckdb_settings()', /reads duckdb_settings/],
  ['SELECT * FROM raw', /may read rows alone/],
  ['SELECT * FROM staged', /may read rows alone/],
  ['SELECT * FROM information_schema.tables', /may read rows alone/],
  ['SELECT * FROM temp.main.raw', /may read rows alone/],
  ["SELECT * FROM query('SELECT 1')", /reads query/],
  ["SELECT * FROM query_table('raw')", /reads query_table/],
  ["COPY rows TO '/dev/null'", /SQL is refused/],
  [`COPY (SELECT 1) TO '${secret}'`, /SQL is refused/],
  ["ATTACH 'x.db'", /SQL is refused/],
  ['INSTALL httpfs', /SQL is refused/],
  ['LOAD httpfs', /SQL is refused/],
  ['SET enable_external_access = true', /SQL is refused/],
  ['PRAGMA database_list', /SQL is refused/],
  ['SELECT 1 AS a; DROP TABLE staged', /SQL is refused/],
  ['SELECT 1 AS a) SELECT 1; DROP TABLE staged; --', /SQL is refused/],
  ['SELECT 1 AS a), b AS (SELECT * FROM raw', /SQL is refused/],
  ['DELETE FROM staged', /SQL is refused/],
  ['SELECT random()::INT AS a FROM rows', /calls random/],
  ['SELECT a FROM rows USING SAMPLE 1', /takes a sample/],
  ['SELECT a FROM (SELECT a FROM rows TABLESAMPLE reservoir(1))', /takes a sample/],
  ["SELECT date_part('day', age(TIMESTAMP '2026-01-01'))::INT AS a FROM rows", /calls age/],
  ['WITH RECURSIVE r AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM r) SELECT a FROM r', /recursive/],
];
for (const [query, expected] of HOSTILE)
  test(`refused before any data: ${query.replaceAll(secret, '<file>')}`, async () => {
    const problems = await transformer.validate({ ...plainTable, columns, steps: own(query) }, directory);
    assert.match(problems.join('; '), expected);
  });

test('what is another value at another time, or does something beside, is refused by every name that it has', async () => {
  const database = await openDatabase({
    ...{ directories: [directory], spillDirectory: directory, memoryBytesMax: 64e6, threads: 1 },
  });
  const own = "function_type = 'scalar' AND stability <> 'CONSISTENT' AND function_name <> 'error'";
  const clock = "function_type = 'macro' AND macro_definition ~ '.*(current_|sleep_ms|system).*'";
  const names = await database.rows(
    `SELECT DISTINCT function_name AS name FROM duckdb_functions() WHERE ${own} OR ${clock} ORDER BY 1`,
  );
  assert.ok(names.length > 25, `${names.length} names`);
  for (const { name } of names) {
    assert.match((await expressionProblem(database, `${name}()`)) ?? 'none', /calls/, String(name));
    assert.match(
      (await queryProblem(database, `SELECT ${name}() FROM rows`)) ?? 'none',
      /calls/,
      String(name),
    );
  }
  database.close();
});

test('a list is aggregated by nothing that draws lots, however its name is written', async () => {
  const database = await openDatabase({
    ...{ directories: [directory], spillDirectory: directory, memoryBytesMax: 64e6, threads: 1 },
  });
  const all = await database.rows(
    "SELECT DISTINCT function_name AS name FROM duckdb_functions() WHERE function_name ~ '((list|array)_)?aggr(egate)?'",
  );
  assert.ok(all.length >= 5, `${all.length} names`);
  for (const { name } of all) {
    for (const by of [
      "'reservoir_quantile'",
      "'RESERVOIR_QUANTILE'",
      "'reservoir' || '_quantile'",
      "lower('SUM')",
    ]) {
      const call = `${name}([1, 2], ${by}, 0.5)`;
      assert.match((await expressionProblem(database, call)) ?? 'none', /calls/, call);
      assert.match((await queryProblem(database, `SELECT ${call} FROM rows`)) ?? 'none', /calls/, call);
    }
    assert.equal(await expressionProblem(database, `${name}([1, 2], 'quantile_cont', 0.5)`), undefined);
  }
  database.close();
});

test('a column may have the name of a function that is refused', async () => {
  const names = ['uuid', 'version', 'now', 'random', 'user', 'stats', 'age'];
  const steps = [
    stepSchema.parse({ filter: names.map((name) => `${name} IS NOT NULL`).join(' AND ') }),
    ...own(`SELECT ${names[0]} AS a FROM rows`),
  ];
  const called = names.map((name) => ({ name, type: 'int' }));
  assert.deepEqual(await transformer.validate({ ...plainTable, columns: called, steps }, directory), []);
});

test('were a query not looked at, DuckDB itself would still refuse files, network and settings', async () => {
  const database = await openDatabase({
    directories: [directory],
    spillDirectory: directory,
    memoryBytesMax: 64e6,
    threads: 1,
  });
  for (const sql of [
    `SELECT * FROM read_text('${secret}')`,
    `SELECT * FROM '${secret}'`,
    "SELECT * FROM read_parquet('https://example.com/x.parquet')",
    "SELECT * FROM glob('/*')",
    `COPY (SELECT 1) TO '${secret}'`,
    `ATTACH '${join(directory, '../x.db')}'`,
    'INSTALL httpfs',
    'LOAD httpfs',
    'SET enable_external_access = true',
    "SET allowed_directories = ['/']",
    'RESET lock_configuration',
    "SELECT getenv('HOME')",
  ])
    await assert.rejects(database.run(sql), /Error/, sql);
  database.close();
});
