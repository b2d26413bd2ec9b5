// What DuckDB's JSON reader lets through and RFC 8259 does not: commas before a closing bracket, NaN and Infinity, and
// decimals that lose digits on their way through a double. A cheap pass over all values at once finds suspects; JSON.parse
// decides.
import type { ColumnChunk } from './columns.ts';

/**
 * Loose syntax can only begin there: a comma before a closing bracket, or a token like NaN or -Infinity in any case.
 * Compiled to native code, which reads a chunk four times as fast as a loop over its bytes. What stands inside strings
 * may match as well.
 */
const TRAILING_COMMA = /,[ \t\r\n]*[}\]]/g;
const NOT_A_NUMBER = /[:,[][ \t\r\n]*-?(?:[nN][aA]|[iI][nN])/g;

const NUMERIC = new Uint8Array(256);
for (const byte of '0123456789.') NUMERIC[byte.charCodeAt(0)] = 1;

/** A number shorter than this is exact as a double and back; dots count. */
const LONG_NUMBER = 17;
const DIGITS_EXACT = 15;

/**
 * Strikes the rows of the chunk that are not strict JSON, or hold a decimal that cannot be read exactly under one of
 * `exactKeys`, the names of fields whose digits matter (any type but float and double).
 */
export function strikeUnstrict(chunk: ColumnChunk, exactKeys: ReadonlySet<string>): void {
  for (const row of suspectRows(chunk)) {
    const code = verdict(chunk.value(row), exactKeys);
    if (code !== undefined) chunk.strike(row, code);
  }
}

function suspectRows(chunk: ColumnChunk): readonly number[] {
  const { bytes, ends } = chunk.joined();
  const places = [...looseSyntax(bytes), ...longNumbers(bytes)];
  const rows = new Set(places.map((at) => rowAt(ends, chunk.rows, at)));
  return [...rows].sort((a, b) => a - b);
}

function looseSyntax(bytes: Buffer): number[] {
  const text = bytes.toString('latin1');
  return [TRAILING_COMMA, NOT_A_NUMBER].flatMap((loose) =>
    Array.from(text.matchAll(loose), ({ index }) => index),
  );
}

/** A run of 17 digits and dots covers one of every 16 places, and from there at least 8 more on one side. */
function longNumbers(bytes: Buffer): number[] {
  const places: number[] = [];
  for (let at = 0; at < bytes.length; at += LONG_NUMBER - 1) {
    if (NUMERIC[bytes[at] as number] === 0) continue;
    const reaches =
      (isNumeric(bytes, at - 4) && isNumeric(bytes, at - 8)) ||
      (isNumeric(bytes, at + 4) && isNumeric(bytes, at + 8));
    if (reaches && runAround(bytes, at) >= LONG_NUMBER) places.push(at);
  }
  return places;
}

function isNumeric(bytes: Buffer, at: number): boolean {
  return at >= 0 && at < bytes.length && NUMERIC[bytes[at] as number] === 1;
}

function runAround(bytes: Buffer, at: number): number {
  let low = at;
  let high = at + 1;
  while (isNumeric(bytes, low - 1)) low--;
  while (isNumeric(bytes, high)) high++;
  return high - low;
}

/** The row whose value covers `at`: `ends` ascends, and what stands between two values belongs to the later one. */
function rowAt(ends: Uint32Array, rows: number, at: number): number {
  let low = 0;
  let high = rows - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ends[middle] as number) > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

function verdict(
  value: Buffer,
  exactKeys: ReadonlySet<string>,
): 'JSON_INVALID' | 'NUMBER_INEXACT' | undefined {
  let inexact = false;
  try {
    parseWithSource(value.toString(), (key, source) => {
      if (exactKeys.has(key) && losesDigits(source)) inexact = true;
    });
  } catch {
    return 'JSON_INVALID';
  }
  return inexact ? 'NUMBER_INEXACT' : undefined;
}

function parseWithSource(text: string, seen: (key: string, source: string) => void): void {
  const reviver = (key: string, value: unknown, context?: { source?: string }) => {
    if (typeof value === 'number' && context?.source !== undefined) seen(key, context.source);
    return value;
  };
  JSON.parse(text, reviver);
}

/** Integers of any length are exact; of other numbers the shortest double must have the same digits. */
function losesDigits(source: string): boolean {
  if (/^-?\d+$/.test(source)) return false;
  const wanted = significant(source);
  return wanted.length > DIGITS_EXACT && wanted !== significant(String(Number(source)));
}

function significant(number: string): string {
  const [mantissa = ''] = number.replace('-', '').split(/[eE]/);
  return mantissa.replace('.', '').replace(/^0+/, '').replace(/0+$/, '');
}
