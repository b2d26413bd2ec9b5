// One partition as the sequencer sees it: the tables that read it, the streams that send or have sent it, and
// what follows from where the tables stand that its topic waits for. Those that are detached do not count.
import { mergedRanges, type OffsetRange } from '@sluice/shared/offset-range.ts';
import type { LogPlace, PartitionId } from '@sluice/shared/position.ts';
import { clipSegment, type Segment } from '@sluice/shared/segment.ts';
import type { AgentLink, PartitionCommit, PartitionPosition, TableWriter } from '../contracts.ts';
import type { Events } from '../events.ts';
import { type GapFillEvents, GapFills } from './gap-fills.ts';
import type { TableLane } from './lane.ts';

export interface SequencedTable {
  readonly lane: TableLane;
  readonly writer: TableWriter;
}

export type SequencedTables = readonly SequencedTable[];

export interface PartitionState {
  readonly id: PartitionId;
  /** Those that read it now, and those that were taken out of the config and still write what they have. */
  readonly tables: SequencedTables;
  /** Streams that declared it and did not revoke it: they may send. */
  readonly links: Set<AgentLink>;
  /**
   * Streams that have ever declared it: they may hold spooled data of it, and hear of commits to their end.
   * With each the rewinds that it was asked for: what it sent before the last one is stale.
   */
  readonly hearers: Map<AgentLink, number>;
  readonly fills: GapFills;
  /** Streams whose agents read its log. */
  readonly readers: Set<AgentLink>;
  /** Cuts of its log that are on their way into the ledgers: until they are there nothing of it is taken. */
  cuts: number;
  /** Segments in a row that could not be, by stream. */
  readonly impossible: Map<AgentLink, number>;
  /**
   * Streams that were shown where the tables stand, since what they send contradicts it; and what was shown.
   */
  readonly shown: Map<AgentLink, string>;
}

export function newPartition(
  { id, tables }: Pick<PartitionState, 'id'> & { tables: () => SequencedTables },
  events: GapFillEvents,
): PartitionState {
  const fillable = {
    id,
    get fills() {
      return attachedTo({ id, tables: tables() }).map(({ lane }) => lane.fills);
    },
  };
  return {
    id,
    get tables() {
      return tables();
    },
    ...{ links: new Set(), fills: new GapFills(fillable, events), cuts: 0 },
    ...{ hearers: new Map(), readers: new Set(), shown: new Map(), impossible: new Map() },
  };
}

/** Whether the topic waits for it. */
export function isAttached({ lane }: SequencedTable, topic: string): boolean {
  return lane.detachedSinceMs() === undefined && !lane.isLeaving() && lane.topics.takes(topic);
}

/** A topic, or a partition of it, and those that read it. */
export interface TopicTables extends Pick<PartitionState, 'tables'> {
  readonly id: Pick<PartitionId, 'topic'>;
}

/** The tables that it waits for. */
export function attachedTo({ id: { topic }, tables }: TopicTables): readonly SequencedTable[] {
  return tables.filter((table) => isAttached(table, topic));
}

/** Acknowledged is what every table that the topic waits for has published. */
export function ackedOf(state: PartitionState): number {
  const attached = attachedTo(state);
  const waitedFor = [...attached, ...state.tables.filter((table) => isLastOf(table, state, attached))];
  const acked = waitedFor.map(({ writer }) => writer.acked(state.id) ?? 0);
  return acked.length === 0 ? 0 : Math.min(...acked);
}

/** A table that leaves the topic has something on its way, or is the only one that says how far that is. */
function isLastOf({ lane, writer }: SequencedTable, { id }: PartitionState, attached: SequencedTables) {
  const isLeaving = lane.isLeaving() || lane.topics.leaving().includes(id.topic);
  if (!isLeaving || lane.detachedSinceMs() !== undefined) return false;
  return attached.length === 0 || (writer.acked(id) ?? 0) < (lane.next(id) ?? 0);
}

export function commitOf(state: PartitionState): PartitionCommit {
  const { id } = state;
  const epochs = attachedTo(state).flatMap(({ writer }) => writer.leaderEpoch(id) ?? []);
  return {
    ...{ partition: id, nextOffset: ackedOf(state), openGaps: keptGapsOf(state) },
    leaderEpoch: epochs.length > 0 ? Math.min(...epochs) : -1,
  };
}

/** Every stream that may hold some of it hears what it may forget. */
export function tellCommits(states: readonly PartitionState[]): void {
  const perLink = new Map<AgentLink, PartitionCommit[]>();
  for (const state of states) {
    const commit = commitOf(state);
    for (const link of state.hearers.keys()) perLink.set(link, [...(perLink.get(link) ?? []), commit]);
  }
  for (const [link, commits] of perLink) link.committed(commits);
}

