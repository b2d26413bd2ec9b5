// When the spool is full, for whom, and when it has room again. Half of the cap is shared out equally among
// the topics and is theirs alone; the other half is common. Whoever holds less than that is read on also
// where others have taken all: what is spooled of a topic that nobody takes stays, and stops nobody else.
// Pure.
import { formatBytes } from '@sluice/shared/units.ts';
import type { SpoolPressure } from '../contracts.ts';
import type { SpoolState } from './worker-protocol.ts';

/** What was stopped flows again below this share of its limit. */
const RESUME_SHARE = 0.9;

/**
 * Beyond the cap, and below the free space that must stay, of which half stays whatever comes: for that alone
 * without which no room would come; one half of it also for topics that hold less than is theirs alone.
 */
const RESERVE_BYTES = 64 * 2 ** 20;
/** What is missing in front of spooled data has the rest for itself: others must not take its place. */
const SHARED_RESERVE = 3 / 4;

/** A new file of the spool takes three: itself, its log and the log's index. */
export const INODES_MIN = 12;

export const NO_PRESSURE: SpoolPressure = {
  heldTopics: new Map(),
  ...{ full: undefined, filling: new Set(), isFullForAll: false },
  ...{ sharedReserveUsed: false, reserveUsed: false },
};

export interface PressureLimits {
  readonly bytesMax: number;
  readonly freeSpaceMin: number;
}

export function judgePressure(
  state: SpoolState,
  limits: PressureLimits,
  before: SpoolPressure,
): SpoolPressure {
  const byTopic = new Map<string, number>();
  for (const { topic, bytes } of state.partitions) byTopic.set(topic, (byTopic.get(topic) ?? 0) + bytes);
  const full = judgeFull(state, limits, before.full !== undefined);
  return {
    full,
    filling: new Set(full === undefined ? [] : topicsAtOwn(byTopic, roomOf(state, limits), before.filling)),
    // Where nothing is spooled no topic has the room that the others lack.
    isFullForAll: full !== undefined && (byTopic.size === 0 || judgeForAll(state, limits, before)),
    sharedReserveUsed: judgeReserve(state, limits, sharedPart(before)),
    reserveUsed: judgeReserve(state, limits),
    heldTopics: judgeTopics(byTopic, limits.bytesMax, before.heldTopics),
  };
}

function judgeFull(state: SpoolState, limits: PressureLimits, wasFull: boolean): string | undefined {
  const bytes = state.partitions.reduce((sum, p) => sum + p.bytes, 0);
  const cap = limits.bytesMax * (wasFull ? RESUME_SHARE : 1);
  const floor = limits.freeSpaceMin / (wasFull ? RESUME_SHARE : 1);
  if (bytes >= cap) return `spool.bytesMax (${formatBytes(limits.bytesMax)}) is reached`;
  if (state.freeBytes < floor)
    return `the disk has less than spool.freeSpaceMin (${formatBytes(limits.freeSpaceMin)}) free`;
  if (state.freeInodes < INODES_MIN * (wasFull ? 2 : 1))
    return `the disk under the spool has ${state.freeInodes} inodes left, and bytes free`;
  return undefined;
}

/** What there is to be shared out: a disk may have less room than the cap. */
function roomOf({ partitions, freeBytes }: SpoolState, { bytesMax, freeSpaceMin }: PressureLimits): number {
  const bytes = partitions.reduce((sum, p) => sum + p.bytes, 0);
  return Math.min(bytesMax, bytes + Math.max(0, freeBytes - freeSpaceMin));
}

/** Those that hold as much as is theirs alone, or more. */
function topicsAtOwn(
  byTopic: ReadonlyMap<string, number>,
  room: number,
  before: ReadonlySet<string>,
): readonly string[] {
  const own = room / 2 / byTopic.size;
  return [...byTopic].flatMap(([topic, bytes]) =>
    bytes >= own * (before.has(topic) ? RESUME_SHARE : 1) ? [topic] : [],
  );
}

/** Nothing is read on in a full spool, whatever a topic holds: what is left of the reserve makes room. */
function judgeForAll(
  { partitions, freeBytes, freeInodes }: SpoolState,
  { bytesMax, freeSpaceMin }: PressureLimits,
  before: SpoolPressure,
): boolean {
  const bytes = partitions.reduce((sum, p) => sum + p.bytes, 0);
  const part = before.isFullForAll ? 4 : 2;
  const floor = freeSpaceMin - reserveOfDisk(freeSpaceMin) / part;
  return bytes >= bytesMax + RESERVE_BYTES / part || freeBytes < floor || freeInodes < 2 * INODES_MIN;
}

const reserveOfDisk = (freeSpaceMin: number) => Math.min(RESERVE_BYTES, freeSpaceMin / 2);

const sharedPart = ({ sharedReserveUsed }: SpoolPressure) =>
  SHARED_RESERVE * (sharedReserveUsed ? RESUME_SHARE : 1);

/** Whether this part of the reserve is used. */
function judgeReserve(
  { partitions, freeBytes, freeInodes }: SpoolState,
  { bytesMax, freeSpaceMin }: PressureLimits,
  part = 1,
): boolean {
  const bytes = partitions.reduce((sum, p) => sum + p.bytes, 0);
  const none = freeInodes < INODES_MIN / 2;
  const floor = freeSpaceMin - part * reserveOfDisk(freeSpaceMin);
  return none || bytes >= bytesMax + part * RESERVE_BYTES || freeBytes < floor;
}

function judgeTopics(
  byTopic: ReadonlyMap<string, number>,
  bytesMax: number,
  before: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const held = new Map<string, string>();
  if (byTopic.size < 2) return held;
  const own = bytesMax / 2 / byTopic.size;
  const commonUsed = [...byTopic.values()].reduce((sum, bytes) => sum + Math.max(0, bytes - own), 0);
  for (const [topic, bytes] of byTopic) {
    const factor = before.has(topic) ? RESUME_SHARE : 1;
    if (bytes >= own * factor && commonUsed >= (bytesMax / 2) * factor)
      held.set(topic, `its share of the spool is used (${formatBytes(bytes)})`);
  }
  return held;
}

export function samePressure(a: SpoolPressure, b: SpoolPressure): boolean {
  if (a.reserveUsed !== b.reserveUsed || a.sharedReserveUsed !== b.sharedReserveUsed) return false;
  return sameHolds(a, b);
}

/** How much of the reserve is used is no news to whoever reads the log. */
export function sameHolds(a: SpoolPressure, b: SpoolPressure): boolean {
  if (a.full !== b.full || a.isFullForAll !== b.isFullForAll) return false;
  if ([...a.filling].join('\n') !== [...b.filling].join('\n')) return false;
  return [...a.heldTopics.keys()].join('\n') === [...b.heldTopics.keys()].join('\n');
}
