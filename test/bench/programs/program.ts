// What the bench's own child processes have in common: arguments as one JSON text, the result as the last line of stdout.
import { cpuSeconds, peakRssBytes } from '../process-usage.ts';

export function programArguments<T>(): T {
  return JSON.parse(process.argv[2] ?? '{}') as T;
}

export function answer(result: object): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

/** CPU and time of this process from here on. */
export class Meter {
  seconds = 0;
  cpuSeconds = 0;
  #startedMs = 0;
  #startedCpu = 0;

  start(): void {
    this.#startedCpu = cpuSeconds(process.pid);
    this.#startedMs = performance.now();
  }

  /** Adds what was used since `start`. */
  stop(): void {
    this.seconds += (performance.now() - this.#startedMs) / 1_000;
    this.cpuSeconds += cpuSeconds(process.pid) - this.#startedCpu;
  }

  result() {
    return {
      seconds: this.seconds,
      cpuSeconds: this.cpuSeconds,
      peakRssBytes: peakRssBytes(process.pid),
    };
  }
}
