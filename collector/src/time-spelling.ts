// How a time is spelled in a partition's path: the letters that Glue's and Kafka Connect's users write, and
// the same in DuckDB's words. Pure.
import type { TimeGrain, TimeSpelling } from './tables.ts';

const LETTERS: readonly { readonly letters: string; readonly grain: TimeGrain; readonly duckdb: string }[] = [
  { letters: 'yyyy', grain: 'year', duckdb: '%Y' },
  { letters: 'MM', grain: 'month', duckdb: '%m' },
  { letters: 'dd', grain: 'day', duckdb: '%d' },
  { letters: 'HH', grain: 'hour', duckdb: '%H' },
  { letters: 'mm', grain: 'minute', duckdb: '%M' },
];

const PLAIN: Readonly<Record<TimeGrain, string>> = {
  year: 'yyyy',
  month: 'yyyy-MM',
  day: 'yyyy-MM-dd',
  hour: 'yyyy-MM-dd-HH',
  minute: 'yyyy-MM-dd-HH-mm',
};

type Piece = { readonly grain: TimeGrain; readonly duckdb: string } | { readonly literal: string };

/** undefined where the pattern has other letters, none, or something that no step of a path may hold. */
function piecesOf(pattern: string): Piece[] | undefined {
  const pieces: Piece[] = [];
  for (const [text] of pattern.matchAll(/yyyy|MM|dd|HH|mm|[-_. ]+|./gsu)) {
    const known = LETTERS.find(({ letters }) => letters === text);
    if (known !== undefined) pieces.push(known);
    else if (/^[-_. ]+$/.test(text)) pieces.push({ literal: text });
    else return undefined;
  }
  return pieces;
}

/** The finest part that a pattern spells; undefined where it is no pattern. */
export function grainOf(pattern: string): TimeGrain | undefined {
  const grains = piecesOf(pattern)?.flatMap((piece) => ('grain' in piece ? [piece.grain] : [])) ?? [];
  return LETTERS.map(({ grain }) => grain).findLast((grain) => grains.includes(grain));
}

function patternOf({ by, pattern }: TimeSpelling): string {
  return pattern ?? PLAIN[by];
}

/** DuckDB's strftime format. */
export function strftimeFormat(spelling: TimeSpelling): string {
  const pieces = piecesOf(patternOf(spelling)) ?? [];
  return pieces.map((piece) => ('grain' in piece ? piece.duckdb : piece.literal)).join('');
}

export function isTimeZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }) !== undefined;
  } catch {
    return false;
  }
}

/** A wall time in ms since the epoch, spelled. */
export function spellTime(spelling: TimeSpelling, ms: number): string {
  const { zone: timeZone = 'UTC' } = spelling;
  const options = { timeZone, hourCycle: 'h23', era: undefined } as const;
  const format = new Intl.DateTimeFormat('en', {
    ...options,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  });
  const parts = new Map(format.formatToParts(ms).map(({ type, value }) => [type as string, value]));
  const pieces = piecesOf(patternOf(spelling)) ?? [];
  return pieces
    .map((piece) => ('literal' in piece ? piece.literal : (parts.get(piece.grain) ?? '').padStart(2, '0')))
    .join('');
}
