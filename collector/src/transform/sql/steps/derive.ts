// derive and fill_missing: columns from SQL expressions of the config's author. What an expression gives must
// fit the declared type exactly, whatever type DuckDB finds for it; one that throws is quarantined by name.
import type { StepOf } from '../../../step-config.ts';
import { type Conversion, forCertain, fromText, isGuess } from '../conversions.ts';
import { problem } from '../problems.ts';
import { type FieldType, isScalar, literal } from '../types.ts';
import {
  type Computed,
  castFailed,
  type Made,
  type PlannedStep,
  rowStep,
  type Scope,
  sure,
  withColumns,
} from './step.ts';

export function planDerive({ columns }: StepOf<'derive'>, scope: Scope): PlannedStep {
  const made = columns.map(({ column, type: wanted, expression, onError }): Made => {
    const type = scope.type(wanted, column);
    const computed = {
      from: scope.expression(expression),
      mayThrow: true,
      ...fromExpression(type),
      told: failedExpression(column, type),
      onError,
      name: column,
    };
    return { name: column, type, computed };
  });
  return rowStep(withColumns(scope.fields, made));
}

/** Of the type itself it is taken as it is; else its text must be one of the type. */
function fromExpression(type: FieldType): Conversion {
  const isOfType = (from: string) => `typeof(${from}) = typeof(NULL::${type.duckdb})`;
  if (!isScalar(type) || type.kind === 'binary') {
    const differs = (from: string, to: string) => `${shortest(from)} IS DISTINCT FROM ${shortest(to)}`;
    const strange = /FLOAT|DOUBLE/.test(type.duckdb) ? (to: string) => ` OR ${isNoNumber(to)}` : () => '';
    return {
      value: (from) => `try_cast(${from} AS ${type.duckdb})`,
      fails: (from, to) => `(${from} IS NOT NULL AND (${to} IS NULL OR ${differs(from, to)}${strange(to)}))`,
    };
  }
  const text = fromText(type);
  const printed = (from: string) => printedAs(type, from);
  return {
    value: (from) =>
      `CASE WHEN ${isOfType(from)} THEN try_cast(${from} AS ${type.duckdb}) ELSE ${text.value(printed(from))} END`,
    fails: (from, to) => {
      const beyond = isUncertain(type, from);
      const failed = [text.fails(printed(from), to), ...(beyond === undefined ? [] : [beyond])].join(' OR ');
      const strange = type.kind === 'float' ? `NOT isfinite(${to})` : 'false';
      return failed === 'false' ? 'false' : `CASE WHEN ${isOfType(from)} THEN ${strange} ELSE ${failed} END`;
    },
  };
}

/** SQL that is true where an expression gave a double, as each `/` does, or a float, and it is a guess. */
function isUncertain(type: FieldType, from: string): string | undefined {
  if (!isScalar(type) || type.kind !== 'decimal' || type.scale === 0) return undefined;
  const ofHeld = (['DOUBLE', 'FLOAT'] as const).map(
    (held) => `typeof(${from}) = '${held}' AND ${isGuess(`try_cast(${from} AS DOUBLE)`, held, type)}`,
  );
  return `(${ofHeld.join(' OR ')})`;
}

function failedExpression(column: string, type: FieldType): Computed['told'] {
  return (from, to) => {
    const uncertain = isUncertain(type, from);
    if (uncertain === undefined || !isScalar(type)) return castFailed(column, type)(from, to);
    const wanted = `CASE WHEN ${uncertain} THEN ${literal(forCertain(type))} ELSE ${literal(type.glue)} END`;
    return problem('CAST_FAILED', column, { value: from, type: { sql: wanted } });
  };
}

/** A double and a decimal print a whole number as 8.0, and a large double, which is whole, as 1e+17. */
function printedAs({ kind }: FieldType, from: string): string {
  const text = `${from}::VARCHAR`;
  if (kind !== 'integer' && kind !== 'decimal') return text;
  const plain = kind === 'integer' ? String.raw`regexp_replace(${text}, '\.0+$', '')` : text;
  const whole = `try_cast(${from} AS DOUBLE)`;
  const isLarge = `typeof(${from}) IN ('DOUBLE', 'FLOAT') AND abs(${whole}) >= 1e15 AND isfinite(${whole})`;
  return `CASE WHEN ${isLarge} AND ${whole} = trunc(${whole}) THEN try_cast(${whole} AS HUGEINT)::VARCHAR ELSE ${plain} END`;
}

/** A nested value as text, its numbers without zeros that say nothing: 1 as a double is printed as 1.0. */
function shortest(nested: string): string {
  const inside = String.raw`regexp_replace(${nested}::VARCHAR, '(\.[0-9]*[1-9])0+\b', '\1', 'g')`;
  return String.raw`regexp_replace(${inside}, '\.0+\b', '', 'g')`;
}

/** Whether a nested value has a number inside that is none: outside of its texts. */
function isNoNumber(to: string): string {
  const outside = String.raw`regexp_replace(to_json(${to})::VARCHAR, '"(\\.|[^"\\])*"', '', 'g')`;
  return `regexp_matches(${outside}, 'Infinity|NaN')`;
}

export function planFillMissing({ fills }: StepOf<'fill_missing'>, scope: Scope): PlannedStep {
  const made = fills.map((fill): Made => {
    const { column } = fill;
    const { type } = scope.find(column);
    const field = scope.column({ name: column, type });
    if ('value' in fill) {
      const computed = constant(fill, { field, type, scope });
      return { name: column, type, computed };
    }
    const { value, fails } = fromExpression(type);
    const computed = {
      from: `CASE WHEN ${field} IS NULL THEN (${scope.expression(fill.expression)}) END`,
      mayThrow: true,
      value: (from: string) => `coalesce(${field}, ${value(from)})`,
      fails: (from: string, to: string) => {
        const failed = fails(from, to);
        return failed === 'false' ? failed : `(${field} IS NULL AND ${failed})`;
      },
      told: failedExpression(column, type),
      onError: 'quarantine' as const,
      name: column,
    };
    return { name: column, type, computed };
  });
  return rowStep(withColumns(scope.fields, made));
}

/** Tried when the table is checked, so that it fits every record. */
function constant(
  { column, value }: { readonly column: string; readonly value: string },
  { field, type, scope }: { field: string; type: FieldType; scope: Scope },
) {
  if (!isScalar(type)) {
    scope.problem(`fill_missing: '${column}' is ${type.glue}; write an expression`);
    return sure(column, field);
  }
  const { value: converted, fails } = fromText(type);
  const text = literal(value);
  scope.check(`SELECT NOT (${fails(text, converted(text))})`, `fill_missing: '${value}' is not ${type.glue}`);
  return sure(column, `coalesce(${field}, ${converted(text)})`);
}
