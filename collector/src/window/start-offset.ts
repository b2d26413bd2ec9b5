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

const NOBODY_READS = '; nobody is known to read its log';

export function resolveStart(question: StartQuestion): { start: number; why: string } {
  const { configured, partition, siblings, otherIncarnation } = question;
  if (otherIncarnation) return beginning(partition, 'the topic was created again: from its log start');
  const live = siblings.filter((table) => !isLeft(table, siblings)).flatMap(({ acked }) => acked ?? []);
  if (configured === 'latest') return end(partition, 'startAt: latest (table)', live);
  if (configured === 'earliest') return beginning(partition, 'startAt: earliest (table)');
  if (live.length > 0)
    return { start: Math.max(...live), why: 'a new table on a live topic: from its present position' };
  const { startAt } = partition;
  if (startAt === 'latest') return end(partition, 'startAt: latest (agent)');
  if (startAt === 'earliest') return beginning(partition, 'startAt: earliest (agent)');
  return beginning(partition, 'startAt is not set: earliest');
}

/** It stands, in an older epoch, behind another table: epochs never fall in a log, and that one was cut. */
function isLeft({ next = 0, leaderEpoch = -1 }: TablePlace, siblings: readonly TablePlace[]): boolean {
  if (leaderEpoch < 0) return false;
  return siblings.some((other) => (other.leaderEpoch ?? -1) > leaderEpoch && (other.next ?? 0) < next);
}

/**
 * Whoever only holds a spool of it has not asked Kafka where its log begins: what Kafka has below the spool
 * would be passed over. What it has not is a gap by name.
 */
function beginning({ readsLog, logStart }: DeclaredPartition, why: string) {
  return readsLog ? { start: logStart, why } : { start: 0, why: `${why}${NOBODY_READS}` };
}

/**
 * Nor where its log ends: what is spooled would be passed over. It is not less than where other tables are.
 * Of an agent that does not know that it reads the log only one without a spool is taken at its word.
 */
function end(partition: DeclaredPartition, why: string, live: readonly number[] = []) {
  const { readsLog, logEnd, spoolStart, spoolNext, spoolRuns } = partition;
  if (readsLog || spoolNext <= spoolStart) return { start: logEnd, why };
  const spooled = Math.min(spoolStart, ...spoolRuns.map(({ startOffset }) => startOffset));
  return { start: Math.max(spooled, ...live), why: `${why}${NOBODY_READS}` };
}
