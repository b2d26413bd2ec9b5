// Rewinds that answer a hole. Whoever is asked for one place again and again sends something else each time:
// asked at once it would do so as fast as the link goes. So from the fourth time on it is asked later and
// later, by name; what it sends until then is stale.
import type { Clock } from '@sluice/shared/clock.ts';
import { partitionKey } from '@sluice/shared/position.ts';
import type { AgentLink } from '../contracts.ts';
import type { Events } from '../events.ts';
import { expectedOf, type PartitionState, rewind } from './sequenced-partition.ts';

/** As often one place is asked for at once. */
export const AT_ONCE_MAX = 3;
/** Before the next time; doubled each time. */
export const PAUSE_MS_MIN = 1_000;
export const PAUSE_MS_MAX = 30_000;

interface Asked {
  readonly offset: number;
  readonly times: number;
}

export class PacedRewinds {
  readonly #clock: Clock;
  readonly #events: Pick<Events, 'rewindAsked'>;
  /** The last place that each stream was asked for, by partition. */
  readonly #asked = new WeakMap<AgentLink, Map<string, Asked>>();

  constructor(clock: Clock, events: Pick<Events, 'rewindAsked'>) {
    this.#clock = clock;
    this.#events = events;
  }

  ask(link: AgentLink, state: PartitionState, reason: string): void {
    const times = this.#count(link, state);
    if (times <= AT_ONCE_MAX) {
      rewind(link, state, { reason, events: this.#events });
      return;
    }
    const epoch = (state.hearers.get(link) ?? 0) + 1;
    state.hearers.set(link, epoch);
    this.#clock.after(Math.min(PAUSE_MS_MIN * 2 ** (times - AT_ONCE_MAX - 1), PAUSE_MS_MAX), () => {
      // Over, revoked, or asked for a place meanwhile.
      if (!state.links.has(link) || state.hearers.get(link) !== epoch) return;
      rewind(link, state, { reason: `${reason}, for the ${times}th time`, events: this.#events });
    });
  }

  #count(link: AgentLink, state: PartitionState): number {
    const asked = this.#asked.get(link) ?? new Map<string, Asked>();
    this.#asked.set(link, asked);
    const [key, offset] = [partitionKey(state.id), expectedOf(state)];
    const last = asked.get(key);
    const times = last?.offset === offset ? last.times + 1 : 1;
    asked.set(key, { offset, times });
    return times;
  }
}
