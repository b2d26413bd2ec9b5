// Points in time: out of texts and numbers, into texts and numbers, and cut. Timestamps are UTC throughout; a
// zone says what the text means, or what it shall say. A local time that its zone skips is no time and goes
// to quarantine; of one that comes twice the later is meant. A date is the day that the zone's clocks show.
import type { StepOf } from '../../../step-config.ts';
import { type FieldType, isScalar, literal, localTime, parseType, type ScalarType } from '../types.ts';
import {
  castFailed,
  type Field,
  type Made,
  type PlannedStep,
  rowStep,
  type Scope,
  sure,
  TEXT,
  withColumns,
} from './step.ts';
import { textOf } from './strings.ts';
import { parseTimePattern, type TimePattern } from './time-pattern.ts';

const TIMESTAMP = parseType('timestamp') as ScalarType;
const DATE = parseType('date') as ScalarType;
const BIGINT = parseType('bigint') as ScalarType;

export function planParseTimestamp(step: StepOf<'parse_timestamp'>, scope: Scope): PlannedStep {
  const { field, column = field, zone, onError } = step;
  const type = step.type === 'date' ? DATE : TIMESTAMP;
  const text = textOf(scope.find(field), scope);
  checkZone(zone, scope);
  const read = step.patterns.flatMap((pattern) => {
    const parsed = patternOf(pattern, scope);
    if (parsed?.unclear !== undefined) scope.problem(`parse_timestamp: '${pattern}' ${parsed.unclear}`);
    if (parsed === undefined) return [];
    return [type === DATE ? dateSql(text, parsed, zone) : parseSql(text, parsed, zone)];
  });
  const point = `coalesce(${[...read, 'NULL'].join(', ')})`;
  const computed = {
    from: text,
    value: () => point,
    fails: (from: string, to: string) => `(${from} IS NOT NULL AND ${to} IS NULL)`,
    told: castFailed(field, type),
    onError,
    name: column,
  };
  return rowStep(withColumns(scope.fields, [{ name: column, type, computed }]));
}

interface Parsed {
  /** SQL of the time as the text shows it, or of the point in time where the text has an offset. */
  readonly parsed: string;
  readonly fits: string;
}

/** The text must have the pattern's form: DuckDB's parser is more forgiving than a lake may be. */
function parsedAs(text: string, pattern: TimePattern): Parsed {
  const fits = `regexp_full_match(${text}, ${literal(pattern.form)})`;
  if (!pattern.hasYear) return { parsed: nearestYear(text, pattern), fits };
  const { parsed, shown } = readBy(text, pattern);
  return { parsed, fits: [fits, ...shown].join(' AND ') };
}

interface ReadBy {
  readonly parsed: string;
  /** Conditions that what was read must meet. */
  readonly shown: readonly string[];
}

function readBy(text: string, { strftime, told, hasOffset }: Omit<TimePattern, 'form'>): ReadBy {
  const read = hasOffset ? `regexp_replace(${text}, 'Z$', '+00')` : text;
  const time = `try_strptime(${read}, ${literal(strftime)})`;
  return {
    parsed: hasOffset ? `make_timestamp(epoch_us(${time}))` : time,
    shown: told.map((of) => `contains(lower(${text}), lower(strftime(${time}, ${literal(of)})))`),
  };
}

/** Of the year before the record's own, that one and the next, the one that brings both times nearest. */
function nearestYear(text: string, pattern: TimePattern): string {
  const withYear = { ...pattern, strftime: `%Y ${pattern.strftime}` };
  const times = [-1, 0, 1].map((years) => {
    const { parsed, shown } = readBy(`((year(_timestamp) + (${years})) || ' ' || ${text})`, withYear);
    const time = shown.length === 0 ? parsed : `CASE WHEN ${shown.join(' AND ')} THEN ${parsed} END`;
    return `{'t': ${time}}`;
  });
  const far = '(epoch_us(__c.t) - epoch_us(_timestamp))';
  const apart = `list_transform([${times.join(', ')}], lambda __c: {'d': abs(${far}), 't': __c.t})`;
  return `struct_extract(list_min(list_filter(${apart}, lambda __c: __c.t IS NOT NULL)), 't')`;
}

