// What happened in a chaos run: a line in `chaos.log` for each fault and each surprise, how often each fault
// happened, and what was found wrong.
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '@sluice/shared/clock.ts';

export class Journal {
  readonly counts = new Map<string, number>();
  readonly violations: string[] = [];
  readonly #file: string;
  readonly #clock: Clock;
  readonly #startMs: number;

  constructor(directory: string, clock: Clock) {
    this.#file = join(directory, 'chaos.log');
    this.#clock = clock;
    this.#startMs = clock.monotonicMs();
  }

  get elapsedMs(): number {
    return this.#clock.monotonicMs() - this.#startMs;
  }

  get faults(): number {
    return [...this.counts.values()].reduce((sum, n) => sum + n, 0);
  }

  say(line: string): void {
    const wall = new Date(this.#clock.wallMs()).toISOString();
    appendFileSync(this.#file, `${wall} ${(this.elapsedMs / 1e3).toFixed(3).padStart(9)} ${line}\n`);
  }

  /** A fault happened: `kind` is what is counted, `detail` whom it hit. */
  happened(kind: string, detail: string): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    this.say(`fault: ${kind}: ${detail}`);
  }

  violated(what: string): void {
    this.violations.push(what);
    this.say(`VIOLATION: ${what}`);
  }
}
