// Which of what is spooled is still wanted: what is not committed, and what is committed around an open gap.
// Pure.
import { type CommittedPrefix, commonRanges, mergedRanges, overlaps } from '@sluice/shared/offset-range.ts';
import type { LogPlace } from '@sluice/shared/position.ts';
import type { OffsetRange } from '../contracts.ts';

/** Nothing is committed. */
export const NOTHING: CommittedPrefix = { nextOffset: 0, open: [] };

export function isWanted(range: OffsetRange, { nextOffset, open }: CommittedPrefix): boolean {
  return range.nextOffset > nextOffset || open.some((gap) => overlaps(gap, range));
}

/** Ranges that touch or overlap are one; below what is committed only open gaps count. */
export function runsOf(
  headers: readonly OffsetRange[],
  { nextOffset, open }: CommittedPrefix,
): OffsetRange[] {
  const wanted = [...open, { startOffset: nextOffset, nextOffset: Number.MAX_SAFE_INTEGER }];
  return mergedRanges(
    headers.flatMap((header) =>
      header.startOffset >= nextOffset ? [header] : commonRanges([header], wanted),
    ),
  );
}

type SpooledRange = OffsetRange & Pick<LogPlace, 'leaderEpoch'>;

/**
 * What of each of them counts. Epochs never fall in a log: from where one of a newer epoch begins, what an
 * older one has is of a log that was cut. That is there where it was forgotten before the cut, and wanted
 * again behind it. Where no epoch is known all counts. `headers` are in the order of their starts.
 */
export function soundRanges(headers: readonly SpooledRange[]): readonly OffsetRange[] {
  // Looked at with every append: of a log that was not cut nothing is made anew.
  if (isOneLog(headers)) return headers;
  const begins = new Map<number, number>();
  for (const { startOffset, leaderEpoch: epoch } of headers)
    if (epoch >= 0) begins.set(epoch, Math.min(startOffset, begins.get(epoch) ?? startOffset));
  const cuts = new Map<number, number>();
  let newer = Number.MAX_SAFE_INTEGER;
  for (const [epoch, start] of [...begins].sort(([a], [b]) => b - a)) {
    cuts.set(epoch, newer);
    newer = Math.min(newer, start);
  }
  return headers.map(({ startOffset, nextOffset, leaderEpoch }) => ({
    startOffset,
    nextOffset: Math.max(startOffset, Math.min(nextOffset, cuts.get(leaderEpoch) ?? nextOffset)),
  }));
}

/** No epoch begins below where an older one ends. */
function isOneLog(headers: readonly SpooledRange[]): boolean {
  let [newest, end] = [-1, 0];
  for (const { startOffset, nextOffset, leaderEpoch } of headers) {
    if (leaderEpoch < 0) continue;
    if (leaderEpoch < newest || (leaderEpoch > newest && startOffset < end)) return false;
    newest = leaderEpoch;
    end = Math.max(end, nextOffset);
  }
  return true;
}

/** Where another leader epoch than before begins. `headers` are in the order of their starts. */
export function epochStarts(headers: readonly (OffsetRange & Pick<LogPlace, 'leaderEpoch'>)[]): LogPlace[] {
  return headers.flatMap(({ startOffset: offset, leaderEpoch }, i) =>
    headers[i - 1]?.leaderEpoch === leaderEpoch ? [] : [{ offset, leaderEpoch }],
  );
}