function standsOf(state: PartitionState): readonly LogPlace[] {
  const stands = new Map<string, LogPlace>();
  for (const { writer, lane } of attachedTo(state)) {
    const [offset, leaderEpoch] = [writer.position(state.id) ?? 0, writer.leaderEpoch(state.id) ?? -1];
    for (const place of [{ offset, leaderEpoch }, lane.place(state.id) ?? { offset, leaderEpoch }])
      stands.set(`${place.offset}/${place.leaderEpoch}`, place);
  }
  return [...stands.values()];
}

export function positionOf(state: PartitionState, link: AgentLink, current = false): PartitionPosition {
  const rewindEpoch = state.hearers.get(link) ?? 0;
  return {
    ...state.id,
    ...{ committed: ackedOf(state), received: expectedOf(state), rewindEpoch },
    ...{ openGaps: keptGapsOf(state), stands: standsOf(state), current },
  };
}

/** Some tables know of a newer epoch than others: those may stand where a log was cut that they knew. */
export function standsApart(state: PartitionState): boolean {
  return new Set(standsOf(state).map(({ leaderEpoch }) => leaderEpoch)).size > 1;
}

/** What some table still wants, or has and does not show yet. */
export function keptGapsOf(state: PartitionState): readonly OffsetRange[] {
  return mergedRanges(attachedTo(state).flatMap(({ writer }) => writer.keptGaps(state.id)));
}

/** What of a segment is of the log as the tables know it, if anything: else its sender may be shown that. */
export function validPart(
  link: AgentLink,
  state: PartitionState | undefined,
  segment: Segment,
): Segment | undefined {
  if (state === undefined) return segment;
  if (contradicts(state, segment) && showsPlaces(link, state)) return undefined;
  const end = validEnd(state, segment);
  if (end <= segment.startOffset) return undefined;
  const valid = clipSegment(segment, end);
  if (!isLeftBehind(state, valid)) return valid;
  showsPlaces(link, state);
  return undefined;
}

/** Where a segment of a log that was cut ends for everybody: what lies behind is in Kafka no more. */
function validEnd({ tables }: PartitionState, segment: Segment): number {
  const cuts = tables.flatMap(({ writer }) => writer.forks(segment));
  const later = cuts.filter(({ leaderEpoch }) => segment.leaderEpoch < leaderEpoch);
  return Math.min(segment.nextOffset, ...later.map(({ offset }) => offset));
}

/**
 * Some table holds, of an older epoch, what the segment brings under a newer one: epochs never fall in a log,
 * so one of the two is of a log that was cut.
 */
export function contradicts(state: PartitionState, segment: Segment): boolean {
  return attachedTo(state).some(({ lane }) => {
    const place = lane.place(state.id);
    if (place === undefined || place.leaderEpoch < 0) return false;
    return segment.startOffset < place.offset && place.leaderEpoch < segment.leaderEpoch;
  });
}

/** Every sender goes on where the tables stand now; what it has sent before is stale. */
export function goOn(state: PartitionState, { current }: { readonly current: boolean }): void {
  for (const sender of state.links) {
    state.hearers.set(sender, (state.hearers.get(sender) ?? 0) + 1);
    sender.welcomed([positionOf(state, sender, current)]);
  }
}

/** The sender is asked for what the first of the tables lacks; what it has sent before is stale. */
export function rewind(
  link: AgentLink,
  state: PartitionState,
  { reason, events }: { readonly reason: string; readonly events: Pick<Events, 'rewindAsked'> },
): void {
  const epoch = (state.hearers.get(link) ?? 0) + 1;
  state.hearers.set(link, epoch);
  const offset = expectedOf(state);
  const { topic, partition } = state.id;
  events.rewindAsked({ agent: link.agentId, topic, partition, offset, reason });
  link.rewind(state.id, offset, epoch, reason);
}

/**
 * The segment goes on in an older epoch behind what some table holds of a newer one: it is of a log that was
 * cut, and its sender, who is shown the place, drops it.
 */
function isLeftBehind(state: PartitionState, segment: Segment): boolean {
  return attachedTo(state).some(({ lane }) => {
    const place = lane.place(state.id);
    return (
      place !== undefined &&
      segment.leaderEpoch >= 0 &&
      segment.leaderEpoch < place.leaderEpoch &&
      place.offset < segment.nextOffset
    );
  });
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
export function isAcked(state: PartitionState, offset: number): boolean {
  return attachedTo(state).every(({ lane, writer }) => {
    const here = Math.min(offset, lane.next(state.id) ?? 0);
    return (writer.acked(state.id) ?? 0) >= here || writer.status().state === 'parked';
  });
}

/** Expected is what some of those tables still lacks. */
export function expectedOf(state: PartitionState): number {
  const next = attachedTo(state).map(({ lane }) => lane.next(state.id) ?? 0);
  return Math.min(Number.MAX_SAFE_INTEGER, ...next);
}

/** Of a topic whose only tables still join, or leave, nobody can say where it is. */
export function isOpen(state: PartitionState): boolean {
  const attached = attachedTo(state);
  return attached.length > 0 && attached.every(({ lane }) => lane.next(state.id) !== undefined);
}
