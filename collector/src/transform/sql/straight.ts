// Rows of a chunk straight into a file, without a table between: for tables whose rows need no look at their
// neighbours. It takes only what is sure: one record that must be quarantined, or that belongs to another
// partition, and the whole statement fails, for the chunk to be staged like any other. Pure.
import type { TableConfig } from '../../contracts.ts';
import { partitionConditions } from './partitions.ts';

export interface StraightSql {
  /** A sequence that counts what was filtered. */
  readonly createCounter: string;
  /** One row with `n`: higher by one, and by what was filtered, than when it was asked before. */
  readonly count: string;
  /** SELECT of all rows of `raw`, which must be of this combination of partition values. */
  select(values: readonly (string | null)[], exactText: boolean): string;
}

export interface StagedSelect {
  /** Name and type of the columns of `staged`. */
  readonly columns: readonly (readonly [string, string])[];
  rows(exactText: boolean): string;
  /** The columns that are written, of a table with those of `staged`. */
  select(from: string): string;
}

/** Steps that see one record at a time. */
const STEPS: readonly string[] = ['apply_mapping', 'select_fields', 'drop_fields', 'filter'];
/** Row groups larger than a chunk are put together in `staged`. */
export const STRAIGHT_GROUP_ROWS_MAX = 122_880;

export function straightSql(table: TableConfig, staged: StagedSelect): StraightSql | undefined {
  const { output, steps } = table;
  if (output.kind !== 'parquet' || (output.sortBy?.length ?? 0) > 0) return undefined;
  if ((output.rowGroupRows ?? 0) > STRAIGHT_GROUP_ROWS_MAX) return undefined;
  if (steps.some(({ kind }) => !STEPS.includes(kind))) return undefined;
  // As INSERT would cast them: files are joined only where their columns are the same.
  const typed = staged.columns.map(([name, type]) => `${name}::${type} AS ${name}`).join(', ');
  return {
    createCounter: 'CREATE TEMP SEQUENCE filtered',
    count: "SELECT nextval('filtered') AS n",
    select(values, exactText) {
      const here = partitionConditions(table, values);
      const belongs = here.length === 0 ? 'true' : here.join(' AND ');
      return staged.select(
        `(SELECT ${typed} FROM (${staged.rows(exactText)})) WHERE CASE ` +
          "WHEN __problem IS NOT NULL THEN error('a record is to be quarantined') " +
          "WHEN __filtered THEN nextval('filtered') < 0 " +
          `WHEN ${belongs} THEN true ELSE error('a record is of another partition') END`,
      );
    },
  };
}
