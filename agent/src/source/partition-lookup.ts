// What Kafka's answers mean for the assigned partitions: which topics were created again, which positions lie
// before the log, beyond it, or are fine after all. Changes the table and says what must be done; does
// nothing itself.
import type { LogBounds } from '../contracts.ts';
import type { GroupOffset } from './kafka-client.ts';
import type { GroupPosition, PartitionLog } from './kafka-cluster.ts';
import type { TopicMetadata } from './metadata-request.ts';
import {
  AWAITS_POSITION,
  CREATED_AGAIN,
  OUT_OF_RANGE,
  type PartitionRow,
  type PartitionTable,
} from './partition-table.ts';
import type { TopicRegister } from './topic-register.ts';

export interface LookupOutcome {
  /** Paused rows whose position Kafka no longer has: gaps. */
  readonly behindStart: readonly PartitionRow[];
  /** Paused rows whose position lies after the end of the log: they wait. */
  readonly beyondEnd: readonly PartitionRow[];
  readonly backInRange: readonly PartitionRow[];
  readonly groupOffsets: readonly GroupOffset[];
}

/**
 * Topic ids and leader epochs. Returns the rows of topics created again, which wait for a position from now
 * on.
 */
export function applyTopics(
  table: PartitionTable,
  topics: readonly TopicMetadata[],
  register: TopicRegister,
): readonly PartitionRow[] {
  const stopped: PartitionRow[] = [];
  for (const { topic, errorCode, topicId, partitions } of topics) {
    if (errorCode !== 0) continue;
    const again = register.isUntold(topic);
    for (const row of table.rowsOf(topic)) {
      row.topicId = topicId;
      row.leaderEpoch = partitions.find(({ partition }) => partition === row.partition)?.leaderEpoch ?? -1;
      if (!again) continue;
      row.position = undefined;
      row.groupOffset = undefined;
      row.logStart = -1;
      // What was read of the other topic is not to be found in this one.
      Object.assign(row, { readEpoch: -1, proven: undefined, checkFor: -1, places: [] });
      row.waits.clear();
      row.waits.add(CREATED_AGAIN);
      stopped.push(row);
    }
  }
  return stopped;
}

/** Of the assigned partitions that were described, and whose topic is still the same. */
export function describedLogs(
  table: PartitionTable,
  topics: readonly TopicMetadata[],
  logs: readonly PartitionLog[],
): LogBounds[] {
  return logs.flatMap(({ topic, partition, logStart, logEnd }) => {
    const row = table.row({ topic, partition });
    const topicId = topics.find((found) => found.topic === topic)?.topicId;
    if (row?.toldIdentity === undefined || row.topicId !== topicId) return [];
    return [{ topic, topicId, partition, logStart, logEnd }];
  });
}

export function applyLogs(
  table: PartitionTable,
  logs: readonly PartitionLog[],
  positions: readonly GroupPosition[],
): LookupOutcome {
  const outcome = {
    behindStart: [] as PartitionRow[],
    beyondEnd: [] as PartitionRow[],
    backInRange: [] as PartitionRow[],
    groupOffsets: [] as GroupOffset[],
  };
  for (const position of positions) {
    const row = table.row(position);
    if (row === undefined) continue;
    const { groupOffset: nextOffset } = position;
    const again = row.waits.has(CREATED_AGAIN);
    if (!again) row.groupOffset = nextOffset;
    // Behind the end of a topic that was created again stands what was committed of the one before.
    if (nextOffset === undefined || (again && nextOffset > endOf(logs, position))) continue;
    outcome.groupOffsets.push({ ...position, nextOffset });
  }
  for (const log of logs) {
    const row = table.row(log);
    if (row === undefined) continue;
    row.logStart = log.logStart;
    row.logEnd = log.logEnd;
    row.highWatermark = Math.max(row.highWatermark, log.logEnd);
    if (!row.waits.has(OUT_OF_RANGE) || row.position === undefined || row.waits.has(AWAITS_POSITION))
      continue;
    if (row.position < log.logStart) outcome.behindStart.push(row);
    else if (row.position > log.logEnd) outcome.beyondEnd.push(row);
    else outcome.backInRange.push(row);
  }
  return outcome;
}

function endOf(logs: readonly PartitionLog[], { topic, partition }: GroupPosition): number {
  return logs.find((log) => log.topic === topic && log.partition === partition)?.logEnd ?? 0;
}
