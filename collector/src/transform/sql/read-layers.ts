// The first layers of a table's SQL: records come out of the joined columns, and their values become typed
// columns, each with a check, by what the table's format is. Pure.
import type { TableConfig } from '../../contracts.ts';
import { explodesArrays, isUnwrapped } from '../../table-input.ts';
import { namesTopic } from '../../table-topics.ts';
import { type TextPattern, textPattern } from '../text-pattern.ts';
import { type Reads, readAs, type Told, wantsToken } from './convert.ts';
import { exactNumber, exactText, pointer } from './exact-text.ts';
import type { FieldPlan, SourceField } from './fields.ts';
import { DELETED, headersSql, keySql, topicSql } from './metadata.ts';
import { isProven, type PlainForms, type PlainReading, plainReading } from './plain-forms.ts';
import { problem, US } from './problems.ts';
import { type QuickLook, quickLook } from './quick-nested.ts';
import type { InsertForm } from './steps/step.ts';
import { type FieldType, identifier, isScalar, literal } from './types.ts';

/** What stands between two values of a joined column, and for a null key or beside a number of a text. */
export interface Marks {
  readonly separator: string;
  readonly nullMark: string;
  /** In front of each element of an array that is exploded. */
  readonly elementMark: string;
}

export interface Context {
  readonly table: TableConfig;
  readonly plan: FieldPlan;
  readonly marks: Marks;
  readonly needsKeys: boolean;
  readonly needsHeaders: boolean;
  readonly needsOriginals: boolean;
  readonly keepsDeleted: boolean;
  readonly exactText: boolean;
  /** No row was struck. */
  readonly isWhole?: boolean | undefined;
  /** Where all records are objects whose fields are so. */
  readonly plain?: PlainForms | undefined;
  /** Records are numbered from here on, where a record may be several rows; undefined where nobody asks. */
  readonly firstId: number | undefined;
}

/** Whether a value becomes JSON that a schema has typed: every field is read as text. */
function isDecoded(input: TableConfig['input']): boolean {
  return input.kind === 'avro' || input.kind === 'protobuf';
}

/** Whether a value is rewritten so that its bytes cannot be had from what SQL reads. */
export function isConverted({ input, record }: TableConfig): boolean {
  return record.compression !== 'none' || isDecoded(input) || isUnwrapped(input);
}

/** The record as it was: CSV lines travel in front of their fields, bytes as base64. */
export function rawBytes(table: TableConfig): string {
  if (isConverted(table)) return 'from_base64(__original)';
  if (table.input.kind === 'csv') return "encode(json_extract_string(__value, '$[0]'))";
  return table.input.kind === 'bytes' ? 'from_base64(__value)' : 'encode(__value)';
}

export function inputLayer({ table, plan, marks, firstId, isWhole, ...context }: Context): string {
  const { needsKeys, needsHeaders, needsOriginals, keepsDeleted } = context;
  // DuckDB makes NULL of bytes that are no text, and says nothing.
  const text = (column: string) =>
    `CASE WHEN joined.${column} IS NULL THEN error('values are no UTF-8') ELSE joined.${column} END`;
  const split = (column: string) => `unnest(string_split(${text(column)}, ${literal(marks.separator)}))`;
  const key = needsKeys ? `${split('k')} AS k` : 'NULL::VARCHAR AS k';
  const headers = needsHeaders ? `${split('h')} AS h` : 'NULL::VARCHAR AS h';
  const original = needsOriginals ? `${split('r')} AS r` : 'NULL::VARCHAR AS r';
  const id = firstId === undefined ? 'NULL::BIGINT' : `row_number() OVER () + ${firstId - 1}`;
  const numbered = plan.plural ? `, ${id} AS __id, []::INTEGER[] AS __nth` : '';
  const deleted = keepsDeleted ? `, v = ${literal(marks.nullMark)} AS ${DELETED}` : '';
  const nullOr = (column: string) => `nullif(${column}, ${literal(marks.nullMark)})`;
  const [keyValue, headersValue] = [keySql(table, nullOr('k')), headersSql(table, 'h')];
  return (
    `unnested AS (SELECT p, ${namesTopic(table) ? 'c, ' : ''}unnest(o) AS o, unnest(t) AS t, ${split('v')} AS v, ${key}, ${headers}, ` +
    `${original} FROM raw),\n` +
    `input AS (SELECT ${topicSql(table, 'c')} AS _topic, p AS _partition, o AS _offset, ` +
    'CASE WHEN t BETWEEN 0 AND 9223372036854775 THEN make_timestamp(t * 1000) END AS _timestamp, ' +
    `${keyValue} AS _key, ${headersValue} AS _headers, ${keepsDeleted ? nullOr('v') : 'v'} AS __value, ` +
    `r AS __original${deleted}${numbered} FROM unnested${isWhole === true ? '' : ' WHERE o >= 0'})`
  );
}

