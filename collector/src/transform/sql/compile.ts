// A table's config becomes SQL for DuckDB: records are read as text, cast with a check for each value,
// filtered, and staged with the reason of those that failed; the good rows and the bad ones leave by two
// COPYs. Pure and printable: `explain` shows exactly this.
import type { Column, TableConfig, TableSchemas } from '../../contracts.ts';
import type { Field, FieldPlan } from './fields.ts';
import { DELETED, METADATA, metadataColumns } from './metadata.ts';
import { GOOD, partitionConditions, partitionProblems, partitionValues, placeRows } from './partitions.ts';
import { quarantineColumns, selectQuarantine } from './quarantine.ts';
import { type Context, inputLayer, isConverted, type Marks, rawBytes, readLayers } from './read-layers.ts';
import type { Changed, InsertForm } from './steps/step.ts';
import { identifier, literal } from './types.ts';

export type { Marks } from './read-layers.ts';

export interface CompiledTable {
  readonly createStaged: string;
  /**
   * `raw` → `staged`, all rows or, where the form does not fit them, none. `exactText` where a text of a JSON
   * record may be an object or an array.
   */
  insertStaged(form: InsertForm, how?: { readonly exactText: boolean }): string;
  readonly countStaged: string;
  /** Columns whose value was nulled, and how often; undefined where none can be. */
  readonly countNulled: string | undefined;
  /** Distinct partition values of the rows to write: columns p0, p1 ... as text, then n. */
  readonly partitionValues: string;
  /** SELECT of the rows of one combination of partition values. */
  selectRows(values: readonly (string | null)[]): string;
  /** For many combinations: sorts the rows by them, so that `selectPlaced` finds the nth, from 1, at once. */
  readonly placeRows: string;
  selectPlaced(part: number): string;
  readonly selectQuarantine: string;
  readonly schemas: TableSchemas;
  readonly needsKeys: boolean;
  readonly needsHeaders: boolean;
  /** Whether quarantine needs the value as the record had it, which what SQL reads does not tell. */
  readonly needsOriginals: boolean;
}

export function compileTable(table: TableConfig, plan: FieldPlan, marks: Marks): CompiledTable {
  const needs = (column: string) =>
    table.provenance === 'full' || JSON.stringify(table.steps).includes(column);
  const keepsDeleted = table.record.tombstones === 'keep';
  const needsKeys = needs('_key') || keepsDeleted;
  const needsHeaders = needs('_headers');
  const needsOriginals = isConverted(table) && table.quarantineRaw !== 'drop';
  const needed = { needsKeys, needsHeaders, needsOriginals };
  const context: Context = { table, plan, marks, ...needed, keepsDeleted, exactText: false };
  const written = writtenFields(table, plan);
  return {
    createStaged: createStaged(context),
    insertStaged: (form, how) => insertStaged({ ...context, exactText: how?.exactText ?? false }, form),
    countStaged:
      'SELECT count(*) AS staged, count(*) FILTER (__problem IS NOT NULL) AS quarantined, ' +
      'count(*) FILTER (__problem IS NULL AND __filtered) AS filtered FROM staged',
    countNulled: plan.nulls ? COUNT_NULLED : undefined,
    partitionValues: partitionValues(table),
    selectRows: (values) =>
      selectRows(
        context,
        written,
        `staged WHERE ${[GOOD, ...partitionConditions(table, values)].join(' AND ')}`,
      ),
    placeRows: placeRows(table),
    selectPlaced: (part) => selectRows(context, written, `placed WHERE part = ${part}`),
    selectQuarantine: selectQuarantine(table),
    schemas: {
      rows: [...written, ...provenanceColumns(table)].map(({ name, type }) => ({
        name,
        type: table.output.kind === 'csv' ? 'string' : type,
      })),
      quarantine: quarantineColumns(table),
      partitionColumns: table.partitionBy.map(({ column }) => ({ name: column, type: 'string' })),
      quarantinePartitionColumns: [{ name: 'ingest_day', type: 'string' }],
    },
    ...needed,
  };
}

const COUNT_NULLED =
  "SELECT name, count(*) AS n FROM (SELECT unnest(string_split(ltrim(__nulled, ','), ',')) AS name " +
  `FROM staged WHERE ${GOOD} AND __nulled <> '') GROUP BY ALL ORDER BY ALL`;

/** A deleted row says by its key what was deleted. */
function provenanceColumns(table: TableConfig): readonly Column[] {
  const wanted: readonly string[] = { none: [], position: ['_partition', '_offset'], full: METADATA }[
    table.provenance
  ];
  const keepsDeleted = table.record.tombstones === 'keep';
  const columns = metadataColumns(table).filter(
    ({ name }) => wanted.includes(name) || (keepsDeleted && name === '_key'),
  );
  return keepsDeleted ? [...columns, { name: DELETED, type: 'boolean' }] : columns;
}

/** A value partition column stands in the path and not in the file as well. */
function writtenFields(table: TableConfig, plan: FieldPlan): readonly Column[] {
  const inPath = table.partitionBy.flatMap((spec) =>
    spec.kind === 'value' && spec.column === spec.field ? [spec.field] : [],
  );
  return plan.result
    .filter(({ name }) => !inPath.includes(name))
    .map(({ name, type }) => ({ name, type: type.glue }));
}

