// drop_duplicates, aggregate and pivot: what looks at all rows of a window, after its last record. Records
// whose rows are gone then are merged. A window is what was closed together, and no key is followed from one
// to the next: sums of several windows are to be added up by who reads them.
import type { StepOf } from '../../../step-config.ts';
import { DELETED } from '../metadata.ts';
import { GOOD } from '../partitions.ts';
import { type FieldType, identifier, isScalar, literal, parseType, type ScalarType } from '../types.ts';
import { andNotDeleted, type Field, type PlannedStep, type Scope, type WindowStep } from './step.ts';

const BIGINT = parseType('bigint') as ScalarType;
const DOUBLE = parseType('double') as ScalarType;

export function planDropDuplicates(step: StepOf<'drop_duplicates'>, scope: Scope): PlannedStep {
  const keys = step.keys.map((name) => scope.column(scope.find(name)));
  if (step.orderBy !== undefined) scope.find(step.orderBy);
  // Where records stand is never the same twice, so that every attempt keeps the same ones.
  const order = [...(step.orderBy === undefined ? [] : [identifier(step.orderBy)]), ...scope.order];
  // The mark of a deletion that lacks what tells rows apart, or orders them, is nobody's duplicate.
  const told = step.orderBy === undefined ? keys : [...keys, identifier(step.orderBy)];
  const isApart = scope.keepsDeleted
    ? `(${DELETED} AND (${told.map((column) => `${column} IS NULL`).join(' OR ')}))`
    : undefined;
  const groups = isApart === undefined ? keys : [...keys, isApart];
  const stays = isApart === undefined ? '' : `${isApart} OR `;
  const direction = step.keep === 'last' ? 'DESC NULLS LAST' : 'ASC NULLS LAST';
  const ordered = order.map((column) => `${column} ${direction}`).join(', ');
  const windowStep: WindowStep = {
    create: ({ from, to }) =>
      `CREATE OR REPLACE TEMP TABLE ${to} AS SELECT * FROM ${from} WHERE ${GOOD} ` +
      `QUALIFY ${stays}row_number() OVER (PARTITION BY ${groups.join(', ')} ORDER BY ${ordered}) = 1 ` +
      `ORDER BY ${(scope.ofRecords ? scope.places : scope.order).join(', ')}`,
    ofRecords: scope.ofRecords,
  };
  return windowWise(scope.fields, windowStep);
}

function windowWise(fields: readonly Field[], step: WindowStep): PlannedStep {
  return { fields, layers: () => [], windowWise: [step] };
}

/**
 * A table of groups has none of what is known of a record. Of none is the mark of a deletion: it would be
 * counted as a row, and nothing in a group could say so.
 */
function grouped(
  scope: Scope,
  by: readonly Field[],
  made: readonly (Field & { readonly sql: string })[],
): PlannedStep {
  const deleted = scope.keepsDeleted ? `, false AS ${DELETED}` : '';
  const columns = [
    ...by.map(({ name }) => identifier(name)),
    ...made.map(({ name, type, sql }) => `(${sql})::${type.duckdb} AS ${identifier(name)}`),
  ];
  const keys = by.map(({ name }) => identifier(name)).join(', ');
  return windowWise([...by, ...made.map(({ name, type }) => ({ name, type }))], {
    create: ({ from, to }) =>
      `CREATE OR REPLACE TEMP TABLE ${to} AS SELECT ${columns.join(', ')}, NULL::VARCHAR AS __problem, ` +
      `false AS __filtered${deleted} FROM ${from} WHERE ${GOOD}${andNotDeleted(scope)} GROUP BY ${keys} ORDER BY ${keys}`,
    ofRecords: false,
  });
}

export function planAggregate(step: StepOf<'aggregate'>, scope: Scope): PlannedStep {
  const by = step.by.map((name) => scope.find(name));
  const made = step.measures.map(({ column, function: called, field: name }) => {
    if (called === 'count' && name === undefined) return { name: column, type: BIGINT, sql: 'count(*)' };
    const field = name === undefined ? undefined : scope.find(name);
    if (field === undefined) {
      scope.problem(`aggregate: '${column}' says no field`);
      return { name: column, type: BIGINT, sql: 'count(*)' };
    }
    return { name: column, type: resultOf(called, field, scope), sql: `${called}(${scope.column(field)})` };
  });
  return grouped(scope, by, made);
}

/** Sums are exact: whole numbers and decimals have room for 38 digits, and one more fails the window. */
function resultOf(called: string, { name, type }: Field, scope: Scope): FieldType {
  if (called === 'count') return BIGINT;
  if (!isScalar(type)) scope.problem(`aggregate: '${name}' is ${type.glue}, of which there is no ${called}`);
  if (called === 'min' || called === 'max') return type;
  const isNumber = ['integer', 'float', 'decimal'].includes(type.kind);
  if (!isNumber) scope.problem(`aggregate: '${name}' is ${type.glue}, of which there is no ${called}`);
  if (called === 'avg' || type.kind === 'float') return DOUBLE;
  const scale = isScalar(type) ? type.scale : 0;
  return parseType(`decimal(38,${scale})`) ?? DOUBLE;
}

export function planPivot(step: StepOf<'pivot'>, scope: Scope): PlannedStep {
  const by = step.by.map((name) => scope.find(name));
  const names = scope.column(scope.find(step.name));
  const field = scope.find(step.value);
  const value = scope.column(field);
  const order = scope.order.map((column, i) => `'o${i}': ${column}`).join(', ');
  const made = step.columns.map(({ value: wanted, column }) => {
    const is = `FILTER (${names}::VARCHAR = ${literal(wanted)})`;
    if (step.function === 'first') {
      const first = `arg_min(${value}, {${order}}) ${is}`;
      return { name: column, type: field.type, sql: first };
    }
    const type = resultOf(step.function, field, scope);
    return { name: column, type, sql: `${step.function}(${value}) ${is}` };
  });
  return grouped(scope, by, made);
}
