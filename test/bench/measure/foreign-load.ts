// How much of the machine somebody else used meanwhile: a figure taken beside other work is marked, not
// believed.
import { availableParallelism } from 'node:os';
import { machineBusySeconds, treeCpuSeconds } from './process-usage.ts';

export class ForeignLoad {
  readonly #startedMs = performance.now();
  readonly #busy = machineBusySeconds();
  readonly #own = treeCpuSeconds(process.pid);

  /** Share of all cores since the start, between 0 and 1. */
  share(): number {
    const seconds = (performance.now() - this.#startedMs) / 1_000;
    const foreign = machineBusySeconds() - this.#busy - (treeCpuSeconds(process.pid) - this.#own);
    return Math.max(0, foreign / (seconds * availableParallelism()));
  }
}
