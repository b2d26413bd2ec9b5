// What is spooled of partitions that are not read here waits where something is missing before it: another
// agent reads that, or holds it. Where the topic's name belongs to another topic by now nobody will read it:
// Kafka is asked for that while it waits, and every broker has to say so. A topic that is deleted and not
// there again may only be hidden from this agent: its spool waits, by name.
import type { Clock } from '@sluice/shared/clock.ts';
import { type PartitionId, partitionKey } from '@sluice/shared/position.ts';
import type { OffsetRange, Source, SpoolPartition } from '../contracts.ts';
import type { Events } from '../events.ts';
import { holeFrom, type PartitionState, thereOf } from './partition-state.ts';

/** Whoever holds what is missing brings it in less, as a rule; and between two questions. */
export const ASK_EVERY_MS = 60_000;

export interface WaitingSpool extends PartitionId {
  /** What is missing; what is spooled goes on behind it. */
  readonly missing: OffsetRange;
  readonly sinceMs: number;
}

interface Waiting extends WaitingSpool {
  readonly sinceMonotonicMs: number;
  told: boolean;
}

export interface WaitingSpoolsOptions {
  readonly source: Pick<Source, 'isGone'>;
  readonly clock: Clock;
  readonly events: Pick<Events, 'spoolWaits'>;
  states(): readonly PartitionState[];
  spoolOf(id: PartitionId): SpoolPartition | undefined;
  /** Some of them is of a topic that is gone. */
  found(): void;
  /** Others wait than before. */
  moved(): void;
}

export class WaitingSpools {
  readonly #options: WaitingSpoolsOptions;
  readonly #waiting = new Map<string, Waiting>();
  #armed = false;
  #stopped = false;

  constructor(options: WaitingSpoolsOptions) {
    this.#options = options;
  }

  /** As it is now, for whoever looks at the agent. */
  all(): readonly WaitingSpool[] {
    return [...this.#waiting.values()];
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Positions have moved. */
  look(): void {
    const { states, clock } = this.#options;
    const [before, found] = [new Set(this.#waiting.keys()), new Set<string>()];
    for (const state of states()) {
      const missing = this.#missingBefore(state);
      if (missing === undefined) continue;
      const key = `${partitionKey(state.id)} ${missing.nextOffset}`;
      found.add(key);
      const since = { sinceMs: clock.wallMs(), sinceMonotonicMs: clock.monotonicMs(), told: false };
      this.#waiting.set(key, { ...since, ...this.#waiting.get(key), ...state.id, missing });
    }
    for (const key of this.#waiting.keys()) if (!found.has(key)) this.#waiting.delete(key);
    this.#arm();
    if (found.symmetricDifference(before).size > 0) this.#options.moved();
  }

  /** Of a partition that others read, or nobody, and that was asked for on this stream. */
  #missingBefore(state: PartitionState): OffsetRange | undefined {
    const { sendNext, committed = 0, assigned, id } = state;
    if (assigned || sendNext === undefined) return undefined;
    const { at, until } = holeFrom(thereOf(state, this.#options.spoolOf(id)), Math.max(sendNext, committed));
    return until === undefined ? undefined : { startOffset: at, nextOffset: until };
  }

  #arm(): void {
    if (this.#armed || this.#stopped || this.#waiting.size === 0) return;
    this.#armed = true;
    this.#options.clock.after(ASK_EVERY_MS, () => {
      void this.#ask().finally(() => {
        this.#armed = false;
        if (!this.#stopped) this.look();
      });
    });
  }

  /** Never rejects. */
  async #ask(): Promise<void> {
    const { source, clock, events, states, found } = this.#options;
    this.look();
    for (const waiting of [...this.#waiting.values()]) {
      if (this.#stopped || clock.monotonicMs() - waiting.sinceMonotonicMs < ASK_EVERY_MS) continue;
      const { topic, partition, missing } = waiting;
      if (!waiting.told) events.spoolWaits({ topic, partition, ...missing });
      waiting.told = true;
      if (!(await source.isGone(waiting))) continue;
      const state = states().find(({ id }) => partitionKey(id) === partitionKey(waiting));
      // Who was described it meanwhile reads it.
      if (state === undefined || state.assigned) continue;
      state.gone = true;
      found();
    }
  }
}
