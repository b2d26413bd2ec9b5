// What happened in a chaos run: a line in `chaos.log` for each fault and each surprise, how often each fault
// happened and was noticed, and what was found wrong.
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '@sluice/shared/clock.ts';

export interface FaultCount {
  times: number;
  /** Of S3 and Glue, that were lied to. */
  requests: number;
  /** Times that the program said by name what had befallen it. */
  noticed: number;
}

export class Journal {
  readonly counts = new Map<string, FaultCount>();
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
    return [...this.counts.values()].reduce((sum, { times }) => sum + times, 0);
  }

  say(line: string): void {
    const wall = new Date(this.#clock.wallMs()).toISOString();
    appendFileSync(this.#file, `${wall} ${(this.elapsedMs / 1e3).toFixed(3).padStart(9)} ${line}\n`);
  }

  /** A fault happened: `kind` is what is counted, `detail` whom it hit. */
  happened(kind: string, detail: string, requests = 0): void {
    const count = this.#count(kind);
    count.times++;
    count.requests += requests;
    this.say(`fault: ${kind}: ${detail}`);
  }

  /** The program that was hit has said so. */
  noticed(kind: string, by: string): void {
    this.#count(kind).noticed++;
    this.say(`noticed: ${kind}: ${by}`);
  }

  violated(what: string): void {
    this.violations.push(what);
    this.say(`VIOLATION: ${what}`);
  }

  #count(kind: string): FaultCount {
    const count = this.counts.get(kind) ?? { times: 0, requests: 0, noticed: 0 };
    this.counts.set(kind, count);
    return count;
  }
}
