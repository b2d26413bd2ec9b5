// Small Parquet objects as rows of larger ones: fetched, held to the ledger, copied one behind the other by
// DuckDB, and the result held to its parts row by row before anybody hears of it. Only files of the same
// columns come together: what was written before a column was there stays apart from what was written after.
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { assert, messageOf } from '@sluice/shared/errors.ts';
import { sha256OfFile } from '@sluice/shared/file-hash.ts';
import type { TableConfig } from '../../contracts.ts';
import { copyToFiles } from '../../transform/copy-to-files.ts';
import type { Database } from '../../transform/duckdb.ts';
import { readParquetFile, type WrittenFile } from '../../transform/joined-files.ts';
import { columnsOfFooter } from '../../transform/parquet-footer.ts';
import { literal } from '../../transform/sql/types.ts';
import type { LakeReader } from '../lake-reader.ts';
import type { SmallObject } from './plan.ts';

/** Files that one statement reads. */
const PARTS_MAX = 1_000;
/** Objects that are fetched at the same time, and their bytes, which are in memory then; one at least. */
const FETCHES_MAX = 8;
const FETCHED_BYTES_MAX = 256 * 2 ** 20;
/** Bytes of values in a row group, which is in memory until it is whole, and rows if nothing is said. */
const GROUP_BYTES_MAX = 128 * 2 ** 20;
const GROUP_ROWS = 122_880;
/** Kinds of columns of which parts are kept at a time: each is at most an object's bytes of the disk. */
const OPEN_MAX = 4;

/** What keeps a partition as it is, for people. */
export class Unjoinable extends Error {}

export interface JoinerOptions {
  readonly reader: LakeReader;
  readonly database: Database;
  /** Private; files lie here until they are released. */
  readonly directory: string;
  readonly objectBytes: number;
  /** COPY's, of one Parquet file of row groups of so many rows. */
  format(rowGroupRows: number): string;
  /** Of a table whose config says so. */
  readonly rowGroupRows: number | undefined;
}

export interface JoinedFile extends WrittenFile {
  readonly parts: readonly SmallObject[];
}

export type ParquetOutput = Extract<TableConfig['output'], { kind: 'parquet' }>;

/** What joins objects for one compaction. */
export interface ObjectJoiner {
  /** In their order. Each file is removed when the next one is asked for. Unjoinable. */
  join(parts: readonly SmallObject[]): AsyncIterable<JoinedFile>;
  close(): Promise<void>;
}

export interface JoiningOptions {
  readonly reader: LakeReader;
  /** That may be read and written. */
  readonly directories: readonly string[];
  /** Private. */
  readonly scratch: string;
  readonly output: ParquetOutput;
  readonly objectBytes: number;
}

export type OpenJoiner = (options: JoiningOptions) => Promise<ObjectJoiner>;

interface LocalPart {
  readonly object: SmallObject;
  readonly path: string;
}

interface OpenGroup {
  readonly columns: Buffer;
  parts: LocalPart[];
  bytes: number;
}

export class Joiner {
  readonly #options: JoinerOptions;
  /** By their columns, the one that was begun first at the front. */
  readonly #open = new Map<string, OpenGroup>();
  /** Keys of which local copies may lie there. */
  readonly #held = new Set<string>();
  #made = 0;

  constructor(options: JoinerOptions) {
    this.#options = options;
  }

  /** Each file is removed when the next one is asked for. Unjoinable. */
  async *join(parts: readonly SmallObject[]): AsyncGenerator<JoinedFile> {
    try {
      for await (const part of this.#fetched(parts)) {
        const { object } = part;
        const columns = columnsOfFooter((await readParquetFile(part.path)).footer);
        const key = columns.toString('base64');
        const group = this.#open.get(key) ?? { columns, parts: [], bytes: 0 };
        const isFull = group.bytes + object.bytes > this.#options.objectBytes;
        if (isFull || group.parts.length === PARTS_MAX) yield* this.#end(group);
        group.parts.push(part);
        group.bytes += object.bytes;
        this.#open.set(key, group);
        const [oldest] = this.#open.values();
        if (this.#open.size > OPEN_MAX && oldest !== undefined) yield* this.#end(oldest);
      }
      for (const group of this.#open.values()) yield* this.#end(group);
    } finally {
      await this.#release([...this.#held]);
    }
  }

  /** In their order, some at a time. */
  async *#fetched(parts: readonly SmallObject[]): AsyncGenerator<LocalPart> {
    for (const some of fetches(parts)) {
      for (const { from } of some) this.#held.add(from);
      const fetched = await Promise.allSettled(some.map((object) => this.#fetch(object)));
      const failed = fetched.find((one) => one.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
      for (const one of fetched) if (one.status === 'fulfilled') yield one.value;
    }
  }

  /** The bytes that the ledger has, as a local file. */
  async #fetch(object: SmallObject): Promise<LocalPart> {
    const { from, sha256 } = object;
    const path = await this.#options.reader.local(from);
    if (path === undefined) throw new Unjoinable(`${from} is not there: see \`verify\``);
    if ((await sha256OfFile(path)) === sha256) return { object, path };
    throw new Unjoinable(`${from} was replaced: see \`verify\``);
  }

  async *#end(group: OpenGroup): AsyncGenerator<JoinedFile> {
    this.#open.delete(group.columns.toString('base64'));
    try {
      if (group.parts.length < 2) return;
      const file = await this.#written(group);
      yield { ...file, parts: group.parts.map(({ object }) => object) };
      await rm(file.path, { force: true });
    } finally {
      await this.#release(group.parts.map(({ object }) => object.from));
      group.parts = [];
      group.bytes = 0;
    }
  }

  async #release(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      await this.#options.reader.release(key);
      this.#held.delete(key);
    }
  }

