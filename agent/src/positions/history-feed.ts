// What a collector asks of a partition's history, read from Kafka piece by piece and handed to the link while
// nothing else is to be sent. One question at a time, and one piece of its answer in memory; nothing of it is
// spooled, since Kafka still has it and the ledger knows how far it came. A question is forgotten with its
// stream, and with the partition; one that Kafka has nothing for now is given back, so that the collector can
// ask for another partition's.
import type { Clock } from '@sluice/shared/clock.ts';
import { describeError } from '@sluice/shared/errors.ts';
import { type PartitionId, partitionKey } from '@sluice/shared/position.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import type { HistoryQuestion, LogPiece, LogReader, SourceBatch, UplinkItem } from '../contracts.ts';
import type { Events } from '../events.ts';

/** Read from Kafka at once. */
const PIECE_BYTES = 2 ** 20;
/** Before a question is given back: a cluster that fails is not asked more often. */
const GIVE_BACK_MS = 500;

const NO_BYTES = Buffer.alloc(0);

export interface HistoryFeedOptions {
  readonly reader: Pick<LogReader, 'read'>;
  readonly clock: Clock;
  readonly events: Pick<Events, 'historyNotRead' | 'historyFetched'>;
  /** What goes over the link of these batches, the first of which may begin below `offset`. */
  segments(id: PartitionId, offset: number, batches: readonly SourceBatch[]): readonly Segment[];
  /** Something may be sendable now. */
  wake(): void;
}

interface Answering extends HistoryQuestion {
  /** Everything below is read. */
  next: number;
  bytesLeft: number;
  readonly over: AbortController;
}

export class HistoryFeed {
  readonly #options: HistoryFeedOptions;
  #answering: Answering | undefined;
  #items: UplinkItem[] = [];
  #taken: () => void = () => {};

  constructor(options: HistoryFeedOptions) {
    this.#options = options;
  }

  /** Takes the place of what was asked before. */
  ask(question: HistoryQuestion): void {
    this.drop();
    const { range, bytesMax } = question;
    const over = new AbortController();
    const answering = { ...question, next: range.startOffset, bytesLeft: bytesMax, over };
    this.#answering = answering;
    void this.#answer(answering);
  }

  /** Of these partitions, or of whichever is asked for, nothing more is sent. */
  drop(partitions?: readonly PartitionId[]): void {
    if (this.#answering === undefined) return;
    const { id, over } = this.#answering;
    if (partitions !== undefined && !partitions.some((p) => partitionKey(p) === partitionKey(id))) return;
    over.abort();
    this.#answering = undefined;
    this.#items = [];
    this.#taken();
  }

  /** Whether something of a topic that flows can be sent. */
  has(isHeld: (topic: string) => boolean): boolean {
    return this.#answering !== undefined && this.#items.length > 0 && !isHeld(this.#answering.id.topic);
  }

  take(isHeld: (topic: string) => boolean): UplinkItem | undefined {
    if (!this.has(isHeld)) return undefined;
    const item = this.#items.shift();
    if (this.#items.length === 0) this.#taken();
    return item;
  }

  /** Never rejects. */
  async #answer(answering: Answering): Promise<void> {
    const { range, over, epoch: rewindEpoch } = answering;
    const isOver = () => over.signal.aborted;
    while (!isOver() && answering.next < range.nextOffset && answering.bytesLeft > 0) {
      const found = await this.#read(answering);
      if (!found) await this.#options.clock.sleep(GIVE_BACK_MS, over.signal);
      if (isOver()) return;
      if (!found) this.#items.push({ kind: 'history waits', rewindEpoch });
      this.#options.wake();
      if (!found) return;
      await new Promise<void>((resolve) => {
        this.#taken = resolve;
      });
    }
  }

  /** Whether that brought anything. */
  async #read(answering: Answering): Promise<boolean> {
    const { events, reader } = this.#options;
    const { id, next, bytesLeft, over } = answering;
    try {
      const piece = await reader.read(id, next, Math.min(PIECE_BYTES, bytesLeft));
      return !over.signal.aborted && this.#add(answering, piece);
    } catch (error) {
      events.historyNotRead({ topic: id.topic, partition: id.partition, reason: describeError(error) });
      return false;
    }
  }

  /** Whether the piece brought anything. */
  #add(answering: Answering, piece: LogPiece): boolean {
    const { id, range, epoch: rewindEpoch } = answering;
    if (piece.kind === 'lost') {
      const [startOffset, nextOffset] = [answering.next, Math.min(piece.nextOffset, range.nextOffset)];
      const gap = { ...id, leaderEpoch: -1, startOffset, nextOffset, reason: piece.reason };
      this.#items.push({ kind: 'gap', gap, rewindEpoch });
      answering.next = nextOffset;
      return true;
    }
    const batches = batchesBelow(piece.batches, answering.next, range.nextOffset);
    for (const segment of this.#options.segments(id, answering.next, batches)) {
      if (answering.bytesLeft <= 0) break;
      this.#items.push({ kind: 'segment', segment, rewindEpoch });
      answering.next = segment.nextOffset;
      answering.bytesLeft -= segment.payload.byteLength;
      this.#options.events.historyFetched(id.topic, segment.payload.byteLength);
    }
    return this.#items.length > 0;
  }
}

/** What lies behind is not sent; that nothing lies in between is. */
function batchesBelow(batches: readonly SourceBatch[], from: number, until: number): readonly SourceBatch[] {
  const below = batches.filter(({ baseOffset }) => baseOffset < until);
  const behind = batches[below.length];
  const baseOffset = Math.max(from, (below.at(-1)?.lastOffset ?? -1) + 1);
  if (behind === undefined || baseOffset >= until) return below;
  const { leaderEpoch } = below.at(-1) ?? behind;
  const nothing = { kind: 'empty', count: 0, timestampMax: -1, compressed: false, bytes: NO_BYTES } as const;
  return [...below, { ...nothing, leaderEpoch, baseOffset, lastOffset: until - 1 }];
}
