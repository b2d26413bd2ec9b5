// One blow: what befalls one agent or collector, and how it tells that it hit and that the victim said so.
import type { Clock } from '@sluice/shared/clock.ts';
import type { Chance } from '../simulation/chance.ts';
import type { Journal } from './journal.ts';
import type { Member } from './member.ts';
import type { SmallDisk } from './small-disk.ts';

export const DOWN_MS = [200, 4_000] as const;

export interface FaultTools {
  readonly clock: Clock;
  readonly journal: Journal;
}

export interface AgentMember {
  readonly member: Member;
  readonly dataDirectory: string;
  readonly disk: SmallDisk | undefined;
}

export interface CollectorMember {
  readonly member: Member;
  readonly disk: SmallDisk | undefined;
}

/** One try at one victim. */
export interface Blow<T> {
  readonly victim: T;
  readonly chance: Chance;
  readonly tools: FaultTools;
  /** It has befallen the victim. */
  hit(detail?: string): void;
  /** The victim said so by name. */
  noticed(): void;
}

export type Deed<T> = (blow: Blow<T>) => Promise<void>;

/** Killed, down for a while, with `meanwhile` done to what it left, and up again. */
export async function downWhile(
  { victim: { member }, chance, tools }: Blow<{ readonly member: Member }>,
  meanwhile: () => void,
): Promise<void> {
  await member.kill();
  try {
    meanwhile();
    await tools.clock.sleep(chance.between(...DOWN_MS));
  } finally {
    await member.start();
  }
}
