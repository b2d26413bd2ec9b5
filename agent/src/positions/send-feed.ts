// What is sent next: per partition the durable segments from its send position on, and the gaps between them,
// in offset order; over partitions in turn, so that no busy one starves the others. Reads a little ahead of
// the link.
import type { Clock } from '@sluice/shared/clock.ts';
import { isKind } from '@sluice/shared/errors.ts';
import { type PartitionId, partitionKey } from '@sluice/shared/position.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import type { DeclaredPartition, Spool, UplinkFeed, UplinkItem } from '../contracts.ts';
import type { HistoryFeed } from './history-feed.ts';
import type { PartitionBook } from './partition-book.ts';
import { type PartitionState, sendPosition } from './partition-state.ts';

/** Read from the spool at once, per partition. */
const READ_AHEAD_BYTES = 2 * 2 ** 20;
/** Kept ahead over all partitions; beyond it a read takes one segment. */
const ALL_AHEAD_BYTES_MAX = 16 * 2 ** 20;

/** History is sent while less than this is on the link: whatever comes live waits for no more. */
export const HISTORY_BEHIND_BYTES = 512 * 2 ** 10;

/** A read that may succeed later is repeated after this, doubled each time. */
const RETRY_MS_MIN = 200;
const RETRY_MS_MAX = 10_000;

interface Ahead {
  readonly segments: Segment[];
  /** Of the partition when it was read: behind a later cut it is of another log. */
  readonly cuts: PartitionState['cuts'];
}

export interface SendFeedOptions {
  readonly spool: Pick<Spool, 'read' | 'status'>;
  readonly clock: Clock;
  readonly history?: Pick<HistoryFeed, 'has' | 'take' | 'drop'>;
  /** Spool reads that failed for good: the partition is read again from Kafka. */
  onLost(id: PartitionId, offset: number, error: unknown): void;
}

export class SendFeed implements UplinkFeed {
  readonly #book: PartitionBook;
  readonly #spool: Pick<Spool, 'read' | 'status'>;
  readonly #ahead = new Map<string, Ahead>();
  /** Topics of which the collector takes nothing now. */
  readonly #held = new Set<string>();
  /** Counted up with every Hello: whoever asked for an older stream takes nothing any more. */
  #stream = 0;
  readonly #isHeld = (topic: string) => this.#held.has(topic);
  #inFlightBytes = 0;
  #turn = 0;
  #fillFirst = false;
  #waiters = new Set<() => void>();
  readonly #options: SendFeedOptions;
  /** Partitions whose last read failed, and is repeated. */
  readonly #retries = new Map<string, { readonly delayMs: number; readonly atMs: number }>();

  constructor(book: PartitionBook, options: SendFeedOptions) {
    this.#book = book;
    this.#spool = options.spool;
    this.#options = options;
  }

  declared(): readonly DeclaredPartition[] {
    this.#stream++;
    this.#ahead.clear();
    this.#options.history?.drop();
    this.#inFlightBytes = 0;
    return this.#book.declared(this.#spool.status().partitions);
  }

