// How a time is written, as people spell it: with the letters of Java and AWS Glue (yyyy-MM-dd) or with
// percent signs (%Y-%m-%d). Either becomes what DuckDB parses and prints, and a regular expression that a
// text must match first: DuckDB's parser takes 26 for a year of four digits, and 'infinity' for one.

export interface TimePattern {
  readonly strftime: string;
  /** The same for printing: what has one letter has no zero in front. */
  readonly printed: string;
  /** Of the time that was read: each must stand in the text, in any case. DuckDB's parser does not look. */
  readonly told: readonly string[];
  /** Regular expression of the whole text. */
  readonly form: string;
  readonly hasOffset: boolean;
  readonly hasYear: boolean;
  /** Why no text of this pattern says when, as the end of a sentence. */
  readonly unclear: string | undefined;
}

interface Part {
  readonly strftime: string;
  readonly form: string;
  readonly printed?: string;
  readonly told?: string;
}

const digits = (count: string) => `[0-9]{${count}}`;
const WORD = '[A-Za-z]+\\.?';
const OFFSET: Part = { strftime: '%z', form: '(?:Z|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)' };

/** By the letter: the part for each count of it. */
const LETTERS: Readonly<Record<string, (count: number) => Part | undefined>> = {
  y: (count) => (count === 2 ? { strftime: '%y', form: digits('2') } : year(count)),
  u: (count) => year(count),
  M: (count) => [number('%m', count), number('%m', count), word('%b'), word('%B')][count - 1],
  d: (count) => [number('%d', count), number('%d', count)][count - 1],
  D: (count) => (count === 3 ? { strftime: '%j', form: digits('3'), told: '%j' } : undefined),
  H: (count) => [number('%H', count), number('%H', count)][count - 1],
  h: (count) => [number('%I', count), number('%I', count)][count - 1],
  m: (count) => [number('%M', count), number('%M', count)][count - 1],
  s: (count) => [number('%S', count), number('%S', count)][count - 1],
  S: (count) => (count === 3 || count === 6 ? fraction(count) : undefined),
  a: (count) => (count === 1 ? { strftime: '%p', form: '[AaPp][Mm]' } : undefined),
  E: (count) => (count === 4 ? weekday('%A') : count <= 3 ? weekday('%a') : undefined),
  X: (count) => (count <= 3 ? OFFSET : undefined),
  x: (count) => (count <= 3 ? OFFSET : undefined),
  Z: (count) => (count <= 3 ? OFFSET : undefined),
};

const PERCENT: Readonly<Record<string, Part>> = {
  Y: { strftime: '%Y', form: digits('4') },
  y: { strftime: '%y', form: digits('2') },
  m: padded('%m'),
  d: padded('%d'),
  H: padded('%H'),
  I: padded('%I'),
  M: padded('%M'),
  S: padded('%S'),
  j: { strftime: '%j', form: digits('1,3'), told: '%-j' },
  f: { strftime: '%f', form: digits('1,6') },
  g: fraction(3),
  p: { strftime: '%p', form: '[AaPp][Mm]' },
  b: word('%b'),
  B: word('%B'),
  a: weekday('%a'),
  A: weekday('%A'),
  z: OFFSET,
  '%': { strftime: '%%', form: '%' },
};

function year(count: number): Part | undefined {
  return count === 4 || count === 1 ? { strftime: '%Y', form: digits('4') } : undefined;
}

function number(strftime: string, count: number): Part {
  return count === 1
    ? { ...padded(strftime), printed: strftime.replace('%', '%-') }
    : { strftime, form: digits('2') };
}

/** Printed with two digits, and read with one as well. */
function padded(strftime: string): Part {
  return { strftime, form: digits('1,2') };
}

function weekday(strftime: string): Part {
  return { ...word(strftime), told: strftime };
}

function word(strftime: string): Part {
  return { strftime, form: WORD };
}

function fraction(count: number): Part {
  return { strftime: count === 3 ? '%g' : '%f', form: digits(String(count)) };
}

/** A text instead of a pattern says what is wrong with it. */
export function parseTimePattern(pattern: string): TimePattern | string {
  const parts: Part[] = [];
  const tokens = pattern.includes('%') ? /%(.)|[^%]/gs : /([A-Za-z])\1*|'((?:[^']|'')*)'|[^A-Za-z]/gs;
  for (const [token, named, quoted] of pattern.matchAll(tokens)) {
    const part = partOf(token, named, quoted);
    if (part === undefined) return `'${token}' of '${pattern}' means nothing here`;
    parts.push(part);
  }
  const all = (of: (part: Part) => string) => parts.map(of).join('');
  return {
    strftime: all((part) => part.strftime),
    printed: all((part) => part.printed ?? part.strftime),
    told: toldOf(parts),
    form: all((part) => part.form),
    hasOffset: parts.includes(OFFSET),
    hasYear: parts.some(isYear),
    unclear: unclearIn(parts),
  };
}

const isYear = ({ strftime }: Part) => strftime === '%Y' || strftime === '%y';

/** A parser would take 1900, January, the 1st or the morning for what does not stand there. */
function unclearIn(parts: readonly Part[]): string | undefined {
  const has = (...kinds: string[]) => parts.some(({ strftime }) => kinds.includes(strftime));
  if (has('%I') && !has('%p')) return 'counts twelve hours and does not say which: H counts 24';
  const isDay = has('%j') || (has('%m', '%b', '%B') && has('%d'));
  return isDay || parts.some(isYear) ? undefined : 'has neither a year nor a day with its month';
}

/** The 366th day of a short year is one of the next. */
function toldOf(parts: readonly Part[]): readonly string[] {
  const told = parts.flatMap((part) => part.told ?? []);
  const years = parts.filter(isYear).map(({ strftime }) => strftime);
  return told.some((one) => one.endsWith('j')) ? [...told, ...years] : told;
}

function partOf(token: string, named: string | undefined, quoted: string | undefined): Part | undefined {
  if (token.startsWith('%')) return PERCENT[named ?? ''];
  if (named !== undefined) return LETTERS[named]?.(token.length);
  const text = quoted === undefined ? token : quoted === '' ? "'" : quoted.replaceAll("''", "'");
  return { strftime: text.replaceAll('%', '%%'), form: text.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&') };
}
