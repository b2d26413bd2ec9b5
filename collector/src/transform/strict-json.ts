// What DuckDB's JSON reader lets through and RFC 8259 does not: commas before a closing bracket, NaN and Infinity, and
// decimals that lose digits on their way through a double. A cheap pass finds suspects; JSON.parse decides.
import type { ColumnChunk } from './columns.ts';

/** After one of these a value or a closing bracket follows: the only places where loose syntax can begin. */
const BEFORE_VALUE = new Uint8Array(256);
for (const byte of ',:[') BEFORE_VALUE[byte.charCodeAt(0)] = 1;

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

function suspectRows(chunk: ColumnChunk): number[] {
  const suspects: number[] = [];
  const { bytes, ends, separatorBytes } = chunk.joined();
  let from = 0;
  for (let row = 0; row < chunk.rows; row++) {
    const end = ends[row] as number;
    let suspect = false;
    for (let at = from; at < end; at++) {
      if (BEFORE_VALUE[bytes[at] as number] === 1 && isLoose(bytes, at, end)) {
        suspect = true;
        break;
      }
    }
    if (suspect || hasLongNumber(bytes, from, end)) suspects.push(row);
    from = end + separatorBytes;
  }
  return suspects;
}

/** A comma before a closing bracket, or a token like NaN or -Infinity in any case. */
function isLoose(bytes: Uint8Array, before: number, end: number): boolean {
  let at = before + 1;
  while (at < end && (bytes[at] as number) <= 0x20) at++;
  const byte = bytes[at] as number;
  if (byte === 0x22 || (byte >= 0x30 && byte <= 0x39)) return false;
  if (byte === 0x7d || byte === 0x5d) return bytes[before] === 0x2c;
  if (byte === 0x2d) at++;
  const letters = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
  const lower = letters | 0x202020;
  return lower === 0x6e616e || lower === 0x696e66;
}

/** A run of 17 digits and dots covers at least one of every 16 places. */
function hasLongNumber(bytes: Uint8Array, from: number, end: number): boolean {
  for (let at = from + LONG_NUMBER - 2; at < end; at += LONG_NUMBER - 1) {
    if (NUMERIC[bytes[at] as number] === 0) continue;
    let low = at;
    let high = at + 1;
    while (low > from && NUMERIC[bytes[low - 1] as number] === 1) low--;
    while (high < end && NUMERIC[bytes[high] as number] === 1) high++;
    if (high - low >= LONG_NUMBER) return true;
  }
  return false;
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
