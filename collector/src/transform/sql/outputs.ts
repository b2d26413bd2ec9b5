// The tables that leave one window: for each, which of its columns are written, how its rows are found by the
// values of their partition, and what is left of the records. A table that makes one row of one record has
// one of these; others are named.
import type { Column, TableConfig } from '../../contracts.ts';
import { groupChecks } from './group-checks.ts';
import { DELETED, METADATA, metadataColumns, placeColumns, topicSql } from './metadata.ts';
import { GOOD, partitionConditions, partitionsOf, partitionValues, placeRows } from './partitions.ts';
import type { PlannedOutput } from './pipes.ts';
import type { Field } from './steps/step.ts';
import { identifier } from './types.ts';

/** SQL of one output; `rows` is the table itself. */
export interface CompiledOutput {
  readonly name: string;
  /** The table with the partition columns that this output has. */
  readonly table: TableConfig;
  /** After the last chunk: what looks at the whole window, in order. */
  readonly windowWise: readonly WindowStatement[];
  /** Records may lose their rows to others. */
  readonly merges: boolean;
  /** Distinct partition values of the rows to write: columns p0, p1 ... as text, then n. */
  readonly partitionValues: string;
  /** SELECT of what is written, from a table of the staged columns. */
  select(from: string): string;
  /** SELECT of the rows of one combination of partition values. */
  selectRows(values: readonly (string | null)[]): string;
  /** For many combinations: sorts the rows by them, so that `selectPlaced` finds the nth, from 1, at once. */
  readonly placeRows: string;
  selectPlaced(part: number): string;
  readonly columns: readonly Column[];
  readonly partitionColumns: readonly Column[];
}

export function compileOutput(whole: TableConfig, output: PlannedOutput): CompiledOutput {
  const table = { ...whole, partitionBy: partitionsOf(whole.partitionBy, output) };
  const written = writtenFields(table, output);
  const provenance = output.ofRecords ? provenanceColumns(table, output.manyRows) : [];
  const columns = [...written, ...provenance];
  const select = (from: string) => selectFrom({ table, name: output.name, columns }, from);
  const source = output.tables.at(-1) ?? 'staged';
  const conditions = (values: readonly (string | null)[]) =>
    [GOOD, ...partitionConditions(table, values)].join(' AND ');
  return {
    name: output.name,
    table,
    windowWise: [...windowStatements(output), ...groupChecks(table, madeOf(output), source)],
    merges: output.tables.length > 1,
    partitionValues: partitionValues(table, source),
    select,
    selectRows: (values) => select(`${source} WHERE ${conditions(values)}`),
    placeRows: placeRows(table, source, output.ofRecords ? placeColumns(table) : []),
    selectPlaced: (part) => select(`placed WHERE part = ${part}`),
    columns: columns.map(({ name, type }) => ({ name, type: table.output.kind === 'csv' ? 'string' : type })),
    partitionColumns: table.partitionBy.map(({ column }) => ({ name: column, type: 'string' })),
  };
}

/** A statement to run, or a rule and the SELECT of how many rows break it. */
export type WindowStatement =
  | { readonly sql: string; readonly rule?: undefined; readonly asserts?: string }
  | { readonly sql: string; readonly rule: string; readonly action: 'fail' | 'report' };

/** Columns that a step over the whole window has made. */
function madeOf({ fields, asRecords }: PlannedOutput): readonly Field[] {
  return fields.filter((field) => !asRecords.includes(field));
}

function windowStatements({ windowWise, tables }: PlannedOutput): WindowStatement[] {
  let at = 0;
  return windowWise.flatMap(({ create, asserts, rules = [] }): WindowStatement[] => {
    const from = tables[at] ?? '';
    const held = rules.map(({ name, action, failed }) => ({ sql: failed(from), rule: name, action }));
    if (create === undefined) return held;
    at++;
    const asserted = asserts === undefined ? [] : [{ sql: asserts.sql(from), asserts: asserts.message }];
    return [...held, ...asserted, { sql: create({ from, to: tables[at] ?? '' }) }];
  });
}

