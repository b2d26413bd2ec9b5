// Which partitions are read though the spool has no room, through its reserve: those without which none would
// come. What is missing in front of spooled data is one: nothing of those can be sent before. And while
// something here waits for what another agent reads, that one may wait, as full, for what is read here. That
// takes only a part of the reserve: what is missing here has nothing else. While the link is down none of it
// could be sent: each topic keeps to its share, and the reserve stays.
import type { PartitionId } from '@sluice/shared/position.ts';
import type { Source, SpoolPressure } from '../contracts.ts';
import type { PartitionState } from './partition-state.ts';

/** Why a topic is held, in the words of `status`. */
export const SPOOL_FULL = 'the spool is full';
export const BEYOND_SHARE = 'its share of the spool is used';

export interface RoomPassesOptions {
  readonly source: Pick<Source, 'pass'>;
  states(): readonly PartitionState[];
  /** What is spooled here and waits for what others read. */
  waiting(): readonly PartitionId[];
}

export class RoomPasses {
  readonly #options: RoomPassesOptions;
  #isLinked = false;
  #used: Pick<SpoolPressure, 'sharedReserveUsed' | 'reserveUsed'> = {
    ...{ sharedReserveUsed: false, reserveUsed: false },
  };

  constructor(options: RoomPassesOptions) {
    this.#options = options;
  }

  pressed(used: Pick<SpoolPressure, 'sharedReserveUsed' | 'reserveUsed'>): void {
    this.#used = used;
    this.look();
  }

  /** What is read can be sent now; or the stream is over. */
  linked(isLinked: boolean): void {
    if (this.#isLinked === isLinked) return;
    this.#isLinked = isLinked;
    this.look();
  }

  /** Others are assigned, or wait. */
  look(): void {
    const waits = this.#waits();
    for (const { id, assigned, refillUntil } of this.#options.states())
      if (assigned) this.#pass(id, refillUntil !== undefined, waits);
  }

  /** `isMissing`: in front of what is spooled of it. */
  pass(id: PartitionId, isMissing: boolean): void {
    this.#pass(id, isMissing, this.#waits());
  }

  #waits(): readonly PartitionId[] {
    return this.#isLinked ? this.#options.waiting() : [];
  }

  #pass(id: PartitionId, isMissing: boolean, waits: readonly PartitionId[]): void {
    const { sharedReserveUsed, reserveUsed } = this.#used;
    const mayPass = (isWaitedFor: boolean) =>
      (isMissing && !reserveUsed) || (isWaitedFor && !sharedReserveUsed);
    this.#options.source.pass(id, [
      ...(mayPass(waits.length > 0) ? [SPOOL_FULL] : []),
      ...(mayPass(waits.some(({ topic }) => topic === id.topic)) ? [BEYOND_SHARE] : []),
    ]);
  }
}
