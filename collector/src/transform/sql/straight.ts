// Rows of a chunk straight into a file, without a table between: for tables whose rows need no look at their
// neighbours. It takes only what is sure: one record that must be quarantined, or that belongs to another
// partition, and the whole statement fails, for the chunk to be staged like any other. Pure.
import type { TableConfig } from '../../contracts.ts';
import type { FieldPlan } from './fields.ts';
import type { CompiledOutput } from './outputs.ts';
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
  readonly plan: FieldPlan;
  /** The table itself. */
  readonly output: CompiledOutput | undefined;
  /** Name and type of the columns of `staged`. */
  readonly columns: readonly (readonly [string, string])[];
  /** SELECT of them from `raw`. */
  rows(exactText: boolean): string;
}

/** Records of a full chunk: larger row groups are put together in `staged`. */
export const STRAIGHT_GROUP_ROWS_MAX = 61_440;

export function straightSql(table: TableConfig, staged: StagedSelect): StraightSql | undefined {
  const { output } = staged;
  if (output === undefined || !isRecordByRecord(table, staged.plan)) return undefined;
  // As INSERT would cast them: files are joined only where their columns are the same.
  const typed = staged.columns.map(([name, type]) => `${name}::${type} AS ${name}`).join(', ');
  return {
    createCounter: 'CREATE TEMP SEQUENCE filtered',
    count: "SELECT nextval('filtered') AS n",
    select(values, exactText) {
      const here = partitionConditions(table, values);
      const belongs = here.length === 0 ? 'true' : here.join(' AND ');
      return output.select(
        `(SELECT ${typed} FROM (${staged.rows(exactText)})) WHERE CASE ` +
          "WHEN __problem IS NOT NULL THEN error('a record is to be quarantined') " +
          "WHEN __filtered THEN nextval('filtered') < 0 " +
          `WHEN ${belongs} THEN true ELSE error('a record is of another partition') END`,
      );
    },
  };
}

/** One row of each record, in the order they came, and nothing to look up in `staged` afterwards. */
function isRecordByRecord({ output }: TableConfig, plan: FieldPlan): boolean {
  if (output.kind !== 'parquet' || (output.sortBy ?? []).length > 0) return false;
  if ((output.rowGroupRows ?? 0) > STRAIGHT_GROUP_ROWS_MAX) return false;
  const [rows, ...others] = plan.outputs;
  const alone = rows?.ofRecords === true && rows.windowWise.length === 0 && others.length === 0;
  return alone && !plan.plural && !plan.nulls;
}
