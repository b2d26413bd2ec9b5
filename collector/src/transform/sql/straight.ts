// Rows of a chunk straight into a file, without a table between: for tables whose rows need no look at their
// neighbours. It takes only what is sure: one record that must be quarantined, or that belongs to another
// partition, and the whole statement fails, for the chunk to be staged like any other. Pure.
import type { TableConfig } from '../../contracts.ts';
import { explodesArrays } from '../../table-input.ts';
import type { FieldPlan } from './fields.ts';
import type { CompiledOutput } from './outputs.ts';
import { partitionConditions } from './partitions.ts';

export interface StraightSql {
  /** Sequences that count records. */
  readonly createCounters: readonly string[];
  /**
   * One row: `filtered` and `emitted` are higher by one, and by so many records, than when it was asked
   * before. Nothing counts what is emitted where each record is one row: rows are counted as they come.
   */
  readonly count: string;
  /** Records may have several rows. */
  readonly isPlural: boolean;
  /** SELECT of all rows of `raw`, which must be of this combination of partition values. */
  select(values: readonly (string | null)[], reading: StraightReading): string;
}

/** What is known of the values of a chunk. */
export interface StraightReading {
  /** A text of a JSON record may be an object or an array. */
  readonly exactText: boolean;
  /** Each is spelled as plain-forms.ts has it. */
  readonly isPlain?: boolean;
  /** No row of it was struck. */
  readonly isWhole?: boolean;
}

export interface StagedSelect {
  readonly plan: FieldPlan;
  /** The table itself. */
  readonly output: CompiledOutput | undefined;
  /** Name and type of the columns of `staged`. */
  readonly columns: readonly (readonly [string, string])[];
  /** SELECT of them from `raw`. */
  rows(reading: StraightReading): string;
}

/** Records of a full chunk: larger row groups are put together in `staged`. */
export const STRAIGHT_GROUP_ROWS_MAX = 81_920;

export function straightSql(table: TableConfig, staged: StagedSelect): StraightSql | undefined {
  const { output } = staged;
  if (output === undefined || !isRecordByRecord(table, staged.plan)) return undefined;
  // No OR: DuckDB would take its sides in either order, and count all rows.
  const emitted = staged.plan.plural
    ? "CASE WHEN _row > 0 THEN true ELSE nextval('emitted') > 0 END"
    : 'true';
  // As INSERT would cast them: files are joined only where their columns are the same.
  const typed = staged.columns.map(([name, type]) => `${name}::${type} AS ${name}`).join(', ');
  return {
    createCounters: ['CREATE TEMP SEQUENCE filtered', 'CREATE TEMP SEQUENCE emitted'],
    count: "SELECT nextval('filtered') AS filtered, nextval('emitted') AS emitted",
    isPlural: staged.plan.plural,
    select(values, reading) {
      const here = partitionConditions(table, values);
      const belongs = here.length === 0 ? 'true' : here.join(' AND ');
      return output.select(
        `(SELECT ${typed} FROM (${staged.rows(reading)})) WHERE CASE ` +
          "WHEN __problem IS NOT NULL THEN error('a record is to be quarantined') " +
          "WHEN __filtered THEN nextval('filtered') < 0 " +
          `WHEN ${belongs} THEN ${emitted} ELSE error('a record is of another partition') END`,
      );
    },
  };
}

/**
 * Rows of one record after the other, in the order they came, and nothing to look up in `staged` afterwards.
 */
function isRecordByRecord({ input, output }: TableConfig, plan: FieldPlan): boolean {
  if (output.kind !== 'parquet' || (output.sortBy ?? []).length > 0) return false;
  if (explodesArrays(input)) return false;
  if ((output.rowGroupRows ?? 0) > STRAIGHT_GROUP_ROWS_MAX) return false;
  const [rows, ...others] = plan.outputs;
  const alone = rows?.ofRecords === true && rows.windowWise.length === 0 && others.length === 0;
  return alone && !plan.nulls && (!plan.plural || isOneExplosion(plan));
}

/**
 * Records become several rows at one step, and no row is lost behind it: then the last number of a row's path
 * is its place among those of its record, and a record that is filtered has one row.
 */
function isOneExplosion({ pipes, steps }: FieldPlan): boolean {
  const at = steps.findIndex(({ multiplies }) => multiplies === true);
  return pipes.length === 1 && at >= 0 && steps.slice(at + 1).every(({ keepsRows }) => keepsRows === true);
}
