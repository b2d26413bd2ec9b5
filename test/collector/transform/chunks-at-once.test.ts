// Two chunks of a window in DuckDB at once: whichever of them is done first, and whatever is wrong with one,
// rows come in the order of the chunks, each once, and nothing runs any more when the window ends.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, test } from 'node:test';
import { ChunkInserts } from '@sluice/collector/transform/chunk-inserts.ts';
import { ColumnChunk } from '@sluice/collector/transform/columns.ts';
import { type Database, openDatabase } from '@sluice/collector/transform/duckdb.ts';
import { Places } from '@sluice/collector/transform/places.ts';
import { compileTable } from '@sluice/collector/transform/sql/compile.ts';
import { planFields } from '@sluice/collector/transform/sql/fields.ts';
import { StraightRows } from '@sluice/collector/transform/straight-rows.ts';
import { systemClock } from '@sluice/shared/clock.ts';
import { readBatchHeader } from '@sluice/shared/record-batch.ts';
import { encodeRecordBatch } from '@sluice/shared/records.ts';
import { eventually } from '../../support/eventually.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { plainTable } from '../../support/written-lake.ts';

const table = {
  ...plainTable,
  columns: [{ name: 'n', type: 'bigint' }],
  steps: [{ kind: 'filter', expression: 'n % 10 <> 0' }],
} as const;
const marks = { separator: '\u001esep', nullMark: 'null', elementMark: '\u001d' };
const plan = planFields(table);
const compiled = compileTable(table, plan, marks);
const ROWS = 20_000;
const KEPT = ROWS - ROWS / 10;

const databases: Database[] = [];
after(() => {
  for (const database of databases) database.close();
});

interface Copy {
  /** DuckDB is done with it. */
  readonly done: PromiseWithResolvers<void>;
  readonly go: PromiseWithResolvers<void>;
}

/** Each COPY waits, once it is done, until the test lets its answer go. */
function held(database: Database, { copies, plans }: { copies: Copy[]; plans: string[] }): Database {
  return {
    ...database,
    async prepare(sql) {
      const statement = await database.prepare(sql);
      plans.push(sql);
      return {
        ...statement,
        async rows() {
          const copy = { done: Promise.withResolvers<void>(), go: Promise.withResolvers<void>() };
          copies.push(copy);
          try {
            return await statement.rows();
          } finally {
            copy.done.resolve();
            await copy.go.promise;
          }
        },
      };
    },
  };
}

async function opened(threads = 2) {
  const directory = temporaryDirectory();
  const limits = { spillDirectory: directory, memoryBytesMax: 256e6, threads: 1 };
  const database = await openDatabase({ directories: [directory], ...limits });
  databases.push(database);
  const seen: { copies: Copy[]; plans: string[] } = { copies: [], plans: [] };
  const first = held(database, seen);
  const beside = async () => held(await database.beside(), seen);
  const parts = { database: { ...first, beside }, compiled, plan, clock: systemClock };
  const straight = new StraightRows({ ...parts, table, directory });
  const inserts = new ChunkInserts({ ...parts, straight, statements: new Places(threads) });
  for (const sql of compiled.createStaged) await database.run(sql);
  await inserts.open();
  return { directory, database, ...seen, straight, inserts };
}

type Opened = Awaited<ReturnType<typeof opened>>;

/** Chunk `i` of the window, with the value of one record replaced. */
function chunk(i: number, replaced?: string, rows = ROWS): ColumnChunk {
  const [separator, nullMark] = [Buffer.from(marks.separator), Buffer.from(marks.nullMark)];
  const made = new ColumnChunk({ separator, nullMark, keys: false, headers: false, text: true });
  const records = Array.from({ length: rows }, (_, row) => {
    const offset = i * ROWS + row;
    const value = Buffer.from(row === 7 && replaced !== undefined ? replaced : `{"n":${offset}}`);
    return { offset, timestamp: 0, key: null, value, headers: [] };
  });
  const batch = encodeRecordBatch({ baseOffset: i * ROWS }, records);
  made.beginPart(0);
  made.appendBatch(batch, readBatchHeader(batch), { fromOffset: i * ROWS, nextOffset: i * ROWS + rows });
  return made;
}

