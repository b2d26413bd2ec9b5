// How one value becomes another type without loss: an expression for the value (NULL where it cannot be had)
// and a condition that says when what came out is not what was meant. DuckDB's casts round, guess and drop
// offsets; each rule here closes one of those doors.
import type { ScalarType } from './types.ts';

export interface Conversion {
  /** SQL for the value, of the source expression `from`. */
  value(from: string): string;
  /** SQL that is true where a non-null source was not converted exactly; `to` is the value's column. */
  fails(from: string, to: string): string;
}

const INTEGER = "'[+-]?[0-9]+'";
const FLOAT = "'[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([eE][+-]?[0-9]+)?'";
/**
 * Of a text that casts: DuckDB's cast takes spaces around a number and _ inside, and nothing else that FLOAT
 * does not. Found at half of the price.
 */
const surelyFloat = (from: string) => `${from} GLOB '[0-9]*[0-9]' AND NOT contains(${from}, '_')`;
const DECIMAL = "'[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)'";
/**
 * The form of a date, and of a timestamp: a date alone, or with a time; an offset or Z behind its seconds, as
 * DuckDB takes one.
 */
export const DATE_FORM = '[0-9]{4}-[0-9]{2}-[0-9]{2}';
export const TIMESTAMP_FORM =
  '[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]{1,6}0*)?(Z|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)?)?)?';
const DATE = `'${DATE_FORM}'`;
const TIMESTAMP = `'${TIMESTAMP_FORM}'`;
/**
 * Two forms of TIMESTAMP_FORM that most producers write: found at a third of a regular expression's price.
 */
const SECONDS = '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][T ][0-9][0-9]:[0-9][0-9]:[0-9][0-9]';
const PLAIN_TIMESTAMPS = [`'${SECONDS}.[0-9][0-9][0-9]Z'`, `'${SECONDS}Z'`];

const keep: Conversion = { value: (from) => from, fails: () => 'false' };

function strict(value: Conversion['value'], fails: (from: string, to: string) => string): Conversion {
  return { value, fails: (from, to) => `(${from} IS NOT NULL AND (${to} IS NULL OR ${fails(from, to)}))` };
}

const cast = (duckdb: string) => (from: string) => `try_cast(${from} AS ${duckdb})`;

/** A number that is not 0 and became 0: too small for its type. `from` is its text. */
const vanished = (from: string, to: string) =>
  `CASE WHEN ${to} = 0 THEN regexp_matches(${from}, '^[+-]?[0.]*[1-9]') ELSE false END`;

/** Digits behind the point beyond the scale, zeros at the end apart. */
const digitsLost = (from: string, scale: number) =>
  `strlen(rtrim(split_part(${from}, '.', 2), '0')) > ${scale}`;

const significant = (number: string) =>
  `trim(replace(split_part(lower(ltrim(${number}, '-')), 'e', 1), '.', ''), '0')`;

/**
 * SQL that is true where a double, or a float, of a number has all of its digits: of 9007199254740993 it has
 * not. A decoded float is written as the double that it is.
 */
export function keepsDigits(number: string, { duckdb }: ScalarType): string {
  const read = (as: string) => `try_cast(${number} AS ${as})`;
  const same = (as: string) => `${significant(number)} = ${significant(`${read(as)}::VARCHAR`)}`;
  if (duckdb !== 'FLOAT') return same(duckdb);
  return `(${same('FLOAT')} OR (${read('FLOAT')}::DOUBLE = ${read('DOUBLE')} AND ${same('DOUBLE')}))`;
}

/** From the text of a JSON token (numbers and booleans) or a JSON string (everything else). */
export function fromJson(type: ScalarType): Conversion {
  switch (type.kind) {
    case 'integer':
      return strict(cast(type.duckdb), (from) => `contains(${from}, '.') OR contains(${from}, 'e')`);
    case 'float':
      return strict(cast(type.duckdb), (from, to) => `NOT isfinite(${to}) OR ${vanished(from, to)}`);
    case 'decimal':
      return strict(
        cast(type.duckdb),
        (from, to) =>
          `CASE WHEN contains(${from}, 'e') THEN ${to}::DOUBLE <> try_cast(${from} AS DOUBLE) ` +
          `ELSE ${digitsLost(from, type.scale)} END`,
      );
    case 'boolean':
      return strict(
        (from) => `CASE ${from} WHEN 'true' THEN true WHEN 'false' THEN false END`,
        () => 'false',
      );
    default:
      return fromText(type);
  }
}

/** Whether `fromJson` wants the token itself, so that 5 and "5" differ. */
export function wantsJsonToken(type: ScalarType): boolean {
  return ['integer', 'float', 'decimal', 'boolean'].includes(type.kind);
}

/** From text that a person or another program wrote: one plain form per type, nothing guessed. */
export function fromText(type: ScalarType): Conversion {
  const shaped = (pattern: string) => (from: string) => `NOT regexp_full_match(${from}, ${pattern})`;
  switch (type.kind) {
    case 'string':
      return keep;
    case 'binary':
      return { value: (from) => `encode(${from})`, fails: () => 'false' };
    case 'integer':
      return strict(cast(type.duckdb), shaped(INTEGER));
    case 'float':
      return strict(
        cast(type.duckdb),
        (from, to) =>
          `NOT isfinite(${to}) OR NOT (${surelyFloat(from)}) AND ${shaped(FLOAT)(from)} OR ${vanished(from, to)}`,
      );
    case 'decimal':
      return strict(
        cast(type.duckdb),
        (from) => `${shaped(DECIMAL)(from)} OR ${digitsLost(from, type.scale)}`,
      );
    case 'boolean':
      return strict(
        (from) => `CASE lower(${from}) WHEN 'true' THEN true WHEN 'false' THEN false END`,
        () => 'false',
      );
    case 'date':
      return strict(cast('DATE'), shaped(DATE));
    case 'timestamp':
      // `AT TIME ZONE 'UTC'` says the same through a calendar, at four times the price.
      return strict(
        (from) => `make_timestamp(epoch_us(try_cast(${from} AS TIMESTAMPTZ)))`,
        (from) =>
          `(${PLAIN_TIMESTAMPS.map((form) => `NOT ${from} GLOB ${form} AND `).join('')}${shaped(TIMESTAMP)(from)})`,
      );
  }
}

