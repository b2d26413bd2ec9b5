// Points in time: out of texts and numbers, into texts and numbers, and cut. Timestamps are UTC throughout; a
// zone says what the text means, or what it shall say. A local time that its zone skips is no time and goes
// to quarantine; of one that comes twice the later is meant.
import type { StepOf } from '../../../step-config.ts';
import { isScalar, literal, localTime, parseType, type ScalarType } from '../types.ts';
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
    return parsed === undefined ? [] : [parseSql(text, parsed, zone)];
  });
  const point = `coalesce(${[...read, 'NULL'].join(', ')})`;
  const computed = {
    from: text,
    value: () => (type === DATE ? `${point}::DATE` : point),
    fails: (from: string, to: string) => `(${from} IS NOT NULL AND ${to} IS NULL)`,
    told: castFailed(field, type),
    onError,
    name: column,
  };
  return rowStep(withColumns(scope.fields, [{ name: column, type, computed }]));
}

/** The text must have the pattern's form: DuckDB's parser is more forgiving than a lake may be. */
function parseSql(
  text: string,
  { strftime, form, hasOffset }: TimePattern,
  zone: string | undefined,
): string {
  const told = hasOffset ? `regexp_replace(${text}, 'Z$', '+00')` : text;
  const parsed = `try_strptime(${told}, ${literal(strftime)})`;
  const fits = `regexp_full_match(${text}, ${literal(form)})`;
  if (hasOffset) return `CASE WHEN ${fits} THEN make_timestamp(epoch_us(${parsed})) END`;
  if (zone === undefined) return `CASE WHEN ${fits} THEN ${parsed} END`;
  const exists = `timezone(${literal(zone)}, timezone(${literal(zone)}, ${parsed})) = ${parsed}`;
  return `CASE WHEN ${fits} AND ${exists} THEN ${fromLocal(parsed, zone)} END`;
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
  const micros =
    source.type.kind === 'integer'
      ? `(${from}::HUGEINT * ${MICROS[unit]})`
      : `round(${from}::DOUBLE * ${MICROS[unit]})`;
  const computed = {
    from,
    value: () => `CASE WHEN abs(${micros}) < ${MICROS_MAX} THEN make_timestamp(${micros}::BIGINT) END`,
    fails: (_from: string, to: string) => `(${from} IS NOT NULL AND ${to} IS NULL)`,
    told: castFailed(field, TIMESTAMP),
    onError,
    name: column,
  };
  return rowStep(withColumns(scope.fields, [{ name: column, type: TIMESTAMP, computed }]));
}

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
  const computed = sure(column, `strftime(${local}, ${literal(pattern?.strftime ?? '')})`);
  return rowStep(withColumns(scope.fields, [{ name: column, type: TEXT, computed }]));
}

export function planTruncateTimestamp(step: StepOf<'truncate_timestamp'>, scope: Scope): PlannedStep {
  const { field, column = field, to, zone } = step;
  checkZone(zone, scope);
  const cut = `date_trunc(${literal(to)}, ${localTime(timeOf(scope.find(field), scope), zone)})`;
  const computed = sure(column, zone === undefined ? cut : fromLocal(cut, zone));
  const made: Made = { name: column, type: TIMESTAMP, computed };
  return rowStep(withColumns(scope.fields, [made]));
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
