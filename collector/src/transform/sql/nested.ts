// Arrays, maps, structs and choices out of a JSON token, each inner value converted as exactly as a column of
// its type would be. What does not fit is named by its path, so that a wrong inner value is quarantined and
// never a NULL among others. DuckDB's own nested casts give NULL, or round, without a word.
import { type Conversion, fromJson, keepsDigits, wantsJsonToken } from './conversions.ts';
import { type FieldType, identifier, isScalar, literal, type ScalarType } from './types.ts';

/** Between the path of a wrong inner value and the type that was wanted there. */
const MARK = 'chr(30)';

interface Reader {
  /** SQL of the value, of a JSON token as text; NULL where it does not fit. */
  value(token: string): string;
  /** SQL of what is wrong inside, as path, mark and type; NULL where everything fits. */
  wrong(token: string): string;
}

/** From the token of a JSON value, NULL for its null. */
export function fromToken(type: FieldType): Conversion & { problemAt(from: string): string } {
  const reader = readerOf(type, 0);
  return {
    value: reader.value,
    fails: (from) => `(${from} IS NOT NULL AND ${reader.wrong(from)} IS NOT NULL)`,
    problemAt: reader.wrong,
  };
}

/** SQL for the parts of what `problemAt` found. */
export const wrongPath = (wrong: string) => `split_part(${wrong}, ${MARK}, 1)`;
export const wrongType = (wrong: string) => `split_part(${wrong}, ${MARK}, 2)`;

function readerOf(type: FieldType, depth: number): Reader {
  switch (type.kind) {
    case 'array':
      return arrayReader(type.element, `array<${type.element.glue}>`, depth);
    case 'map':
      return mapReader(type.value, type.glue, depth);
    case 'struct':
      return structReader(type.fields, type.glue, depth);
    case 'choice':
      return choiceReader(type.members, type.glue, depth);
    default:
      return scalarReader(type);
  }
}

const isWrong = (type: string) => `${MARK} || ${literal(type)}`;
const inside = (list: string, name: string, of: string) => `list_transform(${list}, lambda ${name}: ${of})`;
/** The value under a name that is computed once. */
const once = (value: string, name: string, of: string) => `${inside(`[${value}]`, name, of)}[1]`;
const firstOf = (list: string) => `list_filter(${list}, lambda __w: __w IS NOT NULL)[1]`;
const token = (json: string) => `nullif(${json}::VARCHAR, 'null')`;

function scalarReader(type: ScalarType): Reader {
  const conversion = fromJson(type);
  const text = (from: string) => {
    if (wantsJsonToken(type)) return from;
    const other =
      type.kind === 'string'
        ? ` WHEN NOT starts_with(${from}, '{') AND NOT starts_with(${from}, '[') THEN ${from}`
        : '';
    return `CASE WHEN starts_with(${from}, '"') THEN json_extract_string(${from}, '$')${other} END`;
  };
  const value = (from: string) => conversion.value(text(from));
  return {
    value,
    wrong: (from) =>
      `CASE WHEN ${from} IS NOT NULL AND (${text(from)} IS NULL OR ` +
      `${conversion.fails(text(from), value(from))}) THEN ${isWrong(type.glue)} END`,
  };
}

function arrayReader(element: FieldType, glue: string, depth: number): Reader {
  const inner = readerOf(element, depth + 1);
  const each = `__e${depth}`;
  const items = (from: string) => `from_json(${from}, '["JSON"]')`;
  const read = (from: string) => inside(items(from), each, token(each));
  return {
    value: (from) =>
      `CASE WHEN starts_with(${from}, '[') THEN ${inside(read(from), `__v${depth}`, inner.value(`__v${depth}`))} END`,
    wrong: (from) => {
      const told = `list_transform(${read(from)}, lambda __v${depth}, __i${depth}: '[' || (__i${depth} - 1) || ']' || ${inner.wrong(`__v${depth}`)})`;
      return `CASE WHEN starts_with(${from}, '[') THEN ${firstOf(told)} WHEN ${from} IS NOT NULL THEN ${isWrong(glue)} END`;
    },
  };
}

