// A lane is a sequence of faults of one subject: all its kinds in an order that the seed draws, then again in
// another, with pauses between. Lanes run beside each other, so that faults of different subjects overlap.

import type { Clock } from '@sluice/shared/clock.ts';
import { messageOf } from '@sluice/shared/errors.ts';
import type { Chance } from '../simulation/chance.ts';
import type { Journal } from './journal.ts';

export type NonEmpty<T> = readonly [T, ...T[]];

export function each<T, U>([first, ...others]: NonEmpty<T>, make: (item: T) => U): NonEmpty<U> {
  return [make(first), ...others.map(make)];
}

export interface Fault {
  /** The kind that is counted. A lane may hold a kind more than once. */
  readonly name: string;
  /** Draws nothing that depends on what happened. Ends with everything as it was before. */
  run(chance: Chance): Promise<void>;
}

export interface LaneOptions {
  readonly name: string;
  readonly faults: readonly Fault[];
  readonly pauseMs: readonly [number, number];
  /** The first round is finished, however late it is. */
  readonly wholeRound: boolean;
  readonly chance: Chance;
  readonly clock: Clock;
  readonly journal: Journal;
}

/** Resolves once `signal` has aborted and the fault, or the first round, that was under way is over. */
export async function runLane(options: LaneOptions, signal: AbortSignal): Promise<void> {
  const { name, faults, pauseMs, wholeRound, clock, journal } = options;
  const chance = options.chance.stream(name);
  let deck: Fault[] = [];
  for (let turn = 0; ; turn++) {
    await clock.sleep(chance.between(...pauseMs), signal);
    if (signal.aborted && !(wholeRound && turn < faults.length)) return;
    if (deck.length === 0) deck = shuffled(faults, chance);
    const fault = deck.pop();
    if (fault === undefined) return;
    try {
      await fault.run(chance.stream(`turn ${turn}`));
    } catch (error) {
      journal.violated(`${name}: ${fault.name}: ${messageOf(error)}`);
    }
  }
}

function shuffled<T>(items: readonly T[], chance: Chance): T[] {
  return items
    .map((item) => ({ item, order: chance.fraction() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item);
}
