// How a table is: whether it is ready, waits for something that may pass, is parked until a human acts, or is
// halted for good. Every call to the store or the catalog runs under `retrying`, which waits through what may
// pass. What a human must end is tried again ever more rarely, between named bounds, and at once when told.
import type { Clock } from '@sluice/shared/clock.ts';
import { describeError, isKind } from '@sluice/shared/errors.ts';
import type { Random } from '@sluice/shared/random.ts';
import type { TableWriterStatus } from '../contracts.ts';
import type { Events } from '../events.ts';
import type { Parking } from '../table-upkeep.ts';

/** For what may pass by itself. Each wait is drawn from the upper half of its length. */
const RETRY_MS_MIN = 200;
const RETRY_MS_MAX = 30_000;
/** For what somebody has to correct: the same. */
export const PARKED_RETRY_MS_MIN = 5_000;
export const PARKED_RETRY_MS_MAX = 120_000;

export interface ConditionOptions {
  readonly table: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Events;
  /** Ends every wait. */
  readonly signal: AbortSignal;
  /** Called when the state is another one. */
  readonly onStateMoved?: () => void;
}

export class TableCondition {
  readonly #options: ConditionOptions;
  #state: TableWriterStatus['state'] = 'loading';
  #reason: string | undefined;
  #sinceMs: number;
  #haltedBy: unknown;
  #loaded = false;
  /** Calls that wait for the store or the catalog now. */
  #waiting = 0;
  /** Ends the waits of now, and no later ones. */
  #hurry = new AbortController();

  constructor(options: ConditionOptions) {
    this.#options = options;
    this.#sinceMs = options.clock.wallMs();
  }

  status(): Pick<TableWriterStatus, 'state' | 'reason' | 'sinceMs'> {
    return { state: this.#state, reason: this.#reason, sinceMs: this.#sinceMs };
  }

  loaded(): void {
    this.#loaded = true;
    this.#enter('ready', undefined);
  }

  /** Throws what halted the table, or that it is closed. */
  check(): void {
    this.#options.signal.throwIfAborted();
    if (this.#state === 'halted') throw this.#haltedBy;
  }

  /**
   * Waits through failures that may pass ('retry') and those that a human ends ('reject'); others end the
   * call.
   */
  async retrying<T>(doing: string, task: () => Promise<T>): Promise<T> {
    let waits = false;
    const delays = { waiting: RETRY_MS_MIN, parked: PARKED_RETRY_MS_MIN };
    try {
      for (;;) {
        this.check();
        try {
          return await task();
        } catch (error) {
          const reason = `${doing}: ${describeError(error)}`;
          if (isKind(error, 'halt')) this.halt(error, reason);
          if (!isKind(error, 'reject') && !isKind(error, 'retry')) throw error;
          if (!waits) this.#waiting++;
          waits = true;
          await this.#wait(isKind(error, 'reject') ? 'parked' : 'waiting', reason, delays);
        }
      }
    } finally {
      if (waits) this.#waitEnded();
    }
  }

  #waitEnded(): void {
    if (--this.#waiting === 0 && this.#state !== 'halted')
      this.#enter(this.#loaded ? 'ready' : 'loading', undefined);
  }

  /** For who stands before the writer and cannot go on until somebody helps. */
  park(): Parking {
    const delays = { waiting: RETRY_MS_MIN, parked: PARKED_RETRY_MS_MIN };
    let [waits, over] = [false, false];
    return {
      wait: async (reason) => {
        if (!waits) this.#waiting++;
        waits = true;
        await this.#wait('parked', reason, delays);
      },
      untilTold: () => {
        const { signal } = this.#options;
        const told = AbortSignal.any([signal, this.#hurry.signal]);
        if (told.aborted) return Promise.resolve();
        return new Promise((resolve) => told.addEventListener('abort', () => resolve(), { once: true }));
      },
      end: () => {
        if (waits && !over) this.#waitEnded();
        over = true;
      },
    };
  }

  /** What waits is tried now. */
  retryNow(): void {
    const hurry = this.#hurry;
    this.#hurry = new AbortController();
    hurry.abort();
  }

  halt(error: unknown, reason: string): void {
    if (this.#state === 'halted') return;
    this.#haltedBy = error;
    this.#enter('halted', reason);
    this.#options.events.tableHalted({ table: this.#options.table, reason });
  }

  /** Each time twice as long as the time before, up to the bound of its kind. */
  async #wait(
    state: 'waiting' | 'parked',
    reason: string,
    delays: { waiting: number; parked: number },
  ): Promise<void> {
    const { clock, random, events, signal, table } = this.#options;
    const waitMs = delays[state] * (0.5 + random.fraction() / 2);
    delays[state] = Math.min(delays[state] * 2, state === 'parked' ? PARKED_RETRY_MS_MAX : RETRY_MS_MAX);
    if (this.#state !== 'halted') this.#enter(state, reason);
    events.tableWaits({ table, state, reason, retryMs: Math.round(waitMs) });
    await clock.sleep(waitMs, AbortSignal.any([signal, this.#hurry.signal]));
  }

  #enter(state: TableWriterStatus['state'], reason: string | undefined): void {
    const moved = state !== this.#state;
    if (moved) this.#sinceMs = this.#options.clock.wallMs();
    this.#state = state;
    this.#reason = reason;
    if (moved) this.#options.onStateMoved?.();
  }
}
