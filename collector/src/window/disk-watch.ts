// How long a disk has not answered, for whoever asks what waits: a disk that hangs says nothing itself.
// Nothing is done about it, since nobody can know whether it will answer yet.
import type { Clock } from '@sluice/shared/clock.ts';

/** What takes longer is said: a healthy disk takes milliseconds. */
export const DISK_SILENT_MS = 10_000;

export interface DiskWatchOptions {
  readonly clock: Clock;
  /** Once for each piece of work that takes so long, while it does. */
  readonly silent: (waitedMs: number) => void;
}

export class DiskWatch {
  readonly #options: DiskWatchOptions;
  /** When what is under way began, the oldest first. */
  readonly #begun = new Set<{ readonly atMs: number }>();

  constructor(options: DiskWatchOptions) {
    this.#options = options;
  }

  /** Of what has waited longest, once that is too long; else undefined. */
  silentMs(): number | undefined {
    const [oldest] = this.#begun;
    const waitedMs = oldest === undefined ? 0 : this.#options.clock.monotonicMs() - oldest.atMs;
    return waitedMs < DISK_SILENT_MS ? undefined : waitedMs;
  }

  async watch<T>(work: () => Promise<T>): Promise<T> {
    const { clock, silent } = this.#options;
    const begun = { atMs: clock.monotonicMs() };
    this.#begun.add(begun);
    const cancel = clock.after(DISK_SILENT_MS, () => silent(clock.monotonicMs() - begun.atMs));
    try {
      return await work();
    } finally {
      cancel();
      this.#begun.delete(begun);
    }
  }
}
