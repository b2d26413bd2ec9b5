// The partition columns of a table in SQL: which values a window holds, and which of them no path can spell.
// Pure.
import type { PartitionSpec, TableConfig } from '../../contracts.ts';
import { strftimeFormat } from '../../time-spelling.ts';
import { problem } from './problems.ts';
import type { Field } from './steps/step.ts';
import { identifier, isScalar, literal, localTime } from './types.ts';

/** Rows of `staged` that are written. */
export const GOOD = '__problem IS NULL AND NOT __filtered';

/** A named output is partitioned by what it has of the table's partition columns. */
export function partitionsOf(
  partitionBy: readonly PartitionSpec[],
  { name, fields }: { readonly name: string; readonly fields: readonly Field[] },
): readonly PartitionSpec[] {
  if (name === 'rows') return partitionBy;
  return partitionBy.filter(
    (spec) => spec.kind === 'ingest' || fields.some((field) => field.name === spec.field),
  );
}

type TimePartition = Extract<PartitionSpec, { kind: 'time' }>;

/** A column of a time as the clocks of the partition's zone show it. */
function shownIn({ field, zone }: TimePartition): string {
  const column = identifier(field);
  return zone === undefined ? column : localTime(`${column}::TIMESTAMP`, zone);
}

/** Cheap to group by; `partitionText` makes the path's text of it. */
function partitionValue(spec: PartitionSpec): string {
  if (spec.kind === 'ingest') return 'NULL::VARCHAR';
  if (spec.kind === 'value') return identifier(spec.field);
  return spec.by === 'day' ? `${shownIn(spec)}::DATE` : `date_trunc('${spec.by}', ${shownIn(spec)})`;
}

const isPlain = ({ pattern, zone }: TimePartition) => pattern === undefined && zone === undefined;

function partitionText(spec: PartitionSpec, value: string): string {
  if (spec.kind !== 'time' || (isPlain(spec) && spec.by === 'day')) return `${value}::VARCHAR`;
  return `strftime(${value}, ${literal(strftimeFormat(spec))})`;
}

/** Distinct values among the rows to write: p0, p1 ... as text, then how many rows, n. */
export function partitionValues({ partitionBy }: TableConfig, from: string): string {
  const values = partitionBy.map((spec, i) => `${partitionValue(spec)} AS p${i}, `).join('');
  const texts = partitionBy.map((spec, i) => `${partitionText(spec, `p${i}`)} AS p${i}, `).join('');
  const counted = `SELECT ${values}count(*) AS n FROM ${from} WHERE ${GOOD} GROUP BY ALL`;
  return `SELECT ${texts}sum(n)::BIGINT AS n FROM (${counted}) GROUP BY ALL ORDER BY ALL`;
}

/**
 * `staged` → `placed`: the rows to write, those of one combination of values beside each other, and its
 * number `part` in the order of `partitionValues`, so that each combination is found without reading all the
 * others. `places`: where its records stand, if it is of records.
 */
export function placeRows(table: TableConfig, from: string, places: readonly string[]): string {
  const texts = table.partitionBy.map((spec, i) => `${partitionText(spec, partitionValue(spec))} AS p${i}`);
  const names = table.partitionBy.map((_spec, i) => `p${i}`);
  const order = ['part', ...places].join(', ');
  const same = names.map((name) => `spelled.${name} IS NOT DISTINCT FROM parts.${name}`).join(' AND ');
  return (
    `CREATE OR REPLACE TEMP TABLE placed AS\nWITH spelled AS (SELECT *, ${texts.join(', ')} FROM ${from} WHERE ${GOOD}),\n` +
    `parts AS (SELECT ${names.join(', ')}, row_number() OVER (ORDER BY ${names.join(', ')}) AS part FROM (SELECT DISTINCT ${names.join(', ')} FROM spelled))\n` +
    `SELECT spelled.* EXCLUDE (${names.join(', ')}), part FROM spelled JOIN parts ON ${same} ORDER BY ${order}`
  );
}

/** That a row belongs to these values of its partition columns. */
export function partitionConditions(table: TableConfig, values: readonly (string | null)[]): string[] {
  return table.partitionBy.flatMap((spec, i) => {
    const value = values[i];
    if (spec.kind === 'ingest' || value === undefined) return [];
    if (value === null) return [`${identifier(spec.field)} IS NULL`];
    if (spec.kind === 'value') return [`${identifier(spec.field)} = ${literal(value)}`];
    return [isPlain(spec) ? timeIs(spec, value) : spelledIs(spec, value)];
  });
}

