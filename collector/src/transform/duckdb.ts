// One DuckDB for one window or one command: in memory, locked down to the directories it was given, with one
// connection, and others beside it where statements are to run at once. The only importer of DuckDB in the
// collector. Calls block the thread: windows run in workers; query and verify, which serve nobody meanwhile,
// use it on the main thread.

import {
  DuckDBBlobValue,
  type DuckDBConnection,
  DuckDBDataChunk,
  DuckDBInstance,
  StatementType,
} from '@duckdb/node-api';
import duckdb from '@duckdb/node-bindings';
import { messageOf, SluiceError } from '@sluice/shared/errors.ts';
import type { ChunkPart, ColumnChunk } from './columns.ts';
import type { CorruptRun } from './corrupt-batches.ts';
import type { OddRecord } from './odd-record.ts';
import { literal } from './sql/types.ts';
import type { StatementWatch } from './statement-watch.ts';

export interface DatabaseOptions {
  /** Files may be written below these directories and nowhere else. */
  readonly directories: readonly string[];
  readonly memoryBytesMax: number;
  readonly threads: number;
  /** Where what does not fit into memory goes. */
  readonly spillDirectory: string;
  /** Ends statements that take too long. */
  readonly watch?: StatementWatch | undefined;
}

type Rows = Record<string, unknown>[];

/** One statement that DuckDB has planned; to be closed before its database is. */
export interface PreparedStatement {
  rows(): Promise<Rows>;
  close(): void;
}

export interface Database {
  /** Runs statements that return nothing. */
  run(sql: string): Promise<void>;
  rows(sql: string): Promise<Rows>;
  /** Plans a statement and does nothing of it yet; it may run until a table that it names is made anew. */
  prepare(sql: string): Promise<PreparedStatement>;
  /**
   * One SELECT as text, cell by cell; null stays null. QUERY_REFUSED for any other statement and for what
   * fails.
   */
  select(sql: string): Promise<{ columns: string[]; rows: (string | null)[][] }>;
  /** Rows of a chunk into `raw`, one row a part: lists of offsets and timestamps beside the joined values. */
  appendChunk(chunk: ColumnChunk): Promise<void>;
  appendOdd(records: readonly OddRecord[]): Promise<void>;
  /** One row for each of its records; the bytes stand on the first. */
  appendCorrupt(run: CorruptRun): Promise<void>;
  /** Frees what the last chunk left in `raw`, and answers a SELECT in the same trip. */
  emptyRaw(select?: string): Promise<Rows>;
  /**
   * Another connection, whose statements may run at the same time: tables are seen by both, `raw`, variables
   * and all that is temporary by one. It is closed with this one.
   */
  beside(): Promise<Database>;
  /** Moves what lies in the other's `raw` into this one's, which must be empty. */
  takeRaw(from: Database): Promise<void>;
  close(): void;
}

/** A BLOB of `rows`, a view; null for NULL. */
export function blobBytes(value: unknown): Buffer | null {
  if (!(value instanceof DuckDBBlobValue)) return null;
  const { buffer, byteOffset, byteLength } = value.bytes;
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** DuckDB's own limit of rows in a data chunk. */
const VECTOR_ROWS_MAX = 2_048;

/**
 * p, c: partition and topic. DuckDB hashes what it inserts for its statistics, hundreds of megabytes here,
 * but not inside a struct.
 */
const RAW_TABLE =
  'CREATE OR REPLACE TEMP TABLE raw (p INTEGER, c VARCHAR, o BIGINT[], t BIGINT[], joined STRUCT(v VARCHAR, k VARCHAR, h VARCHAR, r VARCHAR))';
const ODD_TABLE =
  'CREATE TEMP TABLE odd (p INTEGER, c VARCHAR, o BIGINT, t BIGINT, code VARCHAR, raw BLOB, k VARCHAR, h VARCHAR)';

export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: String(options.threads),
    memory_limit: `${Math.floor(options.memoryBytesMax / 1_000_000)}MB`,
    temp_directory: options.spillDirectory,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    preserve_insertion_order: 'true',
  });
  const connection = await instance.connect();
  const allowed = options.directories.map((path) => `'${path.replaceAll("'", "''")}'`).join(', ');
  for (const statement of [
    "SET GLOBAL TimeZone = 'UTC'",
    `SET allowed_directories = [${allowed}]`,
    'SET enable_external_access = false',
    RAW_TABLE,
    ODD_TABLE,
    'SET lock_configuration = true',
  ])
    await connection.run(statement);
  return wrap({ instance, watch: options.watch }, connection);
}

interface Opened {
  readonly instance: DuckDBInstance;
  readonly watch: StatementWatch | undefined;
}

