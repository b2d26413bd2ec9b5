// Good rows of large chunks, and of the last one, written as they come: each is a Parquet file of its own at
// first, and in the end their row groups stand behind each other in as few objects as the table asks for. A
// chunk with anything else - a record for the quarantine, a second partition, a value that is not JSON - is
// refused, and the window stages it instead.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { assert } from '@sluice/shared/errors.ts';
import type { OutputFile, TableConfig } from '../contracts.ts';
import { spellTime } from '../time-spelling.ts';
import type { Database, PreparedStatement } from './duckdb.ts';
import { JoinedFiles, type WrittenFile, type WrittenPart } from './joined-files.ts';
import type { CompiledTable } from './sql/compile.ts';
import { evenGroupOptions, fileFormat } from './sql/file-format.ts';
import type { CompiledOutput } from './sql/outputs.ts';
import type { StraightReading } from './sql/straight.ts';
import { literal } from './sql/types.ts';

/** Smaller chunks would make row groups that nobody wants to read; the last one is such a group anyway. */
const ROWS_MIN = 8_192;

export type PartitionValues = readonly (string | null)[];

export interface StraightOptions {
  readonly table: TableConfig;
  readonly directory: string;
  readonly database: Database;
  readonly compiled: CompiledTable;
}

/** What of a chunk matters here. */
export interface StraightChunk extends StraightReading {
  readonly rows: number;
  /** No chunk of the window comes behind it. */
  readonly isLast: boolean;
}

/** DuckDB has planned it, and done nothing of it. */
export interface PlannedCopy {
  readonly statement: PreparedStatement;
  readonly path: string;
  readonly isPlain: boolean;
}

interface Counted {
  readonly filtered: number;
  readonly emitted: number;
}

export class StraightRows {
  readonly #options: StraightOptions;
  readonly #joined: JoinedFiles;
  #hasRows = false;
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
    const bytesMax = table.output.kind === 'parquet' ? table.output.objectBytes : undefined;
    this.#joined = new JoinedFiles(options.directory, bytesMax ?? Infinity);
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
  takesAtOnce(chunk: StraightChunk): boolean {
    return this.#values !== undefined && this.#takes(chunk);
  }

  #takes({ rows, isLast }: StraightChunk): boolean {
    if (this.#over || this.#options.compiled.straight === undefined) return false;
    return rows >= ROWS_MIN || (isLast && this.#values !== undefined);
  }

  /**
   * Plans the statement of a chunk that `takesAtOnce`, which takes DuckDB as long as it runs for a thousand
   * records and more: while another runs. Undefined where there is nothing to plan, or it cannot be.
   */
  async plan(chunk: StraightChunk, database: Database): Promise<PlannedCopy | undefined> {
    if (!this.takesAtOnce(chunk)) return undefined;
    const isPlain = chunk.isPlain === true && this.#readsPlain;
    return await this.#plan({ ...chunk, isPlain }, database).catch(() => undefined);
  }

  /** Writes what lies in `raw`; nothing is decided yet. Undefined where it does not try. */
  async write(
    chunk: StraightChunk,
    database: Database,
    planned?: PlannedCopy,
  ): Promise<WrittenPart | 'refused' | undefined> {
    if (this.#takes(chunk)) return await this.#copy(chunk, database, planned);
    planned?.statement.close();
    return undefined;
  }

  /**
   * Counts what was written and empties `raw`, or says false: then nothing was written, and nothing more is
   * taken here. It is for after the chunk before: where that one was staged this one is, too, or its rows
   * would stand before those of the other.
   */
  async keep(part: WrittenPart | 'refused' | undefined, database: Database): Promise<boolean> {
    const { straight } = this.#options.compiled;
    // A short one is staged though the next might have gone straight.
    this.#over ||= part === 'refused' || (part === undefined && this.#values !== undefined);
    if (part === 'refused' || part === undefined || straight === undefined) return false;
    if (this.#over) {
      await rm(part.path);
      return false;
    }
    this.#keep(part);
    const [row] = await database.emptyRaw(straight.count);
    const { filtered, emitted } = this.#countedSince(database, row);
    this.filtered += filtered;
    this.records += straight.isPlural ? emitted : part.rows;
    return true;
  }

  #countedSince(database: Database, row: Record<string, unknown> | undefined): Counted {
    const now = { filtered: Number(row?.['filtered']), emitted: Number(row?.['emitted']) };
    const last = this.#counted.get(database) ?? { filtered: 0, emitted: 0 };
    this.#counted.set(database, now);
    return { filtered: now.filtered - last.filtered - 1, emitted: now.emitted - last.emitted - 1 };
  }

  #keep(part: WrittenPart): void {
    this.#hasRows = true;
    this.#joined.add(part);
  }

