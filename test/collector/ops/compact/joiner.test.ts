// Rows of joined objects are what they were, whatever their types, and each part's are where the ledger will
// look for them; what is not as the ledger has it is not joined.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { rowJoining } from '@sluice/collector/ops/compact/joined-rows.ts';
import { type JoinedFile, Joiner } from '@sluice/collector/ops/compact/joiner.ts';
import type { SmallObject } from '@sluice/collector/ops/compact/plan.ts';
import { joinedRows, type LakeReader } from '@sluice/collector/ops/lake-reader.ts';
import { type Database, openDatabase } from '@sluice/collector/transform/duckdb.ts';
import { sha256OfFile } from '@sluice/shared/file-hash.ts';
import { temporaryDirectory } from '../../../support/temp.ts';

const directory = temporaryDirectory();
const directories = [directory];
const limits = { memoryBytesMax: 256_000_000, threads: 1, spillDirectory: directory };
const database = await openDatabase({ directories, ...limits });
after(() => database.close());

/** Every type that a table can have, with NULLs, in rows that differ from `from` on. */
const VARIED =
  "range AS n, (range % 7)::INTEGER AS i, CASE WHEN range % 3 > 0 THEN 'é' || range END AS t, range / 3.0 AS d, " +
  '(range / 7)::FLOAT AS f, (range / 3)::DECIMAL(12, 2) AS m, range % 2 = 0 AS b, ' +
  "make_timestamp(range * 1000003) AS at, DATE '2026-01-01' + (range % 400)::INTEGER AS day, " +
  "encode('b' || range) AS raw, [range, NULL, range + 1] AS list, {'x': range, 'y': {'z': 't' || range}} AS s, " +
  "MAP {'k' || range: range} AS kv, [{'x': range}] AS structs, NULL::VARCHAR AS nothing";

let written = 0;

async function objectOf(from: number, rows: number, columns = VARIED): Promise<SmallObject> {
  const path = join(directory, `part-${written++}.parquet`);
  await database.run(
    `COPY (SELECT ${columns} FROM range(${from}, ${from + rows})) TO '${path}' (FORMAT parquet, COMPRESSION zstd)`,
  );
  const { size: bytes } = await stat(path);
  return { entry: from, from: path, rows, bytes, sha256: await sha256OfFile(path) };
}

/** Keys that are held as local copies, and how many are asked for at the same time. */
const held = new Set<string>();
const asked = { now: 0, most: 0 };
const reader = {
  async local(key: string) {
    held.add(key);
    asked.most = Math.max(asked.most, ++asked.now);
    await new Promise((resolve) => setImmediate(resolve));
    asked.now--;
    return key.endsWith('gone') ? undefined : key;
  },
  release: (key: string) => Promise.resolve(void held.delete(key)),
} as Pick<LakeReader, 'local' | 'release'> as LakeReader;

interface Seen extends JoinedFile {
  /** Of each part, as text, from the joined file. */
  readonly values: readonly unknown[];
}

const rowsIn = (of: Database) =>
  rowJoining({
    database: of,
    groups: (rows) => `FORMAT parquet, ROW_GROUP_SIZE ${rows}`,
    rowGroupRows: undefined,
  });

async function joined(parts: readonly SmallObject[], objectBytes = 2 ** 20): Promise<Seen[]> {
  const options = { reader, directory: join(directory, 'joined'), objectBytes, format: rowsIn(database) };
  const seen: Seen[] = [];
  for await (const file of new Joiner(options).join(parts)) {
    let first = 0;
    const values: unknown[] = [];
    for (const { rows } of file.parts) {
      const of = { rows, joined: { first, rows: file.rows } };
      values.push((await database.select(`SELECT * FROM ${joinedRows(file.path, of)}`)).rows);
      first += rows;
    }
    seen.push({ ...file, values });
  }
  assert.deepEqual(readdirSync(join(directory, 'joined')), []);
  return seen;
}

const rowsOf = async ({ from }: SmallObject) =>
  (await database.select(`SELECT * FROM read_parquet('${from}')`)).rows;

test('values of every type are the same in the joined object, at the rows of their part', async () => {
  const parts = [await objectOf(0, 50), await objectOf(1_000, 1), await objectOf(50, 3_000)];
  const [file, ...others] = await joined(parts);
  assert.equal(others.length, 0);
  assert.deepEqual([file?.parts, file?.rows], [parts, 3_051]);
  for (const [i, part] of parts.entries()) assert.deepEqual(file?.values[i], await rowsOf(part));
});