function createStaged({ table, plan, needsKeys, needsHeaders, keepsDeleted }: Context): string {
  const { key, headers } = table.record;
  const columns = [
    '_partition INTEGER',
    '_offset BIGINT',
    '_timestamp TIMESTAMP',
    ...(needsKeys ? [`_key ${key === 'bytes' ? 'BLOB' : 'VARCHAR'}`] : []),
    ...(needsHeaders ? [`_headers ${headers === 'map' ? 'MAP(VARCHAR, VARCHAR)' : 'VARCHAR'}`] : []),
    ...(keepsDeleted ? [`${DELETED} BOOLEAN`] : []),
    '__problem VARCHAR',
    '__filtered BOOLEAN',
    '__raw BLOB',
    ...(plan.nulls ? ['__nulled VARCHAR'] : []),
    ...plan.result.map(({ name, type }) => `${identifier(name)} ${type.duckdb}`),
  ];
  return `CREATE OR REPLACE TEMP TABLE staged (${columns.join(', ')})`;
}

/**
 * One common table expression a layer, so that each expression is evaluated once and has a name for
 * `explain`.
 */
function insertStaged(context: Context, form: InsertForm): string {
  const { table, plan } = context;
  const layers: string[] = [inputLayer(context), ...readLayers(context, form)];
  let last = 'read';
  const carry = (changed?: Changed) => carried(context, changed);
  plan.steps.forEach((step, index) => {
    const name = `step${index}`;
    layers.push(...step.layers({ from: last, name, form, carry, keepsDeleted: context.keepsDeleted }));
    last = name;
  });
  if (table.output.kind === 'csv') {
    layers.push(lineBreakLayer(context, last));
    last = 'checked';
  }
  const unplaced = partitionProblems(table, plan);
  if (unplaced.length > 0) {
    const problem = `CASE WHEN __problem IS NULL AND NOT __filtered THEN CASE ${unplaced.join(' ')} END ELSE __problem END`;
    layers.push(`placed AS (SELECT ${carry({ problem })}${list(plan.result)} FROM ${last})`);
    last = 'placed';
  }
  const metadata = ['_partition', '_offset', '_timestamp'];
  if (context.needsKeys) metadata.push('_key');
  if (context.needsHeaders) metadata.push('_headers');
  if (context.keepsDeleted) metadata.push('__value IS NULL');
  const raw = `CASE WHEN __problem IS NOT NULL THEN ${rawBytes(table)} END`;
  return (
    `INSERT INTO staged\nWITH ${layers.join(',\n')}\n` +
    `SELECT ${metadata.join(', ')}, __problem, __filtered, ${raw}${plan.nulls ? ', __nulled' : ''}${list(plan.result)} FROM ${last}`
  );
}

/** Readers of CSV tables split at line breaks before they look at quotes. */
function lineBreakLayer(context: Context, from: string): string {
  const { plan } = context;
  const texts = plan.result.filter(({ type }) => type.kind === 'string').map(({ name }) => identifier(name));
  const breaks = texts.map((name) => `contains(${name}, chr(10)) OR contains(${name}, chr(13))`).join(' OR ');
  const told =
    breaks === ''
      ? '__problem'
      : `CASE WHEN __problem IS NULL AND NOT __filtered AND (${breaks}) THEN 'CSV_LINE_BREAK' ELSE __problem END`;
  return `checked AS (SELECT ${carried(context, { problem: told })}${list(plan.result)} FROM ${from})`;
}

/** What every layer hands on of a record, some of it changed. */
function carried({ plan }: Pick<Context, 'plan'>, { problem, filtered, nulled }: Changed = {}): string {
  const as = (sql: string | undefined, name: string) => (sql === undefined ? name : `${sql} AS ${name}`);
  const known = '_topic, _partition, _offset, _timestamp, _key, _headers, __value, __original';
  const counted = plan.nulls ? `, ${as(nulled, '__nulled')}` : '';
  return `${known}, ${as(problem, '__problem')}, ${as(filtered, '__filtered')}${counted}`;
}

const list = (fields: readonly Field[]) => fields.map(({ name }) => `, ${identifier(name)}`).join('');

function selectRows({ table }: Context, written: readonly Column[], from: string): string {
  const columns = [...written, ...provenanceColumns(table)].map(({ name, type }) =>
    outputExpression(name, type, table),
  );
  const { sortBy = [] } = table.output;
  const order = sortBy.length === 0 ? '' : ` ORDER BY ${sortBy.map(identifier).join(', ')}`;
  return `SELECT ${columns.join(', ')} FROM ${from}${order}`;
}

/** Text formats spell timestamps so that every SerDe reads them. */
function outputExpression(name: string, type: string, table: TableConfig): string {
  const column = identifier(name);
  if (name === '_topic') return `${literal(table.topic)} AS _topic`;
  if (type === 'timestamp' && table.output.kind !== 'parquet')
    return `strftime(${column}, '%Y-%m-%d %H:%M:%S.%f') AS ${column}`;
  if (type.includes('<') && table.output.kind === 'csv') return `to_json(${column})::VARCHAR AS ${column}`;
  if (type === 'binary' && table.output.kind !== 'parquet') return `to_base64(${column}) AS ${column}`;
  return column;
}
