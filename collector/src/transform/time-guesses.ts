// Numbers and digits of a sample that are times by their look: the field's name says so, and every value lies
// between 2001 and 2100 when it is read in one of the usual ways. Only a guess, since such a number may be an
// id: it is told to a person, and never becomes a type by itself. Pure.
import { type NestedType, parseNested } from '../nested-type.ts';
import type { DetectedColumn } from '../tables.ts';
import { safeName } from './column-names.ts';
import { textOfScalar } from './seen-values.ts';

const YEAR_MIN = 2001;
const YEAR_MAX = 2100;

/** In words, for people. */
export const READINGS = {
  s: 'seconds since 1970',
  ms: 'milliseconds since 1970',
  us: 'microseconds since 1970',
  ns: 'nanoseconds since 1970',
  days: 'days since 1970',
  digits: 'days written as 20261127',
} as const;

export type TimeReading = keyof typeof READINGS;

export interface GuessedTime {
  /** Of the field, from its column on. */
  readonly path: readonly string[];
  /** The column's name; undefined of a field inside a struct. */
  readonly column: string | undefined;
  readonly reading: TimeReading;
}

/** `rows`: JSON objects, or fields of lines by the source of their column. */
export function guessTimes(
  columns: readonly DetectedColumn[],
  rows: readonly Readonly<Record<string, unknown>>[],
): GuessedTime[] {
  return columns.flatMap(({ source, name, type }) => {
    const found = timesIn(parseNested(type), [source], rows);
    return found.map(({ path, reading }) => {
      return { path, reading, column: path.length === 1 ? name : undefined };
    });
  });
}

type Found = Pick<GuessedTime, 'path' | 'reading'>;

function timesIn(type: NestedType, path: readonly string[], rows: readonly unknown[]): Found[] {
  const [name = ''] = path.slice(-1);
  if (type.kind !== 'scalar' && type.kind !== 'struct') return [];
  const words = safeName(name).split('_');
  if (type.kind === 'scalar' && !saysTime(words)) return [];
  const values = rows.map((row) =>
    typeof row === 'object' && row !== null ? (row as Record<string, unknown>)[name] : undefined,
  );
  if (type.kind === 'struct')
    return type.fields.flatMap((field) => timesIn(field.type, [...path, field.name], values));
  const there = values.filter((value) => value !== undefined && value !== null);
  const reading = readingOf(type.name, there.map(textOfScalar));
  return reading === undefined || (reading === 'days' && !saysDay(words)) ? [] : [{ path, reading }];
}

/** `event_time`, `lastUpdate`, `orderdate`, `created_at`, `ts_ms`. */
function saysTime(words: readonly string[]): boolean {
  const isTime = /(time|timestamp)$|^(ts|when|epoch|created|updated|modified|changed|expires|expiry)$/;
  return words.some((word) => isTime.test(word)) || words.at(-1) === 'at' || saysDay(words);
}

/** Of days there are so few that a count may lie among them. */
function saysDay(words: readonly string[]): boolean {
  return words.some((word) => /date$|^(day|dt|dob|birthday)$/.test(word)) || words.at(-1) === 'on';
}

/** Of a type that detection gave; undefined where it is not one reading for all values. */
function readingOf(type: string, texts: readonly (string | undefined)[]): TimeReading | undefined {
  const [first] = texts;
  const readings = Object.keys(READINGS) as TimeReading[];
  const found = readings.find(
    (one) => first !== undefined && TYPES[one].includes(type) && isRead(one, first),
  );
  const isAll = found !== undefined && texts.every((text) => text !== undefined && isRead(found, text));
  return isAll ? found : undefined;
}

/** Types whose values may be read so: a fraction of a second or of a millisecond is a double. */
const TYPES: Readonly<Record<TimeReading, readonly string[]>> = {
  s: ['bigint', 'double'],
  ms: ['bigint', 'double'],
  us: ['bigint'],
  ns: ['bigint'],
  days: ['bigint'],
  digits: ['bigint', 'string'],
};

/** How many of each make a second. */
const A_SECOND = { s: 1, ms: 1e3, us: 1e6, ns: 1e9, days: 1 / 86_400 } as const;

function isRead(reading: TimeReading, text: string): boolean {
  if (reading === 'digits') return isDay(text);
  const year = new Date((Number(text) / A_SECOND[reading]) * 1_000).getUTCFullYear();
  return year >= YEAR_MIN && year <= YEAR_MAX;
}

function isDay(text: string): boolean {
  const [, year, month, day] = /^(\d{4})(\d{2})(\d{2})$/.exec(text)?.map(Number) ?? [];
  if (year === undefined || month === undefined || day === undefined) return false;
  const at = new Date(Date.UTC(year, month - 1, day));
  const isReal = at.getUTCMonth() === month - 1 && at.getUTCDate() === day;
  return isReal && year >= YEAR_MIN && year <= YEAR_MAX;
}
