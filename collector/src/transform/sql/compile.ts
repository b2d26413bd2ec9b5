// A table's config becomes SQL for DuckDB: records are read as text, cast with a check for each value,
// filtered, and staged with the reason of those that failed; the good rows and the bad ones leave by two
// COPYs. Pure and printable: `explain` shows exactly this.
import type { TableConfig, TableSchemas } from '../../contracts.ts';
import { readAs, wantsToken } from './convert.ts';
import { exactText } from './exact-text.ts';
import type { Field, FieldPlan, SourceField } from './fields.ts';
import { type CompiledOutput, compileOutput, countRecords } from './outputs.ts';
import { GOOD, partitionProblems } from './partitions.ts';
import type { PlannedOutput } from './pipes.ts';
import { type Layers, pluralStatements, stepLayers } from './plural.ts';
import { problem } from './problems.ts';
import { quarantineColumns, selectQuarantine } from './quarantine.ts';
import { type Changed, columns, type InsertForm, type PlannedStep } from './steps/step.ts';
import { identifier, isScalar, literal } from './types.ts';

export interface CompiledTable {
  readonly createStaged: readonly string[];
  /**
   * `raw` → the staged tables, all rows or, where the form does not fit them, none: the first statements may
   * fail and leave nothing. `exactText` where a text of a JSON record may be an object or an array; records
   * are numbered from `firstId` on.
   */
  insertStaged(form: InsertForm, how?: InsertOptions): readonly string[];
  /** One row: records quarantined, filtered, good, and of these those that still have a row. */
  readonly countRecords: string;
  /** Columns whose value was nulled, and how often; undefined where none can be. */
  readonly countNulled: string | undefined;
  /** What is written of the good rows; the first is the table itself. */
  readonly outputs: readonly CompiledOutput[];
  readonly selectQuarantine: string;
  readonly schemas: TableSchemas;
  readonly needsKeys: boolean;
  readonly needsHeaders: boolean;
}

export interface InsertOptions {
  readonly exactText: boolean;
  readonly firstId?: number;
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
  const context: Context = { table, plan, marks, needsKeys, needsHeaders, exactText: false, firstId: 0 };
  const outputs = plan.outputs.map((output) => compileOutput(table, output));
  const [rows, ...named] = outputs;
  return {
    createStaged: plan.outputs.map((output) => createStaged(context, output)),
    insertStaged: (form, how) => insertStaged({ ...context, ...how }, form),
    countRecords: countRecords(plan.outputs, plan.plural),
    countNulled: plan.nulls ? countNulled(plan.outputs) : undefined,
    outputs,
    selectQuarantine: selectQuarantine(table),
    schemas: {
      rows: rows?.columns ?? [],
      quarantine: quarantineColumns(table),
      partitionColumns: rows?.partitionColumns ?? [],
      quarantinePartitionColumns: [{ name: 'ingest_day', type: 'string' }],
      named: Object.fromEntries(
        named.map(({ name, columns, partitionColumns }) => [name, { columns, partitionColumns }]),
      ),
    },
    needsKeys,
    needsHeaders,
  };
}

function countNulled(outputs: readonly PlannedOutput[]): string {
  const each = outputs.map(
    ({ tables }) =>
      `SELECT unnest(string_split(ltrim(__nulled, ','), ',')) AS name FROM ${tables[0]} WHERE ${GOOD} AND __nulled <> ''`,
  );
  return `SELECT name, count(*) AS n FROM (${each.join(' UNION ALL ')}) GROUP BY ALL ORDER BY ALL`;
}

interface Context {
  readonly table: TableConfig;
  readonly plan: FieldPlan;
  readonly marks: Marks;
  readonly needsKeys: boolean;
  readonly needsHeaders: boolean;
  readonly exactText: boolean;
  readonly firstId: number;
}

function createStaged({ plan, needsKeys, needsHeaders }: Context, { tables, staged }: PlannedOutput): string {
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
    ...(plan.plural ? ['__id BIGINT', '_row INTEGER'] : []),
    ...staged.map(({ name, type }) => `${identifier(name)} ${type.duckdb}`),
  ];
  return `CREATE OR REPLACE TEMP TABLE ${tables[0]} (${columns.join(', ')})`;
}

/**
 * One common table expression a layer, so that each expression is evaluated once and has a name for
 * `explain`.
 */
