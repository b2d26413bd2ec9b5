// Which offsets of which partitions are tried: the newest or the oldest records of a topic, shared out over
// partitions of very different size. Pure.

export interface PartitionLog {
  readonly partition: number;
  readonly logStart: number;
  readonly logEnd: number;
}

export interface Range {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

export interface RangeRequest {
  /** The oldest records, or so many before the end of the log. */
  readonly from: 'earliest' | { readonly latest: number };
  readonly records: number;
}

/** At most `records` offsets; their ends are inside the log as it is now. */
export function chooseRanges(logs: readonly PartitionLog[], request: RangeRequest): Range[] {
  const whole = logs.map(({ partition, logStart: from, logEnd: to }) => ({ partition, from, to }));
  const { from } = request;
  const begun =
    from === 'earliest'
      ? whole
      : shareOut(whole, from.latest).map(({ range, share }) => ({ ...range, from: range.to - share }));
  return shareOut(begun, request.records).map(({ range, share }) => ({ ...range, to: range.from + share }));
}

/** What small partitions do not need goes to the large ones. */
function shareOut(ranges: readonly Range[], total: number): { range: Range; share: number }[] {
  const bySize = ranges.toSorted((a, b) => a.to - a.from - (b.to - b.from));
  let left = total;
  const shares = bySize.map((range, i) => {
    const share = Math.min(range.to - range.from, Math.ceil(left / (bySize.length - i)));
    left -= share;
    return { range, share };
  });
  return shares.toSorted((a, b) => a.range.partition - b.range.partition);
}

export function offsetsIn(ranges: readonly Range[]): number {
  return ranges.reduce((sum, { from, to }) => sum + to - from, 0);
}