  async next(): Promise<UplinkItem | undefined> {
    const states = this.#book.states();
    const stream = this.#stream;
    for (let i = 0; i < states.length; i++) {
      const state = states[(this.#turn + i) % states.length];
      if (state === undefined || this.#held.has(state.id.topic)) continue;
      const item = await this.#nextOf(state);
      // What comes next is the new stream's.
      if (stream !== this.#stream) return undefined;
      if (item === undefined) continue;
      this.#turn = (this.#turn + i + 1) % states.length;
      return item;
    }
    return this.#hasHistory() ? this.#options.history?.take(this.#isHeld) : undefined;
  }

  #hasHistory(): boolean {
    const { history } = this.#options;
    return this.#inFlightBytes < HISTORY_BEHIND_BYTES && history?.has(this.#isHeld) === true;
  }

  inFlight(bytes: number): void {
    this.#inFlightBytes = bytes;
    if (this.#hasHistory()) this.wake();
  }

  /** A fill goes beside what is next, in turn. */
  async #nextOf(state: PartitionState): Promise<UplinkItem | undefined> {
    const stream = this.#stream;
    this.#fillFirst = !this.#fillFirst && state.fill !== undefined;
    const filled = this.#fillFirst ? await this.#nextFilling(state) : undefined;
    if (filled !== undefined || stream !== this.#stream) return filled;
    const isSent = sendPosition(state) !== undefined && !state.unproven;
    const next = isSent ? (this.#nextGap(state) ?? (await this.#nextSegment(state))) : undefined;
    if (next !== undefined || this.#fillFirst || stream !== this.#stream) return next;
    return await this.#nextFilling(state);
  }

  /** What the spool has of the range that was asked for, and what it does not have, in offset order. */
  async #nextFilling(state: PartitionState): Promise<UplinkItem | undefined> {
    const { fill, id } = state;
    if (fill === undefined || this.#waits(id)) return undefined;
    const { next: from, epoch } = fill;
    const segment = await this.#readFilling(state, from);
    if (segment === 'later' || state.fill !== fill || fill.next !== from) return undefined;
    const nextOffset = segment?.nextOffset ?? this.#nextHeld(state, from, fill.until);
    fill.next = nextOffset;
    if (nextOffset >= fill.until) state.fill = undefined;
    if (segment !== undefined) return { kind: 'segment', segment, rewindEpoch: epoch };
    const { leaderEpoch } = state.info;
    const gap = { ...id, leaderEpoch, startOffset: from, nextOffset, reason: 'not in the spool' };
    return { kind: 'gap', gap, rewindEpoch: epoch };
  }

  async #readFilling({ id }: PartitionState, from: number): Promise<Segment | 'later' | undefined> {
    try {
      const [segment] = await this.#spool.read(id, from, 1);
      return segment;
    } catch (error) {
      if (!isKind(error, 'retry')) return undefined; // dropped by the spool, by name
      this.#retryLater(id);
      return 'later';
    }
  }

  #nextHeld({ id }: PartitionState, from: number, until: number): number {
    const held = this.#spool.status().partitions.find((p) => partitionKey(p) === partitionKey(id));
    const starts = (held?.runs ?? []).map(({ startOffset }) => startOffset).filter((start) => start > from);
    return Math.min(until, ...starts);
  }

  #nextGap(state: PartitionState): UplinkItem | undefined {
    const { sendNext } = state;
    const gap = state.gaps.find(
      (g) => sendNext !== undefined && g.startOffset <= sendNext && sendNext < g.nextOffset,
    );
    if (gap === undefined) return undefined;
    state.sendNext = gap.nextOffset;
    return { kind: 'gap', gap, rewindEpoch: state.rewindEpoch };
  }

  async #nextSegment(state: PartitionState): Promise<UplinkItem | undefined> {
    const from = state.sendNext;
    if (from === undefined || from >= state.durableNext || this.#waits(state.id)) return undefined;
    const { rewindEpoch: epoch } = state;
    const stream = this.#stream;
    const segment = this.#takeAhead(state, from) ?? (await this.#readAhead(state, from));
    // While the disk was read the collector may have asked for another place, or the same on another stream.
    const isAsked = state.sendNext === from && state.rewindEpoch === epoch && stream === this.#stream;
    if (segment === undefined || !isAsked) return undefined;
    state.sendNext = segment.nextOffset;
    return { kind: 'segment', segment, rewindEpoch: epoch };
  }

  #takeAhead(state: PartitionState, from: number): Segment | undefined {
    const ahead = this.#ahead.get(partitionKey(state.id));
    const found = ahead !== undefined && ahead.cuts === state.cuts ? ahead.segments.shift() : undefined;
    if (found !== undefined && found.startOffset <= from && from < found.nextOffset) return found;
    this.#ahead.delete(partitionKey(state.id));
    return undefined;
  }

  async #readAhead(state: PartitionState, from: number): Promise<Segment | undefined> {
    const { cuts } = state;
    try {
      const bytesMax = Math.max(1, Math.min(READ_AHEAD_BYTES, this.#room()));
      const [first, ...rest] = await this.#spool.read(state.id, from, bytesMax);
      this.#retries.delete(partitionKey(state.id));
      this.#ahead.set(partitionKey(state.id), { segments: rest, cuts });
      // Unless it was committed while the disk was read.
      if (first === undefined && state.sendNext === from)
        this.#options.onLost(state.id, from, new Error(`nothing covers offset ${from}`));
      return first;
    } catch (error) {
      if (isKind(error, 'retry')) this.#retryLater(state.id);
      else this.#options.onLost(state.id, from, error);
      return undefined;
    }
  }

  /** Of what may be read ahead. What was read of a partition that is not sent now is forgotten first. */
  #room(): number {
    const sent = new Set<string>();
    for (const { id, sendNext } of this.#book.states())
      if (sendNext !== undefined && !this.#held.has(id.topic)) sent.add(partitionKey(id));
    let room = ALL_AHEAD_BYTES_MAX;
    for (const [key, { segments }] of this.#ahead) {
      if (!sent.has(key)) this.#ahead.delete(key);
      else for (const { payload } of segments) room -= payload.byteLength;
    }
    return room;
  }

  #retryLater(id: PartitionId): void {
    const { clock } = this.#options;
    const before = this.#retries.get(partitionKey(id))?.delayMs ?? RETRY_MS_MIN / 2;
    const delayMs = Math.min(before * 2, RETRY_MS_MAX);
    this.#retries.set(partitionKey(id), { delayMs, atMs: clock.monotonicMs() + delayMs });
    clock.after(delayMs, () => {
      // A timer may be early by a fraction: the wait ends with it.
      this.#retries.set(partitionKey(id), { delayMs, atMs: 0 });
      this.wake();
    });
  }

  #waits(id: PartitionId): boolean {
    return (this.#retries.get(partitionKey(id))?.atMs ?? 0) > this.#options.clock.monotonicMs();
  }

  hold(topic: string): void {
    this.#held.add(topic);
    // Also now: where nothing else is read, nothing else would forget it.
    this.#room();
  }

  release(topic: string): void {
    if (this.#held.delete(topic)) this.wake();
  }

  /** Something may be sendable now. */
  wake(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }

  ready(signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#hasMore()) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        this.#waiters.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiters.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  #hasMore(): boolean {
    if (this.#hasHistory()) return true;
    return this.#book.states().some((state) => {
      const sendNext = sendPosition(state);
      if (this.#held.has(state.id.topic)) return false;
      if (state.fill !== undefined && !this.#waits(state.id)) return true;
      if (sendNext === undefined || state.unproven) return false;
      return (
        (sendNext < state.durableNext && !this.#waits(state.id)) ||
        state.gaps.some((g) => g.startOffset <= sendNext && sendNext < g.nextOffset)
      );
    });
  }
}
