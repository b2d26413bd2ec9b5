// What one table gets of its history, beside its windows and its gaps: segments that an agent reads from
// Kafka for it, in windows of their own that are committed as fills, each from where the one before ended.
// What Kafka has lost meanwhile is recorded in its place. Only while the table's config asks for it; what is
// begun goes on where it was.
import { describeError, SluiceError } from '@sluice/shared/errors.ts';
import { type OffsetRange, withoutRanges } from '@sluice/shared/offset-range.ts';
import { type PartitionId, partitionKey, slotKey } from '@sluice/shared/position.ts';
import type { DeclaredPartition, LostHistory, TableConfig } from '../contracts.ts';
import { readsTopic } from '../table-topics.ts';
import { FillLane } from './fill-lane.ts';
import type { LaneOptions } from './lane.ts';

export interface Superseded {
  readonly id: PartitionId;
  readonly later: readonly PartitionId[];
}

const ANOTHER_TOPIC = 'the topic was deleted and created again';

export class HistoryLane {
  readonly fills: FillLane;
  readonly #options: LaneOptions;
  #table: TableConfig;
  readonly #changed: () => void;
  /** Lost parts on their way into the ledger. */
  readonly #losing = new Set<LostHistory>();
  /** Partitions whose history is on its way into the ledger. */
  readonly #beginning = new Set<string>();

  constructor(options: LaneOptions, changed: () => void) {
    this.#options = options;
    this.#changed = changed;
    this.#table = options.table;
    this.fills = new FillLane(options, changed, {
      open: (id) => this.#unread(id),
      lingerMs: () => this.#table.windowLengthMs,
      isReadAgain: true,
      filled: (range) => this.#ended(range),
    });
  }

  configure(table: TableConfig): void {
    this.#table = table;
    this.fills.configure(table);
  }

  /** Its config asks for it. */
  get isWanted(): boolean {
    return this.#table.backfill === 'earliest';
  }

  #unread(id: PartitionId): readonly OffsetRange[] {
    const backfill = this.isWanted ? this.#options.writer.backfill(id) : undefined;
    if (backfill === undefined || backfill.next >= backfill.to) return [];
    const key = partitionKey(id);
    const losing = [...this.#losing].filter((lost) => partitionKey(lost) === key);
    return withoutRanges(
      [{ startOffset: backfill.next, nextOffset: backfill.to }],
      losing.map(({ start, next }) => ({ startOffset: start, nextOffset: next })),
    );
  }

  /** Once for each partition that the table has opened. Never rejects. */
  async begin(declared: readonly DeclaredPartition[]): Promise<void> {
    if (!this.isWanted) return;
    const { table, writer, events } = this.#options;
    const read = declared.filter(({ topic, readsLog }) => readsLog && readsTopic(this.#table, topic));
    const isFresh = (p: PartitionId) =>
      writer.backfill(p) === undefined && !this.#beginning.has(partitionKey(p));
    const fresh = read.filter(isFresh);
    for (const p of fresh) this.#beginning.add(partitionKey(p));
    try {
      await writer.beginBackfill(fresh.map(({ logStart, ...id }) => ({ ...id, from: logStart })));
    } catch (error) {
      events.tableNotOpened({ table: table.name, reason: `backfill: ${describeError(error)}` });
      return;
    } finally {
      for (const p of fresh) this.#beginning.delete(partitionKey(p));
    }
    for (const id of fresh) {
      const { topic, partition } = id;
      const backfill = writer.backfill(id);
      if (backfill !== undefined)
        events.backfillBegun({ table: table.name, topic, partition, from: backfill.from, to: backfill.to });
    }
    this.#changed();
  }

  /** What is not all read, and whose topic may have a later self: what the table has opened behind it. */
  superseded(): readonly Superseded[] {
    const slots = Map.groupBy(this.#options.writer.partitions(), slotKey).values();
    return [...slots].flatMap((selves) =>
      selves
        .map((id, i) => ({ id, later: selves.slice(i + 1) }))
        .filter(({ id, later }) => later.length > 0 && this.#unread(id).length > 0),
    );
  }

  /** The topic was deleted: nobody can read what is left. */
  end({ topic, topicId, partition }: PartitionId): void {
    const id = { topic, topicId, partition };
    for (const { startOffset: start, nextOffset: next } of this.#unread(id))
      this.lose({ ...id, leaderEpoch: -1, start, next, reason: ANOTHER_TOPIC });
  }

  /** Recorded behind what is staged here. */
  lose(lost: LostHistory): void {
    const { writer, events, table } = this.#options;
    this.#losing.add(lost);
    this.fills.inOrder(async () => {
      try {
        await writer.loseHistory(lost);
        const { topic, partition, start, next, reason } = lost;
        events.gapRecorded({ table: table.name, topic, partition, start, next, reason });
        this.#ended(lost);
      } catch (error) {
        // What comes before it is not there: another collector was first. It is asked for again.
        if (!(error instanceof SluiceError && error.code === 'LEDGER_RANGE_CONFLICT')) throw error;
      } finally {
        this.#losing.delete(lost);
        this.#changed();
      }
    });
  }

  #ended(id: PartitionId): void {
    const backfill = this.#options.writer.backfill(id);
    if (backfill === undefined || backfill.next < backfill.to) return;
    const { from, to } = backfill;
    const { topic, partition } = id;
    this.#options.events.backfillEnded({ table: this.#options.table.name, topic, partition, from, to });
  }
}