test('parts of other columns stay apart, each in its order, and one that is alone is not joined', async () => {
  const other = 'range AS n, range::VARCHAR AS added';
  const [a, b, c, d, e] = [
    await objectOf(0, 3),
    await objectOf(3, 3, other),
    await objectOf(6, 3),
    await objectOf(9, 3, other),
    await objectOf(12, 3, 'range AS n, 1.5::FLOAT AS added'),
  ];
  const files = await joined([a, b, c, d, e]);
  assert.deepEqual(
    files.map(({ parts }) => parts),
    [
      [a, c],
      [b, d],
    ],
  );
});

test('of many kinds of columns the first begun is ended, and nothing is left out', async () => {
  const kinds = Array.from({ length: 7 }, (_, i) => `range AS n, 1 AS c${i}`);
  const parts: SmallObject[] = [];
  for (const round of [0, 1, 2]) for (const kind of kinds) parts.push(await objectOf(round, 2, kind));
  const inOrder = kinds.flatMap((_, i) => [0, 1, 2].map((round) => parts[round * kinds.length + i]));
  const files = await joined(inOrder as SmallObject[]);
  assert.deepEqual(
    files.map((file) => file.parts.length),
    kinds.map(() => 3),
  );
});

for (const [what, change, message] of [
  ['that is gone', { from: 'gone' }, /^gone is not there/],
  ['of other bytes', { sha256: '0'.repeat(64) }, /was replaced/],
  ['of other rows than the ledger has', { rows: 4 }, /holds 3 rows and the ledger says 4/],
] as const)
  test(`an object ${what} is not joined, and named`, async () => {
    const parts = [await objectOf(0, 3), { ...(await objectOf(3, 3)), ...change }, await objectOf(6, 3)];
    const others = await objectOf(9, 3, 'range AS n');
    await assert.rejects(joined([...parts, others, await objectOf(12, 3)], 3 * (parts[0]?.bytes ?? 0)), {
      message,
    });
    assert.deepEqual([...held], [], 'no local copy stays');
  });

test('objects are fetched together as long as they are few and small', async () => {
  const parts: SmallObject[] = [];
  for (let n = 0; n < 10; n++) parts.push(await objectOf(n, 1));
  const most = async (bytes: number) => {
    asked.most = 0;
    const files = await joined(
      parts.map((part) => ({ ...part, bytes })),
      2 ** 40,
    );
    assert.deepEqual(
      files.map(({ rows }) => rows),
      [10],
    );
    return asked.most;
  };
  assert.deepEqual([await most(100), await most(100 * 2 ** 20), await most(300 * 2 ** 20)], [8, 2, 1]);
});

test('rows so large that a row group of the usual number is more than memory become smaller groups', async () => {
  const large = 'range AS n, repeat(md5((range + 7)::VARCHAR), 640) AS value';
  const parts: SmallObject[] = [];
  for (const n of [0, 1, 2, 3, 4, 5]) parts.push(await objectOf(n * 3_000, 3_000, large));
  const little = await openDatabase({ directories, ...limits, memoryBytesMax: 600_000_000 });
  try {
    const options = {
      reader,
      directory: join(directory, 'large'),
      objectBytes: 2 ** 30,
      format: rowsIn(little),
    };
    const files = await Array.fromAsync(new Joiner(options).join(parts));
    assert.deepEqual(
      files.map(({ rows }) => rows),
      [18_000],
    );
  } finally {
    little.close();
  }
});

test('rows that fit into no memory keep their partition as it is, and their object is named', async () => {
  const parts = [await objectOf(0, 2_048, 'repeat(md5(range::VARCHAR), 1000) AS value')];
  parts.push({ ...(parts[0] ?? assert.fail()) });
  const little = await openDatabase({ directories, ...limits, memoryBytesMax: 30_000_000 });
  try {
    const options = {
      reader,
      directory: join(directory, 'large'),
      objectBytes: 2 ** 30,
      format: rowsIn(little),
    };
    const message = /part-\d+\.parquet has rows that are too large to be copied: Out of Memory/;
    await assert.rejects(Array.fromAsync(new Joiner(options).join(parts)), { message });
  } finally {
    little.close();
  }
});
