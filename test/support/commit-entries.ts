// Ledger entries as plans read them: a window of `claims` with an object in each of some days.
import type { CommitEntry, LedgerEntry } from '@sluice/collector/contracts.ts';

interface Windowed {
  readonly days: readonly string[];
  /** Of each object. */
  readonly bytes: number;
  readonly rows: number;
}

export function commitOf(sequence: number, { days, bytes, rows }: Windowed): CommitEntry {
  const outputs = days.map((value) => {
    const key = `claims/day=${value}/w${sequence}-0.parquet`;
    const partition = [{ column: 'day', value }];
    const named = { output: 'rows', stagedKey: key, finalKey: key } as const;
    return { ...named, bytes, sha256: `${sequence}`, rows, partition };
  });
  const token = { token: '', previous: null, writer: 'test' };
  return {
    ...{ format: 1, table: 'claims', sequence, ...token, publishedThrough: -1 },
    ...{ writtenAt: new Date(sequence).toISOString(), kind: 'commit' },
    ...{ windowId: `w${sequence}`, configVersion: 'v1', partitionedBy: ['day = day'], ranges: [] },
    openedAt: new Date(sequence).toISOString(),
    classes: { in: 1, emitted: 1, merged: 0, filtered: 0, quarantined: 0 },
    rows: { rows: rows * days.length },
    outputs,
  };
}

/** As a plan is given them: each time from the first. */
export const walked = (entries: readonly LedgerEntry[]) =>
  async function* () {
    yield* entries;
  };