const BASE64 = "'([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?'";

/** From a decoded value as text, which its schema has typed before; bytes are base64. */
export function fromDecoded(type: ScalarType): Conversion {
  if (type.kind !== 'binary') return fromText(type);
  return strict(
    (from) => `CASE WHEN regexp_full_match(${from}, ${BASE64}) THEN from_base64(${from}) END`,
    () => 'false',
  );
}

/** Between typed columns, for a cast in apply_mapping. undefined where the two do not convert. */
export function fromTyped(from: ScalarType, to: ScalarType): Conversion | undefined {
  if (from.duckdb === to.duckdb) return keep;
  if (from.kind === 'string') return fromText(to);
  if (from.kind === 'binary' || to.kind === 'binary') return undefined;
  if (to.kind === 'string') return toText(from);
  if (to.kind === 'timestamp') {
    if (from.kind === 'date') return { value: (x) => `${x}::TIMESTAMP`, fails: () => 'false' };
    if (from.kind === 'integer') return fromEpoch;
    return undefined;
  }
  if (to.kind === 'date')
    return from.kind === 'timestamp' ? { value: (x) => `${x}::DATE`, fails: () => 'false' } : undefined;
  if (from.kind === 'timestamp') return to.glue === 'bigint' ? toEpoch : undefined;
  if (from.kind === 'date' || from.kind === 'boolean' || to.kind === 'boolean') return undefined;
  if (to.kind === 'float')
    return strict(cast(to.duckdb), (x, y) => `NOT isfinite(${y}) OR (${y} = 0 AND ${x} <> 0)`);
  if (from.kind === 'integer' && to.kind === 'integer') return strict(cast(to.duckdb), () => 'false');
  // A number into an exact type: what comes back must be what went in.
  const comesBack = (x: string, y: string) => `try_cast(${y} AS ${from.duckdb}) IS DISTINCT FROM ${x}`;
  const { duckdb: held } = from;
  if ((held !== 'DOUBLE' && held !== 'FLOAT') || to.scale === 0) return strict(cast(to.duckdb), comesBack);
  const beyond = (x: string) => isBeyond(x, held, to.scale);
  // A cast computes digits behind those that a double has; its text has no more.
  return strict(
    (x) =>
      `CASE WHEN ${beyond(x)} THEN try_cast(${x}::VARCHAR AS ${to.duckdb}) ELSE ${cast(to.duckdb)(x)} END`,
    (x, y) => `CASE WHEN ${beyond(x)} THEN ${isGuess(x, held, to)} ELSE ${comesBack(x, y)} END`,
  );
}

type Held = 'DOUBLE' | 'FLOAT';

/** Digits of a decimal that every double tells apart from its neighbours. */
const DOUBLE_DIGITS = 15;
/** A type of more digits behind the point has them for any number: those of ordinary ones are zeros. */
const SPARE_SCALE = 10;

/** Doubles tell apart all numbers below that have `scale` digits behind the point, and floats. */
const isBeyond = (number: string, held: Held, scale: number) =>
  `abs(${number}) >= ${held === 'DOUBLE' ? `1e${DOUBLE_DIGITS - scale}` : `8e${6 - scale}`}`;

/**
 * SQL that is true of a double, or a float, with more digits than it has for certain, down to the last that
 * the type has: 9007199254740993.01 is the double 9007199254740994, and no cast knows. A whole type loses no
 * fraction. For a type with digits to spare, what a double below a billion prints in 15 digits is taken.
 */
export function isGuess(number: string, held: Held, { scale }: ScalarType): string {
  if (scale === 0) return 'false';
  const beyond = isBeyond(number, held, scale);
  if (held === 'FLOAT' || scale < SPARE_SCALE) return beyond;
  const digits = `strlen(replace(ltrim(${number}::VARCHAR, '-0.'), '.', ''))`;
  const isShort = `${digits} <= ${DOUBLE_DIGITS} AND NOT contains(${number}::VARCHAR, 'e')`;
  return `(${beyond} AND NOT (abs(${number}) < 1e9 AND ${isShort}))`;
}

/** The type that is wanted, as the reason of such a number names it. */
export const forCertain = ({ glue }: ScalarType) =>
  `${glue} for certain: a double has ${DOUBLE_DIGITS} digits, a float 6`;

/** Milliseconds since the epoch, within what a timestamp of microseconds holds. */
const fromEpoch = strict(
  (from) =>
    `CASE WHEN abs(${from}::HUGEINT) < 8000000000000000 THEN make_timestamp(${from}::BIGINT * 1000) END`,
  () => 'false',
);

/** Milliseconds, where there is nothing finer: `to_epoch` is the way to cut it off. */
const toEpoch = strict(
  (from) => `(epoch_us(${from}) // 1000)`,
  (from) => `epoch_us(${from}) % 1000 <> 0`,
);

function toText(from: ScalarType): Conversion {
  if (from.kind === 'timestamp')
    return { value: (x) => `strftime(${x}, '%Y-%m-%d %H:%M:%S.%f')`, fails: () => 'false' };
  return { value: (x) => `${x}::VARCHAR`, fails: () => 'false' };
}
