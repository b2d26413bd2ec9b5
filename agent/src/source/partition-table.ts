// The partitions assigned to this agent: where each one is read next, what Kafka said about it, and every
// reason why it must not flow. Pure bookkeeping: kafka-source.ts applies it to the client and tells the
// wiring.
import { type LogPlace, NO_TOPIC_ID, slotKey } from '@sluice/shared/position.ts';
import type {
  BoundedRead,
  FetchedBounds,
  PartitionInfo,
  SoughtPartition,
  SourcePartitionStatus,
  TopicSelection,
} from '../contracts.ts';
import { selectionOf } from '../topic-selections.ts';
import type { DamageSeen } from './damaged-batches.ts';
import type { TopicPartition } from './kafka-client.ts';

/** Why a partition does not flow, in the words of `status`. */
export const AWAITS_POSITION = 'waits for a position';
export const OUT_OF_RANGE = 'its position is outside the log';
export const DAMAGED = 'its next record batch is damaged and cannot be counted';
const RANGE_READ = 'its range has been read';
export const CHECKS_LOG = 'asks Kafka where the log of the last leader ended';
export const LOG_CUT = 'Kafka cut its log: what was spooled behind it is dropped first';
export const CREATED_AGAIN = 'the topic was created again and waits for a position';

export interface PartitionRow extends TopicPartition {
  /** Next offset to fetch; undefined until someone knows. */
  position: number | undefined;
  topicId: string;
  /** The leader's, as the metadata say. */
  leaderEpoch: number;
  /** Of what lies before the position; -1 where nobody knows. */
  readEpoch: number;
  /** The place that was compared last, and the leader epoch of the log that has it. */
  proven: { readonly place: LogPlace; readonly epoch: number } | undefined;
  /** Leader epoch whose log is to be compared with ours; -1 where nothing is. */
  checkFor: number;
  /** Places that others ask about. */
  places: readonly LogPlace[];
  logStart: number;
  logEnd: number;
  highWatermark: number;
  groupOffset: number | undefined;
  readonly startAt: 'earliest' | 'latest' | undefined;
  /** All that may be read of it, where the read is bounded. */
  readonly range: BoundedRead | undefined;
  /** Reasons of this partition alone; its topic may be held beside. */
  readonly waits: Set<string>;
  /** Holds that do not stop it. */
  passes: ReadonlySet<string>;
  idleSinceMs: number | undefined;
  /** Wall ms since which the last stable offset has stood below the end of the log. */
  openTransactionSinceMs: number | undefined;
  /** What the wiring was told last, so that it is told again only when that changed. */
  toldIdentity: string | undefined;
  beyondEndTold: boolean;
  damageSeen: DamageSeen | undefined;
}

export class PartitionTable {
  #rows = new Map<string, PartitionRow>();
  readonly #holds = new Map<string, Set<string>>();
  /** Reasons that hold every topic, also those that are assigned later. */
  readonly #holdsOfAll = new Set<string>();

