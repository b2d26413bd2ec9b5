// What the agent knows of one partition, as values and pure decisions: where to read on in Kafka, where to send on to
// the collector, and when a range must be read again. The book drives these; nothing here does I/O.
import type { PartitionId } from '@sluice/shared/position.ts';
import type { GapNotice, PartitionInfo } from '../contracts.ts';

export interface PartitionState {
  readonly id: PartitionId;
  info: PartitionInfo;
  assigned: boolean;
  /** Next offset to read from Kafka; undefined until the group, the spool or the collector has told. */
  readNext: number | undefined;
  /** Everything below is on disk, or committed: what may be sent. */
  durableNext: number;
  /** Next offset to send; undefined while the collector has not welcomed the partition on this stream. */
  sendNext: number | undefined;
  rewindEpoch: number;
  committed: number | undefined;
  /** Gaps that Kafka made, in offset order, until they are committed. */
  gaps: GapNotice[];
  /** While a range is read again in front of the spool: where that ends, and where reading goes on then. */
  refill: { readonly until: number; readonly resumeAt: number } | undefined;
}

export interface SpoolRange {
  readonly startOffset: number;
  readonly nextOffset: number;
}

/**
 * Where to read without a word from the collector: the end of the spool if it is contiguous with or above the group
 * offset, else the group offset (never above the ledger, since it is committed after it), else wait.
 */
export function readPositionBeforeWelcome(
  spool: SpoolRange | undefined,
  groupOffset: number | undefined,
): number | undefined {
  if (spool === undefined) return groupOffset;
  if (groupOffset === undefined || spool.nextOffset >= groupOffset) return spool.nextOffset;
  return groupOffset;
}

export interface SendDecision {
  readonly sendNext: number;
  /** Where Kafka must be read from, if not where it is read now. */
  readonly readFrom: number | undefined;
  readonly refill: PartitionState['refill'];
}

/** What follows from "the collector expects `expected` next". */
export function decideSend(
  expected: number,
  spool: SpoolRange | undefined,
  readNext: number | undefined,
): SendDecision {
  if (spool !== undefined && spool.startOffset <= expected && expected <= spool.nextOffset) {
    const readFrom = readNext === undefined || readNext < spool.nextOffset ? spool.nextOffset : undefined;
    return { sendNext: expected, readFrom, refill: undefined };
  }
  if (spool !== undefined && expected < spool.startOffset) {
    const refill = { until: spool.startOffset, resumeAt: spool.nextOffset };
    return { sendNext: expected, readFrom: expected, refill };
  }
  return { sendNext: expected, readFrom: readNext === expected ? undefined : expected, refill: undefined };
}
