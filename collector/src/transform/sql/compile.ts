// A table's config becomes SQL for DuckDB: records are read as text, cast with a check for each value,
// filtered, and staged with the reason of those that failed; the good rows and the bad ones leave by two
// COPYs. Pure and printable: `explain` shows exactly this.
import type { Column, TableConfig, TableSchemas } from '../../contracts.ts';
import { readAs, wantsToken } from './convert.ts';
import { exactText } from './exact-text.ts';
import type { Field, FieldPlan, SourceField } from './fields.ts';
import { metadataColumns } from './metadata.ts';
import { GOOD, partitionConditions, partitionProblems, partitionValues, placeRows } from './partitions.ts';
import { problem } from './problems.ts';
import { quarantineColumns, selectQuarantine } from './quarantine.ts';
import type { Changed, InsertForm } from './steps/step.ts';
import { identifier, isScalar, literal } from './types.ts';

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
}

/** What stands between two values of a joined column, and for a null key or beside a number of a text. */
export interface Marks {
  readonly separator: string;
  readonly nullMark: string;
}

export function compileTable(table: TableConfig, plan: FieldPlan, marks: Marks): CompiledTable {
  const needs = (column: string) =>
    table.provenance === 'full' || JSON.stringify(table.steps).includes(column);
  const needsKeys = needs('_key');
  const needsHeaders = needs('_headers');
  const context: Context = { table, plan, marks, needsKeys, needsHeaders, exactText: false };
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
    needsKeys,
    needsHeaders,
  };
}

const COUNT_NULLED =
  "SELECT name, count(*) AS n FROM (SELECT unnest(string_split(ltrim(__nulled, ','), ',')) AS name " +
  `FROM staged WHERE ${GOOD} AND __nulled <> '') GROUP BY ALL ORDER BY ALL`;

interface Context {
  readonly table: TableConfig;
  readonly plan: FieldPlan;
  readonly marks: Marks;
  readonly needsKeys: boolean;
  readonly needsHeaders: boolean;
  readonly exactText: boolean;
}

