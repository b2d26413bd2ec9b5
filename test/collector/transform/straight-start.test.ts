// The long statement of a full chunk is handed to DuckDB before anything is waited for: an answer that
// JavaScript has to take comes only after the next chunk was decoded, and DuckDB would stand still so long.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { ColumnChunk } from '@sluice/collector/transform/columns.ts';
import { type Database, openDatabase } from '@sluice/collector/transform/duckdb.ts';
import { compileTable } from '@sluice/collector/transform/sql/compile.ts';
import { planFields } from '@sluice/collector/transform/sql/fields.ts';
import { StraightRows } from '@sluice/collector/transform/straight-rows.ts';
import { readBatchHeader } from '@sluice/shared/record-batch.ts';
import { encodeRecordBatch } from '@sluice/shared/records.ts';
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
    prepare: (sql) => {
      asked.push(sql.slice(0, 4));
      return database.prepare(sql);
    },
    rows: (sql) => {
      asked.push(sql.slice(0, 4));
      return database.rows(sql);
    },
  };
  const straight = new StraightRows({ table, directory, database: watched, compiled });
  await straight.open(watched);
  const written = straight.write({ rows: FULL_CHUNK, exactText: false, isLast: false }, watched);
  assert.deepEqual(asked, ['COPY']);
  assert.equal(await straight.keep(await written, watched), true);
  database.close();
});

test('a plan of a chunk behind a refused one is closed, and nothing of it was done', async () => {
  const database = await openDatabase({ directories: [directory], ...limits });
  let open = 0;
  const watched: Database = {
    ...database,
    async prepare(sql) {
      const statement = await database.prepare(sql);
      open++;
      const close = () => {
        open--;
        statement.close();
      };
      return { ...statement, close };
    },
  };
  const straight = new StraightRows({ table, directory, database: watched, compiled });
  await straight.open(watched);
  const before = readdirSync(directory);
  const chunk = { rows: FULL_CHUNK, exactText: false, isLast: false };
  const planned = await straight.plan(chunk, watched);
  assert.equal(open, 1);
  assert.equal(await straight.keep('refused', watched), false);
  assert.equal(await straight.write(chunk, watched, planned), undefined);
  assert.equal(open, 0);
  assert.deepEqual(readdirSync(directory), before);
  assert.equal(await straight.plan(chunk, watched), undefined);
  database.close();
});

test('bytes that are no text fail the statement, did they ever come so far: they are no NULL', async () => {
  const database = await openDatabase({ directories: [directory], ...limits });
  const of = { keys: false, headers: false, text: false };
  const chunk = new ColumnChunk({ separator: Buffer.from('\u001e'), nullMark: Buffer.from('null'), ...of });
  const value = Buffer.from([...Buffer.from('{"n":1,"t":"'), 0xff, 0xfe, ...Buffer.from('"}')]);
  const batch = encodeRecordBatch({ baseOffset: 0 }, [
    { offset: 0, timestamp: 0, key: null, value, headers: [] },
  ]);
  chunk.beginPart(0);
  chunk.appendBatch(batch, readBatchHeader(batch), { fromOffset: 0, nextOffset: 1 });
  await database.appendChunk(chunk);
  for (const sql of compiled.createStaged) await database.run(sql);
  for (const form of ['clean', 'checked'] as const)
    await assert.rejects(database.run(compiled.insertStaged(form)[0] ?? ''), /no UTF-8/);
  database.close();
});
