// Windows of one lane that are committed while their objects are still on their way to their final place.
// What comes behind them is staged and committed meanwhile, so that a slow publish does not keep the uploads
// waiting; within a limit, so that few entries ever wait for whoever reads the ledger next.
import type { TableWriter, WindowCommit } from '../contracts.ts';
import type { OpenWindow } from './open-window.ts';

/** Entries of a lane that may be committed and not published when the next window is staged. */
export const UNPUBLISHED_MAX = 2;

export class UnpublishedWindows {
  readonly #writer: Pick<TableWriter, 'commitWindow'>;
  readonly #pending = new Set<Promise<void>>();
  readonly #followed = new Set<Promise<void>>();
  readonly #entries = new WeakMap<OpenWindow, Promise<void>>();

  constructor(writer: Pick<TableWriter, 'commitWindow'>) {
    this.#writer = writer;
  }

  /** Resolves when the window's entry stands; rejects as the writer does. */
  async commit(window: OpenWindow, commit: WindowCommit): Promise<void> {
    while (this.#pending.size >= UNPUBLISHED_MAX) await Promise.race(this.#pending);
    const stands = Promise.withResolvers<void>();
    const published = this.#writer.commitWindow({ ...commit, onCommitted: stands.resolve });
    const over: Promise<void> = published.then(stands.resolve, stands.reject).then(() => {
      this.#pending.delete(over);
    });
    this.#pending.add(over);
    await stands.promise;
    this.#entries.set(window, published);
  }

  /** When the objects of the window, and of all its parts, are at their final place, or never will be. */
  follow(
    window: OpenWindow,
    done: (window: OpenWindow) => Promise<void>,
    failed: (window: OpenWindow, error: unknown) => Promise<void>,
  ): void {
    const over: Promise<void> = this.#published(window)
      .then(() => done(window))
      .catch((error: unknown) => failed(window, error))
      .finally(() => this.#followed.delete(over));
    this.#followed.add(over);
  }

  async #published(window: OpenWindow): Promise<void> {
    await this.#entries.get(window);
    for (const part of window.parts) await this.#published(part);
  }

  /** When all that is followed is over. */
  async settled(): Promise<void> {
    await Promise.all(this.#followed);
  }
}
