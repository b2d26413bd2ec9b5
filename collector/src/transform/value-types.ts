// Which column type holds every value seen of one field. Stricter than the conversions themselves: what is
// proposed here must not send the records that were looked at to quarantine.
import { losesDigits } from './json-numbers.ts';
import { DATE_FORM, TIMESTAMP_FORM } from './sql/conversions.ts';

const DATE = new RegExp(`^${DATE_FORM}$`);
const TIMESTAMP = new RegExp(`^${TIMESTAMP_FORM}$`);
const OFFSET = /(Z|[+-][0-9]{2}(:?[0-9]{2})?)$/;
const INTEGER = /^[+-]?[0-9]+$/;
const DECIMAL = /^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$/;
const BIGINT_MAX = 2n ** 63n - 1n;
const BIGINT_MIN = -(2n ** 63n);
const WIDE_DIGITS_MAX = 38;

export type SeenKind =
  | 'boolean'
  /** Within bigint, and a double holds it as well. */
  | 'integer'
  /** Within bigint, and no double holds it. */
  | 'long'
  /** Beyond bigint, within decimal(38,0). */
  | 'wide'
  /** A fraction or an exponent. */
  | 'double'
  | 'timestamp'
  | 'date'
  /** Any other text, and numbers that no type of numbers holds. */
  | 'string';

/** A JSON number by its token, or digits in a CSV field. */
export function numberKind(token: string): SeenKind {
  if (!INTEGER.test(token)) return Number.isFinite(Number(token)) && !vanishes(token) ? 'double' : 'string';
  const value = BigInt(token.replace('+', ''));
  if (value >= BIGINT_MIN && value <= BIGINT_MAX) return BigInt(Number(value)) === value ? 'integer' : 'long';
  return token.replace(/^[+-]?0*/, '').length <= WIDE_DIGITS_MAX ? 'wide' : 'string';
}

/** Not 0, and too small for a double. */
function vanishes(token: string): boolean {
  return Number(token) === 0 && /^[+-]?[0.]*[1-9]/.test(token);
}

/** A JSON string. */
export function textKind(text: string): SeenKind {
  if (DATE.test(text)) return isCalendarDay(text) ? 'date' : 'string';
  return isTimestamp(text) ? 'timestamp' : 'string';
}

/** A field of a CSV line, where numbers and booleans are text as well. */
export function fieldKind(text: string): SeenKind {
  if (/^(true|false)$/i.test(text)) return 'boolean';
  // A leading zero carries meaning: account and postal codes.
  if (/^[+-]?0[0-9]/.test(text)) return 'string';
  if (!DECIMAL.test(text)) return textKind(text);
  // Unlike a JSON number a text keeps all its digits.
  return losesDigits(text.replace('+', '')) ? 'string' : numberKind(text);
}

/** A point in time for certain: without an offset it would be a guess. */
function isTimestamp(text: string): boolean {
  if (!TIMESTAMP.test(text) || !OFFSET.test(text) || !isCalendarDay(text.slice(0, 10))) return false;
  const [hour = 0, minute = 0, second = 0] = text
    .slice(11, 19)
    .split(':')
    .map((part) => Number.parseInt(part, 10));
  return hour < 24 && minute < 60 && second < 60;
}

function isCalendarDay(text: string): boolean {
  const [year = 0, month = 0, day = 0] = text.split('-').map(Number);
  const at = new Date(Date.UTC(2_000, month - 1, day));
  at.setUTCFullYear(year, month - 1, day);
  return year > 0 && at.getUTCMonth() === month - 1 && at.getUTCDate() === day;
}

/**
 * The narrowest type that takes all of these kinds; string where they have nothing in common, or there are
 * none.
 */
export function commonType(kinds: ReadonlySet<SeenKind>): string {
  const all = (...allowed: SeenKind[]) =>
    kinds.size > 0 && [...kinds].every((kind) => allowed.includes(kind));
  if (all('boolean')) return 'boolean';
  if (all('integer', 'long')) return 'bigint';
  if (all('integer', 'long', 'wide')) return 'decimal(38,0)';
  if (all('integer', 'double')) return 'double';
  if (all('timestamp')) return 'timestamp';
  if (all('date')) return 'date';
  return 'string';
}
