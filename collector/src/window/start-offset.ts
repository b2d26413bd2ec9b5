// Where a table begins a partition that it has never read. Pure; resolved once and written into the ledger's
// `open` entry, so that `latest` means the same after a crash.
import type { DeclaredPartition } from '../contracts.ts';

/** Where a table is with a partition. */
export interface TablePlace {
  readonly acked: number | undefined;
  readonly next: number | undefined;
  /** Of the log below `next`; -1 where nobody knows. */
  readonly leaderEpoch: number | undefined;
}

export interface StartQuestion {
  /** The table's own `startAt`; it wins over the agent's. */
  readonly configured: 'earliest' | 'latest' | undefined;
  readonly partition: DeclaredPartition;
  /** The other tables of this topic. */
  readonly siblings: readonly TablePlace[];
  /** The table has read an earlier incarnation of this topic: the new one is read from its log start. */
  readonly otherIncarnation: boolean;
}

export function resolveStart(question: StartQuestion): { start: number; why: string } {
  const { configured, partition, siblings, otherIncarnation } = question;
  if (otherIncarnation)
    return { start: beginning(partition), why: 'the topic was created again: from its log start' };
  if (configured !== undefined) return startAt(configured, partition, 'table');
  const live = siblings.filter((table) => !isLeft(table, siblings)).flatMap(({ acked }) => acked ?? []);
  if (live.length > 0)
    return { start: Math.max(...live), why: 'a new table on a live topic: from its present position' };
  if (partition.startAt !== undefined) return startAt(partition.startAt, partition, 'agent');
  return { start: partition.logStart, why: 'startAt is not set: earliest' };
}

/** It stands, in an older epoch, behind another table: epochs never fall in a log, and that one was cut. */
function isLeft({ next = 0, leaderEpoch = -1 }: TablePlace, siblings: readonly TablePlace[]): boolean {
  if (leaderEpoch < 0) return false;
  return siblings.some((other) => (other.leaderEpoch ?? -1) > leaderEpoch && (other.next ?? 0) < next);
}

/**
 * Whoever only holds a spool of it has not asked Kafka where its log begins, and says where the spool does:
 * what Kafka has below that would be passed over. What it has not is a gap by name.
 */
function beginning({ readsLog, logStart }: DeclaredPartition): number {
  return readsLog ? logStart : 0;
}

function startAt(value: 'earliest' | 'latest', partition: DeclaredPartition, who: string) {
  const start = value === 'earliest' ? beginning(partition) : partition.logEnd;
  return { start, why: `startAt: ${value} (${who})` };
}
