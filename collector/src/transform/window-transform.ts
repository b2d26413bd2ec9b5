// One window through DuckDB: segments are decoded while the chunk before is in SQL, then the good rows and
// the bad ones are written as files. Nothing leaves but files below the request's own directory and counts
// that must add up.
import { join } from 'node:path';
import type { Clock } from '@sluice/shared/clock.ts';
import { assert, SluiceError } from '@sluice/shared/errors.ts';
import { partitionKey } from '@sluice/shared/position.ts';
import { systemRandom } from '@sluice/shared/random.ts';
import type {
  Classes,
  OutputFile,
  QuarantinedBatch,
  StagedSegment,
  TableConfig,
  TransformResult,
} from '../contracts.ts';
import { outputTable } from '../lake/object-keys.ts';
import { spellTime } from '../time-spelling.ts';
import { ChunkInserts } from './chunk-inserts.ts';
import { ColumnChunk } from './columns.ts';
import { contradictionsIn } from './contradictions.ts';
import { converterOf } from './converters.ts';
import { copyToFiles } from './copy-to-files.ts';
import {
  type CorruptRun,
  corruptBatch,
  corruptRest,
  isUnreadable,
  type PayloadPiece,
  piecesOf,
} from './corrupt-batches.ts';
import { type SchemaParts, SchemaWanted, WindowSchemas } from './decode/schemas.ts';
import { type Database, openDatabase } from './duckdb.ts';
import type { WrittenFile } from './joined-files.ts';
import { JsonLook } from './json-look.ts';
import { setKeys } from './key-files.ts';
import { fetchNamed } from './named-schemas.ts';
import { type PartitionRows, partitionRows } from './partition-rows.ts';
import { Pauses } from './pauses.ts';
import type { Places } from './places.ts';
import { assertWithinBudget } from './quarantine-budget.ts';
import { textsOf } from './record-texts.ts';
import { loadReferences, type ReferenceCopies } from './references.ts';
import { type CompiledTable, compileTable, type Marks } from './sql/compile.ts';
import { type FieldPlan, planFields } from './sql/fields.ts';
import { fileFormat, rowGroupOptions } from './sql/file-format.ts';
import type { CompiledOutput } from './sql/outputs.ts';
import type { StatementWatch, StatementWatches } from './statement-watch.ts';
import { filesOf, StraightRows } from './straight-rows.ts';
import { type WindowNews, windowNews } from './window-news.ts';

export interface TransformLimits {
  readonly memoryBytesMax: number;
  readonly threads: number;
}

/** What a window is made with; schemas are shared by all of a process. */
export interface WindowParts extends SchemaParts {
  readonly limits: TransformLimits;
  readonly clock: Clock;
  /** As many as threads; shared by all windows of a process. */
  readonly statements: Places;
  readonly watches: StatementWatches;
}

export interface WindowRequest {
  /** Its statements take no turns: they may run until they are ended. */
  readonly isSlow?: boolean;
  readonly references: ReferenceCopies;
  readonly table: TableConfig;
  readonly openedMs: number;
  readonly directory: string;
}

interface Opened {
  readonly database: Database;
  readonly watch: StatementWatch;
  readonly plan: FieldPlan;
}

/** Drawn per process: a value cannot contain what nobody could foresee. */
const unforeseeable = () => Buffer.from(systemRandom.hex(6), 'hex').toString('base64');
export const marks: Marks = {
  separator: `\u001e${unforeseeable()}`,
  nullMark: `null-${unforeseeable()}`,
  elementMark: `\u001e${unforeseeable()}`,
};

/** Combinations of partition values up to which reading all rows for each is the quicker way. */
const PARTITIONS_SCANNED_MAX = 16;

export class WindowTransform {
  readonly #request: WindowRequest;
  readonly #clock: Clock;
  readonly #pauses: Pauses;
  readonly #database: Database;
  readonly #watch: StatementWatch;
  readonly #compiled: CompiledTable;
  readonly #chunk: ColumnChunk;
  readonly #look: JsonLook | undefined;
  readonly #news: WindowNews | undefined;
  readonly #straight: StraightRows;
  readonly #records = new Map<string, number>();
  readonly #inserts: ChunkInserts;
  readonly #statements: Places;
  readonly #corrupt: QuarantinedBatch[] = [];
  readonly #brokenRules: { output: string; rule: string; rows: number }[] = [];
  #staged = 0;
  #odd = 0;
  #filtered = 0;
  readonly #schemas: WindowSchemas;
  #decodeMs = 0;
  #sqlMs = 0;
  #waitMs = 0;