const add = ({ inserts }: Opened, i: number, replaced?: string) =>
  inserts.add(chunk(i, replaced), { exactText: false, isLast: false, firstId: i * ROWS });

/** DuckDB is done with the COPY of a chunk, and says nothing yet. */
async function done({ copies }: Opened, i: number): Promise<Copy | undefined> {
  await eventually(`COPY ${i}`, () => copies.length > i, { everyMs: 1 });
  await copies[i]?.done.promise;
  return copies[i];
}

async function letGo(window: Opened, i: number): Promise<void> {
  (await done(window, i))?.go.resolve();
  await new Promise((resolve) => setImmediate(resolve));
}

/** Rows of the straight files, then those that are staged, in their order. */
async function offsets({ database, straight }: Opened) {
  const files = await straight.join([]);
  const written = await Promise.all(
    files.map(({ path }) => database.rows(`SELECT _offset AS o FROM '${path}'`)),
  );
  const staged = await database.rows(
    'SELECT _offset AS o FROM staged WHERE __problem IS NULL AND NOT __filtered',
  );
  return { straight: written.flat().map(({ o }) => Number(o)), staged: staged.map(({ o }) => Number(o)) };
}

/** Offsets of these chunks that pass the filter, in order. */
const passing = (chunks: readonly number[]) =>
  chunks.flatMap((i) => Array.from({ length: ROWS }, (_, row) => i * ROWS + row)).filter((n) => n % 10 !== 0);

const same = (found: readonly number[], wanted: readonly number[]) =>
  found.length === wanted.length && found.every((n, i) => n === wanted[i]);

test('a second chunk is in DuckDB before the first one is done, and a third is not', async () => {
  const window = await opened();
  await add(window, 0);
  await add(window, 1);
  await done(window, 1);
  const third = add(window, 2);
  await letGo(window, 1);
  assert.equal(window.copies.length, 2);
  await letGo(window, 0);
  await third;
  await letGo(window, 2);
  await window.inserts.settled();
  assert.ok(same((await offsets(window)).straight, passing([0, 1, 2])));
  assert.equal(window.straight.filtered, (3 * ROWS) / 10);
});

test('with one thread SQL works on one chunk, and the next is planned and in place before it is done', async () => {
  const window = await opened(1);
  await add(window, 0);
  await add(window, 1);
  await done(window, 0);
  await eventually('a second plan', () => window.plans.length === 2, { everyMs: 1 });
  assert.equal(window.copies.length, 1);
  await letGo(window, 0);
  assert.equal(window.copies.length, 2);
  await letGo(window, 1);
  await window.inserts.settled();
  assert.ok(same((await offsets(window)).straight, passing([0, 1])));
});

test('with one thread a refused chunk is staged before the next one comes, and none goes straight after it', async () => {
  const window = await opened(1);
  await add(window, 0, '{"n":"x"}');
  await letGo(window, 0);
  await window.inserts.settled();
  const others = (chunks: readonly number[]) => passing(chunks).filter((n) => n !== 7);
  assert.ok(same((await offsets(window)).staged, others([0])));
  assert.deepEqual(await window.database.rows('SELECT o FROM raw'), []);
  await add(window, 1);
  await window.inserts.settled();
  const found = await offsets(window);
  assert.ok(same(found.staged, others([0, 1])));
  assert.deepEqual(found.straight, []);
});

test('rows come in the order of the chunks though the later one was done first', async () => {
  const window = await opened();
  await add(window, 0);
  await add(window, 1);
  await letGo(window, 1);
  await letGo(window, 0);
  await window.inserts.settled();
  const found = await offsets(window);
  assert.ok(same(found.straight, passing([0, 1])));
  assert.equal(window.straight.records, 2 * KEPT);
});

test('where the first of two is refused both are staged, in their order, and counted there', async () => {
  const window = await opened();
  await add(window, 0, '{"n":"x"}');
  await add(window, 1);
  await letGo(window, 1);
  await letGo(window, 0);
  await window.inserts.settled();
  const found = await offsets(window);
  assert.deepEqual(found.straight, []);
  assert.ok(
    same(
      found.staged,
      passing([0, 1]).filter((n) => n !== 7),
    ),
  );
  assert.equal(window.straight.records + window.straight.filtered, 0);
  const left = readdirSync(window.directory).filter((name) => name.endsWith('.parquet'));
  assert.deepEqual(left, []);
});