function insertStaged(context: Context, form: InsertForm): string[] {
  const { table, plan } = context;
  const input = [inputLayer(context), ...readLayers(context, form)];
  const carry = (changed?: Changed) => carried(context, changed);
  const finish = (from: string, fields: readonly Field[]) => finishLayers(context, from, fields);
  const metadata = ['_partition', '_offset', '_timestamp'];
  if (context.needsKeys) metadata.push('_key');
  if (context.needsHeaders) metadata.push('_headers');
  if (plan.plural)
    return pluralStatements({ plan, input, form, carry, finish, metadata, raw: rawBytes(table) });
  const [output] = plan.outputs;
  const steps = output === undefined ? [] : rowWise(plan.steps);
  const { layers, last } = stepLayers({ steps, from: 'read', form, carry });
  const fields = output?.staged ?? [];
  const end = finish(last, fields);
  const raw = `CASE WHEN __problem IS NOT NULL THEN ${rawBytes(table)} END`;
  return [
    `INSERT INTO staged\nWITH ${[...input, ...layers, ...end.layers].join(',\n')}\n` +
      `SELECT ${metadata.join(', ')}, __problem, __filtered, ${raw}${plan.nulls ? ', __nulled' : ''}${columns(fields)} FROM ${end.last}`,
  ];
}

const rowWise = (steps: readonly PlannedStep[]) => steps.filter(({ windowWise }) => windowWise === undefined);

/** What the format and the partitions of an output ask of a row. */
function finishLayers(context: Context, from: string, fields: readonly Field[]): Layers {
  const { table } = context;
  const layers: string[] = [];
  let last = from;
  if (table.output.kind === 'csv') {
    layers.push(lineBreakLayer(context, last, fields));
    last = 'checked';
  }
  const unplaced = partitionProblems(table, fields);
  if (unplaced.length > 0) {
    const problem = `CASE WHEN __problem IS NULL AND NOT __filtered THEN CASE ${unplaced.join(' ')} END ELSE __problem END`;
    layers.push(`placed AS (SELECT ${carried(context, { problem })}${columns(fields)} FROM ${last})`);
    last = 'placed';
  }
  return { layers, last };
}

/** Readers of CSV tables split at line breaks before they look at quotes. */
function lineBreakLayer(context: Context, from: string, fields: readonly Field[]): string {
  const texts = fields.filter(({ type }) => type.kind === 'string').map(({ name }) => identifier(name));
  const breaks = texts.map((name) => `contains(${name}, chr(10)) OR contains(${name}, chr(13))`).join(' OR ');
  const told =
    breaks === ''
      ? '__problem'
      : `CASE WHEN __problem IS NULL AND NOT __filtered AND (${breaks}) THEN 'CSV_LINE_BREAK' ELSE __problem END`;
  return `checked AS (SELECT ${carried(context, { problem: told })}${columns(fields)} FROM ${from})`;
}

/** What every layer hands on of a record, some of it changed. */
function carried({ plan }: Context, { problem, filtered, nulled, nth }: Changed = {}): string {
  const as = (sql: string | undefined, name: string) => (sql === undefined ? name : `${sql} AS ${name}`);
  const known = '_topic, _partition, _offset, _timestamp, _key, _headers, __value';
  const counted = plan.nulls ? `, ${as(nulled, '__nulled')}` : '';
  const numbered = plan.plural ? `, __id, ${as(nth, '__nth')}` : '';
  return `${known}, ${as(problem, '__problem')}, ${as(filtered, '__filtered')}${counted}${numbered}`;
}

/** The record as it was: CSV lines travel in front of their fields, bytes as base64. */
function rawBytes(table: TableConfig): string {
  if (table.input.kind === 'csv') return "encode(json_extract_string(__value, '$[0]'))";
  return table.input.kind === 'bytes' ? 'from_base64(__value)' : 'encode(__value)';
}

function inputLayer({ table, plan, marks, needsKeys, needsHeaders, firstId }: Context): string {
  const split = (column: string) =>
    `unnest(string_split(decode(joined.${column}), ${literal(marks.separator)}))`;
  const key = needsKeys ? `${split('k')} AS k` : 'NULL::VARCHAR AS k';
  const headers = needsHeaders ? `${split('h')} AS h` : 'NULL::VARCHAR AS h';
  const numbered = plan.plural
    ? `, row_number() OVER () + ${firstId - 1} AS __id, []::INTEGER[] AS __nth`
    : '';
  return (
    `unnested AS (SELECT p, unnest(o) AS o, unnest(t) AS t, ${split('v')} AS v, ${key}, ${headers} FROM raw),\n` +
    `input AS (SELECT ${literal(table.topic)} AS _topic, p AS _partition, o AS _offset, ` +
    'CASE WHEN t BETWEEN 0 AND 9223372036854775 THEN make_timestamp(t * 1000) END AS _timestamp, ' +
    `nullif(k, ${literal(marks.nullMark)}) AS _key, h AS _headers, v AS __value${numbered} FROM unnested WHERE o >= 0)`
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
    `read AS (SELECT _topic, _partition, _offset, _timestamp, _key, _headers, __value${plan.plural ? ', __id, __nth' : ''}, ` +
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
