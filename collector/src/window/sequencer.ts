// Puts what the agents send into one order per partition and hands it to every table of the topic. It skips
// what is already here, takes what is next, and answers a hole with one outstanding Rewind whose epoch later
// segments repeat. Staged segments belong to the tables' windows, not to the stream: a reconnect to this
// process resends nothing. A topic whose tables cannot take more is held, so that its neighbours flow.
import { type Clock, within } from '@sluice/shared/clock.ts';
import { idOf, type PartitionId, partitionKey } from '@sluice/shared/position.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import type {
  AgentLink,
  DeclaredPartition,
  GapNotice,
  PartitionPosition,
  Sequencer,
  TruncationNotice,
} from '../contracts.ts';
import type { Events } from '../events.ts';
import { Backfills, HISTORY_EPOCH_MIN } from './backfills.ts';
import { createDeclaredWords } from './declared-words.ts';
import { createDetachments } from './detached-tables.ts';
import { EndingStreams } from './ending-streams.ts';
import { FILL_EPOCH_MIN } from './gap-fills.ts';
import { holdReason } from './hold-reasons.ts';
import { impossibleCounts, turnAway } from './impossible-counts.ts';
import type { TableLane } from './lane.ts';
import { PacedRewinds } from './paced-rewinds.ts';
import { createPartitionOpener } from './partition-opener.ts';
import {
  attachedTo,
  commitOf,
  expectedOf,
  goOn,
  isOpen,
  newPartition,
  type PartitionState,
  positionOf,
  rewind,
  type SequencedTable,
  standsApart,
  tellCommits,
  validPart,
} from './sequenced-partition.ts';
import { type StagingBudget, TopicStaging } from './staging-budget.ts';
import { createTableChanges, type TableChanges, tablesByTopic } from './table-changes.ts';
import { TopicHolds } from './topic-holds.ts';

/** Partitions whose tables take longer to open them are left out of Welcome and told when they are open. */
const OPEN_WAIT_MS = 5_000;

export interface SequencerOptions {
  readonly tables: readonly SequencedTable[];
  readonly budget: StagingBudget;
  readonly clock: Clock;
  readonly events: Events;
}

