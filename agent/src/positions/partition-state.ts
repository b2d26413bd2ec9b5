// What the agent knows of one partition, as values and pure decisions: where to read on in Kafka, where to
// send on to the collector, and when a range must be read again. The book drives these; nothing here does
// I/O.
import { commonRanges, withoutRanges } from '@sluice/shared/offset-range.ts';
import { idOf, type LogPlace, type PartitionId } from '@sluice/shared/position.ts';
import type {
  DeclaredPartition,
  GapNotice,
  OffsetRange,
  PartitionInfo,
  Source,
  SpoolPartition,
} from '../contracts.ts';

/** What the book moves, and whom it tells. */
export interface PartitionBookOptions {
  readonly source: Pick<Source, 'seek' | 'commit' | 'prove'>;
  /** What the spool holds of a partition now. */
  spoolOf(id: PartitionId): SpoolPartition | undefined;
  /** Where a partition of a topic begins that no table has read, if the config says it. */
  startAtOf(topic: string): PartitionInfo['startAt'];
  /** Partitions became known or changed since the stream's Hello. */
  declare(partitions: readonly DeclaredPartition[]): void;
  revoke(partitions: readonly PartitionId[]): void;
  /** Pending batches of a partition must not be joined with what is read next: they are read again. */
  positionMoved(id: PartitionId): void;
  /**
   * What is read now is missing in front of spooled data, which cannot be sent without it; or that is over.
   */
  refills(id: PartitionId, isMissing: boolean): void;
  /** The collector says that what lies from here on is not committed. */
  askedAgain(id: PartitionId, offset: number): void;
  /** Pending batches of a partition go to disk as they are: what is read next is somewhere else. */
  finish(id: PartitionId): void;
}

export interface PartitionState {
  readonly id: PartitionId;
  /** The topic's name belongs to another one: Kafka has said so. */
  gone: boolean;
  info: PartitionInfo;
  assigned: boolean;
  /** Next offset to read from Kafka; undefined until the group, the spool or the collector has told. */
  readNext: number | undefined;
  /** Everything from the send position up to here is on disk, or a known gap: what may be sent. */
  durableNext: number;
  /** Next offset to send; undefined while the collector has not welcomed the partition on this stream. */
  sendNext: number | undefined;
  rewindEpoch: number;
  committed: number | undefined;
  /** Gaps that Kafka made, in offset order, until they are committed. */
  gaps: GapNotice[];
  /** While a hole before spooled data is read again: where those data begin. */
  refillUntil: number | undefined;
  /** Of the log below `committed`; undefined while no collector has said it. */
  committedEpoch: number | undefined;
  /** What a collector has asked for of an open gap. */
  fill: Fill | undefined;
  /** What the collector of this stream knows to be spooled. */
  toldRuns: readonly OffsetRange[];
  /**
   * Kafka is asked whether its log still has where the collector stands: until it says so nothing is sent.
   */
  unproven: boolean;
  /** Where the collector's tables stand, as it said last. */
  stands: readonly LogPlace[];
  /** Where Kafka cut the log: what is said of epochs up to each of them counts below it only. */
  cuts: readonly LogPlace[];
  /** The lowest cut since which nothing is read. */
  cutAt: number | undefined;
  /** What the collector asked for while the spool had not made the cut yet. */
  asked: { readonly expected: number; readonly rewindEpoch: number } | undefined;
}

/** It is assigned here, and Kafka has described it: where it is read, as far as anybody here knows. */
export function enters(state: PartitionState, info: PartitionInfo, spool: SpoolPartition | undefined): void {
  const told = readPositionBeforeWelcome(spool, info.groupOffset);
  const known = [told, state.committed].filter((offset) => offset !== undefined);
  state.assigned = true;
  state.info = info;
  state.readNext = known.length === 0 ? undefined : Math.max(...known);
  state.durableNext = state.readNext ?? state.durableNext;
}

/** As a collector is told of it. */
export function declarationOf(state: PartitionState, spool: SpoolPartition | undefined): DeclaredPartition {
  const { startOffset = 0, nextOffset = 0, runs = [] } = spool ?? {};
  state.toldRuns = runs;
  const spooled = { spoolStart: startOffset, spoolNext: nextOffset, spoolRuns: runs };
  return { ...state.info, ...spooled, readsLog: state.assigned };
}

/** The notices of gaps that were not known; the state keeps them in offset order. */
export function addGaps(state: PartitionState, ranges: readonly OffsetRange[], reason: string): GapNotice[] {
  const { id, info } = state;
  const gaps = ranges.map((range) => ({ ...id, leaderEpoch: info.leaderEpoch, reason, ...range }));
  state.gaps = [...state.gaps, ...gaps].sort((a, b) => a.startOffset - b.startOffset);
  return gaps;
}