/** A name twice is two values of one key: DuckDB's maps would fail. */
function mapReader(value: FieldType, glue: string, depth: number): Reader {
  const inner = readerOf(value, depth + 1);
  const key = `__k${depth}`;
  const pointer = `'/' || replace(replace(${key}, '~', '~0'), '/', '~1')`;
  const at = (from: string) => token(`json_extract(${from}, ${pointer})`);
  const isMap = (from: string) =>
    `starts_with(${from}, '{') AND len(json_keys(${from})) = len(list_distinct(json_keys(${from})))`;
  const entry = (from: string) => once(at(from), `__v${depth}`, inner.value(`__v${depth}`));
  return {
    value: (from) =>
      `CASE WHEN ${isMap(from)} THEN map_from_entries(${inside(`json_keys(${from})`, key, `{'k': ${key}, 'v': ${entry(from)}}`)}) END`,
    wrong: (from) => {
      const path = `'.' || ${pathPart(key)}`;
      const told = inside(
        `json_keys(${from})`,
        key,
        `${path} || ${once(at(from), `__v${depth}`, inner.wrong(`__v${depth}`))}`,
      );
      return `CASE WHEN ${isMap(from)} THEN ${firstOf(told)} WHEN ${from} IS NOT NULL THEN ${isWrong(glue)} END`;
    },
  };
}

/** As JSON paths spell a name that is more than a word. */
function pathPart(key: string): string {
  return `CASE WHEN regexp_full_match(${key}, '[A-Za-z_][A-Za-z0-9_]*') THEN ${key} ELSE '"' || ${key} || '"' END`;
}

function structReader(
  fields: Extract<FieldType, { kind: 'struct' }>['fields'],
  glue: string,
  depth: number,
): Reader {
  const inner = fields.map(({ type }) => readerOf(type, depth + 1));
  const structure = literal(JSON.stringify(Object.fromEntries(fields.map(({ source }) => [source, 'JSON']))));
  const read = (from: string) => `from_json(${from}, ${structure})`;
  const part = (name: string) => token(`struct_extract(__s${depth}, ${literal(name)})`);
  const each = (of: (reader: Reader, from: string, i: number) => string) =>
    fields.map(({ source }, i) => {
      const reader = inner[i] as Reader;
      return once(part(source), `__v${depth}`, of(reader, `__v${depth}`, i));
    });
  const values = each((reader, from) => reader.value(from)).map(
    (value, i) => `${identifier(fields[i]?.name ?? '')} := ${value}`,
  );
  const wrongs = each((reader, from, i) => `${literal(`.${fields[i]?.source}`)} || ${reader.wrong(from)}`);
  const packed = `struct_pack(${values.join(', ')})`;
  return {
    value: (from) =>
      `CASE WHEN starts_with(${from}, '{') THEN ${once(read(from), `__s${depth}`, packed)} END`,
    wrong: (from) =>
      `CASE WHEN starts_with(${from}, '{') THEN ${once(read(from), `__s${depth}`, `coalesce(${[...wrongs, 'NULL'].join(', ')})`)} ` +
      `WHEN ${from} IS NOT NULL THEN ${isWrong(glue)} END`,
  };
}

/**
 * The first member that takes the value as it is; text takes a JSON string and nothing else, and a double a
 * number whose digits it keeps: which member holds a value is for steps to tell, and none of them may find
 * another number there.
 */
function choiceReader(
  members: Extract<FieldType, { kind: 'choice' }>['members'],
  glue: string,
  depth: number,
): Reader {
  const readers = members.map(({ type }) => readerOf(type, depth + 1));
  const takes = (i: number, from: string) => {
    const type = members[i]?.type;
    if (type !== undefined && isScalar(type) && type.kind === 'string') return `starts_with(${from}, '"')`;
    const fits = `${readers[i]?.wrong(from)} IS NULL`;
    return type?.kind === 'float' ? `(${fits} AND ${keepsDigits(from, type)})` : fits;
  };
  const only = (chosen: number, from: string) =>
    `{${members
      .map(
        ({ name, type }, i) =>
          `${literal(name)}: ${i === chosen ? readers[i]?.value(from) : `NULL::${type.duckdb}`}`,
      )
      .join(', ')}}`;
  return {
    value: (from) =>
      `CASE WHEN ${from} IS NULL THEN NULL ${members
        .map((_, i) => `WHEN ${takes(i, from)} THEN ${only(i, from)}`)
        .join(' ')} END`,
    wrong: (from) =>
      `CASE WHEN ${from} IS NOT NULL AND NOT (${members.map((_, i) => takes(i, from)).join(' OR ')}) ` +
      `THEN ${isWrong(glue)} END`,
  };
}
