// How a value of any type becomes one of another: scalars by conversions.ts, JSON texts into nested types by
// nested.ts, nested values into JSON texts. undefined where two types do not convert.
import {
  type Conversion,
  fromDecoded,
  fromJson,
  fromText,
  fromTyped,
  wantsJsonToken,
} from './conversions.ts';
import { fromToken, wrongPath, wrongType } from './nested.ts';
import { problem } from './problems.ts';
import { type FieldType, isScalar, literal } from './types.ts';

/** A conversion that says itself what is wrong. */
export type Told = Conversion & {
  /**
   * SQL of what is wrong inside a nested value, NULL where it does not fail: long, and to be computed once.
   */
  wrong?(from: string): string;
  /** `wrong` is what the above has found; `found` is SQL of the value's type in JSON, as DuckDB calls it. */
  told(field: string, from: string, seen?: { readonly wrong?: string; readonly found?: string }): string;
};

/** JSON as its producer wrote it, JSON that a decoder made of what a schema has typed, or another text. */
export type Reads = 'json' | 'decoded' | 'text';

/** Of a value that was read: a JSON token or text, or a text of another format. */
export function readAs(type: FieldType, reads: Reads): Told {
  if (isScalar(type)) {
    const conversion = { json: fromJson, decoded: fromDecoded, text: fromText }[reads](type);
    return {
      ...conversion,
      told: (field, from, { found } = {}) => castProblem(field, from, { type, found }),
    };
  }
  const conversion = reads === 'text' ? fromJsonText(type) : fromToken(type);
  const wrong = conversion.problemAt;
  return {
    ...conversion,
    wrong: (from) => `CASE WHEN ${from} IS NOT NULL THEN ${wrong(from)} END`,
    told: (field, from, seen = {}) =>
      nestedProblem(field, from, { wrong: seen.wrong ?? wrong(from), isJson: reads !== 'text' }),
  };
}

/** Whether a JSON value is read as its token, so that 5 and "5" differ; a decoded one was typed before. */
export function wantsToken(type: FieldType, reads: Reads): boolean {
  return !isScalar(type) || (reads === 'json' && wantsJsonToken(type));
}

export function convert(from: FieldType, to: FieldType): Conversion | undefined {
  if (from.duckdb === to.duckdb) return { value: (x) => x, fails: () => 'false' };
  if (from.kind === 'choice' || to.kind === 'choice') return undefined;
  if (isScalar(from) && isScalar(to)) return fromTyped(from, to);
  if (from.kind === 'string') return fromJsonText(to);
  if (to.kind === 'string') return { value: (x) => `to_json(${x})::VARCHAR`, fails: () => 'false' };
  return undefined;
}

function castProblem(
  field: string,
  from: string,
  { type, found }: { readonly type: FieldType; readonly found: string | undefined },
): string {
  const wanted = found === undefined ? type.glue : { sql: butFound(literal(type.glue), found) };
  return problem('CAST_FAILED', field, { value: from, type: wanted });
}

const butFound = (wanted: string, found: string) => `${wanted} || ' but ' || ${found}`;

/** Names the inner value by its path and shows it; the whole where a name in the path is more than a word. */
function nestedProblem(
  field: string,
  token: string,
  { wrong, isJson }: { readonly wrong: string; readonly isJson: boolean },
): string {
  const path = wrongPath(wrong);
  const isPlain = `regexp_full_match(${path}, '(\\.[A-Za-z_][A-Za-z0-9_]*|\\[[0-9]+\\])+')`;
  const value = `CASE WHEN ${isPlain} THEN json_extract_string(${token}, '$' || ${path}) ELSE ${token} END`;
  const hasType = isJson ? `(${path} = '' OR ${isPlain})` : isPlain;
  const found = `CASE WHEN ${hasType} THEN ' but ' || json_type(${token}, '$' || ${path}) ELSE '' END`;
  return problem('CAST_FAILED', field, { value, type: { sql: `${wrongType(wrong)} || ${found}` }, path });
}

/** A number that a double may not hold: a long one loses digits, a tiny one all of them. */
const INEXACT = "'[-+0-9.eE]{17,}|[eE]-0*(?:[3-9][0-9]{2}|[1-9][0-9]{3,})'";

/** DuckDB reads a number with a point or an exponent as a double: what that may change is not read. */
function fromJsonText(type: FieldType) {
  const inner = fromToken(type);
  const noStrings = (text: string) => String.raw`regexp_replace(${text}, '"(?:[^"\\]|\\.)*"', '""', 'g')`;
  const long = (text: string) =>
    `list_filter(regexp_extract_all(${noStrings(text)}, ${INEXACT}), lambda __n: regexp_matches(__n, '[.eE]'))`;
  const readable = (text: string) => `(json_valid(${text}) AND len(${long(text)}) = 0)`;
  const token = (text: string) =>
    `CASE WHEN ${readable(text)} THEN nullif(json(${text})::VARCHAR, 'null') END`;
  return {
    value: (text: string) => inner.value(token(text)),
    fails: (text: string) =>
      `(${text} IS NOT NULL AND (NOT ${readable(text)} OR ${inner.problemAt(token(text))} IS NOT NULL))`,
    problemAt: (text: string) =>
      `CASE WHEN ${readable(text)} THEN ${inner.problemAt(token(text))} ELSE chr(30) || '${type.glue}' END`,
  };
}
