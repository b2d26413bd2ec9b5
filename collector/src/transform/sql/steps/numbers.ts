// parse_number and decode_decimal: numbers out of texts that no reader of numbers takes as they are, digit
// for digit. What has another form than the step says is quarantined: a comma that is taken for a point, or a
// group that is none, would make another number of it.
import type { StepOf } from '../../../step-config.ts';
import { fromText } from '../conversions.ts';
import { type FieldType, isScalar, literal } from '../types.ts';
import { castFailed, type PlannedStep, rowStep, type Scope, TEXT, withColumns } from './step.ts';
import { textOf } from './strings.ts';

export function planParseNumber(step: StepOf<'parse_number'>, scope: Scope): PlannedStep {
  const { field, column = field, point, group, onError } = step;
  const type = scope.type(step.type, column);
  if (!isScalar(type) || !['integer', 'decimal', 'float'].includes(type.kind))
    scope.problem(`parse_number: '${type.glue}' is no type of numbers`);
  if (point === group) scope.problem(`parse_number: '${point}' is both point and group`);
  const text = textOf(scope.find(field), scope);
  const plain = plainNumber(text, { point, group });
  const { value, fails } = fromText(isScalar(type) ? type : TEXT);
  const computed = {
    from: text,
    value: () => value(plain),
    fails: (from: string, to: string) => `(${from} IS NOT NULL AND (${to} IS NULL OR ${fails(plain, to)}))`,
    told: castFailed(field, type),
    onError,
    name: column,
  };
  return rowStep(withColumns(scope.fields, [{ name: column, type, computed }]));
}

interface Marks {
  readonly point: string;
  readonly group: string | undefined;
}

/** SQL of the number as anybody writes it; NULL where the text has another form. */
function plainNumber(text: string, { point, group }: Marks): string {
  const fraction = `(?:${quoted(point)}[0-9]*)?`;
  const between = group === undefined ? undefined : group === ' ' ? '[ \u00a0\u202f]' : quoted(group);
  const whole = between === undefined ? '[0-9]+' : `(?:[0-9]{1,3}(?:${between}[0-9]{3})+|[0-9]+)`;
  const number = `(?:${whole}${fraction}|${quoted(point)}[0-9]+)`;
  const form = `\\s*(?:[+-]?${number}|${number}[+-])\\s*`;
  const digits = `regexp_replace(${text}, ${literal(`[^0-9${escaped(point)}]`)}, '', 'g')`;
  const sign = `CASE WHEN contains(${text}, '-') THEN '-' ELSE '' END`;
  const spelled = `${sign} || replace(${digits}, ${literal(point)}, '.')`;
  return `CASE WHEN regexp_full_match(${text}, ${literal(form)}) THEN ${spelled} END`;
}

const escaped = (character: string) => character.replace(/[\\\]^-]/g, '\\$&');
const quoted = (character: string) => `[${escaped(character)}]`;

const BASE64 = "'([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?'";
/** Sixteen: what a number of 38 digits needs, and one that SQL computes with has. */
const HEX_DIGITS_MAX = 32;

export function planDecodeDecimal(step: StepOf<'decode_decimal'>, scope: Scope): PlannedStep {
  const { field, column = field, onError } = step;
  const type = scope.type(step.type, column);
  if (type.kind !== 'decimal') scope.problem(`decode_decimal: '${type.glue}' is no decimal`);
  const source = scope.find(field);
  const isBinary = source.type.kind === 'binary';
  const from = isBinary ? scope.column(source) : textOf(source, scope);
  const hex = isBinary ? `hex(${from})` : hexOf(from);
  const computed = {
    from,
    value: () => `CASE WHEN strlen(${hex}) BETWEEN 2 AND ${HEX_DIGITS_MAX} THEN ${scaled(hex, type)} END`,
    fails: (_from: string, to: string) => `(${from} IS NOT NULL AND ${to} IS NULL)`,
    told: castFailed(field, type),
    onError,
    name: column,
  };
  return rowStep(withColumns(scope.fields, [{ name: column, type, computed }]));
}

const hexOf = (base64: string) =>
  `CASE WHEN regexp_full_match(${base64}, ${BASE64}) THEN hex(from_base64(${base64})) END`;

/** The two's complement, big-endian, as digits with a point where the scale has it. */
function scaled(hex: string, type: FieldType): string {
  const scale = isScalar(type) ? type.scale : 0;
  const filled = `lpad(${hex}, ${HEX_DIGITS_MAX}, CASE WHEN ${hex} >= '8' THEN 'F' ELSE '0' END)`;
  const half = (digits: string) => `('0x' || ${digits})::UBIGINT::HUGEINT`;
  const high = half(`left(${filled}, 16)`);
  const signed = `(CASE WHEN ${hex} >= '8' THEN ${high} - 18446744073709551616 ELSE ${high} END)`;
  // A wider product throws, and is no number of 38 digits.
  const product = `${signed} * 18446744073709551616 + ${half(`right(${filled}, 16)`)}`;
  const digits = `ltrim((CASE WHEN abs(${signed}) < 6000000000000000000 THEN ${product} END)::VARCHAR, '-')`;
  const text = `lpad(${digits}, greatest(${scale + 1}, strlen(${digits}))::INTEGER, '0')`;
  const spelled = scale === 0 ? text : `left(${text}, -${scale}) || '.' || right(${text}, ${scale})`;
  return `try_cast(CASE WHEN ${hex} >= '8' THEN '-' ELSE '' END || ${spelled} AS ${type.duckdb})`;
}
