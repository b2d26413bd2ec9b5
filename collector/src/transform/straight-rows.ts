// Good rows of large chunks, written as they come: each chunk is a Parquet file of its own at first, and in
// the end their row groups stand behind each other in as few objects as the table asks for. Whatever is not
// plain - a record for the quarantine, a second partition, a value that is not JSON - is refused chunk by
// chunk, and the window stages it instead.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { assert } from '@sluice/shared/errors.ts';
import type { OutputFile, TableConfig } from '../contracts.ts';
import { spellTime } from '../time-spelling.ts';
import type { Database } from './duckdb.ts';
import {
  footerStart,
  joinedTail,
  PARQUET_MAGIC,
  PARQUET_TAIL_BYTES,
  type ParquetFile,
} from './parquet-footer.ts';
import type { CompiledTable } from './sql/compile.ts';
import { fileFormat } from './sql/file-format.ts';
import type { CompiledOutput } from './sql/outputs.ts';
import type { StraightReading } from './sql/straight.ts';
import { literal } from './sql/types.ts';

/** Smaller chunks would make row groups that nobody wants to read. */
const ROWS_MIN = 16_384;

export type PartitionValues = readonly (string | null)[];

export interface WrittenFile {
  readonly path: string;
  readonly rows: number;
  readonly bytes: number;
  /** SHA-256, hex. */
  readonly sha256: string;
}

export interface StraightOptions {
  readonly table: TableConfig;
  readonly directory: string;
  readonly database: Database;
  readonly compiled: CompiledTable;
  readonly parquetOptions: string;
}

/** What of a chunk matters here. */
export interface StraightChunk extends StraightReading {
  readonly rows: number;
}

interface Counted {
  readonly filtered: number;
  readonly emitted: number;
}

interface WrittenPart {
  readonly path: string;
  readonly rows: number;
}

export class StraightRows {
  readonly #options: StraightOptions;
  #parts: WrittenPart[] = [];
  #named = 0;
  #values: PartitionValues | undefined;
  #over: boolean;
  /** Until that failed once: whatever it is that is in doubt, others will have it. */
  #readsPlain = true;
  /** Records that have rows, and records that the filter dropped, of what was taken. */
  records = 0;
  filtered = 0;
  /** What the counters of each connection said last. */
  readonly #counted = new Map<Database, Counted>();

  constructor(options: StraightOptions) {
    const { compiled, table } = options;
    this.#options = options;
    this.#over = compiled.straight === undefined;
    if (table.partitionBy.every(({ kind }) => kind === 'ingest'))
      this.#values = table.partitionBy.map(() => null);
  }

  /** Once for each connection that takes chunks. */
  async open(database: Database): Promise<void> {
    const { straight } = this.#options.compiled;
    for (const sql of straight?.createCounters ?? []) await database.run(sql);
    this.#counted.set(database, { filtered: 0, emitted: 0 });
  }

  /** Whether a chunk may be taken while another is: not before the partition values are known. */
  takesAtOnce(rows: number): boolean {
    return this.#takes(rows) && this.#values !== undefined;
  }

