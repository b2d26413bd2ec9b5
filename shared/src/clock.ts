// The only file that reads time or sets timers. Everything else takes a Clock, so that a 100 s window
// tests in a millisecond and a simulation owns all time.

/** Cancels a timer; repeating it is harmless. */
export type Cancel = () => void;

export interface Clock {
  /**
   * Wall time in ms since the epoch: for humans, partitions and log lines. Never for safety or for durations.
   */
  wallMs(): number;
  /** Monotonic time in ms, from an arbitrary origin: for durations. */
  monotonicMs(): number;
  /** Runs `task` once after `delayMs`. */
  after(delayMs: number, task: () => void): Cancel;
  /** Resolves after `delayMs`, or at once when `signal` aborts (it never rejects). */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

/** Resolves with `work`, or after `delayMs` without it; rejects as `work` does before that. */
export async function within(clock: Clock, delayMs: number, work: Promise<unknown>): Promise<void> {
  const over = new AbortController();
  try {
    await Promise.race([work, clock.sleep(delayMs, over.signal)]);
  } finally {
    over.abort();
  }
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, task) {
    const timer = setTimeout(task, delayMs);
    return () => clearTimeout(timer);
  },
  sleep(delayMs, signal) {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, delayMs);
      signal?.addEventListener('abort', done, { once: true });
    });
  },
};
