// Chunks of a window into DuckDB, each on a connection that is free, and counted in the order they came. SQL
// works on as many as it has places for, the next one waits with its bytes in place, and a chunk that cannot
// go straight into a file is staged when all before it are done.
import type { Clock } from '@sluice/shared/clock.ts';
import type { ColumnChunk } from './columns.ts';
import type { Database } from './duckdb.ts';
import { setKeys } from './key-files.ts';
import type { Places } from './places.ts';
import type { CompiledTable } from './sql/compile.ts';
import type { FieldPlan } from './sql/fields.ts';
import type { InsertForm } from './sql/steps/step.ts';
import type { StraightChunk, StraightRows } from './straight-rows.ts';

/** Chunks of one window in DuckDB at once: their memory. More would outrun the one thread that decodes. */
const CHUNKS_AT_ONCE = 2;

export interface InsertParts {
  /** Where rows are staged. */
  readonly database: Database;
  readonly straight: StraightRows;
  readonly compiled: CompiledTable;
  readonly plan: FieldPlan;
  readonly clock: Clock;
  /** Of the long statements, each of which takes a thread: shared by all windows. */
  readonly statements: Places;
}

interface InsertedChunk extends StraightChunk {
  /** Records are numbered from here on: how many the window had before. */
  readonly firstId: number;
}

interface Lane {
  readonly database: Database;
  /** The end of the chunk it has; rejects where that one failed. */
  over: Promise<void>;
}

export class ChunkInserts {
  readonly #parts: InsertParts;
  /** The one that stages. */
  readonly #first: Lane;
  /** Those that only write straight. */
  readonly #beside: Lane[] = [];
  #turn = 0;
  /** The end of the last chunk, and so of all. */
  #last: Promise<void> = Promise.resolve();
  /** The end of what was given to the first connection beside a chunk of its own. */
  #aside: Promise<unknown> = Promise.resolve();
  /** The fastest one first; each is correct for what the one before fails on. */
  readonly #forms: InsertForm[];
  /** Of all chunks, which overlap. */
  sqlMs = 0;
  /** For their turns, and for the chunks before them. */
  waitMs = 0;

  constructor(parts: InsertParts) {
    this.#parts = parts;
    this.#first = { database: parts.database, over: this.#last };
    this.#forms = parts.plan.mayThrow ? ['clean', 'checked', 'guarded'] : ['clean', 'checked'];
  }

  async open(): Promise<void> {
    const { database, straight, compiled, plan } = this.#parts;
    await straight.open(database);
    if (compiled.straight === undefined) return;
    for (let i = 0; i < CHUNKS_AT_ONCE; i++) {
      const another = await database.beside();
      await setKeys(another, plan.keyFiles);
      await straight.open(another);
      this.#beside.push({ database: another, over: this.#last });
    }
  }

  /** Resolves once DuckDB has the chunk's bytes; SQL works on them while the next chunk is decoded. */
  async add(chunk: ColumnChunk, how: Omit<InsertedChunk, 'rows'>): Promise<void> {
    const taken = { ...how, rows: chunk.rows };
    const lane = this.#laneFor(taken);
    await (lane === this.#first ? this.settled() : lane.over);
    await lane.database.appendChunk(chunk);
    lane.over = this.#insert(lane, taken, this.#last);
    lane.over.catch(() => {});
    this.#last = lane.over;
  }

  /** All chunks are written or staged, or this rejects; nothing runs any more then. */
  settled(): Promise<void> {
    return this.#last;
  }

  /** Runs something on the connection that stages while no chunk is on it. */
  async aside(task: (database: Database) => Promise<void>): Promise<void> {
    await this.#first.over;
    await this.#alone(task);
  }

  #laneFor(chunk: InsertedChunk): Lane {
    if (!this.#parts.straight.takesAtOnce(chunk)) return this.#first;
    return this.#beside[this.#turn++ % this.#beside.length] ?? this.#first;
  }

  async #insert(lane: Lane, chunk: InsertedChunk, before: Promise<void>): Promise<void> {
    const { straight } = this.#parts;
    const planned = await this.#timed('sqlMs', () => straight.plan(chunk, lane.database));
    const part = await this.#inTurn(() => straight.write(chunk, lane.database, planned));
    await this.#timed('waitMs', () => before);
    if (await this.#timed('sqlMs', () => straight.keep(part, lane.database))) return;
    await this.#alone(async (database) => {
      if (lane !== this.#first) await database.takeRaw(lane.database);
      await this.#inTurn(() => this.#insertInForm(chunk));
      await database.emptyRaw();
    });
  }

  async #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const { clock, statements } = this.#parts;
    const askedMs = clock.monotonicMs();
    return await statements.use(() => {
      this.waitMs += clock.monotonicMs() - askedMs;
      return this.#timed('sqlMs', task);
    });
  }

  async #timed<T>(as: 'sqlMs' | 'waitMs', task: () => Promise<T>): Promise<T> {
    const { clock } = this.#parts;
    const startedMs = clock.monotonicMs();
    const made = await task();
    this[as] += clock.monotonicMs() - startedMs;
    return made;
  }

  async #alone(task: (database: Database) => Promise<void>): Promise<void> {
    const run = this.#aside.then(() => task(this.#first.database));
    this.#aside = run.catch(() => {});
    await run;
  }

  /**
   * What is plain is read with care only where that fails; then it says little of others. A form that failed
   * is not tried again in this window: where one value is malformed others will be. Once rows are staged
   * there is no other try: they would be there twice.
   */
  async #insertInForm(chunk: InsertedChunk): Promise<void> {
    const { compiled, database } = this.#parts;
    let { isPlain = false } = chunk;
    for (;;) {
      const [form = 'guarded', next] = this.#forms;
      isPlain &&= form === 'clean';
      let hasStaged = false;
      try {
        for (const sql of compiled.insertStaged(form, { ...chunk, isPlain })) {
          await database.run(sql);
          hasStaged ||= sql.startsWith('INSERT');
        }
        return;
      } catch (error) {
        if ((next === undefined && !isPlain) || hasStaged) throw error;
        if (isPlain) isPlain = false;
        else this.#forms.shift();
      }
    }
  }
}
