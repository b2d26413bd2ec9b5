// One CSV line a record (RFC 4180, with delimiter, quote and the rest as configured): into a JSON array that
// SQL reads on, the value itself in front. What stands for NULL does so only where it is not quoted.
import { isUtf8 } from 'node:buffer';
import type { CsvInput } from '../contracts.ts';
import { type Converter, FILTERED } from './columns.ts';
import type { OddCode } from './odd-record.ts';

export type CsvDialect = Pick<CsvInput, 'delimiter' | 'quote' | 'escape' | 'nulls' | 'trim'>;

/** Fields between commas, quotes around them, an empty field is NULL. */
export const PLAIN_CSV: CsvDialect = { delimiter: ',', quote: '"', escape: '"', nulls: [''], trim: false };

/** The converter of a table's values: a JSON array, or why the value is none. */
export function csvConverter(format: CsvInput): Converter {
  return (value) => {
    // As text each byte that is none would become another one.
    if (!isUtf8(value)) return 'UTF8_INVALID';
    const text = value.toString();
    const fields = fieldsOf(text, format);
    return Array.isArray(fields) ? Buffer.from(JSON.stringify([text, ...fields])) : fields;
  };
}

type Fields = (string | null)[];

function fieldsOf(text: string, format: CsvInput): Fields | OddCode | typeof FILTERED {
  const lines = splitCsvLines(text, format);
  if (lines === undefined) return 'CSV_INVALID';
  const { columns, header } = format;
  if (header === 'each') return namedFields(lines, format);
  const [fields = []] = lines;
  if (lines.length > 1) return 'CSV_LINES';
  if (header === 'line' && namesOf(fields, columns) * 2 > columns.length)
    return columns.length === fields.length && fields.every((field, i) => field === columns[i])
      ? FILTERED
      : 'CSV_HEADER';
  return fields.length === columns.length ? fields : 'CSV_COLUMNS';
}

/** How many fields are names of columns: more than half in a line of names, however its columns changed. */
function namesOf(fields: Fields, columns: readonly string[]): number {
  let names = 0;
  for (const field of fields) if (field !== null && columns.includes(field)) names++;
  return names;
}

/** The second line's fields in the order of the columns, found by the names in the first. */
function namedFields(
  [names, fields, ...more]: readonly Fields[],
  { columns, mayLack }: Pick<CsvInput, 'columns' | 'mayLack'>,
) {
  if (more.length > 0) return 'CSV_LINES';
  if (names === undefined || fields === undefined) return 'CSV_HEADER';
  if (names.length !== fields.length) return 'CSV_COLUMNS';
  const places = columns.map((column) => names.indexOf(column));
  if (mayLack !== true && places.includes(-1)) return 'CSV_HEADER';
  return places.map((place) => fields[place] ?? null);
}

/** Fields by the names in the line above them, the first of each name; undefined where there is none. */
export function headedFields(
  text: string,
  dialect: CsvDialect,
): ReadonlyMap<string, string | null> | undefined {
  const [names, fields, ...more] = splitCsvLines(text, dialect) ?? [];
  if (names === undefined || names.length !== fields?.length || more.length > 0) return undefined;
  const found = new Map<string, string | null>();
  names.forEach((name, i) => {
    if (name !== null && !found.has(name)) found.set(name, fields[i] ?? null);
  });
  return found;
}

/** A value that is one line. undefined where it is none, or a quote is wrong. */
export function splitCsvLine(text: string, dialect: CsvDialect): Fields | undefined {
  const lines = splitCsvLines(text, dialect);
  return lines?.length === 1 ? lines[0] : undefined;
}

/** In front of a line that a spreadsheet has written, and no part of its first field. */
const BYTE_ORDER_MARK = /^\u{feff}/u;

/**
 * undefined where a quote is not closed, text follows a closing quote, or nothing an escape. A line break at
 * the end begins no line; one inside quotes is part of its field.
 */
