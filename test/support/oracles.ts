// The oracles that every end-to-end test shares: what was produced is in the lake once. Pure, and tested
// themselves.

export interface Comparison {
  readonly missing: readonly string[];
  readonly doubled: readonly string[];
  readonly unknown: readonly string[];
}

/** Compares multisets of identities; each produced one must be found exactly once. */
export function compareOnce(produced: Iterable<string>, found: Iterable<string>): Comparison {
  const wanted = new Set(produced);
  const seen = new Map<string, number>();
  for (const id of found) seen.set(id, (seen.get(id) ?? 0) + 1);
  return {
    missing: [...wanted].filter((id) => !seen.has(id)),
    doubled: [...seen].filter(([, times]) => times > 1).map(([id]) => id),
    unknown: [...seen.keys()].filter((id) => !wanted.has(id)),
  };
}

/** Throws with counts and the first few identities of each kind. */
export function assertExactlyOnce(produced: Iterable<string>, found: Iterable<string>): void {
  const comparison = compareOnce(produced, found);
  const wrong = Object.entries(comparison).filter(([, ids]) => ids.length > 0);
  if (wrong.length === 0) return;
  const parts = wrong.map(([kind, ids]) => `${ids.length} ${kind} (${ids.slice(0, 5).join(', ')})`);
  throw new Error(`not exactly once: ${parts.join('; ')}`);
}

export interface Range {
  readonly start: number;
  readonly next: number;
}

/** Throws where ranges of one partition overlap or leave a hole. */
export function assertContiguous(ranges: readonly Range[]): void {
  ranges.forEach((range, i) => {
    const before = ranges[i - 1];
    if (range.next <= range.start) throw new Error(`range ${i} [${range.start}, ${range.next}) is empty`);
    if (before !== undefined && before.next !== range.start)
      throw new Error(`range ${i} starts at ${range.start} where ${before.next} must come`);
  });
}
