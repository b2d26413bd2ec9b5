// Follows one table's ledger in a directory lake from outside, by looking at its files: the programs that are
// measured have no part in it.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LedgerEntry } from '@sluice/collector/contracts.ts';

export interface Committed {
  /** Wall ms at which the entry had its name, and only that: from then on it is committed. */
  readonly atMs: number;
  readonly records: number;
  readonly files: number;
  readonly bytes: number;
}

const LOOK_EVERY_MS = 20;

/** All commits up to the one that completes `records`. Rejects when `signal` aborts. */
export async function untilCommitted(
  directory: string,
  records: number,
  signal: AbortSignal,
): Promise<Committed[]> {
  const commits: Committed[] = [];
  const seen = new Set<string>();
  for (let total = 0; total < records; ) {
    await sleep(LOOK_EVERY_MS, undefined, { signal });
    for (const name of entryNames(directory)) {
      if (seen.has(name)) continue;
      seen.add(name);
      const commit = readCommit(join(directory, name));
      if (commit === undefined) continue;
      commits.push(commit);
      total += commit.records;
    }
  }
  return commits;
}

function entryNames(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => /^\d{20}\.json$/.test(name))
      .sort();
  } catch {
    return [];
  }
}

function readCommit(path: string): Committed | undefined {
  const entry = JSON.parse(readFileSync(path, 'utf8')) as LedgerEntry;
  if (entry.kind !== 'commit') return undefined;
  return {
    // The entry is a finished file that is given its name by link(2); ctime is the last change of its links.
    atMs: statSync(path).ctimeMs,
    records: entry.ranges.reduce((sum, range) => sum + range.next - range.start, 0),
    files: entry.outputs.length,
    bytes: entry.outputs.reduce((sum, output) => sum + output.bytes, 0),
  };
}
