// A table's config becomes SQL for DuckDB: records are read as text, cast with a check for each value,
// filtered, and staged with the reason of those that failed; the good rows and the bad ones leave by two
// COPYs. Pure and printable: `explain` shows exactly this.
import type { Column, TableConfig, TableSchemas } from '../../contracts.ts';
import { fromJson, fromText, wantsJsonToken } from './conversions.ts';
import { exactText } from './exact-text.ts';
import { type Field, type FieldPlan, metadataColumns, type SourceField } from './fields.ts';
import { GOOD, partitionConditions, partitionProblems, partitionValues, placeRows } from './partitions.ts';
import { problem, quarantineColumns, selectQuarantine } from './quarantine.ts';
import { identifier, literal } from './types.ts';

export interface CompiledTable {
  readonly createStaged: string;
  /**
   * `raw` → `staged`, all rows or, where the form does not fit them, none. `exactText` where a text of a JSON
   * record may be an object or an array.
   */
  insertStaged(form: InsertForm, how?: { readonly exactText: boolean }): string;
  readonly countStaged: string;
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

/**
 * clean: fails where a value is not JSON. checked: each value is validated before it is read, a tenth slower.
 * guarded: survives a filter that throws too, at a fifth of the speed.
 */
export type InsertForm = 'clean' | 'checked' | 'guarded';

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
  plan.steps.forEach((step, index) => {
    const name = `step${index}`;
    if (step.kind === 'map') {
      layers.push(...mapLayers(step.mappings, last, name));
      last = name;
    } else if (step.kind === 'keep') {
      layers.push(`${name} AS (SELECT ${carried()}${list(step.fields)} FROM ${last})`);
      last = name;
    } else {
      layers.push(...filterLayers(step, { from: last, name, form }));
      last = name;
    }
  });
  if (table.output.kind === 'csv') {
    layers.push(lineBreakLayer(plan, last));
    last = 'checked';
  }
  const unplaced = partitionProblems(table, plan);
  if (unplaced.length > 0) {
    const meta = carried().replace(
      '__problem',
      () =>
        `CASE WHEN __problem IS NULL AND NOT __filtered THEN CASE ${unplaced.join(' ')} END ELSE __problem END AS __problem`,
    );
    layers.push(`placed AS (SELECT ${meta}${list(plan.result)} FROM ${last})`);
    last = 'placed';
  }
  const metadata = ['_partition', '_offset', '_timestamp'];
  if (context.needsKeys) metadata.push('_key');
  if (context.needsHeaders) metadata.push('_headers');
  const raw = `CASE WHEN __problem IS NOT NULL THEN ${rawBytes(table)} END`;
  return (
    `INSERT INTO staged\nWITH ${layers.join(',\n')}\n` +
    `SELECT ${metadata.join(', ')}, __problem, __filtered, ${raw}${list(plan.result)} FROM ${last}`
  );
}

/** Readers of CSV tables split at line breaks before they look at quotes. */
function lineBreakLayer(plan: FieldPlan, from: string): string {
  const texts = plan.result.filter(({ type }) => type.kind === 'string').map(({ name }) => identifier(name));
  const breaks = texts.map((name) => `contains(${name}, chr(10)) OR contains(${name}, chr(13))`).join(' OR ');
  const told =
    breaks === ''
      ? '__problem'
      : `CASE WHEN __problem IS NULL AND NOT __filtered AND (${breaks}) THEN 'CSV_LINE_BREAK' ELSE __problem END`;
  const meta = carried().replace('__problem', () => `${told} AS __problem`);
  return `checked AS (SELECT ${meta}${list(plan.result)} FROM ${from})`;
}

const carried = () =>
  '_topic, _partition, _offset, _timestamp, _key, _headers, __value, __problem, __filtered';
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
      return csvLayers(plan.source);
    default: {
      const value = table.input.kind === 'bytes' ? 'from_base64(__value)' : '__value';
      return [
        `read AS (SELECT *, NULL::VARCHAR AS __problem, false AS __filtered, ${value} AS value FROM input)`,
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
    return wantsJsonToken(field.type) ? `nullif(${at}::VARCHAR, 'null') AS t${i}` : `${at} AS t${i}`;
  });
  return [
    `parsed AS (SELECT *, CASE WHEN ${readable} THEN ${parse} END AS r FROM input)`,
    `texts AS (SELECT *, ${notObject} AS __unread, ${[...texts].join(', ')} FROM parsed)`,
    ...typedLayers(source, { from: 'texts', json: true, mark: exactText ? marks.nullMark : undefined }),
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
    at[path.at(-1) ?? ''] = wantsJsonToken(type) ? 'JSON' : 'VARCHAR';
  }
  return JSON.stringify(root);
}

