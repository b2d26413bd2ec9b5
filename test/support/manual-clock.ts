// A clock that stands still until the test moves it. Timers run in order, and what they start may finish in
// between.
import type { Cancel, Clock } from '@sluice/shared/clock.ts';

export interface ManualClock extends Clock {
  /** Moves time forward; due timers run in order, promises settle after each. */
  advance(ms: number): Promise<void>;
  readonly timers: number;
}

export function manualClock(startMs = Date.UTC(2026, 0, 1)): ManualClock {
  let nowMs = 0;
  let timers: { atMs: number; task: () => void }[] = [];
  const after = (delayMs: number, task: () => void): Cancel => {
    const timer = { atMs: nowMs + Math.max(0, delayMs), task };
    timers.push(timer);
    return () => {
      timers = timers.filter((t) => t !== timer);
    };
  };
  return {
    wallMs: () => startMs + nowMs,
    monotonicMs: () => nowMs,
    after,
    sleep(delayMs, signal) {
      if (signal?.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const cancel = after(delayMs, resolve);
        signal?.addEventListener('abort', () => {
          cancel();
          resolve();
        });
      });
    },
    async advance(ms) {
      const until = nowMs + ms;
      await settle();
      for (;;) {
        const [due] = timers.filter((t) => t.atMs <= until).sort((a, b) => a.atMs - b.atMs);
        if (due === undefined) break;
        timers = timers.filter((t) => t !== due);
        nowMs = due.atMs;
        due.task();
        await settle();
      }
      nowMs = until;
      await settle();
    },
    get timers() {
      return timers.length;
    },
  };
}

const TURNS = 20;

/** Lets everything go on that waits on nothing but promises and files, however slow the files are. */
export async function settle(): Promise<void> {
  do {
    for (let i = 0; i < TURNS; i++) await new Promise((resolve) => setImmediate(resolve));
  } while (process.getActiveResourcesInfo().some((name) => name.startsWith('FSReq')));
}