function provenanceColumns(table: TableConfig): readonly Column[] {
  if (table.provenance === 'none') return [];
  if (table.provenance === 'full') return metadataColumns;
  return metadataColumns.filter(({ name }) => name === '_partition' || name === '_offset');
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

function createStaged({ plan, needsKeys, needsHeaders }: Context): string {
  const columns = [
    '_partition INTEGER',
    '_offset BIGINT',
    '_timestamp TIMESTAMP',
    ...(needsKeys ? ['_key VARCHAR'] : []),
    ...(needsHeaders ? ['_headers VARCHAR'] : []),
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
    layers.push(...step.layers({ from: last, name, form, carry }));
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
  const known = '_topic, _partition, _offset, _timestamp, _key, _headers, __value';
  const counted = plan.nulls ? `, ${as(nulled, '__nulled')}` : '';
  return `${known}, ${as(problem, '__problem')}, ${as(filtered, '__filtered')}${counted}`;
}

const list = (fields: readonly Field[]) => fields.map(({ name }) => `, ${identifier(name)}`).join('');

/** The record as it was: CSV lines travel in front of their fields, bytes as base64. */
function rawBytes(table: TableConfig): string {
  if (table.input.kind === 'csv') return "encode(json_extract_string(__value, '$[0]'))";
  return table.input.kind === 'bytes' ? 'from_base64(__value)' : 'encode(__value)';
}

function inputLayer({ table, marks, needsKeys, needsHeaders }: Context): string {
  const split = (column: string) =>
    `unnest(string_split(decode(joined.${column}), ${literal(marks.separator)}))`;
  const key = needsKeys ? `${split('k')} AS k` : 'NULL::VARCHAR AS k';
  const headers = needsHeaders ? `${split('h')} AS h` : 'NULL::VARCHAR AS h';
  return (
    `unnested AS (SELECT p, unnest(o) AS o, unnest(t) AS t, ${split('v')} AS v, ${key}, ${headers} FROM raw),\n` +
    `input AS (SELECT ${literal(table.topic)} AS _topic, p AS _partition, o AS _offset, ` +
    'CASE WHEN t BETWEEN 0 AND 9223372036854775 THEN make_timestamp(t * 1000) END AS _timestamp, ' +
    `nullif(k, ${literal(marks.nullMark)}) AS _key, h AS _headers, v AS __value FROM unnested WHERE o >= 0)`
  );
}

function readLayers(context: Context, form: InsertForm): string[] {
  const { table, plan } = context;
  switch (table.input.kind) {
    case 'json':
      return jsonLayers(context, form);
    case 'csv':
      return csvLayers(plan);
    default: {
      const counted = plan.nulls ? ", '' AS __nulled" : '';
      const value = table.input.kind === 'bytes' ? 'from_base64(__value)' : '__value';
      return [
        `read AS (SELECT *, NULL::VARCHAR AS __problem, false AS __filtered${counted}, ${value} AS value FROM input)`,
      ];
    }
  }
}

function jsonLayers({ plan, marks, exactText }: Context, form: InsertForm): string[] {
  const { source } = plan;
  const object =
    "(starts_with(__value, '{') OR starts_with(ltrim(__value, ' ' || chr(9) || chr(10) || chr(13)), '{'))";
  const readable = form === 'clean' ? object : `${object} AND json_valid(__value)`;
  const parse = `from_json(__value, ${literal(structureOf(source))})`;
  const notObject = `CASE WHEN r IS NOT NULL THEN NULL WHEN json_valid(__value) THEN 'NOT_AN_OBJECT' ELSE 'JSON_INVALID' END`;
  const texts = source.map((field, i) => {
    const at = field.path.reduce((inner, part) => `struct_extract(${inner}, ${literal(part)})`, 'r');
    return wantsToken(field.type) ? `nullif(${at}::VARCHAR, 'null') AS t${i}` : `${at} AS t${i}`;
  });
  return [
    `parsed AS (SELECT *, CASE WHEN ${readable} THEN ${parse} END AS r FROM input)`,
    `texts AS (SELECT *, ${notObject} AS __unread, ${[...texts].join(', ')} FROM parsed)`,
    ...typedLayers(plan, { from: 'texts', json: true, mark: exactText ? marks.nullMark : undefined }),
  ];
}

/**
 * from_json's structure: objects nested by path, JSON where the token matters and VARCHAR where its text
 * does.
 */
function structureOf(source: readonly SourceField[]): string {
  const root: Record<string, unknown> = Object.create(null);
  for (const { path, type } of source) {
    let at = root;
    for (const part of path.slice(0, -1)) {
      const inner = (at[part] ?? Object.create(null)) as Record<string, unknown>;
      at[part] = inner;
      at = inner;
    }
    at[path.at(-1) ?? ''] = wantsToken(type) ? 'JSON' : 'VARCHAR';
  }
  return JSON.stringify(root);
}

/** The converter made a JSON array of the line: the line itself, then its fields; null for an empty one. */
function csvLayers(plan: FieldPlan): string[] {
  const texts = plan.source.map((_field, i) => `r[${i + 2}] AS t${i}`);
  return [
    `parsed AS (SELECT *, from_json(__value, '["VARCHAR"]') AS r FROM input)`,
    `texts AS (SELECT *, NULL::VARCHAR AS __unread, ${texts.join(', ')} FROM parsed)`,
    ...typedLayers(plan, { from: 'texts', json: false }),
  ];
}

function typedLayers(
  plan: FieldPlan,
  at: { from: string; json: boolean; mark?: string | undefined },
): string[] {
  const { source, nulls } = plan;
  const { mark } = at;
  const conversions = source.map(({ type, path }) => {
    const read = readAs(type, at.json ? 'json' : 'text');
    if (mark !== undefined && type.kind === 'string') return { ...read, value: exactText(path, mark) };
    return read;
  });
  const values = conversions.map((conversion, i) => `${conversion.value(`t${i}`)} AS c${i}`);
  const failing = conversions.map((conversion, i) => conversion.fails(`t${i}`, `c${i}`));
  const parents = at.json ? parentsOf(source) : [];
  const problems = [
    'WHEN __unread IS NOT NULL THEN __unread',
    ...parents.map((path) => {
      const pointer = literal(`$${path.map((part) => `."${part.replaceAll('"', '\\"')}"`).join('')}`);
      // A parent with a value below it is an object; asking would parse the whole record once more.
      const below = source.flatMap((field, i) => (startsWith(field.path, path) ? [`t${i} IS NULL`] : []));
      const isOther = `coalesce(json_type(__value, ${pointer}), 'NULL') NOT IN ('OBJECT', 'NULL')`;
      const found = `json_extract_string(__value, ${pointer})`;
      const told = problem('NOT_AN_OBJECT', path.join('.'), { value: found, type: 'an object' });
      return `WHEN CASE WHEN ${below.join(' AND ')} THEN ${isOther} ELSE false END THEN ${told}`;
    }),
    ...source.flatMap((field, i) => {
      const fails = failing[i] ?? 'false';
      if (fails === 'false' || field.nullOnError) return [];
      const shown = at.json && isScalar(field.type) ? shownToken(`t${i}`) : `t${i}`;
      return [`WHEN ${fails} THEN ${conversions[i]?.told(field.path.join('.'), shown)}`];
    }),
  ];
  const nulled = source.flatMap(({ name, nullOnError }, i) =>
    nullOnError ? [`CASE WHEN ${failing[i]} THEN ${literal(`,${name}`)} ELSE '' END`] : [],
  );
  const value = (nullOnError: boolean, i: number) =>
    nullOnError ? `CASE WHEN ${failing[i]} THEN NULL ELSE c${i} END` : `c${i}`;
  const named = source
    .map((field, i) => `, ${value(field.nullOnError, i)} AS ${identifier(field.name)}`)
    .join('');
  const counted = nulls ? `, ${["''", ...nulled].join(' || ')} AS __nulled` : '';
  return [
    `typed AS (SELECT *, ${values.join(', ')} FROM ${at.from})`,
    'read AS (SELECT _topic, _partition, _offset, _timestamp, _key, _headers, __value, ' +
      `CASE ${problems.join('\n  ')} END AS __problem, false AS __filtered${counted}${named} FROM typed)`,
  ];
}

/** A JSON string as its text: people read 'abc' and not '"abc"'. */
function shownToken(token: string): string {
  return `CASE WHEN starts_with(${token}, '"') THEN json_extract_string(${token}, '$') ELSE ${token} END`;
}

function startsWith(path: readonly string[], parent: readonly string[]): boolean {
  return path.length > parent.length && parent.every((part, i) => part === path[i]);
}

function parentsOf(source: readonly SourceField[]): string[][] {
  const parents = new Map<string, string[]>();
  for (const { path } of source)
    for (let length = 1; length < path.length; length++) {
      const parent = path.slice(0, length);
      parents.set(JSON.stringify(parent), parent);
    }
  return [...parents.values()];
}

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
