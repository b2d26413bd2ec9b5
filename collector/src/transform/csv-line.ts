// One CSV line a record (RFC 4180, delimiter and quote as configured): into a JSON array that SQL reads on,
// the line itself in front. An empty field without quotes is null; a quoted one is an empty string.
import type { OddCode } from './columns.ts';

export interface CsvFormat {
  readonly delimiter: string;
  readonly quote: string;
  readonly columns: readonly string[];
}

/** The converter of a table's values: a JSON array, or why the line is none. */
export function csvConverter(format: CsvFormat): (value: Buffer) => Uint8Array | OddCode {
  return (value) => {
    const line = value.toString();
    const fields = splitCsvLine(line, format);
    if (fields === undefined) return 'CSV_INVALID';
    if (fields.length !== format.columns.length) return 'CSV_COLUMNS';
    return Buffer.from(JSON.stringify([line, ...fields]));
  };
}

/**
 * undefined where a quote is not closed or text follows a closing quote. A line end at the end is not part of
 * it.
 */
export function splitCsvLine(
  text: string,
  { delimiter, quote }: Omit<CsvFormat, 'columns'>,
): (string | null)[] | undefined {
  const line = text.replace(/\r?\n$/, '');
  const fields: (string | null)[] = [];
  for (let at = 0; at <= line.length; ) {
    if (line[at] !== quote) {
      const found = line.indexOf(delimiter, at);
      const end = found < 0 ? line.length : found;
      fields.push(end === at ? null : line.slice(at, end));
      at = end + 1;
      continue;
    }
    let field = '';
    at++;
    for (;;) {
      const close = line.indexOf(quote, at);
      if (close < 0) return undefined;
      field += line.slice(at, close);
      at = close + 1;
      if (line[at] !== quote) break;
      field += quote;
      at++;
    }
    if (at < line.length && line[at] !== delimiter) return undefined;
    fields.push(field);
    at++;
  }
  return fields;
}
