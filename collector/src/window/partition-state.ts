// One partition as the sequencer knows it: its tables, its streams, and what follows from where the tables
// are that its topic waits for. Those that are detached do not count.
import type { PartitionId } from '@sluice/shared/position.ts';
import type { AgentLink, DeclaredPartition, TableWriter } from '../contracts.ts';
import type { TableLane } from './table-lane.ts';

export interface SequencedTable {
  readonly lane: TableLane;
  readonly writer: TableWriter;
}

export interface PartitionState {
  readonly id: PartitionId;
  readonly tables: readonly SequencedTable[];
  /** What was said of it last. */
  declared: DeclaredPartition;
  /** Streams that declared it and did not revoke it: they may send. */
  readonly links: Set<AgentLink>;
  /**
   * Streams that have ever declared it: they may hold spooled data of it, and hear of commits to their end.
   * With each the rewinds that it was asked for: what it sent before the last one is stale.
   */
  readonly hearers: Map<AgentLink, number>;
  /** Segments in a row that could not be, by stream. */
  readonly impossible: Map<AgentLink, number>;
}

/** Whether its topic waits for it. */
export function isAttached({ lane }: SequencedTable): boolean {
  return lane.detachedSinceMs() === undefined;
}

/** The tables that it waits for. */
export function attachedTo({ tables }: Pick<PartitionState, 'tables'>): readonly SequencedTable[] {
  return tables.filter(isAttached);
}

/** Acknowledged is what every table that the topic waits for has published. */
export function ackedOf({ id, tables }: PartitionState): number {
  const acked = tables.filter(isAttached).map(({ writer }) => writer.acked(id) ?? 0);
  return Math.min(Number.MAX_SAFE_INTEGER, ...acked);
}

/**
 * As far as it can be: a parked table waits for an operator, and what a halted one has given up is not here
 * any more.
 */
export function isAcked({ id, tables }: PartitionState, offset: number): boolean {
  return tables.filter(isAttached).every(({ lane, writer }) => {
    const here = Math.min(offset, lane.next(id) ?? 0);
    return (writer.acked(id) ?? 0) >= here || writer.status().state === 'parked';
  });
}

/** Expected is what some of those tables still lacks. */
export function expectedOf({ id, tables }: PartitionState): number {
  const next = tables.filter(isAttached).map(({ lane }) => lane.next(id) ?? 0);
  return Math.min(Number.MAX_SAFE_INTEGER, ...next);
}

export function isOpen({ id, tables }: PartitionState): boolean {
  return tables.filter(isAttached).every(({ lane }) => lane.next(id) !== undefined);
}