  /** Replaces the assignment. What Kafka said of a partition that stays is kept; its position is not. */
  assign(
    partitions: readonly TopicPartition[],
    selections: readonly TopicSelection[],
  ): readonly PartitionRow[] {
    const before = this.#rows;
    this.#rows = new Map();
    for (const { topic, partition } of partitions) {
      const key = slotKey({ topic, partition });
      const known = before.get(key);
      const selection = selectionOf(topic, selections);
      this.#rows.set(key, {
        topic,
        partition,
        position: undefined,
        topicId: known?.topicId ?? NO_TOPIC_ID,
        leaderEpoch: known?.leaderEpoch ?? -1,
        ...{ readEpoch: -1, proven: undefined, checkFor: -1, places: known?.places ?? [] },
        logStart: known?.logStart ?? -1,
        logEnd: known?.logEnd ?? -1,
        highWatermark: known?.highWatermark ?? -1,
        groupOffset: known?.groupOffset,
        startAt: selection?.startAt,
        range: rangeOf(selection, partition),
        waits: new Set(),
        passes: new Set(),
        idleSinceMs: undefined,
        openTransactionSinceMs: undefined,
        toldIdentity: undefined,
        beyondEndTold: false,
        damageSeen: undefined,
      });
    }
    return this.rows();
  }

  clear(): void {
    this.#rows = new Map();
  }

  rows(): readonly PartitionRow[] {
    return [...this.#rows.values()];
  }

  row({ topic, partition }: TopicPartition): PartitionRow | undefined {
    return this.#rows.get(slotKey({ topic, partition }));
  }

  rowsOf(topic: string): readonly PartitionRow[] {
    return this.rows().filter((row) => row.topic === topic);
  }

  topics(): readonly string[] {
    return [...new Set(this.rows().map(({ topic }) => topic))];
  }

  /** Holds are kept whatever is assigned. Each returns whether the topic's flow changed. */
  hold(topic: string, why: string): boolean {
    const reasons = this.#holds.get(topic) ?? new Set();
    this.#holds.set(topic, reasons);
    reasons.add(why);
    return reasons.size === 1;
  }

  release(topic: string, why: string): boolean {
    const reasons = this.#holds.get(topic);
    if (reasons === undefined || !reasons.delete(why) || reasons.size > 0) return false;
    return this.#holds.delete(topic);
  }

  holdAll(why: string): boolean {
    this.#holdsOfAll.add(why);
    return this.#holdsOfAll.size === 1;
  }

  releaseAll(why: string): boolean {
    return this.#holdsOfAll.delete(why) && this.#holdsOfAll.size === 0;
  }

  /** Every reason why a partition does not flow; it flows when there is none. */
  paused(row: PartitionRow): readonly string[] {
    const done = this.isRead(row) ? [RANGE_READ] : [];
    const holds = [...(this.#holds.get(row.topic) ?? []), ...this.#holdsOfAll];
    return [...row.waits, ...done, ...holds.filter((why) => !row.passes.has(why))];
  }

  /** Whether a bounded read of the partition is over. */
  isRead({ position, range }: PartitionRow): boolean {
    return position !== undefined && range !== undefined && position >= range.to;
  }

  status(): SourcePartitionStatus[] {
    return this.rows().map((row) => ({
      ...partitionInfo(row),
      position: row.position,
      highWatermark: row.highWatermark,
      openTransactionSinceMs: this.paused(row).length > 0 ? undefined : row.openTransactionSinceMs,
      paused: this.paused(row),
      idleSinceMs: row.idleSinceMs,
      committedToGroup: row.groupOffset,
    }));
  }
}

/** Of a bounded read the log begins and ends with the range: whoever starts at its beginning starts there. */
export function partitionInfo(row: PartitionRow): PartitionInfo {
  const { topic, topicId, partition, leaderEpoch, groupOffset, startAt, range } = row;
  const logStart = range === undefined ? row.logStart : Math.max(row.logStart, range.from);
  const logEnd = range === undefined ? row.logEnd : Math.max(logStart, Math.min(row.logEnd, range.to));
  return { topic, topicId, partition, leaderEpoch, logStart, logEnd, groupOffset, startAt };
}

/**
 * What is said of a topic that had the name before says nothing of the one that has it now. Which one that is
 * nobody knows before Kafka has described it.
 */
export function isOfOtherTopic(row: PartitionRow, { topicId = row.topicId }: SoughtPartition): boolean {
  return topicId !== row.topicId;
}

function rangeOf(selection: TopicSelection | undefined, partition: number): BoundedRead | undefined {
  if (selection?.kind !== 'name' || selection.only === undefined) return undefined;
  return selection.only.find((range) => range.partition === partition) ?? { partition, from: 0, to: 0 };
}

/** What a fetch said of the log; idle is who has read up to what read_committed may see. */
export function noteBounds(row: PartitionRow, bounds: FetchedBounds, nowMs: number): void {
  const { lastStableOffset, highWatermark } = bounds;
  const moves = row.logEnd !== lastStableOffset || lastStableOffset >= highWatermark;
  const sinceMs = lastStableOffset < highWatermark ? nowMs : undefined;
  row.openTransactionSinceMs = moves ? sinceMs : (row.openTransactionSinceMs ?? sinceMs);
  row.logStart = Math.max(row.logStart, bounds.logStart);
  row.logEnd = bounds.lastStableOffset;
  row.highWatermark = bounds.highWatermark;
  const idle = row.position !== undefined && row.position >= bounds.lastStableOffset;
  row.idleSinceMs = idle ? (row.idleSinceMs ?? nowMs) : undefined;
}
