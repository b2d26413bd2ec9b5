// Logs that Kafka may have cut: what a partition's state says of the epochs that it knows, which places Kafka
// must confirm, and what is left of the state behind a cut. Pure decisions; the book drives them.
import { commonRanges, type OffsetRange } from '@sluice/shared/offset-range.ts';
import type { LogPlace } from '@sluice/shared/position.ts';
import type { CommittedPosition, SpoolPartition, WelcomedPosition } from '../contracts.ts';
import type { PartitionState } from './partition-state.ts';

/** Behind a cut nothing counts that is said of the log before it. */
export function notCut(state: PartitionState, nextOffset: number, leaderEpoch: number | undefined): number {
  const cuts = state.cuts.filter((cut) => leaderEpoch !== undefined && leaderEpoch <= cut.leaderEpoch);
  return Math.min(nextOffset, ...cuts.map(({ offset }) => offset));
}

/** Less is committed than was known, since a ledger has recorded a cut; or nothing was known. */
function isSetBack(state: PartitionState, leaderEpoch: number | undefined): boolean {
  if (state.committed === undefined) return true;
  const { committedEpoch = -1 } = state;
  return leaderEpoch !== undefined && committedEpoch >= 0 && leaderEpoch > committedEpoch;
}

/** What follows from a Welcome. */
export interface Welcomed {
  readonly nextOffset: number;
  readonly setsBack: boolean;
  readonly committed: number | undefined;
  /** What is spooled behind it is of a log that was cut. */
  readonly cut: LogPlace | undefined;
}

/**
 * The places that must be proven before anything is sent: some record behind them may be of a newer epoch,
 * and a log is cut only where the epoch rises. Of a partition that is not read here Kafka cannot be asked,
 * and its topic may be gone: what is spooled goes on by itself where it begins in the epoch of the place,
 * since each later epoch in it was compared with Kafka's log when it was read.
 */
export function placesToProve(
  { assigned, info, cuts }: PartitionState,
  spool: SpoolPartition | undefined,
  stands: readonly LogPlace[],
): readonly LogPlace[] {
  // Behind a cut there is a newer epoch, also while nothing that was read or described says so.
  const behindCuts = cuts.map(({ leaderEpoch }) => leaderEpoch + 1);
  const newest = Math.max(assigned ? info.leaderEpoch : -1, spool?.leaderEpoch ?? -1, ...behindCuts);
  return stands
    .filter(({ leaderEpoch }) => leaderEpoch >= 0 && leaderEpoch < newest)
    .filter((place) => assigned || cuts.length > 0 || !goesOnFrom(spool, place));
}

function goesOnFrom(spool: SpoolPartition | undefined, { offset, leaderEpoch }: LogPlace): boolean {
  const isThere = spool?.runs.some((run) => run.startOffset <= offset && offset < run.nextOffset) === true;
  const spooled = spool?.epochs.findLast((start) => start.offset <= offset)?.leaderEpoch;
  return isThere && spooled !== undefined && spooled <= leaderEpoch;
}

/**
 * What is spooled goes on in an old epoch behind a place where a table stands in a newer one: epochs never
 * fall in a log, so it is of one that was cut, and Kafka need not say so, nor may it know it still.
 */
export function impliedCut(
  { cuts: known }: PartitionState,
  spool: SpoolPartition | undefined,
  stands: readonly LogPlace[],
): LogPlace | undefined {
  const cuts = stands.flatMap(({ offset, leaderEpoch }) =>
    holdsOlder(spool, { offset, leaderEpoch }) ? [{ offset, leaderEpoch: leaderEpoch - 1 }] : [],
  );
  const [lowest] = cuts.sort((a, b) => a.offset - b.offset);
  const isSame = (c: LogPlace) => c.offset === lowest?.offset && c.leaderEpoch === lowest.leaderEpoch;
  return known.some(isSame) ? undefined : lowest;
}

function holdsOlder(spool: SpoolPartition | undefined, place: LogPlace): boolean {
  const { epochs = [], nextOffset = 0 } = spool ?? {};
  return epochs.some(({ leaderEpoch }, i) => {
    const until = epochs[i + 1]?.offset ?? nextOffset;
    return leaderEpoch < place.leaderEpoch && until > place.offset;
  });
}

type Spooled = OffsetRange & Pick<LogPlace, 'leaderEpoch'>;

/**
 * What came to disk is of a newer epoch than what the spool had there: it was read again, and the log was cut
 * in between. A segment that is here already is never replaced, and would be sent as if it were the new log.
 */
