// Puts what the agents send into one order per partition and hands it to every table of the topic. It skips
// what is already here, takes what is next, and answers a hole with one outstanding Rewind whose epoch later
// segments repeat. Staged segments belong to the tables' windows, not to the stream: a reconnect to this
// process resends nothing. A topic whose tables cannot take more is held, so that its neighbours flow.
import { type Clock, within } from '@sluice/shared/clock.ts';
import { type PartitionId, partitionKey } from '@sluice/shared/position.ts';
import { clipSegment, type Segment } from '@sluice/shared/segment.ts';
import { formatBytes } from '@sluice/shared/units.ts';
import type {
  AgentLink,
  DeclaredPartition,
  GapNotice,
  PartitionCommit,
  PartitionPosition,
  Sequencer,
  TruncationNotice,
} from '../contracts.ts';
import type { Events } from '../events.ts';
import { FILL_EPOCH_MIN, GapFills } from './gap-fills.ts';
import { impossibleCounts } from './impossible-counts.ts';
import { createPartitionOpener, idOf } from './partition-opener.ts';
import {
  commitOf,
  contradicts,
  expectedOf,
  goOnAtCut,
  isAcked,
  isOpen,
  type PartitionState,
  positionOf,
  type SequencedTable,
  showsPlaces,
  validEnd,
} from './sequenced-partition.ts';
import type { StagedBytes, StagingBudget } from './staging-budget.ts';
import type { TableLane } from './table-lane.ts';
import { TopicHolds } from './topic-holds.ts';

/** Partitions whose tables take longer to open them are left out of Welcome and told when they are open. */
const OPEN_WAIT_MS = 5_000;
/** A window whose stream ended closes at once, but not more often than this. */
const STREAM_END_CLOSE_MS = 5_000;
/**
 * Of the staging budget, what one topic may use where there are several: a table that waits cannot stop its
 * neighbours.
 */
const TOPIC_SHARE = 0.5;
/** As often a segment that cannot be is asked for again; then its topic is refused to the stream. */
const RESENDS_MAX = 3;
/** What was held flows again below this share of its limit. */
const RESUME_SHARE = 0.9;

export interface SequencerOptions {
  readonly tables: readonly SequencedTable[];
  readonly budget: StagingBudget;
  readonly clock: Clock;
  readonly events: Events;
}

/**
 * A stream that sends nothing more, and up to where each partition must be acknowledged before it may end.
 */
interface FinishingStream {
  readonly wanted: ReadonlyMap<PartitionState, number>;
  resolve(): void;
}

