// Topics that may not be sent now, and which streams were told so: each of them hears when that is over, also
// if it has given the topic's partitions up meanwhile. Pure bookkeeping.
import type { AgentLink } from '../contracts.ts';

export class TopicHolds {
  readonly #told = new Map<string, Set<AgentLink>>();

  has(topic: string): boolean {
    return this.#told.has(topic);
  }

  begin(topic: string): void {
    this.#told.set(topic, new Set());
  }

  /** Once per stream; nothing where the topic flows. */
  tell(link: AgentLink, topic: string, reason: string): void {
    const told = this.#told.get(topic);
    if (told === undefined || told.has(link)) return;
    told.add(link);
    link.hold(topic, reason);
  }

  end(topic: string): void {
    const told = this.#told.get(topic) ?? [];
    this.#told.delete(topic);
    for (const link of told) link.release(topic);
  }

  /** The stream is over. */
  forget(link: AgentLink): void {
    for (const told of this.#told.values()) told.delete(link);
  }
}