export function cutUnder(
  { cutAt }: PartitionState,
  spool: SpoolPartition | undefined,
  { startOffset: offset, leaderEpoch }: Spooled,
): LogPlace | undefined {
  if (cutAt !== undefined || !holdsOlder(spool, { offset, leaderEpoch })) return undefined;
  return { offset, leaderEpoch: leaderEpoch - 1 };
}

/** The same where what was read before is committed, in all tables or in one: Kafka is asked. */
export function committedBelow(
  { committed: offset = 0, committedEpoch: leaderEpoch = -1, stands }: PartitionState,
  read: Spooled,
): readonly LogPlace[] {
  const beyond = [{ offset, leaderEpoch }, ...stands].filter((place) => read.startOffset < place.offset);
  return beyond.flatMap((place) => ofOlder(place, read.leaderEpoch));
}

/** What others had spooled is committed behind where this agent reads: it may be of a log that was cut. */
export function committedAhead(
  { assigned, readNext, info, cuts }: PartitionState,
  { nextOffset: offset, leaderEpoch = -1 }: CommittedPosition,
): readonly LogPlace[] {
  if (!assigned || readNext === undefined || offset <= readNext) return [];
  const newest = Math.max(info.leaderEpoch, ...cuts.map((cut) => cut.leaderEpoch + 1));
  return ofOlder({ offset, leaderEpoch }, newest);
}

const ofOlder = (place: LogPlace, newest: number): readonly LogPlace[] =>
  place.leaderEpoch >= 0 && place.leaderEpoch < newest ? [place] : [];

/** What is spooled here, and what is known to be committed. */
export function ownPlaces(state: PartitionState, spool: SpoolPartition | undefined): readonly LogPlace[] {
  const own = [
    ...(spool === undefined ? [] : [{ offset: spool.nextOffset, leaderEpoch: spool.leaderEpoch }]),
    { offset: state.committed ?? 0, leaderEpoch: state.committedEpoch ?? -1 },
  ];
  return placesToProve(state, undefined, own);
}

/**
 * With the epoch of what lies before, where somebody knows it: Kafka is asked whether its log still has that.
 * The lowest, where more is known: a cut is told by the epoch before it.
 */
export function placeAt(state: PartitionState, spool: SpoolPartition | undefined, offset: number): LogPlace {
  const known = [
    ...state.stands,
    { offset: state.committed, leaderEpoch: state.committedEpoch ?? -1 },
    { offset: spool?.nextOffset, leaderEpoch: spool?.leaderEpoch ?? -1 },
  ];
  const epochs = known.flatMap((k) => (k.offset === offset && k.leaderEpoch >= 0 ? [k.leaderEpoch] : []));
  return { offset, leaderEpoch: epochs.length > 0 ? Math.min(...epochs) : -1 };
}

/** What the collector says is committed, as far as this log has it. */
export function toldCommitted(state: PartitionState, { nextOffset: told, stands }: WelcomedPosition) {
  const committedEpoch = stands.find(({ offset }) => offset === told)?.leaderEpoch;
  const nextOffset = notCut(state, told, committedEpoch);
  return { nextOffset, committedEpoch, setsBack: isSetBack(state, committedEpoch) };
}

/** Less is committed than was said before: whose epoch that was is not known to be that of what is left. */
export function setCommittedBack(state: PartitionState, offset: number): void {
  if (state.committed === undefined || state.committed <= offset) return;
  state.committed = offset;
  state.committedEpoch = undefined;
}

/** A collector that does not know cut logs would skip what stands behind the cut now. */
export function isUnknowing({ cuts }: PartitionState, { stands, received }: WelcomedPosition): boolean {
  return stands.length === 0 && cuts.some(({ offset }) => received > offset);
}

/** Nothing at or above the cut counts any more; nothing is read or sent. */
export function applyCut(state: PartitionState, cut: LogPlace): void {
  // One that is higher and of an older log says nothing more.
  const others = state.cuts.filter((c) => c.offset < cut.offset || c.leaderEpoch > cut.leaderEpoch);
  state.cuts = [...others, cut];
  state.cutAt = Math.min(cut.offset, state.readNext === undefined ? (state.cutAt ?? cut.offset) : cut.offset);
  state.readNext = undefined;
  state.sendNext = undefined;
  state.asked = undefined;
  state.fill = undefined;
  state.stands = [];
  state.unproven = false;
  if (state.committed !== undefined) state.committed = Math.min(state.committed, cut.offset);
  state.durableNext = Math.min(state.durableNext, cut.offset);
  const below = [{ startOffset: 0, nextOffset: cut.offset }];
  state.gaps = state.gaps.flatMap((gap) => commonRanges([gap], below).map((part) => ({ ...gap, ...part })));
}
