// Who reads history for whom: an agent that a partition is assigned to is asked for what the tables of its
// topic lack of their history, one piece at a time on each stream. Live data go first: a piece is small, all
// history that is staged has a share of the budget that it stays within, and where that is pressed, or the
// topic waits, nothing is asked for. Nothing is lost by giving up what was asked or staged: Kafka has it.
import type { Clock } from '@sluice/shared/clock.ts';
import { commonRanges, mergedRanges } from '@sluice/shared/offset-range.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import type { AgentLink, GapNotice } from '../contracts.ts';
import type { Events } from '../events.ts';
import { EndedHistory } from './ended-history.ts';
import { impossibleCounts } from './impossible-counts.ts';
import type { TableLane } from './lane.ts';
import {
  attachedTo,
  contradicts,
  type PartitionState,
  type SequencedTable,
  showsPlaces,
} from './sequenced-partition.ts';
import type { StagedBytes, StagingBudget } from './staging-budget.ts';

/** Epochs of history are counted from here: no fill of a gap ever gets so far. */
export const HISTORY_EPOCH_MIN = 3 * 2 ** 30;
/** What one stream may have under way. */
const HISTORY_PIECE_BYTES = 4 * 2 ** 20;
/** Of the staging budget, what history may use. */
const HISTORY_SHARE = 1 / 8;
/** What could not be taken is asked for again after this. */
const AGAIN_MS = 5_000;
/** A partition of which Kafka had nothing to read rests so long, doubled each time in a row. */
export const WAITS_MS_MIN = 5_000;
const WAITS_MS_MAX = 60_000;

interface Rest {
  readonly ms: number;
  isOver: boolean;
}

interface Ask {
  readonly state: PartitionState;
  readonly epoch: number;
  next: number;
  readonly until: number;
  /** Of what it may bring. */
  bytesLeft: number;
}

/** Read again it may be right: the partition rests, so that others’ history goes on. */
function wrongIn(segment: Segment, { next }: Ask): string | undefined {
  const isBehind = segment.startOffset > next;
  return isBehind ? `it begins behind ${next}, which was asked for` : impossibleCounts(segment);
}

export interface BackfillsOptions {
  readonly budget: StagingBudget;
  readonly clock: Clock;
  readonly events: Pick<Events, 'segmentTurnedAway'>;
  /** As they are now. */
  readonly tables: readonly SequencedTable[];
  readonly partitions: ReadonlyMap<string, PartitionState>;
  /** Nothing of the topic is sent now. */
  isHeld(topic: string): boolean;
}

export class Backfills {
  readonly #options: BackfillsOptions;
  readonly #rests = new WeakMap<PartitionState, Rest>();
  readonly #asks = new Map<AgentLink, Ask>();
  readonly #ended: EndedHistory;
  #epoch = HISTORY_EPOCH_MIN;
  #stagedBytes = 0;
  #turn = 0;
  #lookDue = false;

  constructor(options: BackfillsOptions) {
    this.#options = options;
    this.#ended = new EndedHistory({ ...options, lookSoon: () => this.lookSoon() });
  }