test('where the second of two is refused the first stays, and a third that runs is staged behind', async () => {
  const window = await opened();
  await add(window, 0);
  await add(window, 1, '{"n":"x"}');
  await letGo(window, 0);
  await add(window, 2);
  await letGo(window, 2);
  await letGo(window, 1);
  await add(window, 3);
  await window.inserts.settled();
  const found = await offsets(window);
  assert.ok(same(found.straight, passing([0])));
  assert.ok(
    same(
      found.staged,
      passing([1, 2, 3]).filter((n) => n !== ROWS + 7),
    ),
  );
  assert.equal(window.straight.filtered, ROWS / 10);
});

test('a short chunk behind a refused one is staged behind it', async () => {
  const window = await opened();
  await add(window, 0);
  await add(window, 1, '{"n":"x"}');
  const short = window.inserts.add(chunk(2, undefined, 100), {
    exactText: false,
    isLast: false,
    firstId: 2 * ROWS,
  });
  await letGo(window, 1);
  await letGo(window, 0);
  await short;
  await window.inserts.settled();
  const wanted = passing([1, 2]).filter((n) => n !== ROWS + 7 && n < 2 * ROWS + 100);
  assert.ok(same((await offsets(window)).staged, wanted));
});

test('records are set aside while two chunks are under way', async () => {
  const window = await opened();
  await add(window, 0);
  await add(window, 1);
  const odd = {
    topic: 'claims',
    partition: 0,
    offset: 99,
    timestamp: 0,
    code: 'TOMBSTONE',
    raw: null,
  } as const;
  await window.inserts.aside((database) => database.appendOdd([odd]));
  await letGo(window, 0);
  await letGo(window, 1);
  await window.inserts.settled();
  assert.deepEqual(await window.database.rows('SELECT o FROM odd'), [{ o: 99n }]);
});

test('each connection has times in UTC, whatever the machine has', async () => {
  const { TZ } = process.env;
  process.env['TZ'] = 'Asia/Tokyo';
  const { database } = await opened(1);
  const another = await database.beside();
  const [row] = await another.rows("SELECT current_setting('TimeZone') AS zone");
  if (TZ === undefined) delete process.env['TZ'];
  else process.env['TZ'] = TZ;
  assert.deepEqual(row, { zone: 'UTC' });
});

test('a window that failed in one of two chunks ends only when the other has stopped', async () => {
  const window = await opened();
  await window.database.run('DROP TABLE staged');
  await add(window, 0, '{"n":"x"}');
  await add(window, 1);
  await letGo(window, 0);
  let ended = false;
  const end = window.inserts.settled().finally(() => {
    ended = true;
  });
  end.catch(() => {});
  // It would take the place of the first, and is told of its end.
  await assert.rejects(add(window, 2), /staged/);
  assert.equal(ended, false);
  await letGo(window, 1);
  await assert.rejects(end, /staged/);
  assert.equal(window.copies.length, 2);
});

test('no chunk goes straight behind a short one that is staged: rows stand as they arrived', async () => {
  const window = await opened();
  const how = { exactText: false, isLast: false };
  await add(window, 0);
  await letGo(window, 0);
  await window.inserts.add(chunk(1, undefined, 100), { ...how, firstId: ROWS });
  await window.inserts.add(chunk(2), { ...how, firstId: ROWS + 100 });
  let ended = false;
  void window.inserts.settled().finally(() => {
    ended = true;
  });
  const isOver = () => {
    for (const { go } of window.copies) go.resolve();
    return ended;
  };
  await eventually('the end of all chunks', isOver, { everyMs: 1 });
  const found = await offsets(window);
  const short = passing([1]).filter((n) => n < ROWS + 100);
  assert.ok(same([...found.straight, ...found.staged], [...passing([0]), ...short, ...passing([2])]));
  assert.equal(window.straight.records + found.staged.length, 2 * KEPT + 90);
});