/** The converter made a JSON array of the line: the line itself, then its fields; null for an empty one. */
function csvLayers(source: readonly SourceField[]): string[] {
  const texts = source.map((_field, i) => `r[${i + 2}] AS t${i}`);
  return [
    `parsed AS (SELECT *, from_json(__value, '["VARCHAR"]') AS r FROM input)`,
    `texts AS (SELECT *, NULL::VARCHAR AS __unread, ${texts.join(', ')} FROM parsed)`,
    ...typedLayers(source, { from: 'texts', json: false }),
  ];
}

function typedLayers(
  source: readonly SourceField[],
  at: { from: string; json: boolean; mark?: string | undefined },
): string[] {
  const { mark } = at;
  const conversions = source.map(({ type, path }) => {
    if (mark !== undefined && type.kind === 'string')
      return { value: exactText(path, mark), fails: () => 'false' };
    return at.json ? fromJson(type) : fromText(type);
  });
  const values = conversions.map((conversion, i) => `${conversion.value(`t${i}`)} AS c${i}`);
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
      const fails = conversions[i]?.fails(`t${i}`, `c${i}`) ?? 'false';
      const told = problem('CAST_FAILED', field.path.join('.'), {
        value: at.json ? shownToken(`t${i}`) : `t${i}`,
        type: field.type.glue,
      });
      return fails === 'false' ? [] : [`WHEN ${fails} THEN ${told}`];
    }),
  ];
  const named = source.map(({ name }, i) => `, c${i} AS ${identifier(name)}`).join('');
  return [
    `typed AS (SELECT *, ${values.join(', ')} FROM ${at.from})`,
    'read AS (SELECT _topic, _partition, _offset, _timestamp, _key, _headers, __value, ' +
      `CASE ${problems.join('\n  ')} END AS __problem, false AS __filtered${named} FROM typed)`,
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

function mapLayers(
  mappings: Extract<FieldPlan['steps'][number], { kind: 'map' }>['mappings'],
  from: string,
  name: string,
): string[] {
  const values = mappings.map((m, i) => `${m.conversion.value(identifier(m.from.name))} AS m${i}`);
  const problems = mappings.flatMap((m, i) => {
    const fails = m.conversion.fails(identifier(m.from.name), `m${i}`);
    const told = problem('CAST_FAILED', m.from.name, {
      value: identifier(m.from.name),
      type: m.to.type.glue,
    });
    return fails === 'false' ? [] : [`WHEN ${fails} THEN ${told}`];
  });
  const found =
    problems.length === 0
      ? '__problem'
      : `CASE WHEN __problem IS NOT NULL THEN __problem ${problems.join('\n  ')} END`;
  const named = mappings.map((m, i) => `, m${i} AS ${identifier(m.to.name)}`).join('');
  const meta = carried().replace('__problem', () => `${found} AS __problem`);
  return [
    `${name}cast AS (SELECT *, ${values.join(', ')} FROM ${from})`,
    `${name} AS (SELECT ${meta}${named} FROM ${name}cast)`,
  ];
}

/**
 * A record whose filter is false or NULL is filtered; one that failed before is quarantined whatever the
 * filter says.
 */
function filterLayers(
  step: Extract<FieldPlan['steps'][number], { kind: 'filter' }>,
  at: { from: string; name: string; form: InsertForm },
): string[] {
  const fields = list(step.fields);
  if (at.form !== 'guarded') {
    const passes = `coalesce((${step.expression})::BOOLEAN, false)`;
    const filtered = `CASE WHEN __filtered OR __problem IS NOT NULL THEN __filtered ELSE NOT ${passes} END AS __filtered`;
    return [
      `${at.name} AS (SELECT ${carried().replace('__filtered', () => filtered)}${fields} FROM ${at.from})`,
    ];
  }
  const tried = `TRY({'passes': (${step.expression})::BOOLEAN})`;
  const told = problem('FILTER_FAILED', '', { value: "''", type: 'a boolean' });
  const problemNow = `CASE WHEN __problem IS NULL AND tried IS NULL THEN ${told} ELSE __problem END AS __problem`;
  const filteredNow =
    '(__filtered OR (tried IS NOT NULL AND NOT coalesce(tried.passes, false))) AS __filtered';
  const meta = carried()
    .replace('__problem', () => problemNow)
    .replace('__filtered', () => filteredNow);
  return [
    `${at.name}tried AS (SELECT *, CASE WHEN __problem IS NULL THEN ${tried} END AS tried FROM ${at.from})`,
    `${at.name} AS (SELECT ${meta}${fields} FROM ${at.name}tried)`,
  ];
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
  if (type === 'binary' && table.output.kind !== 'parquet') return `to_base64(${column}) AS ${column}`;
  return column;
}