function wrap({ instance, watch }: Opened, connection: DuckDBConnection): Database {
  const types = rawTypes();
  const others: Database[] = [];
  const watched = <T>(statement: () => Promise<T>) =>
    watch === undefined ? statement() : watch.run(connection, statement);
  async function rows(sql: string) {
    const result = await watched(() => connection.runAndReadAll(sql));
    return result.getRowObjects() as Rows;
  }
  const run = async (sql: string) => void (await watched(() => connection.run(sql)));
  return {
    run,
    emptyRaw: (select = 'SELECT 1') => rows(`${RAW_TABLE}; ${select}`),
    rows,
    async prepare(sql) {
      const statement = await watched(() => connection.prepare(sql));
      return {
        rows: async () => (await watched(() => statement.runAndReadAll())).getRowObjects() as Rows,
        close: () => statement.destroySync(),
      };
    },
    select: (sql) => selectAsText(connection, sql),
    async appendChunk(chunk) {
      const appender = await connection.createAppender('raw', null, 'temp');
      const parts = chunk.parts();
      for (let from = 0; from < parts.length; from += VECTOR_ROWS_MAX)
        appender.appendDataChunk(rawRows(types, chunk, parts.slice(from, from + VECTOR_ROWS_MAX)));
      appender.closeSync();
    },
    appendOdd: (records) => appendOdd(connection, records),
    async appendCorrupt({ topic, partition, startOffset, records, timestamp, code, raw }) {
      if (records === 0) return;
      await appendOdd(connection, [{ topic, partition, offset: startOffset, timestamp, code, raw }]);
      const others = `range(${startOffset + 1}, ${startOffset + records})`;
      const from = `${partition}, ${literal(topic)}`;
      const select = `SELECT ${from}, range, ${timestamp}, ${literal(code)}, NULL, NULL, NULL FROM ${others}`;
      await run(`INSERT INTO odd ${select}`);
    },
    async beside() {
      const another = await instance.connect();
      await another.run(RAW_TABLE);
      const database = wrap({ instance, watch }, another);
      others.push({ ...database, close: () => another.closeSync() });
      return database;
    },
    async takeRaw(from) {
      await from.run('CREATE OR REPLACE TABLE handed AS FROM raw');
      await run('INSERT INTO raw FROM handed');
      await run('DROP TABLE handed');
      await from.emptyRaw();
    },
    close() {
      for (const other of others) other.close();
      connection.closeSync();
      instance.closeSync();
    },
  };
}

async function appendOdd(connection: DuckDBConnection, records: readonly OddRecord[]): Promise<void> {
  const appender = await connection.createAppender('odd', null, 'temp');
  for (const { topic, partition, offset, timestamp, code, raw, key, headers } of records) {
    appender.appendInteger(partition);
    appender.appendVarchar(topic);
    appender.appendBigInt(BigInt(offset));
    appender.appendBigInt(BigInt(timestamp));
    appender.appendVarchar(code);
    if (raw === null) appender.appendNull();
    else appender.appendBlob(raw);
    for (const text of [key, headers])
      if (text === undefined) appender.appendNull();
      else appender.appendVarchar(text.toString());
    appender.endRow();
  }
  appender.closeSync();
}

async function selectAsText(connection: DuckDBConnection, sql: string) {
  try {
    const statements = sql.trim() === '' ? undefined : await connection.extractStatements(sql);
    const statement = statements?.count === 1 ? await statements.prepare(0) : undefined;
    if (statement === undefined || statement.statementType !== StatementType.SELECT)
      throw new SluiceError('QUERY_REFUSED', 'it is not one SELECT');
    try {
      const result = await statement.runAndReadAll();
      const rows = result.getRows().map((row) => row.map((cell) => (cell === null ? null : String(cell))));
      return { columns: result.columnNames(), rows };
    } finally {
      // Else DuckDB keeps what was read, some 256 KiB at least, until the collector of garbage comes by.
      statement.destroySync();
    }
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw new SluiceError('QUERY_REFUSED', messageOf(error));
  }
}

function rawTypes() {
  const bigint = duckdb.create_logical_type(duckdb.Type.BIGINT);
  const lists = duckdb.create_list_type(bigint);
  const integer = duckdb.create_logical_type(duckdb.Type.INTEGER);
  const text = duckdb.create_logical_type(duckdb.Type.VARCHAR);
  const joined = duckdb.create_struct_type([text, text, text, text], ['v', 'k', 'h', 'r']);
  return [integer, text, lists, lists, joined];
}

function rawRows(
  types: readonly duckdb.LogicalType[],
  chunk: ColumnChunk,
  parts: readonly ChunkPart[],
): DuckDBDataChunk {
  const data = duckdb.create_data_chunk(types);
  const vector = (column: number) => duckdb.data_chunk_get_vector(data, column);
  const first = parts[0]?.rowStart ?? 0;
  const rows = { start: first, end: parts.at(-1)?.rowEnd ?? first };
  const partitions = Int32Array.from(parts, ({ from }) => from.partition);
  duckdb.copy_data_to_vector(vector(0), 0, partitions.buffer, 0, partitions.byteLength);
  const entries = BigUint64Array.from(
    parts.flatMap((part) => [BigInt(part.rowStart - first), BigInt(part.rowEnd - part.rowStart)]),
  );
  putLists(vector(2), entries, chunk.offsets.subarray(rows.start, rows.end));
  putLists(vector(3), entries, chunk.timestamps.subarray(rows.start, rows.end));
  const none = new Uint8Array();
  const topics = vector(1);
  const [values, keys, headers, originals] = [0, 1, 2, 3].map((i) =>
    duckdb.struct_vector_get_child(vector(4), i),
  );
  parts.forEach((part, i) => {
    duckdb.vector_assign_string_element(topics, i, part.from.topic);
    if (values !== undefined) duckdb.vector_assign_string_element_len(values, i, part.values);
    if (keys !== undefined) duckdb.vector_assign_string_element_len(keys, i, part.keys ?? none);
    if (headers !== undefined) duckdb.vector_assign_string_element_len(headers, i, part.headers ?? none);
    if (originals !== undefined)
      duckdb.vector_assign_string_element_len(originals, i, part.originals ?? none);
  });
  duckdb.data_chunk_set_size(data, parts.length);
  return new DuckDBDataChunk(data);
}

/** Lists of int64: entries of (offset, length) as u64, then all children in one copy. */
function putLists(vector: duckdb.Vector, entries: BigUint64Array<ArrayBuffer>, values: BigInt64Array): void {
  duckdb.list_vector_reserve(vector, values.length);
  duckdb.list_vector_set_size(vector, values.length);
  duckdb.copy_data_to_vector(vector, 0, entries.buffer, 0, entries.byteLength);
  const child = duckdb.list_vector_get_child(vector);
  duckdb.copy_data_to_vector(child, 0, values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);
}
