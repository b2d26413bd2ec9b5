// The partition columns of a table in SQL: which values a window holds, and which of them no path can spell.
// Pure.
import type { PartitionSpec, TableConfig } from '../../contracts.ts';
import type { FieldPlan } from './fields.ts';
import { problem } from './problems.ts';
import { identifier, literal } from './types.ts';

/** Rows of `staged` that are written. */
export const GOOD = '__problem IS NULL AND NOT __filtered';

/** Cheap to group by; `partitionText` makes the path's text of it. */
function partitionValue(spec: PartitionSpec): string {
  if (spec.kind === 'ingest') return 'NULL::VARCHAR';
  const field = identifier(spec.field);
  if (spec.kind === 'value') return field;
  return spec.by === 'day' ? `${field}::DATE` : `date_trunc('hour', ${field})`;
}

const HOUR = "'%Y-%m-%d-%H'";

/**
 * That a timestamp lies in the hour spelled so; years that are not of four digits are compared as they are
 * spelled.
 */
export function hourIs(field: string, value: string): string {
  const [, day, hour] = /^(\d{4}-\d\d-\d\d)-(\d\d)$/.exec(value) ?? [];
  if (day === undefined) return `strftime(${field}, ${HOUR}) = ${literal(value)}`;
  return `date_trunc('hour', ${field}) = TIMESTAMP ${literal(`${day} ${hour}:00:00`)}`;
}

function partitionText(spec: PartitionSpec, value: string): string {
  return spec.kind === 'time' && spec.by === 'hour' ? `strftime(${value}, ${HOUR})` : `${value}::VARCHAR`;
}

/** Distinct values among the rows to write: p0, p1 ... as text, then how many rows, n. */
export function partitionValues({ partitionBy }: TableConfig): string {
  const values = partitionBy.map((spec, i) => `${partitionValue(spec)} AS p${i}, `).join('');
  const texts = partitionBy.map((spec, i) => `${partitionText(spec, `p${i}`)} AS p${i}, `).join('');
  const counted = `SELECT ${values}count(*) AS n FROM staged WHERE ${GOOD} GROUP BY ALL ORDER BY ALL`;
  return `SELECT ${texts}n FROM (${counted})`;
}

/** Bytes of one name in a path, on Linux and in most of what reads lakes. */
const PATH_STEP_BYTES_MAX = 255;
/** What is written as %XX in a partition's path (lake/object-keys.ts). */
const ESCAPED = '[\\x00-\\x1f\\x7f"#%\'*/:=?\\\\{\\[\\]^]';

/** A value that no path can hold would keep its whole window from being published, for ever. */
export function longPartitions(table: TableConfig, plan: FieldPlan): string[] {
  return table.partitionBy.flatMap((spec) => {
    if (spec.kind !== 'value') return [];
    const type = plan.result.find(({ name }) => name === spec.field)?.type;
    if (type?.kind !== 'string') return [];
    const field = identifier(spec.field);
    const bytes = `strlen(regexp_replace(${field}, ${literal(ESCAPED)}, 'xxx', 'g'))`;
    const told = problem('PARTITION_TOO_LONG', spec.field, { value: field, type: type.glue });
    return [`WHEN ${bytes} > ${PATH_STEP_BYTES_MAX - spec.column.length - 1} THEN ${told}`];
  });
}