export function readLayers(context: Context, form: InsertForm): string[] {
  const { table, plan } = context;
  switch (table.input.kind) {
    case 'json':
    case 'avro':
    case 'protobuf':
      return jsonLayers(context, form);
    case 'csv':
      return csvLayers(context);
    case 'regex':
    case 'grok':
      return patternLayers(textPattern(table.input), context);
    default: {
      const counted = plan.nulls ? ", '' AS __nulled" : '';
      const value = table.input.kind === 'bytes' ? 'from_base64(__value)' : '__value';
      return [
        `read AS (SELECT *, NULL::VARCHAR AS __problem, false AS __filtered${counted}, ${value} AS value FROM input)`,
      ];
    }
  }
}

function jsonLayers(context: Context, form: InsertForm): string[] {
  const { table, plan, marks, exactText, plain } = context;
  const { source } = plan;
  const reads = isDecoded(table.input) ? 'decoded' : 'json';
  const readings = source.map((field) => (plain === undefined ? undefined : plainRead(field, plain)));
  const asToken = (type: FieldType) => wantsToken(type, reads);
  const object =
    "(starts_with(__value, '{') OR starts_with(ltrim(__value, ' ' || chr(9) || chr(10) || chr(13)), '{'))";
  const readable = form === 'clean' ? object : `${object} AND json_valid(__value)`;
  const looks = source.map(({ type }, i) =>
    isScalar(type) || readings[i] !== undefined ? undefined : quickLook(type),
  );
  const wanted = (i: number, type: FieldType) =>
    looks[i]?.structure ?? readings[i]?.structure ?? (asToken(type) ? 'JSON' : 'VARCHAR');
  const parse = `from_json(__value, ${structureOf(source, wanted)})`;
  const read = plain === undefined ? `CASE WHEN ${readable} THEN ${parse} END` : parse;
  const explodes = explodesArrays(table.input);
  const shown = { value: '__value', type: 'an object' };
  const other = problem('NOT_AN_OBJECT', '', shown);
  const notObject = `CASE WHEN r IS NOT NULL OR __value IS NULL THEN NULL WHEN json_valid(__value) THEN ${other} ELSE 'JSON_INVALID' END`;
  const texts = source.map(({ path, type }, i) => {
    if (looks[i] !== undefined) return `${extracted('r', path)} AS q${i}`;
    return asToken(type) && readings[i] === undefined
      ? `${tokenOf('r', path)} AS t${i}`
      : `${extracted('r', path)} AS t${i}`;
  });
  const spelling = reads === 'json' ? { exactText, nullMark: marks.nullMark } : undefined;
  return [
    ...(explodes ? elementLayers(marks.elementMark) : []),
    `parsed AS (SELECT *, ${read} AS r FROM ${explodes ? 'elements' : 'input'})`,
    `texts AS (SELECT *, ${plain === undefined ? notObject : 'NULL::VARCHAR'} AS __unread, ${texts.join(', ')} FROM parsed)`,
    ...lookLayers(source, looks),
    ...(explodes
      ? placed(typedLayers(context, { reads, looks, spelling, readings, also: ', __at' }))
      : typedLayers(context, { reads, looks, spelling, readings })),
  ];
}

const DOUBT = "error('a value wants a closer look')";

interface PlainRead extends PlainReading {
  readonly mayThrow: boolean;
}

/** Of a value that is plain; one inside that is still in doubt throws, and all are read with care. */
function plainRead({ path, type }: SourceField, plain: PlainForms): PlainRead | undefined {
  const name = path.at(-1) ?? '';
  if (isScalar(type))
    return isProven(plain, name, type) ? { ...plainReading(type), mayThrow: false } : undefined;
  const look = quickLook(type, { plain, name });
  if (look === undefined) return undefined;
  const { structure, value, certain } = look;
  const mayThrow = certain('x') !== 'true';
  return {
    structure,
    mayThrow,
    value: (read) =>
      mayThrow ? `CASE WHEN ${certain(read)} THEN ${value(read)} ELSE ${DOUBT} END` : value(read),
  };
}

const extracted = (from: string, path: readonly string[]) =>
  path.reduce((inner, part) => `struct_extract(${inner}, ${literal(part)})`, from);
const tokenOf = (from: string, path: readonly string[]) =>
  `nullif(${extracted(from, path)}::VARCHAR, 'null')`;

