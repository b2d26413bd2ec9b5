// The long statement of a full chunk is handed to DuckDB before anything is waited for: an answer that
// JavaScript has to take comes only after the next chunk was decoded, and DuckDB would stand still so long.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Database, openDatabase } from '@sluice/collector/transform/duckdb.ts';
import { compileTable } from '@sluice/collector/transform/sql/compile.ts';
import { planFields } from '@sluice/collector/transform/sql/fields.ts';
import { StraightRows } from '@sluice/collector/transform/straight-rows.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { plainTable } from '../../support/written-lake.ts';

const directory = temporaryDirectory();
const limits = { spillDirectory: directory, memoryBytesMax: 256e6, threads: 1 };
const table = { ...plainTable, columns: [{ name: 'n', type: 'bigint' }] };
const marks = { separator: '\u001e', nullMark: 'null', elementMark: '\u001d' };
const compiled = compileTable(table, planFields(table), marks);
const FULL_CHUNK = 81_920;

test('the COPY of a full chunk is the first statement, and given at once', async () => {
  const database = await openDatabase({ directories: [directory], ...limits });
  const asked: string[] = [];
  const watched: Database = {
    ...database,
    rows: (sql) => {
      asked.push(sql.slice(0, 4));
      return database.rows(sql);
    },
  };
  const straight = new StraightRows({ table, directory, database: watched, compiled });
  await straight.open(watched);
  const written = straight.write({ rows: FULL_CHUNK, exactText: false }, watched);
  assert.deepEqual(asked, ['COPY']);
  assert.equal(await straight.keep(await written, watched), true);
  database.close();
});