  private constructor(request: WindowRequest, parts: WindowParts & Opened) {
    const { table } = request;
    const { database, plan, clock } = parts;
    this.#schemas = new WindowSchemas(parts);
    this.#request = request;
    this.#clock = clock;
    this.#pauses = new Pauses(clock);
    this.#database = database;
    this.#watch = parts.watch;
    this.#compiled = compileTable(table, plan, marks);
    this.#straight = new StraightRows({
      ...{ table, database, compiled: this.#compiled, directory: request.directory },
    });
    this.#statements = parts.statements;
    this.#inserts = new ChunkInserts({
      ...{ database, plan, clock, compiled: this.#compiled, straight: this.#straight },
      statements: parts.statements,
    });
    this.#news = windowNews(table, this.#schemas);
    const elementMark = Buffer.from(marks.elementMark);
    this.#chunk = new ColumnChunk({
      separator: Buffer.from(marks.separator),
      nullMark: Buffer.from(marks.nullMark),
      keys: this.#compiled.needsKeys,
      headers: this.#compiled.needsHeaders,
      text: table.input.kind !== 'bytes',
      convert: converterOf(table, { schemas: this.#schemas, elementMark }),
      tombstones: table.record.tombstones,
      ...textsOf(table.record),
      originals: this.#compiled.needsOriginals,
    });
    if (table.input.kind === 'json') this.#look = new JsonLook(this.#chunk, plan, marks);
  }

  static async open(request: WindowRequest, parts: WindowParts): Promise<WindowTransform> {
    const plan = planFields(request.table);
    const [first] = plan.problems;
    if (first !== undefined) throw new SluiceError('TRANSFORM_FAILED', first, { place: request.table.name });
    const watch = parts.watches.of(request.table.name, request.table.transformTimeoutMs);
    const database = await openDatabase({
      watch,
      directories: [request.directory],
      spillDirectory: join(request.directory, 'spill'),
      memoryBytesMax: parts.limits.memoryBytesMax,
      // Each statement brings a thread; one more of DuckDB's own costs a third more CPU.
      threads: Math.max(1, parts.limits.threads - 1),
    });
    try {
      await setKeys(database, plan.keyFiles);
      await loadReferences(database, plan.references, {
        directory: request.directory,
        copies: request.references,
      });
      const transform = new WindowTransform(request, { ...parts, database, watch, plan });
      for (const sql of transform.#compiled.createStaged) await database.run(sql);
      await transform.#inserts.open();
      return transform;
    } catch (error) {
      watch.whenEnded(() => database.close());
      throw error;
    }
  }

  /** Decodes a segment; resolves when there is room for the next. */
  async add(staged: StagedSegment): Promise<void> {
    const { segment, fromOffset } = staged;
    let started = this.#clock.monotonicMs();
    const key = partitionKey(segment);
    let decoded = 0;
    let nextOffset = fromOffset;
    this.#chunk.beginPart(segment.partition, segment.topic);
    this.#schemas.from = segment;
    for (const piece of piecesOf(segment)) {
      const read = await this.#readWithSchemas(staged, piece, { told: decoded, nextOffset });
      decoded += typeof read === 'number' ? read : read.records;
      if (typeof read !== 'number') await this.#quarantine(staged, read);
      if (piece.kind === 'batch') nextOffset = piece.header.lastOffset + 1;
      this.#look?.more();
      started += await this.#pauses.now();
      if (!this.#chunk.isFull()) continue;
      this.#decodeMs += this.#clock.monotonicMs() - started;
      await this.#insertChunk(false);
      started = this.#clock.monotonicMs();
      this.#chunk.beginPart(segment.partition, segment.topic);
    }
    this.#decodeMs += this.#clock.monotonicMs() - started;
    this.#records.set(key, (this.#records.get(key) ?? 0) + decoded);
  }

  /** A batch whose schemas are not all here is read again when the missing ones came. */
  async #readWithSchemas(
    staged: StagedSegment,
    piece: PayloadPiece,
    so: { readonly told: number; readonly nextOffset: number },
  ): Promise<number | CorruptRun> {
    for (;;) {
      try {
        return this.#read(staged, piece, so);
      } catch (error) {
        if (!(error instanceof SchemaWanted)) throw error;
        const range = { fromOffset: staged.fromOffset, nextOffset: staged.segment.nextOffset };
        await fetchNamed(this.#request.table, this.#schemas, { piece, range });
        this.#schemas.from = staged.segment;
      }
    }
  }

  /** Records that went into the chunk, or what cannot be read. */
  #read(
    staged: StagedSegment,
    piece: PayloadPiece,
    so: { readonly told: number; readonly nextOffset: number },
  ): number | CorruptRun {
    if (piece.kind === 'rest') return corruptRest(staged, piece, so);
    const range = { fromOffset: staged.fromOffset, nextOffset: staged.segment.nextOffset };
    try {
      return this.#chunk.appendBatch(piece.bytes, piece.header, range);
    } catch (error) {
      if (isUnreadable(error)) return corruptBatch(staged, piece, error);
      throw error;
    }
  }

  async #quarantine({ segment }: StagedSegment, run: CorruptRun): Promise<void> {
    const { startOffset, records, code, reason } = run;
    await this.#inserts.aside((database) => database.appendCorrupt(run));
    this.#odd += records;
    const { topic, partition } = segment;
    this.#corrupt.push({ topic, partition, startOffset, records, code, reason });
  }

  /** Hands the chunk over and returns while SQL works on it: the next one is decoded meanwhile. */
  async #insertChunk(isLast: boolean): Promise<void> {
    this.#news?.look(this.#chunk);
    const reading = this.#look?.end() ?? { exactText: false, isPlain: false };
    const { odd, rows, filtered } = this.#chunk;
    if (odd.length > 0) await this.#inserts.aside((database) => database.appendOdd(odd));
    this.#odd += odd.length;
    const isWhole = odd.length === 0;
    const how = { ...reading, isWhole, isLast, firstId: this.#staged };
    if (rows > 0) await this.#inserts.add(this.#chunk, how);
    this.#staged += rows;
    this.#filtered += filtered;
    this.#chunk.reset();
  }

  async finish(): Promise<TransformResult> {
    await this.#insertChunk(true);
    await this.#inserts.settled();
    const started = this.#clock.monotonicMs();
    for (const output of this.#compiled.outputs) await this.#runWindowWise(output);
    const classes = await this.#classes();
    assertWithinBudget(this.#request.table, classes);
    const { schema } = this.#request.table;
    const partitions = await partitionRows(this.#database, this.#compiled.outputs, this.#request.table);
    const files: OutputFile[] = [];
    for (const [i, output] of this.#compiled.outputs.entries())
      files.push(...(await this.#writeRows(output, partitions[i] ?? [])));
    files.push(...(await this.#writeQuarantine(classes.quarantined)));
    this.#sqlMs += this.#clock.monotonicMs() - started;
    return {
      files: files.map((file, index) => ({ ...file, index })),
      classes,
      recordsPerPartition: this.#records,
      nulled: await this.#nulled(),
      brokenRules: this.#brokenRules,
      news: this.#news?.news(),
      contradictions: schema === undefined ? undefined : await contradictionsIn(this.#database),
      corrupt: this.#corrupt,
      decodeMs: Math.round(this.#decodeMs),
      sqlMs: Math.round(this.#inserts.sqlMs + this.#sqlMs - this.#waitMs),
      waitMs: Math.round(this.#inserts.waitMs + this.#waitMs),
    };
  }

  async #classes(): Promise<Classes> {
    const [row] = await this.#database.rows(this.#compiled.countRecords);
    const [odd] = await this.#database.rows('SELECT count(*) AS n FROM odd');
    assert(Number(odd?.['n']) === this.#odd, 'records set aside went missing');
    const [good, emitted] = [Number(row?.['good']), Number(row?.['emitted'])];
    const classes = {
      in: [...this.#records.values()].reduce((a, b) => a + b, 0),
      emitted: emitted + this.#straight.records,
      merged: good - emitted,
      filtered: Number(row?.['filtered']) + this.#filtered + this.#straight.filtered,
      quarantined: Number(row?.['quarantined']) + this.#odd,
    };
    assert(
      classes.emitted + classes.merged + classes.filtered + classes.quarantined === classes.in &&
        (classes.merged === 0 || this.#compiled.outputs.some(({ merges }) => merges)),
      `${this.#request.table.name}: ${JSON.stringify(classes)} do not add up`,
    );
    return classes;
  }

  async #runWindowWise({ name, windowWise }: CompiledOutput): Promise<void> {
    for (const statement of windowWise) {
      const [row] = await this.#database.rows(statement.sql);
      if (statement.rule === undefined) {
        const { asserts } = statement;
        if (asserts !== undefined && row?.['holds'] !== true)
          throw new SluiceError('TRANSFORM_FAILED', asserts, { place: this.#request.table.name });
        continue;
      }
      const rows = Number(Object.values(row ?? {})[0] ?? 0);
      if (rows === 0) continue;
      const { rule, action } = statement;
      const place = outputTable(this.#request.table, name);
      if (action === 'fail')
        throw new SluiceError('DATA_QUALITY_FAILED', `${rule}: ${rows} rows break this`, { place });
      this.#brokenRules.push({ output: name, rule, rows });
    }
  }

  async #nulled(): Promise<TransformResult['nulled']> {
    const { countNulled } = this.#compiled;
    if (countNulled === undefined) return [];
    const rows = await this.#database.rows(countNulled);
    return rows.map((row) => ({ column: String(row['name']), values: Number(row['n']) }));
  }

  async #writeRows(output: CompiledOutput, combinations: PartitionRows): Promise<OutputFile[]> {
    const { table, name } = output;
    const { openedMs } = this.#request;
    const { extension, options } = fileFormat(table);
    const files: OutputFile[] = [];
    const placed = combinations.length > PARTITIONS_SCANNED_MAX;
    if (placed) await this.#database.run(output.placeRows);
    for (const [i, row] of combinations.entries()) {
      const expected = Number(row['n'] ?? 0);
      if (expected === 0) continue;
      const values = table.partitionBy.map((_spec, column) => (row[`p${column}`] ?? null) as string | null);
      const select = placed ? output.selectPlaced(i + 1) : output.selectRows(values);
      const written = await this.#copy(select, `${name}-${i}.${extension}`, options);
      const rows = written.reduce((sum, file) => sum + file.rows, 0);
      assert(rows === expected, `${rows} rows written where ${expected} were staged`);
      const all = this.#straight.holds(values) ? await this.#straight.join(written) : written;
      files.push(...filesOf(output, { values, openedMs }, all));
    }
    const { values } = this.#straight;
    if (values !== undefined)
      files.push(...filesOf(output, { values, openedMs }, await this.#straight.join([])));
    return files;
  }

  async #writeQuarantine(expected: number): Promise<OutputFile[]> {
    if (expected === 0) return [];
    const [file] = await this.#copy(
      this.#compiled.selectQuarantine,
      'quarantine.parquet',
      rowGroupOptions({ kind: 'parquet', compression: 'zstd' }),
    );
    assert(file !== undefined, 'a COPY wrote no file');
    assert(file.rows === expected, `${file.rows} records quarantined where ${expected} failed`);
    const partition = [{ column: 'ingest_day', value: spellTime({ by: 'day' }, this.#request.openedMs) }];
    return [{ output: 'quarantine', index: 0, partition, extension: 'parquet', ...file }];
  }

  #copy(select: string, name: string, options: string): Promise<WrittenFile[]> {
    const askedMs = this.#clock.monotonicMs();
    return this.#statements.use(() => {
      this.#waitMs += this.#clock.monotonicMs() - askedMs;
      return copyToFiles(this.#database, { select, path: join(this.#request.directory, name), options });
    });
  }

  async close(): Promise<void> {
    await this.#inserts.settled().catch(() => {});
    await this.#straight.settled();
    this.#watch.whenEnded(() => this.#database.close());
    this.#chunk.free();
  }
}