/** A deleted row says by its key what was deleted. */
function provenanceColumns(table: TableConfig, manyRows: boolean): readonly Column[] {
  const wanted: readonly string[] = { none: [], position: placeColumns(table), full: METADATA }[
    table.provenance
  ];
  const keepsDeleted = table.record.tombstones === 'keep';
  const columns = metadataColumns(table).filter(
    ({ name }) => wanted.includes(name) || (keepsDeleted && name === '_key'),
  );
  const deleted = keepsDeleted ? [{ name: DELETED, type: 'boolean' }] : [];
  const row = manyRows && table.provenance !== 'none' ? [{ name: '_row', type: 'int' }] : [];
  return [...columns, ...deleted, ...row];
}

/** A value partition column stands in the path and not in the file as well. */
function writtenFields(table: TableConfig, { fields }: PlannedOutput): readonly Column[] {
  const inPath = table.partitionBy.flatMap((spec) =>
    spec.kind === 'value' && spec.column === spec.field ? [spec.field] : [],
  );
  return fields
    .filter(({ name }) => !inPath.includes(name))
    .map(({ name, type }) => ({ name, type: type.glue }));
}

interface Selected {
  readonly table: TableConfig;
  readonly name: string;
  readonly columns: readonly Column[];
}

/** Another output than the table itself is sorted by what it has of the columns. */
function selectFrom({ table, name, columns }: Selected, from: string): string {
  const expressions = columns.map(({ name, type }) => outputExpression(name, type, table));
  const { sortBy = [] } = table.output;
  const sorted = sortBy.filter((by) => name === 'rows' || columns.some((column) => column.name === by));
  const order = sorted.length === 0 ? '' : ` ORDER BY ${sorted.map(identifier).join(', ')}`;
  return `SELECT ${expressions.join(', ')} FROM ${from}${order}`;
}

/** Text formats spell timestamps so that every SerDe reads them. */
function outputExpression(name: string, type: string, table: TableConfig): string {
  const column = identifier(name);
  if (name === '_topic') return `${topicSql(table)} AS _topic`;
  if (type === 'timestamp' && table.output.kind !== 'parquet')
    return `strftime(${column}, '%Y-%m-%d %H:%M:%S.%f') AS ${column}`;
  if ((type === 'double' || type === 'float') && table.output.kind === 'json')
    return `${jsonNumber(column)} AS ${column}`;
  if (type.includes('<') && table.output.kind === 'csv') return `to_json(${column})::VARCHAR AS ${column}`;
  if (type === 'binary' && table.output.kind !== 'parquet') return `to_base64(${column}) AS ${column}`;
  return column;
}

/** A sum over a window may be no number: JSON has none for that, and readers take the text for it. */
function jsonNumber(column: string): string {
  const text = `CASE WHEN isnan(${column}) THEN 'NaN' WHEN ${column} > 0 THEN 'Infinity' ELSE '-Infinity' END`;
  return `CASE WHEN isfinite(${column}) THEN to_json(${column}) WHEN ${column} IS NOT NULL THEN to_json(${text}) END`;
}

/** Of a table of one row for each record its rows are its records; else they say whose they are. */
export function countRecords(outputs: readonly PlannedOutput[], plural: boolean): string {
  const [rows] = outputs;
  const lost =
    'count(*) FILTER (__problem IS NOT NULL) AS quarantined, ' +
    'count(*) FILTER (__problem IS NULL AND __filtered) AS filtered';
  const last = (output: PlannedOutput) => output.tables.at(-1);
  if (!plural) {
    const all = `count(*) FILTER (${GOOD})`;
    const left =
      rows?.tables.length === 1 ? all : `(SELECT count(*) FROM ${rows && last(rows)} WHERE ${GOOD})`;
    const emitted = rows?.ofRecords === true ? left : '0';
    return `SELECT ${lost}, count(*) FILTER (${GOOD}) AS good, ${emitted} AS emitted FROM staged`;
  }
  const ids = (tables: readonly (string | undefined)[]) =>
    tables.length === 0
      ? '0'
      : `(SELECT count(DISTINCT __id) FROM (${tables.map((t) => `SELECT __id FROM ${t} WHERE ${GOOD}`).join(' UNION ALL ')}))`;
  const good = ids(outputs.map(({ tables }) => tables[0]));
  const emitted = ids(outputs.filter(({ ofRecords }) => ofRecords).map(last));
  return `SELECT ${lost}, ${good} AS good, ${emitted} AS emitted FROM staged`;
}