  get #lanes(): readonly TableLane[] {
    return this.#options.tables.map(({ lane }) => lane).filter(({ history }) => history.isWanted);
  }

  declared(link: AgentLink, state: PartitionState, readsLog: boolean): void {
    if (readsLog) state.readers.add(link);
    else this.forget(link, state);
    this.lookSoon();
  }

  /** The stream is over, or gave the partition up. */
  forget(link: AgentLink, only?: PartitionState): void {
    const given = only === undefined ? this.#options.partitions.values() : [only];
    for (const { readers } of given) readers.delete(link);
    if (only === undefined || this.#asks.get(link)?.state === only) this.#asks.delete(link);
    this.lookSoon();
  }

  lookSoon(afterMs = 0): void {
    const isIdle = this.#lanes.length === 0 && this.#asks.size === 0;
    if (isIdle || (afterMs === 0 && this.#lookDue)) return;
    this.#lookDue ||= afterMs === 0;
    this.#options.clock.after(afterMs, () => {
      if (afterMs === 0) this.#lookDue = false;
      this.#look();
    });
  }

  #look(): void {
    for (const [link, ask] of this.#asks)
      if (this.#options.isHeld(ask.state.id.topic) || !this.#isLacking(ask)) this.#asks.delete(link);
    this.#ended.look(this.#lanes);
    const lacking = this.#lackingStates();
    for (let i = 0; i < lacking.length; i++) {
      const state = lacking[(this.#turn + i) % lacking.length];
      if (state !== undefined && this.#mayAsk(state)) this.#ask(state);
    }
    this.#turn++;
  }

  /** Where the log was cut meanwhile, or others have brought it, Kafka may never have what was asked for. */
  #isLacking({ state, next: startOffset, until: nextOffset }: Ask): boolean {
    const lacking = this.#lanesOf(state).flatMap(({ history }) => history.fills.lacking(state.id));
    return commonRanges(mergedRanges(lacking), [{ startOffset, nextOffset }]).length > 0;
  }

  /** Partitions of which some history is neither here nor there. Windows that wait for no more are closed. */
  #lackingStates(): PartitionState[] {
    const wanting = new Set<TableLane>();
    const lacking = [...this.#options.partitions.values()].filter((state) => {
      const lanes = this.#lanesOf(state).filter(({ history }) => history.fills.lacking(state.id).length > 0);
      for (const lane of lanes) wanting.add(lane);
      return lanes.length > 0;
    });
    for (const lane of this.#lanes) {
      if (lane.stuck() !== undefined) lane.history.fills.giveUp();
      else if (!wanting.has(lane)) lane.history.fills.close();
    }
    return lacking;
  }

  #lanesOf(state: PartitionState): readonly TableLane[] {
    return attachedTo(state)
      .map(({ lane }) => lane)
      .filter((lane) => this.#lanes.includes(lane) && lane.stuck() === undefined);
  }

  #mayAsk(state: PartitionState): boolean {
    const isAsked = [...this.#asks.values()].some((ask) => ask.state === state);
    const rests = this.#rests.get(state)?.isOver === false;
    return !isAsked && !rests && state.cuts === 0 && !this.#options.isHeld(state.id.topic);
  }

  #ask(state: PartitionState): void {
    const link = [...state.readers].find((reader) => !this.#asks.has(reader));
    if (link === undefined) return;
    const [range] = mergedRanges(
      this.#lanesOf(state).flatMap(({ history }) => history.fills.wanted(state.id)),
    );
    if (range === undefined) return;
    const bytesMax = this.#room();
    if (bytesMax === 0) return;
    const { startOffset: next, nextOffset: until } = range;
    const ask = { state, epoch: this.#epoch++, next, until, bytesLeft: bytesMax };
    this.#asks.set(link, ask);
    link.readHistory(state.id, range, { epoch: ask.epoch, bytesMax });
  }

  /** How many bytes may be asked for; windows that keep others from it are closed. */
  #room(): number {
    const { budget } = this.#options;
    if (budget.isPressed()) return 0;
    const share = budget.bytesMax * HISTORY_SHARE;
    const piece = Math.max(1, Math.floor(Math.min(HISTORY_PIECE_BYTES, share / 2)));
    const asked = [...this.#asks.values()].reduce((sum, { bytesLeft }) => sum + bytesLeft, 0);
    if (this.#stagedBytes + asked + piece <= share) return piece;
    for (const { history } of this.#lanes) history.fills.close();
    return 0;
  }

  /** A segment under an epoch of history. */
  segment(
    link: AgentLink,
    { segment, epoch }: { readonly segment: Segment; readonly epoch: number },
  ): 'staged' | 'skipped' | 'stale' {
    const ask = this.#asks.get(link);
    if (ask?.epoch !== epoch) return 'stale';
    const { state } = ask;
    const wrong = wrongIn(segment, ask);
    if (wrong !== undefined) {
      const { topic, partition, startOffset: offset } = segment;
      this.#options.events.segmentTurnedAway({
        agent: link.agentId,
        topic,
        partition,
        offset,
        reason: wrong,
      });
      this.waits(link, epoch);
      return 'stale';
    }
    // Of a newer epoch than what the tables hold above it: one of the two is of a log that was cut.
    const isOfAnotherLog = contradicts(state, segment);
    if (isOfAnotherLog) showsPlaces(link, state);
    if (isOfAnotherLog || state.cuts > 0) {
      this.#asks.delete(link);
      this.lookSoon(AGAIN_MS);
      return 'stale';
    }
    const parts = this.#lanesOf(state).flatMap((lane) =>
      lane.history.fills.partsOf(segment).map((part) => ({ lane, part })),
    );
    const { byteLength } = segment.payload;
    if (parts.length > 0) {
      const held = this.#take(segment, parts.length);
      for (const { lane, part } of parts) lane.history.fills.stage(segment, part, held);
    }
    const share = this.#options.budget.bytesMax * HISTORY_SHARE;
    for (const { history } of this.#lanes) if (history.fills.openBytes() >= share / 2) history.fills.close();
    this.#rests.delete(state);
    ask.bytesLeft -= byteLength;
    this.#answered(link, ask, segment.nextOffset);
    return parts.length === 0 ? 'skipped' : 'staged';
  }

  /** Beside the topics' shares: no topic is held for it. */
  #take({ payload }: Segment, holders: number): StagedBytes {
    const bytes = payload.byteLength;
    const taken = this.#options.budget.take(bytes, holders, payload);
    this.#stagedBytes += bytes;
    let left = holders;
    return {
      stored: taken.stored,
      release: () => {
        taken.release();
        if (--left > 0) return;
        this.#stagedBytes -= bytes;
        this.lookSoon();
      },
    };
  }

  /** Nothing more of it comes now: what others lack is asked for meanwhile. */
  waits(link: AgentLink, epoch: number): void {
    const ask = this.#asks.get(link);
    if (ask?.epoch !== epoch) return;
    this.#asks.delete(link);
    const before = this.#rests.get(ask.state)?.ms ?? WAITS_MS_MIN / 2;
    const rest = { ms: Math.min(before * 2, WAITS_MS_MAX), isOver: false };
    this.#rests.set(ask.state, rest);
    this.#options.clock.after(rest.ms, () => {
      rest.isOver = true;
      this.lookSoon();
    });
    this.lookSoon();
  }

  /** Kafka no longer has this part of what was asked for. */
  denied(link: AgentLink, gap: GapNotice, epoch: number): void {
    const ask = this.#asks.get(link);
    if (ask?.epoch !== epoch) return;
    const { topic, topicId, partition, leaderEpoch, startOffset, nextOffset, reason } = gap;
    for (const { history } of this.#lanesOf(ask.state))
      for (const { startOffset: from, nextOffset: to } of history.fills.lacking(gap)) {
        const [start, next] = [Math.max(from, startOffset), Math.min(to, nextOffset)];
        if (start < next) history.lose({ topic, topicId, partition, leaderEpoch, start, next, reason });
      }
    this.#answered(link, ask, nextOffset);
  }

  #answered(link: AgentLink, ask: Ask, next: number): void {
    ask.next = Math.max(ask.next, next);
    if (ask.next < ask.until && ask.bytesLeft > 0) return;
    this.#asks.delete(link);
    this.lookSoon();
  }
}
