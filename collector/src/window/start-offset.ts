// Where a table begins a partition that it has never read. Pure; resolved once and written into the ledger's
// `open` entry, so that `latest` means the same after a crash.
import type { DeclaredPartition } from '../contracts.ts';

export interface StartQuestion {
  /** The table's own `startAt`; it wins over the agent's. */
  readonly configured: 'earliest' | 'latest' | undefined;
  readonly partition: DeclaredPartition;
  /** Acknowledged positions of the other tables of this topic. */
  readonly siblings: readonly (number | undefined)[];
  /** The table has read an earlier incarnation of this topic: the new one is read from its log start. */
  readonly otherIncarnation: boolean;
}

export function resolveStart(question: StartQuestion): { start: number; why: string } {
  const { configured, partition, siblings, otherIncarnation } = question;
  if (otherIncarnation)
    return { start: partition.logStart, why: 'the topic was created again: from its log start' };
  if (configured !== undefined) return startAt(configured, partition, 'table');
  const live = siblings.filter((position) => position !== undefined);
  if (live.length > 0)
    return { start: Math.max(...live), why: 'a new table on a live topic: from its present position' };
  if (partition.startAt !== undefined) return startAt(partition.startAt, partition, 'agent');
  return { start: partition.logStart, why: 'startAt is not set: earliest' };
}

function startAt(value: 'earliest' | 'latest', partition: DeclaredPartition, who: string) {
  const start = value === 'earliest' ? partition.logStart : partition.logEnd;
  return { start, why: `startAt: ${value} (${who})` };
}
