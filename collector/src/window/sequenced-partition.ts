// One partition as the sequencer sees it: the tables that read it, the streams that send or have sent it, and
// what follows from where its tables stand. Pure but for the tables that are asked.
import { mergedRanges, type OffsetRange } from '@sluice/shared/offset-range.ts';
import type { LogPlace, PartitionId } from '@sluice/shared/position.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import type { AgentLink, PartitionCommit, PartitionPosition, TableWriter } from '../contracts.ts';
import type { GapFills } from './gap-fills.ts';
import type { TableLane } from './table-lane.ts';

export interface SequencedTable {
  readonly lane: TableLane;
  readonly writer: TableWriter;
}

export interface PartitionState {
  readonly id: PartitionId;
  readonly tables: readonly SequencedTable[];
  /** Streams that declared it and did not revoke it: they may send. */
  readonly links: Set<AgentLink>;
  /**
   * Streams that have ever declared it: they may hold spooled data of it, and hear of commits to their end.
   * With each the rewinds that it was asked for: what it sent before the last one is stale.
   */
  readonly hearers: Map<AgentLink, number>;
  readonly fills: GapFills;
  /** Cuts of its log that are on their way into the ledgers: until they are there nothing of it is taken. */
  cuts: number;
  /** Segments in a row that could not be, by stream. */
  readonly impossible: Map<AgentLink, number>;
  /**
   * Streams that were shown where the tables stand, since what they send contradicts it; and what was shown.
   */
  readonly shown: Map<AgentLink, string>;
}

/** Acknowledged is what every table of the topic has published. */
export function ackedOf({ id, tables }: PartitionState): number {
  return tables.reduce((low, { writer }) => Math.min(low, writer.acked(id) ?? 0), Number.MAX_SAFE_INTEGER);
}

export function commitOf(state: PartitionState): PartitionCommit {
  const { id, tables } = state;
  const leaderEpoch = tables.reduce(
    (low, { writer }) => Math.min(low, writer.leaderEpoch(id) ?? low),
    Infinity,
  );
  return {
    ...{ partition: id, nextOffset: ackedOf(state), openGaps: keptGapsOf(state) },
    leaderEpoch: Number.isFinite(leaderEpoch) ? leaderEpoch : -1,
  };
}

export function positionOf(state: PartitionState, link: AgentLink): PartitionPosition {
  const { id, tables, hearers } = state;
  const stands = new Map<string, LogPlace>();
  for (const { writer, lane } of tables) {
    const committed = { offset: writer.position(id) ?? 0, leaderEpoch: writer.leaderEpoch(id) ?? -1 };
    for (const place of [committed, lane.place(id) ?? committed])
      stands.set(`${place.offset}/${place.leaderEpoch}`, place);
  }
  return {
    ...id,
    ...{ committed: ackedOf(state), received: expectedOf(state), rewindEpoch: hearers.get(link) ?? 0 },
    ...{ openGaps: keptGapsOf(state), stands: [...stands.values()] },
  };
}

/** What some table still wants, or has and does not show yet. */
export function keptGapsOf({ id, tables }: PartitionState): readonly OffsetRange[] {
  return mergedRanges(tables.flatMap(({ writer }) => writer.keptGaps(id)));
}

/** Where a segment of a log that was cut ends for everybody: what lies behind is in Kafka no more. */
export function validEnd({ tables }: PartitionState, segment: Segment): number {
  const cuts = tables.flatMap(({ writer }) => writer.forks(segment));
  const later = cuts.filter(({ leaderEpoch }) => segment.leaderEpoch < leaderEpoch);
  return Math.min(segment.nextOffset, ...later.map(({ offset }) => offset));
}

/**
 * Some table holds, of an older epoch, what the segment brings under a newer one: epochs never fall in a log,
 * so one of the two is of a log that was cut.
 */
export function contradicts({ id, tables }: PartitionState, segment: Segment): boolean {
  return tables.some(({ lane }) => {
    const place = lane.place(id);
    if (place === undefined || place.leaderEpoch < 0) return false;
    return segment.startOffset < place.offset && place.leaderEpoch < segment.leaderEpoch;
  });
}

/** Every sender goes on where the tables stand now; what it has sent before is stale. */
export function goOnAtCut(state: PartitionState): void {
  for (const sender of state.links) {
    state.hearers.set(sender, (state.hearers.get(sender) ?? 0) + 1);
    sender.welcomed([positionOf(state, sender)]);
  }
}

/** The agent asks Kafka which is true. Once for each such place: true where it was shown now. */
export function showsPlaces(link: AgentLink, state: PartitionState): boolean {
  if (!state.links.has(link)) return false;
  const position = positionOf(state, link);
  const said = JSON.stringify(position.stands);
  if (state.shown.get(link) === said) return false;
  state.shown.set(link, said);
  link.welcomed([position]);
  return true;
}

/**
 * As far as it can be: a parked table waits for an operator, and what a halted one has given up is not here
 * any more.
 */
export function isAcked({ id, tables }: PartitionState, offset: number): boolean {
  return tables.every(({ lane, writer }) => {
    const here = Math.min(offset, lane.next(id) ?? 0);
    return (writer.acked(id) ?? 0) >= here || writer.status().state === 'parked';
  });
}

/** Expected is what some table still lacks. */
export function expectedOf({ id, tables }: PartitionState): number {
  return tables.reduce((low, { lane }) => Math.min(low, lane.next(id) ?? 0), Number.MAX_SAFE_INTEGER);
}

export function isOpen({ id, tables }: PartitionState): boolean {
  return tables.every(({ lane }) => lane.next(id) !== undefined);
}
