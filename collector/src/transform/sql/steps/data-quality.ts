// evaluate_data_quality: rules that rows must meet. As AWS Glue's rule sets, with one action for all rules of
// a step: the records that break one go to quarantine, or the window is held to them when it is whole.
import type { StepOf } from '../../../step-config.ts';
import { fromText } from '../conversions.ts';
import { GOOD } from '../partitions.ts';
import { problem } from '../problems.ts';
import { type FieldType, identifier, isScalar, literal } from '../types.ts';
import { andNotDeleted, columns, type Place, type PlannedStep, type Scope, type WindowRule } from './step.ts';

type Evaluate = StepOf<'evaluate_data_quality'>;
type Rule = Evaluate['rules'][number];

export function planDataQuality({ rules, action }: Evaluate, scope: Scope): PlannedStep {
  const planned = rules.map((rule) => planRule(rule, scope));
  const { fields } = scope;
  if (action !== 'quarantine')
    return {
      fields,
      layers: () => [],
      windowWise: [{ rules: planned.map((rule) => ({ ...rule, action })), ofRecords: true }],
    };
  for (const { name, breaks } of planned)
    if (breaks === undefined)
      scope.problem(`evaluate_data_quality: '${name}' is of the window: fail or report`);
  return {
    fields,
    mayThrow: planned.some(({ ownSql }) => ownSql),
    layers: (at) => quarantineLayers(planned, columns(fields), at),
  };
}

interface PlannedRule extends Omit<WindowRule, 'action'> {
  /** SQL that is true for a row that breaks it; undefined for a rule of the whole window. */
  readonly breaks: string | undefined;
  readonly field: string;
  readonly ownSql: boolean;
}

function planRule(rule: Rule, scope: Scope): PlannedRule {
  // The mark of a deletion has no values that a rule could be about.
  const held = GOOD + andNotDeleted(scope);
  const ownSql = 'condition' in rule;
  const ofRow = (name: string, field: string, breaks: string): PlannedRule => ({
    ...{ name, field, breaks, ownSql },
    failed: (from) =>
      `SELECT count(*) FROM ${from} WHERE ${held} AND coalesce(${ownSql ? tried(breaks) : breaks}, false)`,
  });
  if ('complete' in rule) {
    const column = scope.column(scope.find(rule.complete));
    return ofRow(`${rule.complete} is complete`, rule.complete, `${column} IS NULL`);
  }
  if ('range' in rule) {
    const { column, min, max } = rule.range;
    const { type } = scope.find(column);
    const bound = (value: number | string | undefined) => boundOf(type, String(value)).sql;
    for (const value of [min, max])
      if (value !== undefined)
        scope.check(
          `SELECT ${boundOf(type, String(value)).holds}`,
          `evaluate_data_quality: '${value}' is not ${type.glue}, as ${column} is`,
        );
    const low = min === undefined ? [] : [`${identifier(column)} < ${bound(min)}`];
    const high = max === undefined ? [] : [`${identifier(column)} > ${bound(max)}`];
    return ofRow(
      `${column} is from ${min ?? 'any'} to ${max ?? 'any'}`,
      column,
      `(${[...low, ...high].join(' OR ') || 'false'})`,
    );
  }
  if ('matches' in rule) {
    const { column, pattern } = rule.matches;
    if (scope.find(column).type.kind !== 'string')
      scope.problem(`evaluate_data_quality: '${column}' is no text`);
    return ofRow(
      `${column} matches ${pattern}`,
      column,
      `NOT regexp_full_match(${identifier(column)}, ${literal(pattern)})`,
    );
  }
  if ('condition' in rule)
    return ofRow(rule.condition, '', `NOT (${scope.expression(rule.condition)})::BOOLEAN`);
  return ofWindow(rule, scope);
}

/** A condition that cannot be evaluated for a row is not met by it. */
const tried = (breaks: string) => `coalesce(TRY({'b': ${breaks}}), {'b': true}).b`;

/** A cast alone would round 5.5 to 6 for a column of whole numbers, and drop the offset of a time. */
function boundOf(type: FieldType, value: string): { readonly sql: string; readonly holds: string } {
  if (!isScalar(type)) return { sql: 'NULL', holds: 'false' };
  const text = literal(value);
  const conversion = fromText(type);
  const sql = `(${conversion.value(text)})`;
  return { sql, holds: `NOT (${conversion.fails(text, sql)})` };
}

function ofWindow(rule: Extract<Rule, { unique: unknown } | { rows: unknown }>, scope: Scope): PlannedRule {
  const base = { breaks: undefined, field: '', ownSql: false };
  if ('unique' in rule) {
    const keys = rule.unique.map((name) => scope.column(scope.find(name)));
    // What is not known is the same as nothing else.
    const held = [GOOD + andNotDeleted(scope), ...keys.map((key) => `${key} IS NOT NULL`)].join(' AND ');
    const groups = (from: string) =>
      `SELECT count(*) AS n FROM ${from} WHERE ${held} GROUP BY ${keys.join(', ')}`;
    return {
      ...base,
      name: `${rule.unique.join(', ')} is unique`,
      failed: (from) => `SELECT coalesce(sum(n - 1), 0)::BIGINT FROM (${groups(from)})`,
    };
  }
  const { min = 0, max } = rule.rows;
  const above = max === undefined ? 'false' : `n > ${max}`;
  const failed = (from: string) =>
    `SELECT (n < ${min} OR ${above})::BIGINT FROM (SELECT count(*) AS n FROM ${from} WHERE ${GOOD})`;
  return { ...base, name: `from ${min} to ${max ?? 'any number of'} rows`, failed };
}

/** A condition that is NULL is not broken: `complete` asks for values. */
function quarantineLayers(rules: readonly PlannedRule[], fields: string, at: Place): string[] {
  const found = rules.map(({ name, field, breaks = 'false', ownSql }) => {
    const broken = ownSql && at.form === 'guarded' ? tried(breaks) : breaks;
    const shown = field === '' ? "''" : identifier(field);
    return `WHEN ${broken} THEN ${problem('RULE_BROKEN', field, { value: shown, type: name })}`;
  });
  const isHeld = `__problem IS NULL AND NOT __filtered${andNotDeleted(at)}`;
  const told = `CASE WHEN NOT (${isHeld}) THEN __problem ${found.join(' ')} END`;
  return [`${at.name} AS (SELECT ${at.carry({ problem: told })}${fields} FROM ${at.from})`];
}