function parseSql(text: string, pattern: TimePattern, zone: string | undefined): string {
  const { parsed, fits } = parsedAs(text, pattern);
  if (pattern.hasOffset || zone === undefined) return `CASE WHEN ${fits} THEN ${parsed} END`;
  const exists = `timezone(${literal(zone)}, timezone(${literal(zone)}, ${parsed})) = ${parsed}`;
  return `CASE WHEN ${fits} AND ${exists} THEN ${fromLocal(parsed, zone)} END`;
}

/** A day that stands in the text is that day, wherever its clocks were. */
function dateSql(text: string, pattern: TimePattern, zone: string | undefined): string {
  const { parsed, fits } = parsedAs(text, pattern);
  const shown = pattern.hasOffset ? localTime(parsed, zone) : parsed;
  return `CASE WHEN ${fits} THEN ${shown}::DATE END`;
}

const fromLocal = (local: string, zone: string) =>
  `make_timestamp(epoch_us(timezone(${literal(zone)}, ${local})))`;

const MICROS = { s: 1_000_000, ms: 1_000, us: 1 } as const;
/** Microseconds since 1970, to either side, that a timestamp certainly holds. */
const MICROS_MAX = '8000000000000000000';

export function planFromEpoch(
  { field, column = field, unit, onError }: StepOf<'from_epoch'>,
  scope: Scope,
): PlannedStep {
  const source = scope.find(field);
  const from = scope.column(source);
  if (!['integer', 'decimal', 'float'].includes(source.type.kind))
    scope.problem(`from_epoch: '${field}' is ${source.type.glue} and no number`);
  const micros = microsOf(source.type, from, unit);
  const finer = source.type.kind === 'decimal' ? ` OR ${finerThan(from, unit)}` : '';
  const computed = {
    from,
    value: () => `CASE WHEN abs(${micros}) < ${MICROS_MAX} THEN make_timestamp(${micros}::BIGINT) END`,
    fails: (_from: string, to: string) => `(${from} IS NOT NULL AND (${to} IS NULL${finer}))`,
    told: castFailed(field, TIMESTAMP),
    onError,
    name: column,
  };
  return rowStep(withColumns(scope.fields, [{ name: column, type: TIMESTAMP, computed }]));
}

/** Digits behind the point that are microseconds. */
const DIGITS = { s: 6, ms: 3, us: 0 } as const;

/** Whole numbers and decimals digit for digit; of a double the nearest microsecond. */
function microsOf({ kind }: FieldType, from: string, unit: keyof typeof MICROS): string {
  if (kind === 'integer') return `(${from}::HUGEINT * ${MICROS[unit]})`;
  if (kind !== 'decimal') return `round(${from}::DOUBLE * ${MICROS[unit]})`;
  return `(try_cast(${from} AS DECIMAL(20,${DIGITS[unit]})) * ${MICROS[unit]})`;
}

const finerThan = (decimal: string, unit: keyof typeof MICROS) =>
  `strlen(rtrim(split_part(${decimal}::VARCHAR, '.', 2), '0')) > ${DIGITS[unit]}`;

export function planToEpoch({ field, column = field, unit }: StepOf<'to_epoch'>, scope: Scope): PlannedStep {
  const micros = `epoch_us(${timeOf(scope.find(field), scope)})`;
  const each = MICROS[unit];
  const cut = each === 1 ? micros : `((${micros} - ((${micros} % ${each}) + ${each}) % ${each}) // ${each})`;
  return rowStep(withColumns(scope.fields, [{ name: column, type: BIGINT, computed: sure(column, cut) }]));
}