function splitCsvLines(text: string, dialect: CsvDialect): Fields[] | undefined {
  const whole = text.replace(BYTE_ORDER_MARK, '').replace(/\r?\n$/, '');
  const cursor: Cursor = { text: whole, at: 0, lineEnd: -1 };
  const lines: Fields[] = [[]];
  for (;;) {
    const field = nextField(cursor, dialect);
    if (field === undefined) return undefined;
    lines.at(-1)?.push(field);
    const { at } = cursor;
    if (at >= cursor.text.length) return lines;
    if (cursor.text[at] === dialect.delimiter) cursor.at++;
    else {
      cursor.at = cursor.text[at] === '\r' ? at + 2 : at + 1;
      lines.push([]);
    }
  }
}

/** `at` stands where a field begins, and then on what ended it. */
interface Cursor {
  readonly text: string;
  at: number;
  /** Where the first line break at or behind an earlier `at` stands, or the end. */
  lineEnd: number;
}

function nextField(cursor: Cursor, dialect: CsvDialect): string | null | undefined {
  const { trim, quote, nulls } = dialect;
  const begin = cursor.at;
  if (trim) skipBlanks(cursor, dialect);
  if (quote !== '' && cursor.text[cursor.at] === quote) {
    const field = quotedField(cursor, dialect);
    if (trim) skipBlanks(cursor, dialect);
    return field !== undefined && endsField(cursor, dialect) ? field : undefined;
  }
  cursor.at = begin;
  const raw = plainField(cursor, dialect);
  if (cursor.at > cursor.text.length) return undefined;
  const field = trim ? raw.replace(/^[ \t]+|[ \t]+$/g, '') : raw;
  if (nulls.includes(field)) return null;
  return dialect.escape === quote ? field : unescaped(field, dialect.escape);
}

function skipBlanks(cursor: Cursor, { delimiter }: CsvDialect): void {
  const { text } = cursor;
  while ((text[cursor.at] === ' ' || text[cursor.at] === '\t') && text[cursor.at] !== delimiter) cursor.at++;
}

function endsField({ text, at }: Cursor, { delimiter }: CsvDialect): boolean {
  const here = text[at];
  return (
    here === undefined || here === delimiter || here === '\n' || (here === '\r' && text[at + 1] === '\n')
  );
}

/** Up to the quote that closes it, which is passed; undefined without one. */
function quotedField(cursor: Cursor, { quote, escape: mark }: CsvDialect): string | undefined {
  const { text } = cursor;
  let field = '';
  for (let at = cursor.at + 1; at < text.length; at++) {
    const here = text[at];
    if (here === mark && (mark !== quote || text[at + 1] === quote)) field += text[++at] ?? '';
    else if (here === quote) {
      cursor.at = at + 1;
      return field;
    } else field += here;
  }
  return undefined;
}

function plainField(cursor: Cursor, dialect: CsvDialect): string {
  const { text, at: begin } = cursor;
  const { quote, delimiter } = dialect;
  if (dialect.escape === quote) {
    if (cursor.lineEnd < begin) cursor.lineEnd = endOfLine(text, begin);
    const found = text.indexOf(delimiter, begin);
    cursor.at = found < 0 ? cursor.lineEnd : Math.min(found, cursor.lineEnd);
  } else {
    while (!endsField(cursor, dialect)) cursor.at += text[cursor.at] === dialect.escape ? 2 : 1;
  }
  return text.slice(begin, cursor.at);
}

function endOfLine(text: string, from: number): number {
  const found = text.indexOf('\n', from);
  if (found < 0) return text.length;
  return found > from && text[found - 1] === '\r' ? found - 1 : found;
}

function unescaped(field: string, mark: string): string {
  let plain = '';
  for (let at = 0; at < field.length; at++) plain += field[field[at] === mark ? ++at : at] ?? '';
  return plain;
}
