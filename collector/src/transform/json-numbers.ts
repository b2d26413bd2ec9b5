// Where the numbers of a JSON text stand and how they are written. For the few records that are looked at one
// by one.

/** A string, with the colon behind it where it is a name; a number; what opens, closes and parts. */
const TOKEN = /("(?:[^"\\]|\\.)*")([ \t\r\n]*:)?|-?[0-9][-+.0-9eE]*|[{}[\],]/gs;
/** Of an object before its first name. */
const UNNAMED = '';

/** Names of objects, and places in arrays. */
export type JsonPath = readonly (string | number)[];

/** Calls `seen` for each number of a valid text with its path, and the number as it is written. */
export function eachNumber(text: string, seen: (path: JsonPath, source: string) => void): void {
  const path: (string | number)[] = [];
  for (const [token, quoted, colon] of text.matchAll(TOKEN)) {
    const at = path.at(-1);
    if (quoted !== undefined) {
      if (colon !== undefined) path[path.length - 1] = JSON.parse(quoted);
    } else if (token === ',') {
      if (typeof at === 'number') path[path.length - 1] = at + 1;
    } else if (token === '{' || token === '[') path.push(token === '[' ? 0 : UNNAMED);
    else if (token === '}' || token === ']') path.pop();
    else seen(path, token);
  }
}

/**
 * Integers of any length are exact in DuckDB; of other numbers the shortest double must have the same digits.
 */
export function losesDigits(source: string): boolean {
  const read = Number(source);
  return (
    !/^-?\d+$/.test(source) && Number.isFinite(read) && significant(source) !== significant(String(read))
  );
}

function significant(number: string): string {
  const [mantissa = ''] = number.replace('-', '').split(/[eE]/);
  return mantissa.replace('.', '').replace(/^0+/, '').replace(/0+$/, '');
}
