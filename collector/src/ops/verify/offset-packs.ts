// Offset ranges cut and put together into packs of a bounded number of offsets: what is compared at a time.
// Pure.

export interface OffsetRange {
  /** Of one partition of one topic: slots.ts. */
  readonly slot: number;
  readonly start: number;
  readonly next: number;
}

/** Every offset of the ranges in exactly one pack, and no pack with more than `offsetsMax` of them. */
export function* packs(
  ranges: readonly OffsetRange[],
  offsetsMax: number,
): Generator<readonly OffsetRange[]> {
  let pack: OffsetRange[] = [];
  let room = offsetsMax;
  for (const { slot, start, next } of united(ranges)) {
    for (let from = start; from < next; ) {
      const to = Math.min(next, from + room);
      pack.push({ slot, start: from, next: to });
      room -= to - from;
      from = to;
      if (room > 0) continue;
      yield pack;
      pack = [];
      room = offsetsMax;
    }
  }
  if (pack.length > 0) yield pack;
}

/**
 * The same offsets by ascending slot and offset, where ranges of a topic that was created again overlap.
 */
function united(ranges: readonly OffsetRange[]): OffsetRange[] {
  const sorted = ranges.toSorted((a, b) => a.slot - b.slot || a.start - b.start);
  const one: OffsetRange[] = [];
  for (const { slot, start, next } of sorted) {
    const last = one.at(-1);
    if (last !== undefined && last.slot === slot && start <= last.next)
      one.splice(-1, 1, { ...last, next: Math.max(last.next, next) });
    else one.push({ slot, start, next });
  }
  return one;
}