/** `s` says whether the quick look was certain; where it was not, the record is read once more. */
function lookLayers(source: readonly SourceField[], looks: readonly (QuickLook | undefined)[]): string[] {
  const seen = looks.flatMap((look, i) => (look === undefined ? [] : [`${look.certain(`q${i}`)} AS s${i}`]));
  if (seen.length === 0) return [];
  const tokens = source.flatMap((field, i) => {
    if (looks[i] === undefined) return [];
    const read = `from_json(__value, ${structureOf([field], () => 'JSON')})`;
    const again = `CASE WHEN r IS NOT NULL AND NOT s${i} THEN ${tokenOf(read, field.path)} END`;
    return [`${again} AS t${i}`];
  });
  return [
    `seen AS (SELECT *, ${seen.join(', ')} FROM texts)`,
    `looked AS (SELECT *, ${tokens.join(', ')} FROM seen)`,
  ];
}

/** A row of each element that the converter has marked, and where it stood; of another value the one row. */
function elementLayers(mark: string): string[] {
  const from = Buffer.from(mark).length + 1;
  return [
    `marked AS (SELECT *, coalesce(starts_with(__value, ${literal(mark)}), false) AS __array FROM input)`,
    `lists AS (SELECT *, CASE WHEN __array THEN string_split(__value[${from}:], ${literal(mark)}) ` +
      'ELSE [__value] END AS __list FROM marked)',
    'standing AS (SELECT * EXCLUDE (__value, __list), unnest(__list) AS __value, ' +
      'unnest(range(len(__list)))::INTEGER AS __i FROM lists)',
    'elements AS (SELECT * EXCLUDE (__array, __i, __nth, __original), [__i] AS __nth, ' +
      'CASE WHEN __i = 0 THEN __original END AS __original, ' +
      "CASE WHEN __array THEN '[' || __i || ']' END AS __at FROM standing)",
  ];
}

/** Says of what is wrong in which element. */
function placed(layers: readonly string[]): string[] {
  const [last = '', ...before] = [...layers].reverse();
  const dot = `CASE WHEN split_part(__problem, ${US}, 2) = '' THEN '' ELSE '.' END`;
  const told =
    `CASE WHEN __at IS NULL THEN __problem WHEN NOT contains(__problem, ${US}) THEN __problem || ${US} || __at ` +
    `ELSE regexp_replace(__problem, ${US}, ${US} || __at || ${dot}) END`;
  return [
    ...before.reverse(),
    last.replace(/^read AS/, 'found AS'),
    `read AS (SELECT * EXCLUDE (__at) REPLACE (${told} AS __problem) FROM found)`,
  ];
}

/**
 * from_json's structure: objects nested by path, and in them what is wanted: JSON where the token matters,
 * VARCHAR where its text does.
 */
function structureOf(
  source: readonly SourceField[],
  wanted: (i: number, type: FieldType) => unknown,
): string {
  const root: Record<string, unknown> = Object.create(null);
  for (const [i, { path, type }] of source.entries()) {
    let at = root;
    for (const part of path.slice(0, -1)) {
      const inner = (at[part] ?? Object.create(null)) as Record<string, unknown>;
      at[part] = inner;
      at = inner;
    }
    at[path.at(-1) ?? ''] = wanted(i, type);
  }
  return literal(JSON.stringify(root));
}

/** The converter made a JSON array of the line: the line itself, then its fields; null for an empty one. */
function csvLayers(context: Context): string[] {
  const texts = context.plan.source.map((_field, i) => `r[${i + 2}] AS t${i}`);
  return [
    `parsed AS (SELECT *, from_json(__value, '["VARCHAR"]') AS r FROM input)`,
    `texts AS (SELECT *, NULL::VARCHAR AS __unread, ${texts.join(', ')} FROM parsed)`,
    ...typedLayers(context, { reads: 'text' }),
  ];
}

/** A line without a match gives empty groups; so does an empty one that matches, which is looked at again. */
function patternLayers({ regex, groups }: TextPattern, context: Context): string[] {
  const pattern = literal(regex);
  const names = ['line', ...groups.map((_group, i) => `g${i}`)].map(literal).join(', ');
  const texts = context.plan.source.map(({ name }, i) => {
    const of = groups.flatMap((group, g) => (group.name === name ? [`nullif(r.g${g}, '')`] : []));
    return `coalesce(${of.join(', ')}, NULL) AS t${i}`;
  });
  const unread = `CASE WHEN r.line = '' AND NOT regexp_matches(__value, ${pattern}) THEN 'TEXT_NO_MATCH' END AS __unread`;
  return [
    `parsed AS (SELECT *, regexp_extract(__value, ${pattern}, [${names}]) AS r FROM input)`,
    `texts AS (SELECT *, ${[unread, ...texts].join(', ')} FROM parsed)`,
    ...typedLayers(context, { reads: 'text' }),
  ];
}

interface Reading {
  readonly reads: Reads;
  /** Of JSON as its producer wrote it: with what its texts are found again as they are written. */
  readonly spelling?: { readonly exactText: boolean; readonly nullMark: string } | undefined;
  /** By number of the column. */
  readonly looks?: readonly (QuickLook | undefined)[];
  /** Of those that need no check. */
  readonly readings?: readonly (PlainRead | undefined)[];
  /** Behind a comma: what else is handed on. */
  readonly also?: string;
}