export function createSequencer(options: SequencerOptions): Sequencer & TableChanges {
  const { budget, clock, events } = options;
  const partitions = new Map<string, PartitionState>();
  const statesOf = (topic: string) => [...partitions.values()].filter(({ id }) => id.topic === topic);
  const statesIn = ({ topics: of }: TableLane) => of.all().flatMap(statesOf);
  const { tables, readersOf, tablesOf, readOf, topics } = tablesByTopic(options.tables);
  const staged = new TopicStaging(budget, updateHolds);
  /** What each stream has declared last and not revoked, by partition key. */
  const wantedBy = new Map<AgentLink, Map<string, DeclaredPartition>>();
  const words = createDeclaredWords(wantedBy, statesOf);
  const opener = createPartitionOpener(tables, { clock, events, words, welcomeOpened, review });
  const [ending, rewinds] = [new EndingStreams(clock), new PacedRewinds(clock, events)];
  const held = new TopicHolds();
  /** Declared partitions that are not open yet: their streams are told when they are. */
  const waiting = new Map<AgentLink, readonly DeclaredPartition[]>();
  const book = { tables, partitions, wantedBy, waiting, clock };
  const detachments = createDetachments({ tablesOf, events, presses, hasOpened, moves });
  const backfills = new Backfills({ ...book, ...{ budget, events, isHeld: (topic) => held.has(topic) } });
  const around = { budget, staged, tablesOf, statesOf, isWanted, topics };
  /** One table has an item that the next does not have yet: where they are says nothing now. */
  let handing = false;
  tables.forEach(wire);

  function wire({ lane, writer }: SequencedTable): void {
    lane.onChange(() => {
      review();
      for (const { fills } of statesIn(lane)) fills.look();
    });
    writer.onStateMoved(review);
    writer.onAcked(announceAcked);
  }

  function review(): void {
    updateHolds();
    ending.review();
    backfills.lookSoon();
  }

  const whyHeld = (topic: string) => holdReason(topic, held.has(topic), around);

  function presses(topic: string): boolean {
    return budget.isPressed() || whyHeld(topic) !== undefined;
  }

  function isWanted({ id }: PartitionState): boolean {
    return [...wantedBy.values()].some((wanted) => wanted.has(partitionKey(id)));
  }

  function hasOpened(table: SequencedTable, named: readonly string[]): boolean {
    return opener.hasOpened(table, words.declaredOf(named));
  }

  /**
   * Other tables are waited for: streams go on where the first of them lacks something. One that was not
   * waited for may not know that its log was cut: then the agent is shown where all of them stand.
   */
  function moves(moved: readonly string[], change: () => void): void {
    const before = moved
      .flatMap(statesOf)
      .filter(isOpen)
      .map((state) => ({ state, expected: expectedOf(state), attached: attachedTo(state).length }));
    change();
    for (const { state, expected, attached } of before) {
      const isBack = attachedTo(state).length > attached;
      if (isBack) state.fills.again();
      if (isBack && standsApart(state)) goOn(state, { current: true });
      else if (expectedOf(state) !== expected)
        for (const link of state.links)
          rewind(link, state, { reason: 'the tables that it feeds are others now', events });
    }
    announceAcked(before.map(({ state }) => state.id));
    welcomeOpened();
  }

  /**
   * One topic's tables that cannot take more hold that topic alone: credit belongs to all of a stream's
   * topics.
   */
  function updateHolds(): void {
    if (handing) return;
    for (const topic of topics()) {
      detachments.review(topic);
      const reason = whyHeld(topic);
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

  function announceAcked(moved: readonly PartitionId[]): void {
    const states = moved.flatMap((id) => partitions.get(partitionKey(id)) ?? []);
    tellCommits(states);
    for (const { fills } of states) fills.look();
    backfills.lookSoon();
    ending.review();
  }

  async function declare(
    link: AgentLink,
    declared: readonly DeclaredPartition[],
  ): Promise<readonly PartitionPosition[]> {
    const asked = readOf(link, declared);
    const wanted = wantedBy.get(link) ?? new Map<string, DeclaredPartition>();
    wantedBy.set(link, wanted);
    for (const partition of asked) wanted.set(partitionKey(stateOf(partition).id), partition);
    const opened = opener.open(asked);
    await within(clock, OPEN_WAIT_MS, opened);
    // The stream is over: it would never be forgotten again.
    if (!wantedBy.has(link)) return [];
    const known = readOf(link, asked);
    updateHolds();
    const late = known.filter((partition) => !isReady(stateOf(partition)));
    const again = new Set(known.map(partitionKey));
    const before = (waiting.get(link) ?? []).filter((p) => !again.has(partitionKey(p)));
    waiting.set(link, [...before, ...late]);
    if (late.length > 0) void opened.then(welcomeOpened);
    for (const topic of new Set(known.map((p) => p.topic)))
      held.tell(link, topic, whyHeld(topic) ?? 'it is caught up with');
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
    for (const partition of declared) if (isOpen(stateOf(partition))) askFills(link, partition);
    const [mine = [], revoked = []] = [true, false].map((is) =>
      open.filter(({ id }) => wanted.has(partitionKey(id)) === is),
    );
    if (revoked.length > 0) link.committed(revoked.map(commitOf));
    return mine.map((state) => {
      state.links.add(link);
      return positionOf(state, link, isReady(state));
    });
  }

  /** After the stream was told where the partition stands: it keeps what is asked for then. */
  function askFills(link: AgentLink, partition: DeclaredPartition): void {
    const state = stateOf(partition);
    const { fills } = state;
    // What was declared before may be answered later.
    const last = wantedBy.get(link)?.get(partitionKey(partition));
    fills.declared(link, (last ?? partition).spoolRuns);
    backfills.declared(link, state, last?.readsLog === true);
    clock.after(0, () => {
      if (wantedBy.has(link)) fills.look();
    });
  }

  function stateOf(partition: DeclaredPartition): PartitionState {
    const key = partitionKey(partition);
    let state = partitions.get(key);
    if (state === undefined) {
      const readers = () => readersOf(partition.topic);
      state = newPartition({ id: idOf(partition), tables: readers }, events);
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
    rewinds.ask(link, state, `${item.startOffset} came where ${expected} is next`);
    return 'rewound';
  }

  function segment(link: AgentLink, item: Segment, epoch: number): ReturnType<Sequencer['segment']> {
    if (epoch >= HISTORY_EPOCH_MIN) return handOver(() => backfills.segment(link, { segment: item, epoch }));
    if (epoch >= FILL_EPOCH_MIN) return filling(link, item, epoch);
    const valid = validPart(link, partitions.get(partitionKey(item)), item);
    if (valid === undefined) return 'stale';
    const end = valid.nextOffset;
    const state = place(link, valid, epoch);
    if (typeof state === 'string') return state;
    const wrong = impossibleCounts(item);
    if (wrong !== undefined)
      return turnAway(link, state, { wrong, rewind: (reason) => rewind(link, state, { reason, events }) });
    state.impossible.delete(link);
    const takers = attachedTo(state).filter(({ lane }) => (lane.next(item) ?? 0) < end);
    const bytes = staged.take(item, takers.length);
    const cut = valid === item ? {} : { isClipped: true as const };
    handOver(() => {
      for (const { lane } of takers) {
        const fromOffset = Math.max(lane.next(item) ?? 0, item.startOffset);
        lane.stage({ segment: valid, fromOffset, ...cut }, bytes);
      }
    });
    if (budget.isPressed()) closeLargest();
    updateHolds();
    return 'staged';
  }

  function filling(link: AgentLink, segment: Segment, epoch: number): 'staged' | 'skipped' | 'stale' {
    const [fills, wrong] = [partitions.get(partitionKey(segment))?.fills, impossibleCounts(segment)];
    if (fills === undefined) return 'stale';
    if (wrong !== undefined) return fills.turnAway(link, { segment, epoch }, wrong);
    const outcome = handOver(() =>
      fills.segment(link, { segment, epoch }, (holders) => staged.take(segment, holders)),
    );
    if (budget.isPressed()) closeLargest();
    updateHolds();
    return outcome;
  }

  /** What is staged is committed before the ledgers hear of the cut: rows are never taken back. */
  function truncated(link: AgentLink, notice: TruncationNotice): void {
    const state = partitions.get(partitionKey(notice));
    if (state === undefined || !state.hearers.has(link)) return;
    state.cuts++;
    state.fills.unask(link);
    const recorded = handOver(() => attachedTo(state).map(({ lane }) => lane.cut(notice)));
    void Promise.all(recorded).then(() => {
      if (--state.cuts === 0) goOn(state, { current: false });
      review();
    });
    updateHolds();
  }

  function handOver<T>(give: () => T): T {
    handing = true;
    try {
      return give();
    } finally {
      handing = false;
    }
  }

  function closeLargest(): void {
    const open = tables.map(({ lane }) => lane).filter((lane) => !lane.isFull());
    const [largest] = open.sort((a, b) => b.openBytes() - a.openBytes());
    largest?.close('staging pressed');
  }

  function gap(link: AgentLink, notice: GapNotice, epoch: number): void {
    if (epoch >= FILL_EPOCH_MIN) {
      const fills = partitions.get(partitionKey(notice))?.fills;
      (epoch >= HISTORY_EPOCH_MIN ? backfills : fills)?.denied(link, notice, epoch);
      return;
    }
    const state = place(link, notice, epoch);
    if (typeof state === 'string') return;
    handOver(() => {
      for (const { lane } of attachedTo(state)) {
        const next = lane.next(notice) ?? 0;
        if (next < notice.nextOffset) lane.gap(notice, Math.max(next, notice.startOffset));
      }
    });
    updateHolds();
  }

  function revoke(link: AgentLink, revoked: readonly PartitionId[]): void {
    for (const id of revoked) {
      wantedBy.get(link)?.delete(partitionKey(id));
      const state = partitions.get(partitionKey(id));
      state?.links.delete(link);
      if (state !== undefined) backfills.forget(link, state);
    }
  }

  /** Streams that may send it something; or that wait for its commits, since they did. */
  function hasStreams(lane: TableLane, which: 'links' | 'hearers'): boolean {
    return statesIn(lane).some((state) => state[which].size > 0);
  }

  function disconnected(link: AgentLink): void {
    wantedBy.delete(link);
    waiting.delete(link);
    ending.over(link);
    held.forget(link);
    backfills.forget(link);
    for (const { links, hearers, impossible, fills, shown } of partitions.values()) {
      for (const known of [links, hearers, impossible, shown]) known.delete(link);
      fills.forget(link);
      // What it was asked for, and did not send, others may have.
      fills.look();
    }
    for (const { lane, writer } of tables) {
      if (!hasStreams(lane, 'hearers')) writer.follow(false);
      if (!hasStreams(lane, 'links')) ending.closeSoon(lane, () => !hasStreams(lane, 'links'));
    }
  }

  return {
    declare,
    revoke,
    segment,
    gap,
    truncated,
    finish: (link) =>
      ending.finish(
        link,
        [...partitions.values()].filter(({ links }) => links.has(link)),
      ),
    disconnected,
    room: () => budget.room(),
    historyWaits: (link, epoch) => backfills.waits(link, epoch),
    ...createTableChanges({ ...book, ...{ tablesOf, readersOf, wire, review, moves, announceAcked } }),
  };
}
