// How long each statement of a window, or of a check, may run: it is told to end after that, and nothing of
// its window runs any more. Time counts while it runs, and no more of it than the process had of the CPU: a
// machine that starves or sleeps ends nobody. One that does not heed is left behind, so that others go on.
import type { Clock } from '@sluice/shared/clock.ts';
import { SluiceError } from '@sluice/shared/errors.ts';

/** Where a table's config says nothing. */
export const STATEMENT_MS_MAX = 300_000;
/** What runs is looked at so often. */
const TICK_MS = 250;
/** DuckDB hears it between two vectors of rows: an expression that takes longer for one is left behind. */
const HEED_MS_MAX = 30_000;
/** Each holds a thread, of four that there are, and up to half of the transform's memory. */
const LEFT_BEHIND_MAX = 2;

export interface WatchParts {
  readonly clock: Clock;
  /** What the process has used of the CPU so far, in ms. */
  readonly cpuMs: () => number;
  readonly heedMsMax?: number;
}

interface Interruptible {
  interrupt(): void;
}

interface Running {
  readonly connection: Interruptible;
  /** Its own: a promise of all would keep what each statement answered until the window is over. */
  readonly left: PromiseWithResolvers<never>;
  usedMs: number;
  seenMs: number;
  seenCpuMs: number;
}

/** Of all windows of a process. */
export class StatementWatches {
  readonly #parts: WatchParts;
  readonly #watches = new Set<StatementWatch>();
  /** Their tables. */
  readonly #leftBehind = new Map<StatementWatch, string>();
  #stopped = false;

  constructor(parts: WatchParts) {
    this.#parts = parts;
  }

  /** TRANSFORM_TIMED_OUT while a statement of the table does not end: a second one would not, either. */
  of(table: string, msMax = STATEMENT_MS_MAX): StatementWatch {
    if ([...this.#leftBehind.values()].includes(table)) {
      const message = 'a statement that was told to end still runs; a restart of the collector ends it';
      throw new SluiceError('TRANSFORM_TIMED_OUT', message, { place: table });
    }
    const leave = (): boolean => {
      if (this.#leftBehind.size >= LEFT_BEHIND_MAX) return false;
      this.#leftBehind.set(watch, table);
      return true;
    };
    const watch: StatementWatch = new StatementWatch(this.#parts, {
      ...{ table, msMax, leave },
      closed: () => {
        this.#watches.delete(watch);
        this.#leftBehind.delete(watch);
      },
    });
    this.#watches.add(watch);
    if (this.#stopped) watch.stop();
    return watch;
  }

  /** Nothing runs any more, as far as it heeds. */
  stop(): void {
    this.#stopped = true;
    for (const watch of this.#watches) watch.stop();
  }
}

interface Watched {
  readonly table: string;
  readonly msMax: number;
  /** Whether what runs may be left behind. */
  readonly leave: () => boolean;
  readonly closed: () => void;
}

/** Of one window. */
export class StatementWatch {
  readonly #parts: WatchParts;
  readonly #watched: Watched;
  readonly #running = new Set<Running>();
  readonly #heedMsMax: number;
  #wasLeft = false;
  #failed: SluiceError | undefined;
  #cancelTick: (() => void) | undefined;
  #close: (() => void) | undefined;

  constructor(parts: WatchParts, watched: Watched) {
    this.#parts = parts;
    this.#watched = watched;
    this.#heedMsMax = parts.heedMsMax ?? HEED_MS_MAX;
  }

  /** Runs one statement. TRANSFORM_TIMED_OUT for it, and for all behind it. */
  async run<T>(connection: Interruptible, statement: () => Promise<T>): Promise<T> {
    if (this.#failed !== undefined) throw this.#failed;
    const left = Promise.withResolvers<never>();
    const running = { connection, left, usedMs: 0, ...this.#now() };
    this.#running.add(running);
    this.#tickLater();
    const ended = statement().finally(() => this.#ended(running));
    try {
      return await Promise.race([ended, left.promise]);
    } catch (error) {
      throw this.#failed ?? error;
    }
  }

  stop(): void {
    this.#failed ??= new SluiceError('TRANSFORM_FAILED', 'the collector stops');
    for (const { connection } of this.#running) connection.interrupt();
  }

  /** Runs `task` when no statement runs: now, or once those that were left behind have ended. */
  whenEnded(task: () => void): void {
    this.#close = () => {
      task();
      this.#watched.closed();
    };
    if (this.#running.size === 0) this.#close();
  }

  #now() {
    return { seenMs: this.#parts.clock.monotonicMs(), seenCpuMs: this.#parts.cpuMs() };
  }

  #tickLater(): void {
    this.#cancelTick ??= this.#parts.clock.after(TICK_MS, () => {
      this.#cancelTick = undefined;
      for (const running of this.#running) this.#look(running);
      this.#tickLater();
    });
  }

  #look(running: Running): void {
    const { seenMs, seenCpuMs } = this.#now();
    running.usedMs += Math.min(seenMs - running.seenMs, seenCpuMs - running.seenCpuMs);
    Object.assign(running, { seenMs, seenCpuMs });
    const { msMax, table, leave } = this.#watched;
    if (running.usedMs >= msMax)
      this.#failed ??= new SluiceError('TRANSFORM_TIMED_OUT', `a statement ran for ${msMax / 1_000} s`, {
        place: table,
      });
    if (this.#failed === undefined) return;
    // Again each time: one that begins another statement on its connection hears it then.
    running.connection.interrupt();
    if (this.#wasLeft || running.usedMs < msMax + this.#heedMsMax || !leave()) return;
    this.#wasLeft = true;
    for (const { left } of this.#running) left.reject(this.#failed);
  }

  #ended(running: Running): void {
    this.#running.delete(running);
    if (this.#running.size > 0) return;
    this.#cancelTick?.();
    this.#cancelTick = undefined;
    this.#close?.();
  }
}