/** Some of an open gap is spooled, and no collector of this stream knows: told, it can be asked for. */
export function holdsUntold(
  { toldRuns }: PartitionState,
  spool: SpoolPartition | undefined,
  openGaps: readonly OffsetRange[],
): boolean {
  return withoutRanges(commonRanges(spool?.runs ?? [], openGaps), toldRuns).length > 0;
}

/**
 * Of a partition that is only spooled here: what Kafka has of it nobody has asked. Its log may begin as low
 * as 0, and is not known to go on behind where the spool begins: whoever takes these for Kafka's word passes
 * over nothing.
 */
export function infoOfSpool(spool: SpoolPartition, startAt: PartitionInfo['startAt']): PartitionInfo {
  const known = { logStart: 0, logEnd: spool.startOffset, startAt };
  return { ...idOf(spool), ...known, leaderEpoch: -1, groupOffset: undefined };
}

export interface Fill {
  next: number;
  readonly until: number;
  readonly epoch: number;
}

export function newState(id: PartitionId, info: PartitionInfo): PartitionState {
  return {
    ...{ id, gone: false, info, assigned: false, readNext: undefined, durableNext: 0, sendNext: undefined },
    ...{ rewindEpoch: 0, committed: undefined, gaps: [], refillUntil: undefined },
    ...{ committedEpoch: undefined, fill: undefined, toldRuns: [], unproven: false, stands: [] },
    ...{ cuts: [], cutAt: undefined, asked: undefined },
  };
}

/**
 * Where to read without a word from the collector: the end of the spool if it is contiguous with or above the
 * group offset, else the group offset (never above the ledger, since it is committed after it), else wait.
 */
export function readPositionBeforeWelcome(
  spool: OffsetRange | undefined,
  groupOffset: number | undefined,
): number | undefined {
  if (spool === undefined) return groupOffset;
  if (groupOffset === undefined || spool.nextOffset >= groupOffset) return spool.nextOffset;
  return groupOffset;
}

/**
 * Where sending goes on. A collector that asks for what another one has committed has not read the ledger so
 * far yet: it is waited for, since what is committed is here no more, and nobody needs it again.
 */
export function sendPosition({
  sendNext,
  committed = 0,
}: Pick<PartitionState, 'sendNext' | 'committed'>): number | undefined {
  return sendNext !== undefined && sendNext >= committed ? sendNext : undefined;
}

/** Spooled ranges and known gaps, by their starts. */
export function thereOf({ gaps }: PartitionState, spool: SpoolPartition | undefined): OffsetRange[] {
  return [...(spool?.runs ?? []), ...gaps].sort((a, b) => a.startOffset - b.startOffset);
}

/** The first offset from `from` on that no range covers, and where the next range behind it begins. */
export interface Hole {
  readonly at: number;
  readonly until: number | undefined;
}

/** `ranges` are in the order of their starts; they may touch and overlap. */
export function holeFrom(ranges: readonly OffsetRange[], from: number): Hole {
  let at = from;
  for (const { startOffset, nextOffset } of ranges) {
    if (startOffset > at) return { at, until: startOffset };
    at = Math.max(at, nextOffset);
  }
  return { at, until: undefined };
}

/** The parts of `range` that no other range covers. */
export function uncovered(ranges: readonly OffsetRange[], range: OffsetRange): OffsetRange[] {
  const parts: OffsetRange[] = [];
  for (let from = range.startOffset; from < range.nextOffset; ) {
    const { at: startOffset, until } = holeFrom(ranges, from);
    if (startOffset >= range.nextOffset) break;
    const nextOffset = Math.min(until ?? range.nextOffset, range.nextOffset);
    parts.push({ startOffset, nextOffset });
    from = nextOffset;
  }
  return parts;
}

export interface SendDecision {
  /** Everything from the send position up to here is there already. */
  readonly durableNext: number;
  /** Where Kafka must be read from, if not where it is read now. */
  readonly readFrom: number | undefined;
  readonly refillUntil: number | undefined;
}

/** What follows from "the collector expects `expected` next". `there`: what is spooled, and known gaps. */
export function decideSend(
  expected: number,
  there: readonly OffsetRange[],
  { readNext, durableNext }: Pick<PartitionState, 'readNext' | 'durableNext'>,
): SendDecision {
  const { at, until } = holeFrom(there, expected);
  if (until !== undefined) return { durableNext: at, readFrom: at, refillUntil: until };
  const joins = there.some((r) => r.startOffset <= expected && expected <= r.nextOffset);
  // Behind what is spooled more may be on its way to the disk, unless it was there and was lost; elsewhere
  // nothing that was read counts.
  const isOnItsWay = joins && readNext !== undefined && readNext >= at && durableNext <= at;
  const goesOn = isOnItsWay || readNext === at;
  return { durableNext: at, readFrom: goesOn ? undefined : at, refillUntil: undefined };
}

/** Others read it, or nobody, and it is not sent on this stream. */
export function isIdle(state: PartitionState | undefined): boolean {
  return state?.assigned !== true && state?.sendNext === undefined;
}
