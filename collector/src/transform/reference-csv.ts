// The dialect of a CSV reference file. DuckDB would guess it from the first lines: an apostrophe for a
// quote, a line that begins with # for a comment, a line of names for a title. Here only the delimiter is
// looked for, by the names that a lookup wants; quotes are those of RFC 4180, and every line counts.
import { PLAIN_CSV, splitCsvLine } from './csv-line.ts';
import { identifier, literal } from './sql/types.ts';

const DELIMITERS = [',', ';', '\t', '|'] as const;

/** SQL that reads the file at `path`, all texts. Throws an Error where its first line lacks a column. */
export function csvReader(path: string, head: string, wanted: readonly string[]): string {
  const [line = ''] = head.split(/\r?\n/, 1);
  const found = DELIMITERS.map((delimiter) => {
    const fields = splitCsvLine(line, { ...PLAIN_CSV, delimiter }) ?? [];
    return { delimiter, names: fields.map((name) => name ?? '') };
  });
  const [{ delimiter, names }] = found
    .toSorted((a, b) => missingOf(a.names, wanted).length - missingOf(b.names, wanted).length)
    .slice(0, 1) as [(typeof found)[number]];
  const [missing] = missingOf(names, wanted);
  if (missing !== undefined) throw new Error(`its first line does not name '${missing}'`);
  const columns = columnNames(names, wanted).map((name) => `${identifier(name)}: 'VARCHAR'`);
  return (
    `read_csv(${literal(path)}, auto_detect = false, header = true, delim = ${literal(delimiter)}, quote = '"', ` +
    `escape = '"', nullstr = '', allow_quoted_nulls = false, columns = {${columns.join(', ')}})`
  );
}

const ENDS: Readonly<Record<string, string>> = { '\n': 'LF', '\r\n': 'CR LF', '\r': 'CR' };

/** DuckDB reads no file whose lines end in several ways; undefined where that is not so. */
export function mixedEnds(text: string): string | undefined {
  let [line, isQuoted] = [1, false];
  let first: string | undefined;
  for (const [part] of text.matchAll(/"|\r\n|\n|\r/g)) {
    if (part === '"') isQuoted = !isQuoted;
    else {
      if (!isQuoted) first ??= part;
      if (!isQuoted && part !== first)
        return `line ${line} ends with ${ENDS[part]}, and those before it with ${ENDS[first ?? '']}: end all in one way`;
      line++;
    }
  }
  return undefined;
}

const missingOf = (names: readonly string[], wanted: readonly string[]) =>
  wanted.filter((name) => !names.includes(name));

/**
 * Columns by position. DuckDB does not tell upper from lower case: only the first of each name that is wanted
 * keeps it where another differs only in case, or comes again.
 */
function columnNames(names: readonly string[], wanted: readonly string[]): readonly string[] {
  const seen = new Set<string>(wanted.map((name) => name.toLowerCase()));
  return names.map((name, i) => {
    const isWanted = wanted.includes(name) && names.indexOf(name) === i;
    if (!isWanted && (name === '' || seen.has(name.toLowerCase()))) return `__${i}`;
    seen.add(name.toLowerCase());
    return name;
  });
}
