// Streams that end: the windows that hold what they sent close soon, and a stream that says it is finished
// ends when all of it is acknowledged.
import type { Clock } from '@sluice/shared/clock.ts';
import type { AgentLink } from '../contracts.ts';
import type { TableLane } from './lane.ts';
import { attachedTo, expectedOf, isAcked, type PartitionState } from './sequenced-partition.ts';

/** A window whose stream ended closes at once, but not more often than this. */
const STREAM_END_CLOSE_MS = 5_000;

/**
 * A stream that sends nothing more, and up to where each partition must be acknowledged before it may end.
 */
interface FinishingStream {
  readonly wanted: ReadonlyMap<PartitionState, number>;
  resolve(): void;
}

export class EndingStreams {
  readonly #clock: Clock;
  readonly #finishing = new Map<AgentLink, FinishingStream>();
  readonly #lastClose = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `brought`: the partitions that it may send. Resolves when they are acknowledged, or it is over. */
  finish(link: AgentLink, brought: readonly PartitionState[]): Promise<void> {
    const wanted = new Map(brought.map((state) => [state, expectedOf(state)]));
    const waiting = [...wanted].flatMap(([state, offset]) =>
      attachedTo(state).filter(({ writer }) => (writer.position(state.id) ?? 0) < offset),
    );
    for (const { lane } of new Set(waiting)) this.closeSoon(lane, () => true);
    return new Promise((resolve) => {
      this.#finishing.set(link, { wanted, resolve });
      this.review();
    });
  }

  /** Ends those that have nothing left to wait for. */
  review(): void {
    for (const [link, { wanted }] of this.#finishing)
      if ([...wanted].every(([state, offset]) => isAcked(state, offset))) this.over(link);
  }

  over(link: AgentLink): void {
    this.#finishing.get(link)?.resolve();
    this.#finishing.delete(link);
  }

  closeSoon(lane: TableLane, stillWanted: () => boolean): void {
    const { name } = lane.table;
    const sinceLast = this.#clock.monotonicMs() - (this.#lastClose.get(name) ?? Number.NEGATIVE_INFINITY);
    this.#clock.after(Math.max(0, STREAM_END_CLOSE_MS - sinceLast), () => {
      if (!stillWanted()) return;
      this.#lastClose.set(name, this.#clock.monotonicMs());
      lane.close('stream ended');
    });
  }
}