export function createSequencer(options: SequencerOptions): Sequencer {
  const { budget, clock, events } = options;
  const partitions = new Map<string, PartitionState>();
  const lastEndClose = new Map<string, number>();
  const tablesOf = (topic: string) => options.tables.filter(({ lane }) => lane.table.topic === topic);

  const topics = new Set(options.tables.map(({ lane }) => lane.table.topic));
  /** Payload bytes between link and ledger, by topic. */
  const staged = new Map<string, number>();
  const opener = createPartitionOpener(options.tables, events);
  /** What each stream has declared and not revoked, by partition key. */
  const wantedBy = new Map<AgentLink, Set<string>>();
  const finishing = new Map<AgentLink, FinishingStream>();
  const held = new TopicHolds();

  for (const { lane, writer } of options.tables) {
    lane.onChange(() => {
      updateHolds();
      endFinished();
      for (const { id, fills } of partitions.values()) if (id.topic === lane.table.topic) fills.look();
    });
    writer.onAcked(announceAcked);
  }

  /**
   * One topic's tables that cannot take more hold that topic alone: credit belongs to all of a stream's
   * topics.
   */
  function updateHolds(): void {
    for (const topic of topics) {
      const reason = holdReason(topic);
      if ((reason === undefined) !== held.has(topic)) continue;
      events.topicHeld({ topic, reason });
      if (reason === undefined) held.end(topic);
      else {
        held.begin(topic);
        const states = [...partitions.values()].filter(({ id }) => id.topic === topic);
        for (const link of states.flatMap(({ hearers }) => [...hearers.keys()]))
          held.tell(link, topic, reason);
      }
    }
  }

  function holdReason(topic: string): string | undefined {
    for (const { lane } of tablesOf(topic)) {
      const reason = lane.blocked();
      if (reason !== undefined) return reason;
    }
    const share = budget.bytesMax * TOPIC_SHARE * (held.has(topic) ? RESUME_SHARE : 1);
    const bytes = staged.get(topic) ?? 0;
    return topics.size > 1 && bytes >= share
      ? `its share of staging is used: ${formatBytes(bytes)} wait`
      : undefined;
  }

  /** Counts a segment until the last of its tables lets it go. */
  function take({ topic, payload }: Segment, holders: number): StagedBytes {
    const bytes = payload.byteLength;
    const taken = budget.take(bytes, holders);
    staged.set(topic, (staged.get(topic) ?? 0) + bytes);
    let left = holders;
    return {
      release() {
        taken.release();
        if (--left > 0) return;
        staged.set(topic, (staged.get(topic) ?? 0) - bytes);
        updateHolds();
      },
    };
  }

  function announceAcked(moved: readonly PartitionId[]): void {
    const perLink = new Map<AgentLink, PartitionCommit[]>();
    const states = moved.flatMap((id) => partitions.get(partitionKey(id)) ?? []);
    for (const state of states) {
      const commit = commitOf(state);
      for (const link of state.hearers.keys()) {
        const list = perLink.get(link) ?? [];
        list.push(commit);
        perLink.set(link, list);
      }
    }
    for (const [link, commits] of perLink) link.committed(commits);
    for (const { fills } of states) fills.look();
    endFinished();
  }

  function finish(link: AgentLink): Promise<void> {
    const brought = [...partitions.values()].filter(({ links }) => links.has(link));
    const wanted = new Map(brought.map((state) => [state, expectedOf(state)]));
    const waiting = [...wanted].flatMap(([{ id, tables }, offset]) =>
      tables.filter(({ writer }) => (writer.position(id) ?? 0) < offset),
    );
    for (const { lane } of new Set(waiting)) closeSoon(lane, () => true);
    return new Promise((resolve) => {
      finishing.set(link, { wanted, resolve });
      endFinished();
    });
  }

  function endFinished(): void {
    for (const [link, { wanted, resolve }] of finishing) {
      if (![...wanted].every(([state, offset]) => isAcked(state, offset))) continue;
      finishing.delete(link);
      resolve();
    }
  }

  async function declare(
    link: AgentLink,
    declared: readonly DeclaredPartition[],
  ): Promise<readonly PartitionPosition[]> {
    const known = declared.filter(({ topic }) => {
      const ready = tablesOf(topic).length > 0;
      if (!ready) link.refused(topic, 'LINK_TOPIC_REFUSED', `no table reads topic '${topic}'`);
      return ready;
    });
    const wanted = wantedBy.get(link) ?? new Set();
    wantedBy.set(link, wanted);
    for (const partition of known) wanted.add(partitionKey(partition));
    const opened = opener.open(known);
    await within(clock, OPEN_WAIT_MS, opened);
    // The stream is over: it would never be forgotten again.
    if (!wantedBy.has(link)) return [];
    const late = known.filter((partition) => !isOpen(stateOf(partition)));
    if (late.length > 0) void opened.then(() => welcomeLate(link, late));
    for (const topic of new Set(known.map((p) => p.topic)))
      held.tell(link, topic, holdReason(topic) ?? 'it is caught up with');
    return join(link, known);
  }

  function welcomeLate(link: AgentLink, late: readonly DeclaredPartition[]): void {
    const positions = join(link, late);
    if (positions.length > 0) link.welcomed(positions);
  }

  /**
   * Positions of those that are open and still wanted: of what was revoked meanwhile only the commits are
   * told.
   */
  function join(link: AgentLink, declared: readonly DeclaredPartition[]): readonly PartitionPosition[] {
    const wanted = wantedBy.get(link);
    if (wanted === undefined) return []; // the stream has ended
    const open = declared.map(stateOf).filter(isOpen);
    for (const { hearers } of open) hearers.set(link, hearers.get(link) ?? 0);
    for (const partition of declared) if (isOpen(stateOf(partition))) askFills(link, partition);
    const [mine = [], revoked = []] = [true, false].map((is) =>
      open.filter(({ id }) => wanted.has(partitionKey(id)) === is),
    );
    if (revoked.length > 0) link.committed(revoked.map(commitOf));
    return mine.map((state) => {
      state.links.add(link);
      return positionOf(state, link);
    });
  }

  /** After the stream was told where the partition stands: it keeps what is asked for then. */
  function askFills(link: AgentLink, partition: DeclaredPartition): void {
    const { fills } = stateOf(partition);
    fills.declared(link, partition.spoolRuns);
    clock.after(0, () => {
      if (wantedBy.has(link)) fills.look();
    });
  }

  function stateOf(partition: PartitionId): PartitionState {
    const key = partitionKey(partition);
    let state = partitions.get(key);
    if (state === undefined) {
      const tables = tablesOf(partition.topic);
      const id = idOf(partition);
      const fills = new GapFills({ id, fills: tables.map(({ lane }) => lane.fills) }, events);
      const maps = { hearers: new Map(), shown: new Map(), impossible: new Map() };
      state = { id, tables, links: new Set(), fills, cuts: 0, ...maps };
      partitions.set(key, state);
    }
    return state;
  }

  /** What to do with [start, next) of a partition that carries `epoch`. */
  function place(
    link: AgentLink,
    item: Segment | GapNotice,
    epoch: number,
  ): PartitionState | 'skipped' | 'rewound' | 'stale' {
    const state = partitions.get(partitionKey(item));
    if (state === undefined || state.cuts > 0 || !state.links.has(link)) return 'stale';
    if (epoch !== state.hearers.get(link)) return 'stale';
    const expected = expectedOf(state);
    if (item.nextOffset <= expected) return 'skipped';
    if (item.startOffset <= expected) return state;
    rewind(link, state, `${item.startOffset} came where ${expected} is next`);
    return 'rewound';
  }

  function rewind(link: AgentLink, state: PartitionState, reason: string): void {
    const epoch = (state.hearers.get(link) ?? 0) + 1;
    state.hearers.set(link, epoch);
    const offset = expectedOf(state);
    events.rewindAsked({
      agent: link.agentId,
      topic: state.id.topic,
      partition: state.id.partition,
      offset,
      reason,
    });
    link.rewind(state.id, offset, epoch, reason);
  }

  function segment(link: AgentLink, item: Segment, epoch: number): ReturnType<Sequencer['segment']> {
    if (epoch >= FILL_EPOCH_MIN) return filling(link, item, epoch);
    const known = partitions.get(partitionKey(item));
    if (known !== undefined && contradicts(known, item) && showsPlaces(link, known)) return 'stale';
    const end = known === undefined ? item.nextOffset : validEnd(known, item);
    if (end <= item.startOffset) return 'stale';
    const valid = clipSegment(item, end);
    const state = place(link, valid, epoch);
    if (typeof state === 'string') return state;
    const wrong = impossibleCounts(item);
    if (wrong !== undefined) return turnAway(link, state, wrong);
    state.impossible.delete(link);
    const takers = state.tables.filter(({ lane }) => (lane.next(item) ?? 0) < end);
    const bytes = take(item, takers.length);
    for (const { lane } of takers) {
      const fromOffset = Math.max(lane.next(item) ?? 0, item.startOffset);
      lane.stage({ segment: valid, fromOffset, ...(valid === item ? {} : { isClipped: true }) }, bytes);
    }
    if (budget.isPressed()) closeLargest();
    updateHolds();
    return 'staged';
  }

  /** What is staged is committed before the ledgers hear of the cut: rows are never taken back. */
  function truncated(link: AgentLink, notice: TruncationNotice): void {
    const state = partitions.get(partitionKey(notice));
    if (state === undefined || !state.hearers.has(link)) return;
    state.cuts++;
    void Promise.all(state.tables.map(({ lane }) => lane.cut(notice))).then(() => {
      if (--state.cuts === 0) goOnAtCut(state);
    });
  }
  function filling(link: AgentLink, segment: Segment, epoch: number): 'staged' | 'skipped' | 'stale' {
    const fills = impossibleCounts(segment) ?? partitions.get(partitionKey(segment))?.fills;
    if (fills === undefined || typeof fills === 'string') return 'stale';
    const outcome = fills.segment(link, { segment, epoch }, (holders) => take(segment, holders));
    if (budget.isPressed()) closeLargest();
    updateHolds();
    return outcome;
  }

  /** Sent again it may be whole. If not, its topic waits by name, and the stream's other topics flow. */
  function turnAway(link: AgentLink, state: PartitionState, wrong: string): 'rewound' | 'refused' {
    const times = (state.impossible.get(link) ?? 0) + 1;
    state.impossible.set(link, times);
    const { topic, partition } = state.id;
    const reason = `the segment of ${topic}-${partition} at ${expectedOf(state)} cannot be: ${wrong}`;
    if (times <= RESENDS_MAX) {
      rewind(link, state, reason);
      return 'rewound';
    }
    link.refused(topic, 'SEGMENT_COUNTS_DISAGREE', reason);
    return 'refused';
  }

  function closeLargest(): void {
    const open = options.tables.map(({ lane }) => lane).filter((lane) => !lane.isFull());
    const [largest] = open.sort((a, b) => b.openBytes() - a.openBytes());
    largest?.close('staging pressed');
  }

  function gap(link: AgentLink, notice: GapNotice, epoch: number): void {
    if (epoch >= FILL_EPOCH_MIN) {
      partitions.get(partitionKey(notice))?.fills.denied(link, notice, epoch);
      return;
    }
    const state = place(link, notice, epoch);
    if (typeof state === 'string') return;
    for (const { lane } of state.tables) {
      const next = lane.next(notice) ?? 0;
      if (next < notice.nextOffset) lane.gap(notice, Math.max(next, notice.startOffset));
    }
  }

  function revoke(link: AgentLink, revoked: readonly PartitionId[]): void {
    for (const id of revoked) {
      wantedBy.get(link)?.delete(partitionKey(id));
      partitions.get(partitionKey(id))?.links.delete(link);
    }
  }

  const isFed = (lane: TableLane) =>
    [...partitions.values()].some((s) => s.links.size > 0 && s.id.topic === lane.table.topic);

  /** Some stream waits for its commits: one that feeds it, or one that still holds spooled data of it. */
  const isHeard = (lane: TableLane) =>
    [...partitions.values()].some((s) => s.hearers.size > 0 && s.id.topic === lane.table.topic);

  function disconnected(link: AgentLink): void {
    wantedBy.delete(link);
    finishing.get(link)?.resolve();
    finishing.delete(link);
    held.forget(link);
    for (const { links, hearers, impossible, fills, shown } of partitions.values()) {
      for (const known of [links, hearers, impossible, shown]) known.delete(link);
      fills.forget(link);
    }
    for (const { lane, writer } of options.tables) {
      if (!isHeard(lane)) writer.follow(false);
      if (!isFed(lane)) closeSoon(lane, () => !isFed(lane));
    }
  }

  function closeSoon(lane: TableLane, stillWanted: () => boolean): void {
    const { name } = lane.table;
    const sinceLast = clock.monotonicMs() - (lastEndClose.get(name) ?? Number.NEGATIVE_INFINITY);
    clock.after(Math.max(0, STREAM_END_CLOSE_MS - sinceLast), () => {
      if (!stillWanted()) return;
      lastEndClose.set(name, clock.monotonicMs());
      lane.close('stream ended');
    });
  }

  return {
    declare,
    revoke,
    segment,
    gap,
    truncated,
    finish,
    disconnected,
    room: () => budget.room(),
  };
}
