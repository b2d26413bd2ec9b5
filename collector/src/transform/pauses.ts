// Long work on a thread that others wait for as well: it stands back for a moment now and then, so that what
// comes from DuckDB meanwhile is heard, and its next statement begins.
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '@sluice/shared/clock.ts';

/** Work in one piece; DuckDB may stand still for about so long. */
const WORK_MS = 0.25;

export class Pauses {
  readonly #clock: Clock;
  #sinceMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sinceMs = clock.monotonicMs();
  }

  /** Resolves with how long others had the thread, in ms: 0 where it was not their turn yet. */
  async now(): Promise<number> {
    const before = this.#clock.monotonicMs();
    if (before - this.#sinceMs < WORK_MS) return 0;
    await setImmediate();
    this.#sinceMs = this.#clock.monotonicMs();
    return this.#sinceMs - before;
  }
}
