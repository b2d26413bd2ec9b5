// The elements of a JSON array, each with a mark in front and as its producer wrote it: SQL makes rows of
// them. Only the array itself is looked at here; whether an element is JSON is judged where any other value
// is.
import { FILTERED } from './columns.ts';

const [OPEN, CLOSE, COMMA, QUOTE, ESCAPE] = [...'[],"\\'].map((character) => character.charCodeAt(0));
const [OPEN_OBJECT, CLOSE_OBJECT] = [...'{}'].map((character) => character.charCodeAt(0));

const isSpace = (byte: number | undefined) => byte === 32 || byte === 9 || byte === 10 || byte === 13;

/** What is no array that ends where the value does stays as it is; an array of nothing is filtered. */
export function markElements(value: Buffer, mark: Buffer): Buffer | typeof FILTERED {
  let start = 0;
  while (isSpace(value[start])) start++;
  if (value[start] !== OPEN) return value;
  const commas = commasOf(value, start);
  if (commas === undefined) return value;
  const end = commas.pop() ?? start;
  if (commas.length === 0 && value.subarray(start + 1, end).every(isSpace)) return FILTERED;
  const pieces: Buffer[] = [];
  let from = start + 1;
  for (const to of [...commas, end]) {
    pieces.push(mark, value.subarray(from, to));
    from = to + 1;
  }
  return Buffer.concat(pieces);
}

/** The places of the commas between elements, and of the closing bracket behind them. */
function commasOf(value: Buffer, start: number): number[] | undefined {
  const commas: number[] = [];
  let depth = 0;
  for (let at = start; at < value.length; at++) {
    const byte = value[at];
    if (byte === QUOTE) at = endOfString(value, at);
    else if (byte === OPEN || byte === OPEN_OBJECT) depth++;
    else if (byte === CLOSE || byte === CLOSE_OBJECT) depth--;
    else if (byte === COMMA && depth === 1) commas.push(at);
    if (depth > 0) continue;
    commas.push(at);
    return byte === CLOSE && value.subarray(at + 1).every(isSpace) ? commas : undefined;
  }
  return undefined;
}

function endOfString(value: Buffer, start: number): number {
  for (let at = start + 1; at < value.length; at++) {
    if (value[at] === QUOTE) return at;
    if (value[at] === ESCAPE) at++;
  }
  return value.length;
}
