// Offset ranges of one partition as sets: what is common, what is left, what touches. Pure; results ascend.

export interface OffsetRange {
  readonly startOffset: number;
  readonly nextOffset: number;
}

/** Ascending; those that touch or overlap are one. */
export function mergedRanges(ranges: readonly OffsetRange[]): OffsetRange[] {
  const merged: { startOffset: number; nextOffset: number }[] = [];
  for (const { startOffset, nextOffset } of [...ranges].sort((a, b) => a.startOffset - b.startOffset)) {
    const last = merged.at(-1);
    if (startOffset >= nextOffset) continue;
    if (last === undefined || startOffset > last.nextOffset) merged.push({ startOffset, nextOffset });
    else last.nextOffset = Math.max(last.nextOffset, nextOffset);
  }
  return merged;
}

/** The parts of each of `ranges` that some of `others` cover; ranges that only touch stay apart. */
export function commonRanges(
  ranges: readonly OffsetRange[],
  others: readonly OffsetRange[],
): readonly OffsetRange[] {
  if (ranges.length === 0 || others.length === 0) return [];
  const cover = mergedRanges(others);
  return [...ranges]
    .sort((a, b) => a.startOffset - b.startOffset)
    .flatMap((range) =>
      cover.flatMap((other) => {
        const startOffset = Math.max(range.startOffset, other.startOffset);
        const nextOffset = Math.min(range.nextOffset, other.nextOffset);
        return startOffset < nextOffset ? [{ startOffset, nextOffset }] : [];
      }),
    );
}

/** The parts of `ranges` that none of `taken` covers. */
export function withoutRanges(
  ranges: readonly OffsetRange[],
  taken: readonly OffsetRange[],
): readonly OffsetRange[] {
  const gone = mergedRanges(taken);
  return ranges.flatMap((range) => {
    const left: OffsetRange[] = [];
    let at = range.startOffset;
    for (const { startOffset, nextOffset } of gone) {
      if (nextOffset <= at || startOffset >= range.nextOffset) continue;
      if (startOffset > at) left.push({ startOffset: at, nextOffset: startOffset });
      at = Math.max(at, nextOffset);
    }
    if (at < range.nextOffset) left.push({ startOffset: at, nextOffset: range.nextOffset });
    return left;
  });
}

export function overlaps(a: OffsetRange, b: OffsetRange): boolean {
  return a.startOffset < b.nextOffset && b.startOffset < a.nextOffset;
}

/** Committed up to an offset, but for ranges that are still wanted. */
export interface CommittedPrefix {
  readonly nextOffset: number;
  /** Below `nextOffset`, ascending. */
  readonly open: readonly OffsetRange[];
}

/**
 * What two tellers know together, each of them maybe old: what one of them says is done is done for good, so
 * only what both still want is wanted.
 */
export function bothCommitted(a: CommittedPrefix, b: CommittedPrefix): CommittedPrefix {
  const nextOffset = Math.max(a.nextOffset, b.nextOffset);
  const wanted = ({ nextOffset: from, open }: CommittedPrefix) => [
    ...open,
    { startOffset: from, nextOffset: Number.MAX_SAFE_INTEGER },
  ];
  const below = [{ startOffset: 0, nextOffset }];
  const open = commonRanges(commonRanges(wanted(a), wanted(b)), below);
  return { nextOffset, open: mergedRanges(open) };
}
