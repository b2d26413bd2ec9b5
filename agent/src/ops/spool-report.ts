// What would be lost with a spool: per partition what it holds unacknowledged, and whether Kafka has it
// still. Pure: the contents and Kafka's answer go in, lines for people come out.
import { type PartitionId, partitionName, slotKey } from '@sluice/shared/position.ts';
import { formatBytes } from '@sluice/shared/units.ts';
import type { OffsetRange } from '../contracts.ts';
import type { LogBounds } from '../source/log-bounds.ts';
import type { SpoolContents, SpooledPartition } from '../spool/inspect-spool.ts';

/** Kafka's answer, or why there is none. */
export type KafkaAnswer =
  | { readonly kind: 'told'; readonly logs: readonly LogBounds[] }
  | { readonly kind: 'silent'; readonly reason: string };

export interface SpoolReport {
  readonly lines: readonly string[];
  /** Offsets that nothing but the spool has, as far as is known. */
  readonly onlyHere: number;
  /** Something could not be found out. */
  readonly uncertain: boolean;
}

interface Judged {
  readonly line: string;
  readonly onlyHere: number;
}

export function reportSpool(contents: SpoolContents, answer: KafkaAnswer): SpoolReport {
  const { partitions, unreadable } = contents;
  const judged = partitions.map((partition) => judge(partition, answer));
  const onlyHere = judged.reduce((sum, j) => sum + j.onlyHere, 0);
  const topics = [...new Set(unreadable.map(({ topic }) => topic))];
  const lines = [
    ...judged.map(({ line }) => line),
    ...unreadable.map(({ path, reason }) => `${path}: ${reason}`),
    ...topics.flatMap((topic) => judgeUnreadable(topic, answer)),
    ...(answer.kind === 'silent' ? [`Kafka did not say what it holds: ${answer.reason}`] : []),
    ...(partitions.length + unreadable.length === 0
      ? ['the spool holds nothing that is not acknowledged']
      : []),
  ];
  const uncertain = unreadable.length > 0 || (answer.kind === 'silent' && partitions.length > 0);
  return { lines, onlyHere, uncertain };
}

function judge(partition: SpooledPartition, answer: KafkaAnswer): Judged {
  const { runs, records, segments, bytes } = partition;
  const held = `${runs.map(rangeText).join(' ')} not acknowledged: ${records} records, ${segments} segments, ${formatBytes(bytes)}`;
  const head = `${partitionName(partition)} ${held}`;
  if (answer.kind === 'silent') return { line: head, onlyHere: 0 };
  const log = answer.logs.find((l) => slotKey(l) === slotKey(partition));
  const all = runs.reduce((sum, run) => sum + lengthOf(run), 0);
  if (log === undefined)
    return { line: `${head}; THE TOPIC IS GONE from Kafka: all of it is here alone`, onlyHere: all };
  if (!isSame(log, partition))
    return { line: `${head}; THE TOPIC WAS CREATED AGAIN: all of it is here alone`, onlyHere: all };
  const lost = runs.flatMap((run) => outside(run, log));
  if (lost.length === 0) return { line: `${head}; Kafka still holds all of it`, onlyHere: 0 };
  const onlyHere = lost.reduce((sum, range) => sum + lengthOf(range), 0);
  const bounds = `Kafka holds [${log.logStart}, ${log.logEnd})`;
  return { line: `${head}; ${bounds}, AND NO LONGER ${lost.map(rangeText).join(' ')}`, onlyHere };
}

/** Where files cannot be read, the group says what was acknowledged: what came behind that may be in them. */
function judgeUnreadable(topic: string, answer: KafkaAnswer): string[] {
  if (answer.kind === 'silent') return [];
  const logs = answer.logs.filter((log) => log.topic === topic);
  if (logs.length === 0) return [`topic ${topic} is gone from Kafka: what the files hold is here alone`];
  return logs.map((log) => {
    const { logStart, groupOffset } = log;
    const head = `${partitionName(log)} Kafka holds [${logStart}, ${log.logEnd})`;
    if (groupOffset === undefined) return `${head}; the group has no offset: what is acknowledged is unknown`;
    if (groupOffset >= logStart)
      return `${head}, acknowledged to ${groupOffset}: all behind that is still there`;
    const lost = rangeText({ startOffset: groupOffset, nextOffset: logStart });
    return `${head}, acknowledged to ${groupOffset}: AND NO LONGER ${lost}`;
  });
}

/** Brokers before 2.8 have no topic ids: then the name is all there is. */
function isSame(log: PartitionId, spooled: PartitionId): boolean {
  return log.topicId === spooled.topicId;
}

/** The parts of a range that lie before the log's start or behind its end. */
function outside({ startOffset, nextOffset }: OffsetRange, { logStart, logEnd }: LogBounds): OffsetRange[] {
  const before = { startOffset, nextOffset: Math.min(nextOffset, logStart) };
  const behind = { startOffset: Math.max(startOffset, logEnd), nextOffset };
  return [before, behind].filter((range) => lengthOf(range) > 0);
}

function lengthOf({ startOffset, nextOffset }: OffsetRange): number {
  return nextOffset - startOffset;
}

function rangeText({ startOffset, nextOffset }: OffsetRange): string {
  return `[${startOffset}, ${nextOffset})`;
}
