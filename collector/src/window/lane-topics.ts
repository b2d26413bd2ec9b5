// Which topics a lane takes, as its config names them, and those that came or went while it runs. One that
// came is not waited for until the table has opened it; of one that went nothing more is taken, and what is
// here of it is still written and waited for. Pure bookkeeping.
import { type TableTopics, topicsOf } from '../table-topics.ts';

export class LaneTopics {
  #named: readonly string[];
  readonly #coming = new Set<string>();
  readonly #leaving = new Set<string>();

  constructor(table: TableTopics) {
    this.#named = topicsOf(table);
  }

  configure(table: TableTopics): void {
    const named = topicsOf(table);
    for (const topic of named) if (!this.#named.includes(topic)) this.#coming.add(topic);
    for (const topic of this.#named) {
      if (named.includes(topic)) continue;
      this.#coming.delete(topic);
      this.#leaving.add(topic);
    }
    this.#named = named;
  }

  /** Those of the config. */
  named(): readonly string[] {
    return this.#named;
  }

  /** The same, and those that leave. */
  all(): readonly string[] {
    return [...this.#named, ...this.#leaving];
  }

  /** The config names it, and it is waited for. */
  takes(topic: string): boolean {
    return this.#named.includes(topic) && !this.#coming.has(topic);
  }

  coming(): readonly string[] {
    return [...this.#coming];
  }

  leaving(): readonly string[] {
    return [...this.#leaving];
  }

  /** For those who look at the lane: what is under way. */
  status(): { readonly topicsComing?: readonly string[]; readonly topicsLeaving?: readonly string[] } {
    return {
      ...(this.#coming.size === 0 ? {} : { topicsComing: this.coming() }),
      ...(this.#leaving.size === 0 ? {} : { topicsLeaving: this.leaving() }),
    };
  }

  /** It is opened, and waited for from now on. */
  arrive(topic: string): void {
    this.#coming.delete(topic);
  }

  /** What was here of it is written, or given up. */
  forget(topic: string): void {
    this.#leaving.delete(topic);
  }
}