/**
 * What the quick look was certain of; else, of the token, what is made without it. There is none where it
 * was.
 */
function looked(read: Told, look: QuickLook | undefined, i: number): Told {
  if (look === undefined) return read;
  return {
    ...read,
    value: (token) => `CASE WHEN s${i} THEN ${look.value(`q${i}`)} ELSE ${read.value(token)} END`,
  };
}

/** It never fails, but may throw: DuckDB would not read a column that steps leave out, so it is asked for. */
function asRead({ value, mayThrow }: PlainRead): Told {
  return {
    value,
    fails: (from, to) => (mayThrow ? `${from} IS NOT NULL AND ${to} IS NULL` : 'false'),
    told: () => DOUBT,
  };
}

function typedLayers(
  { plan, keepsDeleted, plain }: Pick<Context, 'plan' | 'keepsDeleted' | 'plain'>,
  { reads, spelling, looks = [], readings = [], also = '' }: Reading,
): string[] {
  const { source, nulls } = plan;
  const conversions = source.map(({ type, path }, i): Told => {
    const read = looked(readAs(type, reads), looks[i], i);
    if (readings[i] !== undefined) return asRead(readings[i]);
    if (type.kind !== 'string' || spelling === undefined) return read;
    return { ...read, value: (spelling.exactText ? exactText : exactNumber)(path, spelling.nullMark) };
  });
  const values = conversions.flatMap(({ value, wrong }, i) => [
    `${value(`t${i}`)} AS c${i}`,
    ...(wrong === undefined ? [] : [`${wrong(`t${i}`)} AS w${i}`]),
  ]);
  const failing = conversions.map(({ wrong, fails }, i) =>
    wrong === undefined ? fails(`t${i}`, `c${i}`) : `w${i} IS NOT NULL`,
  );
  const parents = reads === 'text' ? [] : parentsOf(source);
  const isMissing = (i: number) => (looks[i] === undefined ? `t${i} IS NULL` : `q${i} IS NULL`);
  const problems = [
    ...(plain === undefined ? ['WHEN __unread IS NOT NULL THEN __unread'] : []),
    ...parents.map((path) => {
      const parent = literal(`$${path.map((part) => `."${part.replaceAll('"', '\\"')}"`).join('')}`);
      // A parent with a value below it is an object; asking would parse the whole record once more.
      const below = source.flatMap((field, i) => (startsWith(field.path, path) ? [isMissing(i)] : []));
      const isOther = `coalesce(json_type(__value, ${parent}), 'NULL') NOT IN ('OBJECT', 'NULL')`;
      const found = `json_extract_string(__value, ${parent})`;
      const told = problem('NOT_AN_OBJECT', path.join('.'), { value: found, type: 'an object' });
      return `WHEN CASE WHEN ${below.join(' AND ')} THEN ${isOther} ELSE false END THEN ${told}`;
    }),
    ...source.flatMap((field, i) => {
      const fails = failing[i] ?? 'false';
      if (fails === 'false' || field.nullOnError) return [];
      const shown = reads === 'json' && isScalar(field.type) ? shownToken(`t${i}`) : `t${i}`;
      const found = reads === 'json' ? `json_type(__value, ${pointer(field.path)})` : undefined;
      const seen = { wrong: `w${i}`, ...(found === undefined ? {} : { found }) };
      return [`WHEN ${fails} THEN ${conversions[i]?.told(field.path.join('.'), shown, seen)}`];
    }),
  ];
  const nulled = source.flatMap(({ name, nullOnError }, i) =>
    nullOnError ? [`CASE WHEN ${failing[i]} THEN ${literal(`,${name}`)} ELSE '' END`] : [],
  );
  const value = (nullOnError: boolean, i: number) =>
    nullOnError ? `CASE WHEN ${failing[i]} THEN NULL ELSE c${i} END` : `c${i}`;
  const others = (keepsDeleted ? `, ${DELETED}` : '') + (plan.plural ? ', __id, __nth' : '') + also;
  const named = source
    .map((field, i) => `, ${value(field.nullOnError, i)} AS ${identifier(field.name)}`)
    .join('');
  const counted = nulls ? `, ${["''", ...nulled].join(' || ')} AS __nulled` : '';
  return [
    `typed AS (SELECT *, ${values.join(', ')} FROM ${looks.some(Boolean) ? 'looked' : 'texts'})`,
    `read AS (SELECT _topic, _partition, _offset, _timestamp, _key, _headers, __value, __original${others}, ` +
      `${problems.length === 0 ? 'NULL::VARCHAR' : `CASE ${problems.join('\n  ')} END`} AS __problem, false AS __filtered${counted}${named} FROM typed)`,
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