  #takes(rows: number): boolean {
    return !this.#over && this.#options.compiled.straight !== undefined && rows >= ROWS_MIN;
  }

  /**
   * Writes what lies in `raw` and empties it, or says false: then nothing was written, and nothing more is
   * taken here. The long statement starts at once: before an answer comes, the thread has decoded the next
   * chunk. What it wrote counts only after `before`, the end of the chunk before: where that one was refused
   * this one is, too, or its rows would stand before those of the other.
   */
  async take(chunk: StraightChunk, database: Database, before: Promise<void>): Promise<boolean> {
    const { straight } = this.#options.compiled;
    const part = this.#takes(chunk.rows) ? await this.#copy(chunk, database) : undefined;
    await before;
    this.#over ||= part === 'refused';
    if (part === 'refused' || part === undefined || straight === undefined) return false;
    if (this.#over) {
      await rm(part.path);
      return false;
    }
    this.#parts.push(part);
    const [row] = await database.emptyRaw(straight.count);
    const counted = { filtered: Number(row?.['filtered']), emitted: Number(row?.['emitted']) };
    const last = this.#counted.get(database) ?? { filtered: 0, emitted: 0 };
    this.#counted.set(database, counted);
    this.filtered += counted.filtered - last.filtered - 1;
    this.records += straight.isPlural ? counted.emitted - last.emitted - 1 : part.rows;
    return true;
  }

  /** Undefined where it is too early. */
  async #copy(chunk: StraightChunk, database: Database): Promise<WrittenPart | 'refused' | undefined> {
    const { straight } = this.#options.compiled;
    this.#values ??= await this.#takeStaged();
    if (this.#values === undefined || straight === undefined) return undefined;
    for (const isPlain of chunk.isPlain === true && this.#readsPlain ? [true, false] : [false])
      try {
        return await this.#write(straight.select(this.#values, { ...chunk, isPlain }), database);
      } catch {
        this.#readsPlain &&= !isPlain;
      }
    return 'refused';
  }

  async #write(select: string, database: Database): Promise<WrittenPart> {
    const { directory, parquetOptions } = this.#options;
    const path = join(directory, `straight-${this.#named++}.parquet`);
    try {
      const [written] = await database.rows(`COPY (${select}) TO ${literal(path)} (${parquetOptions})`);
      return { path, rows: Number(written?.['Count']) };
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }

  /**
   * The partition values of what was staged so far, which becomes the first part, so that rows stay in order.
   * Where it is of several partitions, or not all good, what follows will be like that, too.
   */
  async #takeStaged(): Promise<PartitionValues | undefined> {
    const { database, compiled, table } = this.#options;
    const [output] = compiled.outputs;
    if (output === undefined) return undefined;
    const [counts] = await database.rows(compiled.countRecords);
    const combinations = (await database.rows(output.partitionValues)).filter(({ n }) => Number(n) > 0);
    const [row] = combinations;
    if (row === undefined) return undefined;
    this.#over = combinations.length > 1 || Number(counts?.['quarantined']) > 0;
    if (this.#over) return undefined;
    const values = table.partitionBy.map((_spec, i) => (row[`p${i}`] ?? null) as string | null);
    const part = await this.#write(output.selectRows(values), database);
    assert(part.rows === Number(row['n']), `${part.rows} rows written where ${row['n']} were staged`);
    this.#parts.push(part);
    this.records += Number(counts?.['emitted']);
    this.filtered += Number(counts?.['filtered']);
    for (const sql of compiled.createStaged) await database.run(sql);
    return values;
  }

  /** Whether rows of these partition values were written here. */
  holds(values: PartitionValues): boolean {
    return this.#parts.length > 0 && JSON.stringify(values) === JSON.stringify(this.#values);
  }

  get values(): PartitionValues | undefined {
    return this.#parts.length > 0 ? this.#values : undefined;
  }

  /** All that was written here, and `staged` files of the same values behind it, as few files. */
  async join(staged: readonly WrittenFile[]): Promise<WrittenFile[]> {
    const { table, directory } = this.#options;
    const bytesMax = (table.output.kind === 'parquet' ? table.output.objectBytes : undefined) ?? Infinity;
    const parts = this.#parts;
    this.#parts = [];
    const files: WrittenFile[] = [];
    let taken: Part[] = [];
    let bytes = 0;
    const end = async () => {
      if (taken.length === 0) return;
      files.push(await writeJoined(join(directory, `joined-${files.length}.parquet`), taken));
      for (const { path } of taken) await rm(path);
      taken = [];
      bytes = 0;
    };
    for (const { path, rows } of [...parts, ...staged]) {
      if (rows === 0) continue;
      const part = await readPart(path, rows);
      taken.push(part);
      bytes += part.bodyBytes;
      if (bytes >= bytesMax) await end();
    }
    await end();
    return files;
  }
}

interface Part extends ParquetFile {
  readonly path: string;
  readonly rows: number;
}

async function readPart(path: string, rows: number): Promise<Part> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const tail = await readAt(file, size - PARQUET_TAIL_BYTES, PARQUET_TAIL_BYTES);
    const start = footerStart(size, tail);
    const footer = await readAt(file, start, size - PARQUET_TAIL_BYTES - start);
    return { path, rows, footer, bodyBytes: start - PARQUET_MAGIC.length };
  } finally {
    await file.close();
  }
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(length), position });
  assert(bytesRead === length, 'a Parquet file ends early');
  return buffer;
}

async function writeJoined(path: string, parts: readonly Part[]): Promise<WrittenFile> {
  const hash = createHash('sha256');
  const target = await open(path, 'wx');
  let bytes = 0;
  const put = async (piece: Buffer) => {
    hash.update(piece);
    await target.writeFile(piece);
    bytes += piece.length;
  };
  try {
    await put(PARQUET_MAGIC);
    for (const { path: from, bodyBytes } of parts) {
      const start = PARQUET_MAGIC.length;
      for await (const piece of createReadStream(from, { start, end: start + bodyBytes - 1 }))
        await put(piece as Buffer);
    }
    await put(joinedTail(parts));
  } finally {
    await target.close();
  }
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  return { path, rows, bytes, sha256: hash.digest('hex') };
}

/** What the window says of files of one combination of partition values. */
export function filesOf(
  { table, name }: CompiledOutput,
  { values, openedMs }: { readonly values: PartitionValues; readonly openedMs: number },
  written: readonly WrittenFile[],
): OutputFile[] {
  const { extension } = fileFormat(table);
  const partition = table.partitionBy.map((spec, i) => ({
    column: spec.column,
    value: spec.kind === 'ingest' ? spellTime(spec, openedMs) : (values[i] ?? null),
  }));
  return written.map((file) => ({ output: name, index: 0, partition, extension, ...file }));
}
