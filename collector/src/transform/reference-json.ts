// A reference file of JSON lines on its way to DuckDB, which reads numbers as doubles: each value becomes a
// text as its author wrote it, so that a lookup converts it digit for digit.
import { parseJson } from './json-parse.ts';

/** Strings, numbers, what opens and what closes. */
const TOKEN = /"(?:[^"\\]|\\.)*"|-?[0-9][-+.0-9eE]*|[{}[\]]/g;

/**
 * Lines whose objects hold texts alone. Throws an Error that names the line, or a column that no line has.
 */
export function textsOfLines(json: string, columns: readonly string[]): string {
  const missing = new Set(columns);
  const lines = json.split('\n').map((line, i) => {
    if (line.trim() === '') return '';
    const names = namesOf(line);
    if (names === undefined) throw new Error(`line ${i + 1} is no JSON object`);
    for (const name of names) missing.delete(name);
    return textsOf(line);
  });
  const [name] = missing;
  if (name !== undefined) throw new Error(`no line has '${name}'`);
  return lines.join('\n');
}

function namesOf(line: string): string[] | undefined {
  try {
    const value: unknown = parseJson(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.keys(value)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Numbers, objects and arrays of the line's own object as JSON strings. */
function textsOf(line: string): string {
  let text = '';
  let taken = 0;
  let depth = 0;
  const take = (until: number) => {
    const piece = line.slice(taken, until);
    taken = until;
    return piece;
  };
  for (const { 0: token, index } of line.matchAll(TOKEN)) {
    if (token === '{' || token === '[') {
      if (++depth === 2) text += take(index);
    } else if (token === '}' || token === ']') {
      if (depth-- === 2) text += JSON.stringify(take(index + 1));
    } else if (depth === 1 && !token.startsWith('"')) text += `${take(index)}"${take(index + token.length)}"`;
  }
  return text + line.slice(taken);
}
