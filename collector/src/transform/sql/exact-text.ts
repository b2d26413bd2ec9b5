// The text of an object or an array in a column of text, its numbers digit for digit. DuckDB reads a number
// with a point or an exponent as a double and prints that: 1.50 comes out as 1.5, and a long decimal with
// other digits. Where that may be so, the record is read again with its numbers as strings. What stays
// DuckDB's: no white space between tokens, and the shortest escapes in strings.
import { literal } from './types.ts';

/** A string and what follows it up to the next number or string, again and again; or a number. */
const TOKENS = String.raw`("(?:[^"\\]|\\.)*"(?:[^-0-9"]|"(?:[^"\\]|\\.)*")*)|(-?[0-9][-+.0-9eE]*)`;
/** Control characters are raw in no JSON value. */
const OPEN = 'chr(4)';
const CLOSE = 'chr(5)';

/**
 * SQL for the text at `path` of `__value`, where `from` is the text that DuckDB made of it. `mark` must be
 * unforeseeable and mean itself inside a JSON string.
 */
export function exactText(path: readonly string[], mark: string): (from: string) => string {
  return (from) =>
    `CASE WHEN ${mayBePrinted(from)} THEN CASE WHEN ${standsThere(path.at(-1) ?? '', from)} THEN ${from} ` +
    `WHEN starts_with(${token('__value', path)}, '"') THEN ${from} ` +
    `ELSE ${withoutMarks(token(withMarks(mark), path), mark)} END ELSE ${from} END`;
}

/** An object, an array, or a string that looks like one. */
function mayBePrinted(from: string): string {
  return `(${from} >= '{' AND ${from} < '|') OR (${from} >= '[' AND ${from} < '\\')`;
}

/**
 * True where `from` is, for certain, what the record says: the name occurs once and without an escape, so it
 * is this field's, and `from` stands behind it.
 */
function standsThere(name: string, from: string): string {
  if (!/^[A-Za-z0-9_.-]+$/.test(name)) return 'false';
  const key = literal(`"${name}"`);
  const behind = (quote: string) =>
    `contains(__value, ${literal(`"${name}":${quote}`)} || ${from} || '${quote}')`;
  const once = `strlen(replace(__value, ${key}, '')) = strlen(__value) - strlen(${key})`;
  return `NOT contains(__value, '\\') AND ${once} AND (${behind('')} OR ${behind('"')})`;
}

function token(value: string, path: readonly string[]): string {
  const structure = path.reduceRight<unknown>((inner, part) => ({ [part]: inner }), 'JSON');
  const read = `from_json(${value}, ${literal(JSON.stringify(structure))})`;
  return `${path.reduce((inner, part) => `struct_extract(${inner}, ${literal(part)})`, read)}::VARCHAR`;
}

function withMarks(mark: string): string {
  const told = `regexp_replace(__value, ${literal(TOKENS)}, '\\1' || ${OPEN} || '\\2' || ${CLOSE}, 'g')`;
  const numbers = `replace(${told}, ${OPEN} || ${CLOSE}, '')`;
  return `replace(replace(${numbers}, ${OPEN}, ${literal(`"${mark}`)}), ${CLOSE}, ${literal(`${mark}"`)})`;
}

function withoutMarks(text: string, mark: string): string {
  return `replace(replace(${text}, ${literal(`"${mark}`)}, ''), ${literal(`${mark}"`)}, '')`;
}
