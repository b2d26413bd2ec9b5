// How a table is: whether it is ready, waits for something that may pass, is parked until a human acts, or is
// halted for good. Every call to the store or the catalog runs under `retrying`, which waits through what may
// pass.
import type { Clock } from '@sluice/shared/clock.ts';
import { describeError, isKind } from '@sluice/shared/errors.ts';
import type { Random } from '@sluice/shared/random.ts';
import type { TableWriterStatus } from '../contracts.ts';
import type { Events } from '../events.ts';

const RETRY_MS_MIN = 200;
const RETRY_MS_MAX = 30_000;

export interface ConditionOptions {
  readonly table: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Events;
  /** Ends every wait. */
  readonly signal: AbortSignal;
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
    const { clock, random, signal } = this.#options;
    let waits = false;
    try {
      for (let delayMs = RETRY_MS_MIN; ; delayMs = Math.min(delayMs * 2, RETRY_MS_MAX)) {
        this.check();
        try {
          return await task();
        } catch (error) {
          const reason = `${doing}: ${describeError(error)}`;
          if (isKind(error, 'halt')) this.halt(error, reason);
          const parked = isKind(error, 'reject');
          if (!parked && !isKind(error, 'retry')) throw error;
          if (!waits) this.#waiting++;
          waits = true;
          const waitMs = parked ? RETRY_MS_MAX : delayMs * (0.5 + random.fraction() / 2);
          this.#wait(parked ? 'parked' : 'waiting', reason, waitMs);
          await clock.sleep(waitMs, signal);
        }
      }
    } finally {
      if (waits && --this.#waiting === 0 && this.#state !== 'halted')
        this.#enter(this.#loaded ? 'ready' : 'loading', undefined);
    }
  }

  halt(error: unknown, reason: string): void {
    if (this.#state === 'halted') return;
    this.#haltedBy = error;
    this.#enter('halted', reason);
    this.#options.events.tableHalted({ table: this.#options.table, reason });
  }

  #wait(state: 'waiting' | 'parked', reason: string, waitMs: number): void {
    const { events, table } = this.#options;
    if (this.#state !== 'halted') this.#enter(state, reason);
    events.tableWaits({ table, state, reason, retryMs: Math.round(waitMs) });
  }

  #enter(state: TableWriterStatus['state'], reason: string | undefined): void {
    if (state !== this.#state) this.#sinceMs = this.#options.clock.wallMs();
    this.#state = state;
    this.#reason = reason;
  }
}
