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

/** Where another leader epoch than before begins. `headers` are in the order of their starts. */
export function epochStarts(headers: readonly (OffsetRange & Pick<LogPlace, 'leaderEpoch'>)[]): LogPlace[] {
  return headers.flatMap(({ startOffset: offset, leaderEpoch }, i) =>
    headers[i - 1]?.leaderEpoch === leaderEpoch ? [] : [{ offset, leaderEpoch }],
  );
}