  /** Undefined where it is too early. */
  async #copy(
    chunk: StraightChunk,
    database: Database,
    planned: PlannedCopy | undefined,
  ): Promise<WrittenPart | 'refused' | undefined> {
    const { straight } = this.#options.compiled;
    this.#values ??= await this.#takeStaged();
    if (this.#values === undefined || straight === undefined) return undefined;
    const readings = chunk.isPlain === true && this.#readsPlain ? [true, false] : [false];
    // Of a reading that has failed for another chunk meanwhile.
    if (planned?.isPlain !== readings[0]) planned?.statement.close();
    for (const isPlain of readings)
      try {
        const isPlanned = planned?.isPlain === isPlain;
        return await this.#run(isPlanned ? planned : await this.#plan({ ...chunk, isPlain }, database));
      } catch {
        this.#readsPlain &&= !isPlain;
        // What it has counted does not count.
        if (isPlain) this.#countedSince(database, (await database.rows(straight.count))[0]);
      }
    return 'refused';
  }

  async #plan(chunk: StraightChunk, database: Database): Promise<PlannedCopy> {
    const { straight } = this.#options.compiled;
    assert(straight !== undefined && this.#values !== undefined, 'a chunk that is not taken was planned');
    const { isPlain = false, rows } = chunk;
    return { ...(await this.#planCopy(straight.select(this.#values, chunk), rows, database)), isPlain };
  }

  async #planCopy(select: string, expected: number, database: Database) {
    const { directory, table } = this.#options;
    const options = table.output.kind === 'parquet' ? evenGroupOptions(table.output, expected) : '';
    const path = join(directory, `straight-${this.#named++}.parquet`);
    return { path, statement: await database.prepare(`COPY (${select}) TO ${literal(path)} (${options})`) };
  }

  async #run({ path, statement }: Omit<PlannedCopy, 'isPlain'>): Promise<WrittenPart> {
    try {
      const [written] = await statement.rows();
      return { path, rows: Number(written?.['Count']) };
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      statement.close();
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
    const part = await this.#run(await this.#planCopy(output.selectRows(values), Number(row['n']), database));
    assert(part.rows === Number(row['n']), `${part.rows} rows written where ${row['n']} were staged`);
    this.#keep(part);
    this.records += Number(counts?.['emitted']);
    this.filtered += Number(counts?.['filtered']);
    for (const sql of compiled.createStaged) await database.run(sql);
    return values;
  }

  /** Whether rows of these partition values were written here. */
  holds(values: PartitionValues): boolean {
    return this.#hasRows && JSON.stringify(values) === JSON.stringify(this.#values);
  }

  get values(): PartitionValues | undefined {
    return this.#hasRows ? this.#values : undefined;
  }

  /** All that was written here, and `staged` files of the same values behind it, as few files. */
  async join(staged: readonly WrittenFile[]): Promise<readonly WrittenFile[]> {
    for (const part of staged) this.#joined.add(part);
    this.#hasRows = false;
    return await this.#joined.end();
  }

  /** Nothing is written any more. */
  settled(): Promise<void> {
    return this.#joined.settled();
  }
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