export function planFormatTimestamp(step: StepOf<'format_timestamp'>, scope: Scope): PlannedStep {
  const { field, column = field, zone } = step;
  checkZone(zone, scope);
  const pattern = patternOf(step.pattern, scope);
  if (pattern?.hasOffset === true)
    scope.problem(`format_timestamp: '${step.pattern}' has an offset, and a timestamp has none`);
  const local = localTime(timeOf(scope.find(field), scope), zone);
  const computed = sure(column, `strftime(${local}, ${literal(pattern?.printed ?? '')})`);
  return rowStep(withColumns(scope.fields, [{ name: column, type: TEXT, computed }]));
}

export function planTruncateTimestamp(step: StepOf<'truncate_timestamp'>, scope: Scope): PlannedStep {
  const { field, column = field, to, zone } = step;
  checkZone(zone, scope);
  const time = timeOf(scope.find(field), scope);
  const computed = sure(column, zone === undefined ? `date_trunc('${to}', ${time})` : cutIn(zone, to, time));
  const made: Made = { name: column, type: TIMESTAMP, computed };
  return rowStep(withColumns(scope.fields, [made]));
}

/**
 * The first moment at which the clocks of a zone show what `time` is cut to, or are past it where they skip
 * its beginning. An hour that comes twice is cut in each of the two; a day whose beginning comes twice begins
 * with the first. The offset of a day before is the one that a beginning had if it came before a jump.
 */
export function cutIn(zone: string, to: string, time: string): string {
  const shown = (at: string) => localTime(at, zone);
  const cut = `date_trunc('${to}', ${shown(time)})`;
  const inPass = `(${time} - (${shown(time)} - ${cut}))`;
  const later = fromLocal(cut, zone);
  const dayBefore = `(${later} - INTERVAL 1 DAY)`;
  const first = `(${dayBefore} + (${cut} - ${shown(dayBefore)}))`;
  const hasPasses = ['second', 'minute', 'hour'].includes(to);
  const cases = [...(hasPasses ? [inPass] : []), first, later].map(
    (at) => `WHEN ${shown(at)} = ${cut} THEN ${at}`,
  );
  return `CASE ${cases.join(' ')} ELSE ${jumpBehind(dayBefore, shown)} END`;
}

/** More than a day in seconds, halved again and again. */
const HALVES = Array.from({ length: 17 }, (_, i) => 2 ** (16 - i));

/** The one moment, a whole second, at which clocks jump within a day and a half behind another. */
function jumpBehind(from: string, shown: (at: string) => string): string {
  const offset = (at: string) => `(${shown(at)} - ${at})`;
  const next = '__from.moment + to_seconds(__to.s)';
  const step =
    `{moment: CASE WHEN ${offset(`(${next})`)} = __from.was THEN ${next} ELSE __from.moment END, ` +
    'was: __from.was, s: __to.s}';
  const begin = `lambda __s: {moment: ${from}, was: ${offset(from)}, s: __s}`;
  const steps = `list_transform([0, ${HALVES.join(', ')}], ${begin})`;
  return `(list_reduce(${steps}, lambda __from, __to: ${step}).moment + INTERVAL 1 SECOND)`;
}

function timeOf(field: Field, scope: Scope): string {
  const { type } = field;
  const isTime = isScalar(type) && (type.kind === 'timestamp' || type.kind === 'date');
  if (!isTime) scope.problem(`${scope.step}: '${field.name}' is ${type.glue} and no timestamp`);
  return type.kind === 'date' ? `${scope.column(field)}::TIMESTAMP` : scope.column(field);
}

function patternOf(pattern: string, scope: Scope): TimePattern | undefined {
  const parsed = parseTimePattern(pattern);
  if (typeof parsed !== 'string') return parsed;
  scope.problem(`${scope.step}: ${parsed}`);
  return undefined;
}

function checkZone(zone: string | undefined, scope: Scope): void {
  if (zone === undefined) return;
  const known = `SELECT count(*) > 0 FROM pg_timezone_names() WHERE name = ${literal(zone)}`;
  scope.check(known, `${scope.step}: '${zone}' is no time zone`);
}