  async #written(group: OpenGroup): Promise<WrittenFile> {
    try {
      return await this.#copied(group);
    } catch (error) {
      const [message = ''] = messageOf(error).split('\n');
      if (!message.startsWith('Out of Memory')) throw error;
      throw new Unjoinable(
        `${group.parts[0]?.object.from} has rows that are too large to be copied: ${message}`,
      );
    }
  }

  async #copied({ parts, columns }: OpenGroup): Promise<WrittenFile> {
    const { database, directory, format } = this.#options;
    await mkdir(directory, { recursive: true });
    const path = join(directory, `${this.#made++}.parquet`);
    const files = `[${parts.map((part) => literal(part.path)).join(', ')}]`;
    const select = `SELECT * FROM read_parquet(${files}, hive_partitioning = false)`;
    const options = format(await this.#rowGroupRows(files));
    const [file] = await copyToFiles(database, { select, path, options });
    assert(file !== undefined, 'a COPY made no file');
    const { footer } = await readParquetFile(path);
    if (!columnsOfFooter(footer).equals(columns))
      throw new Unjoinable(`the columns of ${parts[0]?.object.from} would not stay as they are`);
    await this.#assertSame(parts, file);
    return file;
  }

  /** Fewer where rows are large. */
  async #rowGroupRows(files: string): Promise<number> {
    const { database, rowGroupRows = GROUP_ROWS } = this.#options;
    const sizes = 'SELECT max(row_group_num_rows) AS n, sum(total_uncompressed_size) AS bytes';
    const groups = `FROM parquet_metadata(${files}) GROUP BY file_name, row_group_id`;
    const [found] = await database.rows(`SELECT sum(n) AS n, sum(bytes) AS bytes FROM (${sizes} ${groups})`);
    const [rows, bytes] = [Number(found?.['n']), Number(found?.['bytes'])];
    return Math.min(rowGroupRows, Math.max(1, Math.floor((GROUP_BYTES_MAX * rows) / Math.max(1, bytes))));
  }

  /** The same rows in the same places: a part's are those that the ledger will look for. */
  async #assertSame(parts: readonly LocalPart[], file: WrittenFile): Promise<void> {
    let first = 0;
    let sum = 0n;
    for (const { object, path } of parts) {
      const found = await this.#digest(path, first);
      if (found.rows !== object.rows) {
        const message = `${object.from} holds ${found.rows} rows and the ledger says ${object.rows}`;
        throw new Unjoinable(`${message}: see \`verify\``);
      }
      first += found.rows;
      sum ^= found.sum;
    }
    const whole = await this.#digest(file.path, 0);
    assert(whole.rows === first && file.rows === first && whole.sum === sum, 'joined rows are other rows');
  }

  /** Of the rows of a file as if it had others before its own. */
  async #digest(path: string, first: number): Promise<{ readonly rows: number; readonly sum: bigint }> {
    const file = `read_parquet([${literal(path)}], hive_partitioning = false, file_row_number = true)`;
    const values = '*COLUMNS(* EXCLUDE (file_row_number))';
    const [found] = await this.#options.database.rows(
      `SELECT count(*) AS n, bit_xor(hash(file_row_number + ${first}, ${values})) AS sum FROM ${file}`,
    );
    return { rows: Number(found?.['n']), sum: BigInt(String(found?.['sum'] ?? 0)) };
  }
}

/** As many at a time as are fetched together. */
function* fetches(parts: readonly SmallObject[]): Generator<readonly SmallObject[]> {
  let some: SmallObject[] = [];
  let bytes = 0;
  for (const part of parts) {
    bytes += part.bytes;
    if (some.length === FETCHES_MAX || (some.length > 0 && bytes > FETCHED_BYTES_MAX)) {
      yield some;
      some = [];
      bytes = part.bytes;
    }
    some.push(part);
  }
  if (some.length > 0) yield some;
}
