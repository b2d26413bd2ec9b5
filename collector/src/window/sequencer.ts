// Puts what the agents send into one order per partition and hands it to every table of the topic. It skips
// what is already here, takes what is next, and answers a hole with one outstanding Rewind whose epoch later
// segments repeat. Staged segments belong to the tables' windows, not to the stream: a reconnect to this
// process resends nothing. A topic whose tables cannot take more is held, so that its neighbours flow.
import { type Clock, within } from '@sluice/shared/clock.ts';
import { type PartitionId, partitionKey } from '@sluice/shared/position.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import { formatBytes } from '@sluice/shared/units.ts';
import type { AgentLink, DeclaredPartition, GapNotice, PartitionPosition, Sequencer } from '../contracts.ts';
import type { Events } from '../events.ts';
import { createDetachments } from './detached-tables.ts';
import { impossibleCounts, turnAway } from './impossible-counts.ts';
import { createPartitionOpener, idOf } from './partition-opener.ts';
import {
  ackedOf,
  attachedTo,
  expectedOf,
  isAcked,
  isAttached,
  isOpen,
  type PartitionState,
  type SequencedTable,
} from './partition-state.ts';
import { type StagingBudget, TopicStaging } from './staging-budget.ts';
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
  const statesOf = (topic: string) => [...partitions.values()].filter(({ id }) => id.topic === topic);
  const tablesOf = (topic: string) => options.tables.filter(({ lane }) => lane.table.topic === topic);
  const topics = new Set(options.tables.map(({ lane }) => lane.table.topic));
  const staged = new TopicStaging(budget, updateHolds);
  const opener = createPartitionOpener(options.tables, events);
  /** What each stream has declared and not revoked, by partition key. */
  const wantedBy = new Map<AgentLink, Set<string>>();
  const finishing = new Map<AgentLink, FinishingStream>();
  const held = new TopicHolds();
  /** Declared partitions that are not open yet: their streams are told when they are. */
  const waiting = new Map<AgentLink, readonly DeclaredPartition[]>();
  const opening = new Set<TableLane>();
  const detachments = createDetachments({ tables: options.tables, events, presses, hasOpened, moves });
  /** One table has an item that the next does not have yet: where they are says nothing now. */
  let handing = false;
  for (const { lane, writer } of options.tables) {
    lane.onChange(review);
    writer.onStateMoved(review);
    writer.onAcked(announceAcked);
  }

  function review(): void {
    updateHolds();
    endFinished();
  }

  function presses(topic: string): boolean {
    return budget.isPressed() || holdReason(topic) !== undefined;
  }

  /** Nothing is taken of a topic while a table of it cannot even say where it begins. */
  function unopenedReason(topic: string): string | undefined {
    const [first] = tablesOf(topic).filter((table) => isAttached(table) && table.lane.stuck() !== undefined);
    if (first === undefined || !statesOf(topic).some((state) => isWanted(state) && !isOpen(state)))
      return undefined;
    const { lane } = first;
    return `table ${lane.table.name} cannot be opened: ${lane.stuck()}`;
  }

  function isWanted({ id }: PartitionState): boolean {
    return [...wantedBy.values()].some((wanted) => wanted.has(partitionKey(id)));
  }

  function hasOpened({ lane }: SequencedTable): boolean {
    const lacking = statesOf(lane.table.topic).filter(
      (state) => isWanted(state) && lane.next(state.id) === undefined,
    );
    if (lacking.length === 0) return true;
    if (opening.has(lane)) return false;
    opening.add(lane);
    void opener.open(lacking.map(({ declared }) => declared)).then(() => {
      opening.delete(lane);
      if (lacking.every(({ id }) => lane.next(id) !== undefined)) review();
    });
    return false;
  }

  /** Other tables are waited for: streams go on where the first of them lacks something. */
  function moves(topic: string, change: () => void): void {
    const before = statesOf(topic)
      .filter(isOpen)
      .map((state) => ({ state, expected: expectedOf(state) }));
    change();
    for (const { state, expected } of before)
      if (expectedOf(state) !== expected)
        for (const link of state.links) rewind(link, state, 'the tables that it feeds are others now');
    announceAcked(before.map(({ state }) => state.id));
    welcomeOpened();
  }

  /**
   * One topic's tables that cannot take more hold that topic alone: credit belongs to all of a stream's
   * topics.
   */
  function updateHolds(): void {
    if (handing) return;
    for (const topic of topics) {
      detachments.review(topic);
      const reason = holdReason(topic);
      if ((reason === undefined) !== held.has(topic)) continue;
      events.topicHeld({ topic, reason });
      if (reason === undefined) held.end(topic);
      else {
        held.begin(topic);
        for (const link of statesOf(topic).flatMap(({ hearers }) => [...hearers.keys()]))
          held.tell(link, topic, reason);
      }
    }
  }

  function holdReason(topic: string): string | undefined {
    for (const { lane } of tablesOf(topic).filter(isAttached)) {
      const reason = lane.blocked();
      if (reason !== undefined) return reason;
    }
    const unopened = unopenedReason(topic);
    if (unopened !== undefined) return unopened;
    const share = budget.bytesMax * TOPIC_SHARE * (held.has(topic) ? RESUME_SHARE : 1);
    const bytes = staged.bytes(topic);
    return topics.size > 1 && bytes >= share
      ? `its share of staging is used: ${formatBytes(bytes)} wait`
      : undefined;
  }

  function announceAcked(moved: readonly PartitionId[]): void {
    const perLink = new Map<AgentLink, { partition: PartitionId; nextOffset: number }[]>();
    for (const id of moved) {
      const state = partitions.get(partitionKey(id));
      if (state === undefined) continue;
      const nextOffset = ackedOf(state);
      for (const link of state.hearers.keys()) {
        const list = perLink.get(link) ?? [];
        list.push({ partition: id, nextOffset });
        perLink.set(link, list);
      }
    }
    for (const [link, positions] of perLink) link.committed(positions);
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
    for (const partition of known) wanted.add(partitionKey(stateOf(partition).id));
    const opened = opener.open(known);
    await within(clock, OPEN_WAIT_MS, opened);
    // The stream is over: it would never be forgotten again.
    if (!wantedBy.has(link)) return [];
    updateHolds();
    const late = known.filter((partition) => !isReady(stateOf(partition)));
    const before = (waiting.get(link) ?? []).filter(({ topic }) => known.every((p) => p.topic !== topic));
    waiting.set(link, [...before, ...late]);
    if (late.length > 0) void opened.then(welcomeOpened);
    for (const topic of new Set(known.map((p) => p.topic)))
      held.tell(link, topic, holdReason(topic) ?? 'it is caught up with');
    return join(link, known);
  }

  /** Open, and the ledgers behind its position were read when it was declared. */
  function isReady(state: PartitionState): boolean {
    return isOpen(state) && attachedTo(state).every(({ writer }) => opener.isCurrent(writer));
  }

  function welcomeOpened(): void {
    for (const [link, late] of waiting) {
      const open = late.filter((partition) => isReady(stateOf(partition)));
      if (open.length === 0) continue;
      waiting.set(
        link,
        late.filter((partition) => !open.includes(partition)),
      );
      const positions = join(link, open);
      if (positions.length > 0) link.welcomed(positions);
    }
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
    const [mine = [], revoked = []] = [true, false].map((is) =>
      open.filter(({ id }) => wanted.has(partitionKey(id)) === is),
    );
    if (revoked.length > 0)
      link.committed(revoked.map((state) => ({ partition: state.id, nextOffset: ackedOf(state) })));
    return mine.map((state) => {
      state.links.add(link);
      const [committed, received] = [ackedOf(state), expectedOf(state)];
      const rewindEpoch = state.hearers.get(link) ?? 0;
      return { ...state.id, committed, received, rewindEpoch, current: isReady(state) };
    });
  }

  function stateOf(partition: DeclaredPartition): PartitionState {
    const key = partitionKey(partition);
    let state = partitions.get(key);
    if (state === undefined) {
      const tables = tablesOf(partition.topic);
      const streams = { links: new Set<AgentLink>(), hearers: new Map(), impossible: new Map() };
      state = { id: idOf(partition), tables, declared: partition, ...streams };
      partitions.set(key, state);
    }
    state.declared = partition;
    return state;
  }

  /** What to do with [start, next) of a partition that carries `epoch`. */
  function place(
    link: AgentLink,
    item: Segment | GapNotice,
    epoch: number,
  ): PartitionState | 'skipped' | 'rewound' | 'stale' {
    const state = partitions.get(partitionKey(item));
    if (state === undefined || !state.links.has(link) || epoch !== state.hearers.get(link)) return 'stale';
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
    const state = place(link, item, epoch);
    if (typeof state === 'string') return state;
    const wrong = impossibleCounts(item);
    if (wrong !== undefined)
      return turnAway(link, state, { wrong, rewind: (reason) => rewind(link, state, reason) });
    state.impossible.delete(link);
    const takers = attachedTo(state).filter(({ lane }) => (lane.next(item) ?? 0) < item.nextOffset);
    const bytes = staged.take(item, takers.length);
    handOver(takers, ({ lane }) => lane.stage(item, Math.max(lane.next(item) ?? 0, item.startOffset), bytes));
    if (budget.isPressed()) closeLargest();
    updateHolds();
    return 'staged';
  }

  function handOver(takers: readonly SequencedTable[], give: (table: SequencedTable) => void): void {
    handing = true;
    try {
      for (const table of takers) give(table);
    } finally {
      handing = false;
    }
  }

  function closeLargest(): void {
    const open = options.tables.map(({ lane }) => lane).filter((lane) => !lane.isFull());
    const [largest] = open.sort((a, b) => b.openBytes() - a.openBytes());
    largest?.close('staging pressed');
  }

  function gap(link: AgentLink, notice: GapNotice, epoch: number): void {
    const state = place(link, notice, epoch);
    if (typeof state === 'string') return;
    handOver(attachedTo(state), ({ lane }) => {
      const next = lane.next(notice) ?? 0;
      if (next < notice.nextOffset) lane.gap(notice, Math.max(next, notice.startOffset));
    });
    updateHolds();
  }

  function revoke(link: AgentLink, revoked: readonly PartitionId[]): void {
    for (const id of revoked) {
      wantedBy.get(link)?.delete(partitionKey(id));
      partitions.get(partitionKey(id))?.links.delete(link);
    }
  }

  function isFed({ table }: TableLane): boolean {
    return statesOf(table.topic).some(({ links }) => links.size > 0);
  }

  /** Some stream waits for its commits: one that feeds it, or one that still holds spooled data of it. */
  function isHeard({ table }: TableLane): boolean {
    return statesOf(table.topic).some(({ hearers }) => hearers.size > 0);
  }

  function disconnected(link: AgentLink): void {
    wantedBy.delete(link);
    waiting.delete(link);
    finishing.get(link)?.resolve();
    finishing.delete(link);
    held.forget(link);
    for (const { links, hearers, impossible } of partitions.values()) {
      links.delete(link);
      hearers.delete(link);
      impossible.delete(link);
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
    finish,
    disconnected,
    room: () => budget.room(),
  };
}
