// One process of a simulation: it may die or sleep at any event, and from then on nothing that was meant for
// it arrives, or all of it later. Its wall clock is its own and may jump; its other clock is the
// simulation's.
import type { Cancel, Clock } from '@sluice/shared/clock.ts';
import type { World } from './world.ts';

const EPOCH_MS = Date.UTC(2026, 0, 1);

export class SimProcess {
  readonly name: string;
  readonly clock: Clock;
  readonly #world: World;
  readonly #ends: (() => void)[] = [];
  /** What came while it slept. */
  readonly #missed: (() => void)[] = [];
  #alive = true;
  #wakesAtMs = 0;
  #wallOffsetMs: number;

  constructor(world: World, name: string, wallOffsetMs = 0) {
    this.name = name;
    this.#world = world;
    this.#wallOffsetMs = wallOffsetMs;
    this.clock = this.#createClock();
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Runs `task` in the process after `delayMs`: when it wakes if it sleeps then, never if it is gone. */
  after(delayMs: number, task: () => void): Cancel {
    const { time } = this.#world;
    let cancelled = false;
    const run = () => {
      if (!this.#alive || cancelled) return;
      if (this.asleep) this.#missed.push(run);
      else this.#guard(task);
    };
    const cancel = time.after(delayMs, run);
    return () => {
      cancelled = true;
      cancel();
    };
  }

  /** What throws out of a callback ends a real process; here it is a finding. */
  #guard(task: () => void): void {
    try {
      task();
    } catch (error) {
      this.#world.violated(
        `${this.name} threw out of a callback: ${String((error as Error).stack ?? error)}`,
      );
    }
  }

  say(what: string): void {
    this.#world.trace.say(this.name, what);
  }

  /** kill -9. */
  crash(why: string): void {
    if (!this.#alive) return;
    this.say(`✖ ${why}`);
    this.end();
  }

  /** It is gone, by itself or by others: its connections are closed. */
  end(): void {
    if (!this.#alive) return;
    this.#alive = false;
    for (const task of this.#ends.splice(0)) task();
  }

  get ended(): Promise<void> {
    return new Promise((resolve) => this.onEnd(resolve));
  }

  onEnd(task: () => void): void {
    this.#ends.push(task);
  }

  /** SIGSTOP, or a machine that is suspended. */
  sleep(ms: number): void {
    const { time } = this.#world;
    this.#wakesAtMs = Math.max(this.#wakesAtMs, time.nowMs + ms);
    time.after(ms, () => {
      if (!this.asleep) this.wake();
    });
  }

  get asleep(): boolean {
    return this.#wakesAtMs > this.#world.time.nowMs;
  }

  /** What it missed comes in the order in which it came. */
  wake(): void {
    this.#wakesAtMs = 0;
    for (const run of this.#missed.splice(0)) this.#world.time.after(0, run);
  }

  moveWallClock(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  get wallOffsetMs(): number {
    return this.#wallOffsetMs;
  }

  #createClock(): Clock {
    const { time } = this.#world;
    return {
      wallMs: () => Math.floor(EPOCH_MS + time.nowMs + this.#wallOffsetMs),
      monotonicMs: () => time.nowMs,
      after: (delayMs, task) => this.after(delayMs, task),
      sleep: (delayMs, signal) => {
        if (signal?.aborted) return Promise.resolve();
        return new Promise((resolve) => {
          const done = () => {
            cancel();
            signal?.removeEventListener('abort', done);
            resolve();
          };
          const cancel = this.after(delayMs, done);
          signal?.addEventListener('abort', done, { once: true });
        });
      },
    };
  }
}
