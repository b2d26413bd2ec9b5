// Which partition values the rows of a window have, output by output. Never more of them are in memory than
// one set of files may have: where there are more, nothing of the window is written.
import { SluiceError } from '@sluice/shared/errors.ts';
import type { TableConfig } from '../contracts.ts';
import type { Database } from './duckdb.ts';
import type { CompiledOutput } from './sql/outputs.ts';

/** Partition values p0, p1 ... as text, and how many rows have them. */
export type PartitionRows = readonly Record<string, unknown>[];

/** Of each output, in their order. WINDOW_PARTITIONS_MANY */
export async function partitionRows(
  database: Database,
  outputs: readonly CompiledOutput[],
  { windowPartitionsMax, name }: TableConfig,
): Promise<readonly PartitionRows[]> {
  const found: PartitionRows[] = [];
  let left = windowPartitionsMax ?? Number.POSITIVE_INFINITY;
  for (const { partitionValues } of outputs) {
    const limit = Number.isFinite(left) ? ` LIMIT ${left + 1}` : '';
    const rows = await database.rows(partitionValues + limit);
    found.push(rows);
    left -= rows.length;
    if (left >= 0) continue;
    const message = `a window has rows of more than ${windowPartitionsMax} partition values`;
    throw new SluiceError('WINDOW_PARTITIONS_MANY', message, { place: name });
  }
  return found;
}
