// The text of a number, an object or an array in a column of text, numbers digit for digit. DuckDB reads a
// number with a point or an exponent as a double and prints that: 1.50 comes out as 1.5, 1e5 as 100000.0, and
// a long decimal with other digits. What it may have printed is compared with the record, and where that says
// something else, the record is read again with its numbers as strings. What stays DuckDB's: no white space
// between tokens, and the shortest escapes in strings.
import { literal } from './types.ts';

/** A string and what follows it up to the next number or string, again and again; or a number. */
const TOKENS = String.raw`("(?:[^"\\]|\\.)*"(?:[^-0-9"]|"(?:[^"\\]|\\.)*")*)|(-?[0-9][-+.0-9eE]*)`;
/** Control characters are raw in no JSON value. */
const OPEN = 'chr(4)';
const CLOSE = 'chr(5)';
/** What DuckDB prints of a double, or of minus zero. */
const PRINTED = String.raw`-?[0-9]+(?:\.[0-9]+(?:e[-+]?[0-9]+)?|e[-+]?[0-9]+)|0`;
/** A name that means itself in JSON and in a pattern, points apart. */
const PLAIN = /^[A-Za-z0-9_.-]+$/;

/**
 * SQL for the text at `path` of `__value`, where `from` is the text that DuckDB made of it and no object or
 * array. `mark` must be unforeseeable and mean itself inside a JSON string.
 */
export function exactNumber(path: readonly string[], mark: string): (from: string) => string {
  const name = path.at(-1) ?? '';
  return (from) =>
    // The cheapest first: most texts begin with a letter, and few others are what a double is printed as.
    `CASE WHEN ${from} < ':' THEN CASE WHEN regexp_full_match(${from}, ${literal(PRINTED)}) ` +
    `THEN CASE WHEN json_type(__value, ${pointer(path)}) = 'VARCHAR' THEN ${from} WHEN ${standsOnce(name)} ` +
    `THEN coalesce(nullif(${numberBehind(name)}, ''), ${from}) ${readAgain(path, mark, from)} END ` +
    `ELSE ${from} END ELSE ${from} END`;
}

/** The same for a text that may be an object or an array as well. */
export function exactText(path: readonly string[], mark: string): (from: string) => string {
  const number = exactNumber(path, mark);
  return (from) =>
    `CASE WHEN ${mayBePrinted(from)} THEN CASE WHEN ${standsThere(path.at(-1) ?? '', from)} THEN ${from} ` +
    `${readAgain(path, mark, from)} END ELSE ${number(from)} END`;
}

function readAgain(path: readonly string[], mark: string, from: string): string {
  const isString = `starts_with(${token('__value', path)}, '"')`;
  return `WHEN ${isString} THEN ${from} ELSE ${withoutMarks(token(withMarks(mark), path), mark)}`;
}

/** An object, an array, or a string that looks like one. */
function mayBePrinted(from: string): string {
  return `(${from} >= '{' AND ${from} < '|') OR (${from} >= '[' AND ${from} < '\\')`;
}

/** To a place in a JSON value (RFC 6901). */
export function pointer(path: readonly string[]): string {
  return literal(path.map((part) => `/${part.replaceAll('~', '~0').replaceAll('/', '~1')}`).join(''));
}

/**
 * True where `from` is, for certain, what the record says: the name occurs once and without an escape, so it
 * is this field's, and `from` stands behind it.
 */
function standsThere(name: string, from: string): string {
  const key = literal(`"${name}":`);
  const behind = (quote: string) => `contains(__value, ${key} || '${quote}' || ${from} || '${quote}')`;
  return `${standsOnce(name)} AND (${behind('')} OR ${behind('"')})`;
}

/** True where a name that is no more than a word occurs once, and nothing is written with an escape. */
function standsOnce(name: string): string {
  if (!PLAIN.test(name)) return 'false';
  const key = literal(`"${name}"`);
  const once = `strlen(replace(__value, ${key}, '')) = strlen(__value) - strlen(${key})`;
  return `NOT contains(__value, '\\') AND ${once}`;
}

/** The number behind a name that stands once; empty where something else does. */
function numberBehind(name: string): string {
  const space = '[ \t\r\n]*';
  const pattern = `"${name.replaceAll('.', '\\.')}"${space}:${space}(-?[0-9][-+.0-9eE]*)`;
  return PLAIN.test(name) ? `regexp_extract(__value, ${literal(pattern)}, 1)` : "''";
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
