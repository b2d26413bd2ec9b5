// What the bench's own programs have in common: arguments as one JSON text, the answer as the last line of
// stdout.
import { cpuSeconds, peakRssBytes } from '../measure/process-usage.ts';
import { READY_LINE, type Usage } from './run-program.ts';

export function programArguments<T>(): T {
  return JSON.parse(process.argv[2] ?? '{}') as T;
}

export function announceReady(): void {
  process.stdout.write(`${READY_LINE}\n`);
}

/** The last thing a program does. */
export function answer(result: object): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

/** CPU and time of this process between `start` and `stop`; several spans add up. */
export class Meter {
  #seconds = 0;
  #cpuSeconds = 0;
  #startedMs = 0;
  #startedCpu = 0;

  start(): void {
    this.#startedCpu = cpuSeconds(process.pid);
    this.#startedMs = performance.now();
  }

  stop(): void {
    this.#seconds += (performance.now() - this.#startedMs) / 1_000;
    this.#cpuSeconds += cpuSeconds(process.pid) - this.#startedCpu;
  }

  usage(): Usage {
    return {
      seconds: this.#seconds,
      cpuSeconds: this.#cpuSeconds,
      peakRssBytes: peakRssBytes(process.pid),
    };
  }
}
