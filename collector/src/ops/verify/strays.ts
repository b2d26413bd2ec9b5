// Whose the records are that lie in an object of another entry: where an entry answers for them, readers see
// them twice.
import { partitionName, slotKey } from '@sluice/shared/position.ts';
import type { LedgerRange, WindowEntry } from '../../contracts.ts';
import { isWindow } from '../../ledger/fold.ts';
import { type Finding, finding } from './findings.ts';
import type { Audited } from './objects.ts';
import type { Strays } from './offsets.ts';

export async function strayFindings(
  { table, reader, fold }: Pick<Audited, 'table' | 'reader' | 'fold'>,
  strays: readonly Strays[],
): Promise<Finding[]> {
  if (strays.length === 0) return [];
  const owners = new Map<Strays, string>();
  for await (const entry of reader.entries(table.name, fold.nextSequence))
    if (isWindow(entry)) for (const stray of strays) own(owners, stray, entry);
  return strays.map((stray) => {
    const { key: place, rows, at, low, high, entry } = stray;
    const what = `${rows === 1 ? '1 row' : `${rows} rows`} of ${
      at === undefined ? 'no partition' : `${partitionName(at)}, offsets ${low} to ${high},`
    } outside the ranges of its entry ${entry}`;
    const owner = owners.get(stray);
    if (owner === undefined)
      return finding('OFFSET_OUT_OF_RANGE', { table: table.name, place }, `it holds ${what}`);
    const message = `it holds ${what}: ${owner} answers for them, and readers see them once more`;
    return finding('OFFSET_DUPLICATED', { table: table.name, place }, message);
  });
}

/** The first other entry with a range that they reach into. */
function own(owners: Map<Strays, string>, stray: Strays, { sequence, ranges }: WindowEntry): void {
  if (owners.has(stray) || sequence === stray.entry) return;
  const { at, high, low } = stray;
  const isOf = (r: LedgerRange) => at !== undefined && slotKey(r) === slotKey(at);
  const range = ranges.find((r) => isOf(r) && r.start <= high && low < r.next);
  if (range === undefined) return;
  owners.set(stray, `entry ${sequence} (${partitionName(range)} [${range.start}, ${range.next}))`);
}