/**
 * Days and hours are compared as times, which is quicker; years of other than four digits as they are
 * spelled.
 */
function timeIs(spec: TimePartition, value: string): string {
  const field = identifier(spec.field);
  if (spec.by === 'day') return `${field}::DATE = DATE ${literal(value)}`;
  const [, day, hour] = /^(\d{4}-\d\d-\d\d)-(\d\d)$/.exec(value) ?? [];
  if (spec.by !== 'hour' || day === undefined) return spelledIs(spec, value);
  return `date_trunc('hour', ${field}) = TIMESTAMP ${literal(`${day} ${hour}:00:00`)}`;
}

function spelledIs(spec: TimePartition, value: string): string {
  return `strftime(${shownIn(spec)}, ${literal(strftimeFormat(spec))}) = ${literal(value)}`;
}

/** Bytes of one name in a path, on Linux and in most of what reads lakes. */
const PATH_STEP_BYTES_MAX = 255;
/** What is written as %XX in a partition's path (lake/object-keys.ts). */
const ESCAPED = '[\\x00-\\x1f\\x7f"#%\'*/:=?\\\\{\\[\\]^]';

/**
 * Records that no partition, or no column, can take, by what they have of `fields`: `CASE` branches of their
 * problem.
 */
export function placeProblems(table: TableConfig, fields: readonly Field[]): string[] {
  const told = (spec: PartitionSpec) => [...longPartition(spec, fields), ...timeOutOfBounds(spec, fields)];
  return [...table.partitionBy.flatMap(told), ...longTexts(fields)].map(
    ({ where, problem: found }) => `WHEN ${where} THEN ${found}`,
  );
}

/** Readers cut such a text without a word: Trino to what the column has. */
export function longTexts(fields: readonly Field[]): Unplaced[] {
  return fields.flatMap(({ name, type }) => {
    if (!isScalar(type) || type.lengthMax === undefined) return [];
    const text = identifier(name);
    return [
      {
        where: `length(${text}) > ${type.lengthMax}`,
        problem: problem('CAST_FAILED', name, { value: text, type: type.glue }),
        told: `a text of '${name}' is longer than its type, ${type.glue}, has it`,
      },
    ];
  });
}

interface Unplaced {
  /** SQL condition of a row. */
  readonly where: string;
  readonly problem: string;
  /** The same in words, of rows that are of no single record. */
  readonly told: string;
}

/**
 * A clock that was never set, or milliseconds taken for microseconds, would each make a partition of its own.
 */
export function timeOutOfBounds(spec: PartitionSpec, fields: readonly Field[]): Unplaced[] {
  if (spec.kind !== 'time' || !fields.some(({ name }) => name === spec.field)) return [];
  const field = identifier(spec.field);
  const bound = (date: string | undefined, condition: string, wanted: string): Unplaced[] => {
    if (date === undefined) return [];
    const type = `${wanted} ${date}`;
    const where = `${field} ${condition} TIMESTAMP ${literal(date)}`;
    const told = `${spec.field}, of a partition, is ${type}`;
    return [
      { where, told, problem: problem('PARTITION_TIME_OUT_OF_BOUNDS', spec.field, { value: field, type }) },
    ];
  };
  return [...bound(spec.notBefore, '<', 'at or after'), ...bound(spec.notAfter, '>=', 'before')];
}

/** A value that no path can hold would keep its whole window from being published, for ever. */
export function longPartition(spec: PartitionSpec, fields: readonly Field[]): Unplaced[] {
  if (spec.kind !== 'value') return [];
  const type = fields.find(({ name }) => name === spec.field)?.type;
  if (type?.kind !== 'string') return [];
  const field = identifier(spec.field);
  const bytes = `strlen(regexp_replace(${field}, ${literal(ESCAPED)}, 'xxx', 'g'))`;
  return [
    {
      where: `${bytes} > ${PATH_STEP_BYTES_MAX - spec.column.length - 1}`,
      problem: problem('PARTITION_TOO_LONG', spec.field, { value: field, type: type.glue }),
      told: `a value of the partition column '${spec.column}' is longer than a path may name`,
    },
  ];
}
