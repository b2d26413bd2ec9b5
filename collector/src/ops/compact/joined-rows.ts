// Parquet objects as rows of a larger one: copied one behind the other by DuckDB, and the result held to its
// parts row by row before anybody hears of it.
import { assert, messageOf } from '@sluice/shared/errors.ts';
import { copyToFiles } from '../../transform/copy-to-files.ts';
import type { Database } from '../../transform/duckdb.ts';
import { readParquetFile, type WrittenFile } from '../../transform/joined-files.ts';
import { columnsOfFooter } from '../../transform/parquet-footer.ts';
import { literal } from '../../transform/sql/types.ts';
import { type JoiningFormat, type LocalPart, Unjoinable } from './joiner.ts';

/** Bytes of values in a row group, which is in memory until it is whole, and rows if nothing is said. */
const GROUP_BYTES_MAX = 128 * 2 ** 20;
const GROUP_ROWS = 122_880;

export interface RowJoiningOptions {
  readonly database: Database;
  /** COPY's, of one Parquet file of row groups of so many rows. */
  groups(rowGroupRows: number): string;
  /** Of a table whose config says so. */
  readonly rowGroupRows: number | undefined;
}

/** Of one kind are files of the same columns, as their footers spell them. */
export function rowJoining(options: RowJoiningOptions): JoiningFormat {
  return {
    kindOf: ({ path }) => columnsOf(path),
    async joined(parts, path) {
      try {
        const file = await copied(options, parts, path);
        return { ...file, parts: parts.map(({ object }) => object) };
      } catch (error) {
        const [message = ''] = messageOf(error).split('\n');
        if (!message.startsWith('Out of Memory')) throw error;
        throw new Unjoinable(`${parts[0]?.object.from} has rows that are too large to be copied: ${message}`);
      }
    },
  };
}

async function columnsOf(path: string): Promise<string> {
  return columnsOfFooter((await readParquetFile(path)).footer).toString('base64');
}

async function copied(
  options: RowJoiningOptions,
  parts: readonly LocalPart[],
  path: string,
): Promise<WrittenFile> {
  const { database, groups } = options;
  const [first] = parts;
  assert(first !== undefined, 'nothing is to be joined');
  const files = `[${parts.map((part) => literal(part.path)).join(', ')}]`;
  const select = `SELECT * FROM read_parquet(${files}, hive_partitioning = false)`;
  const [file] = await copyToFiles(database, {
    ...{ select, path },
    options: groups(await rowGroupRowsOf(options, files)),
  });
  assert(file !== undefined, 'a COPY made no file');
  if ((await columnsOf(path)) !== (await columnsOf(first.path)))
    throw new Unjoinable(`the columns of ${first.object.from} would not stay as they are`);
  await assertSame(database, parts, file);
  return file;
}

/** Fewer where rows are large. */
async function rowGroupRowsOf(options: RowJoiningOptions, files: string): Promise<number> {
  const { database, rowGroupRows = GROUP_ROWS } = options;
  const sizes = 'SELECT max(row_group_num_rows) AS n, sum(total_uncompressed_size) AS bytes';
  const groups = `FROM parquet_metadata(${files}) GROUP BY file_name, row_group_id`;
  const [found] = await database.rows(`SELECT sum(n) AS n, sum(bytes) AS bytes FROM (${sizes} ${groups})`);
  const [rows, bytes] = [Number(found?.['n']), Number(found?.['bytes'])];
  return Math.min(rowGroupRows, Math.max(1, Math.floor((GROUP_BYTES_MAX * rows) / Math.max(1, bytes))));
}

/** The same rows in the same places: a part's are those that the ledger will look for. */
async function assertSame(database: Database, parts: readonly LocalPart[], file: WrittenFile): Promise<void> {
  let first = 0;
  let sum = 0n;
  for (const { object, path } of parts) {
    const found = await digest(database, path, first);
    if (found.rows !== object.rows) {
      const message = `${object.from} holds ${found.rows} rows and the ledger says ${object.rows}`;
      throw new Unjoinable(`${message}: see \`verify\``);
    }
    first += found.rows;
    sum ^= found.sum;
  }
  const whole = await digest(database, file.path, 0);
  assert(whole.rows === first && file.rows === first && whole.sum === sum, 'joined rows are other rows');
}

/** Of the rows of a file as if it had others before its own. */
async function digest(
  database: Database,
  path: string,
  first: number,
): Promise<{ readonly rows: number; readonly sum: bigint }> {
  const file = `read_parquet([${literal(path)}], hive_partitioning = false, file_row_number = true)`;
  const values = '*COLUMNS(* EXCLUDE (file_row_number))';
  const [found] = await database.rows(
    `SELECT count(*) AS n, bit_xor(hash(file_row_number + ${first}, ${values})) AS sum FROM ${file}`,
  );
  return { rows: Number(found?.['n']), sum: BigInt(String(found?.['sum'] ?? 0)) };
}
