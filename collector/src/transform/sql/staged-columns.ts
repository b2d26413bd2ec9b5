// The table in which a window's rows stand before they are written: metadata, what became of the record, and
// the columns after all steps. Pure.
import type { FieldPlan } from './fields.ts';
import { identifier } from './types.ts';

export interface StagedTable {
  readonly plan: FieldPlan;
  readonly needsKeys: boolean;
  readonly needsHeaders: boolean;
}

/** Name and type of each column, in their order. */
export function stagedColumns({ plan, needsKeys, needsHeaders }: StagedTable): [string, string][] {
  const text = (name: string): [string, string] => [name, 'VARCHAR'];
  return [
    ['_partition', 'INTEGER'],
    ['_offset', 'BIGINT'],
    ['_timestamp', 'TIMESTAMP'],
    ...(needsKeys ? [text('_key')] : []),
    ...(needsHeaders ? [text('_headers')] : []),
    text('__problem'),
    ['__filtered', 'BOOLEAN'],
    ['__raw', 'BLOB'],
    ...plan.result.map(({ name, type }): [string, string] => [identifier(name), type.duckdb]),
  ];
}

export function createStaged(table: StagedTable): string {
  const columns = stagedColumns(table).map((column) => column.join(' '));
  return `CREATE OR REPLACE TEMP TABLE staged (${columns.join(', ')})`;
}
