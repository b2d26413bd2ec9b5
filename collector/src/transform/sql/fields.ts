// The columns of a table from its config alone: what is read, what the steps make of it, and everything that
// can be wrong with that. Pure; the SQL is built from the plan in compile.ts.
import type { Column, FieldMapping, Step, TableConfig } from '../../contracts.ts';
import { type Conversion, fromTyped } from './conversions.ts';
import { parseType, type ScalarType } from './types.ts';

export interface Field {
  readonly name: string;
  readonly type: ScalarType;
}

/** A column as read from the record: `path` into a JSON object, or a position in a CSV line. */
export interface SourceField extends Field {
  readonly path: readonly string[];
}

export type PlannedStep =
  | {
      readonly kind: 'map';
      readonly mappings: readonly { from: Field; to: Field; conversion: Conversion }[];
    }
  | { readonly kind: 'keep'; readonly fields: readonly Field[] }
  | { readonly kind: 'filter'; readonly expression: string; readonly fields: readonly Field[] };

export interface FieldPlan {
  readonly source: readonly SourceField[];
  readonly steps: readonly PlannedStep[];
  /** After the last step, partition columns included. */
  readonly result: readonly Field[];
  readonly problems: readonly string[];
}

const text = parseType('string') as ScalarType;
const METADATA: Readonly<Record<string, string>> = {
  _topic: 'string',
  _partition: 'int',
  _offset: 'bigint',
  _timestamp: 'timestamp',
  _key: 'string',
  _headers: 'string',
};

export const metadataColumns: readonly Column[] = Object.entries(METADATA).map(([name, type]) => ({
  name,
  type,
}));

const metadataFields: readonly Field[] = metadataColumns.map(({ name, type }) => ({
  name,
  type: parseType(type) ?? text,
}));

export function planFields(table: TableConfig): FieldPlan {
  const problems: string[] = [];
  const source = sourceFields(table, problems);
  let fields: readonly Field[] = source;
  const steps: PlannedStep[] = [];
  for (const step of table.steps) {
    const planned = planStep(step, fields, problems);
    steps.push(planned);
    fields = planned.kind === 'map' ? planned.mappings.map(({ to }) => to) : planned.fields;
  }
  checkNames(fields, problems);
  checkPartitions(table, fields, problems);
  checkSort(table, fields, problems);
  if (fields.length === 0) problems.push('no column is left to write');
  return { source, steps, result: fields, problems };
}

function sourceFields(table: TableConfig, problems: string[]): SourceField[] {
  const { input, columns } = table;
  if (input.kind === 'text') return [{ name: 'value', type: text, path: ['value'] }];
  if (input.kind === 'bytes') return [{ name: 'value', type: parseType('binary') ?? text, path: ['value'] }];
  const declared = columns.length > 0 ? columns.map((c) => ({ ...c, path: [c.name] })) : mappedSources(table);
  if (declared.length === 0) problems.push("'columns' is missing, or an apply_mapping as the first step");
  const fields = declared.map(({ name, type, path }) => ({ name, path, type: typeOf(type, name, problems) }));
  if (input.kind === 'csv' && columns.length === 0)
    problems.push("csv needs 'columns', in the order of the line");
  checkPaths(fields, problems);
  return fields;
}

/** Without `columns`, the first apply_mapping says what is read: dots go into objects. */
function mappedSources(table: TableConfig) {
  const [first] = table.steps;
  if (first?.kind !== 'apply_mapping') return [];
  const seen = new Map<string, { name: string; type: string; path: string[] }>();
  for (const { source, sourceType } of first.mappings) {
    if (Object.hasOwn(METADATA, source)) continue;
    seen.set(source, { name: source, type: sourceType, path: source.split('.') });
  }
  return [...seen.values()];
}

function typeOf(type: string, name: string, problems: string[]): ScalarType {
  const parsed = parseType(type);
  if (parsed === undefined) problems.push(`'${name}' has the type '${type}', which no column can have yet`);
  return parsed ?? text;
}

/** DuckDB's struct fields do not tell upper from lower case, and a value cannot be an object as well. */
function checkPaths(fields: readonly SourceField[], problems: string[]): void {
  const seen = new Map<string, string>();
  for (const { path, type } of fields) {
    const name = path.join('.');
    const twin = seen.get(name.toLowerCase());
    if (twin !== undefined) problems.push(`'${twin}' and '${name}' differ in nothing or only in case`);
    seen.set(name.toLowerCase(), name);
    if (path.some((part) => part === '' || part.includes('\0'))) problems.push(`'${name}' has an empty part`);
    if (type.kind === 'binary') problems.push(`'${name}': JSON and CSV hold no binary; read it as string`);
  }
  for (const { path } of fields)
    for (let length = 1; length < path.length; length++) {
      const parent = path.slice(0, length).join('.');
      if (seen.has(parent.toLowerCase()))
        problems.push(`'${parent}' is read both as a value and as an object`);
    }
}

function planStep(step: Step, fields: readonly Field[], problems: string[]): PlannedStep {
  switch (step.kind) {
    case 'apply_mapping':
      return {
        kind: 'map',
        mappings: step.mappings.map((mapping) => planMapping(mapping, fields, problems)),
      };
    case 'select_fields':
      return {
        kind: 'keep',
        fields: step.fields.flatMap((name) => find(name, fields, 'select_fields', problems) ?? []),
      };
    case 'drop_fields': {
      const dropped = step.fields.map((name) => find(name, fields, 'drop_fields', problems));
      return { kind: 'keep', fields: fields.filter((field) => !dropped.includes(field)) };
    }
    case 'filter':
      return { kind: 'filter', expression: step.expression, fields };
  }
}

function find(name: string, fields: readonly Field[], where: string, problems: string[]): Field | undefined {
  const field = fields.find((f) => f.name === name) ?? metadataFields.find((f) => f.name === name);
  if (field === undefined) problems.push(`${where} names '${name}', which is no column at that step`);
  return field;
}

function planMapping(mapping: FieldMapping, fields: readonly Field[], problems: string[]) {
  const { source, sourceType, target, targetType } = mapping;
  const from = find(source, fields, 'apply_mapping', problems) ?? { name: source, type: text };
  const declared = typeOf(sourceType, source, problems);
  if (declared.duckdb !== from.type.duckdb && from.type !== text) {
    problems.push(`apply_mapping reads '${source}' as ${sourceType}, and it is ${from.type.glue}`);
  }
  const to = { name: target, type: typeOf(targetType, target, problems) };
  const conversion = fromTyped(from.type, to.type);
  if (conversion === undefined)
    problems.push(`'${source}': ${from.type.glue} does not convert to ${targetType}`);
  return { from, to, conversion: conversion ?? { value: (x: string) => x, fails: () => 'false' } };
}

function checkNames(fields: readonly Field[], problems: string[]): void {
  const seen = new Set<string>();
  for (const { name } of fields) {
    if (!/^[a-z_][a-z0-9_]{0,254}$/.test(name) || name.startsWith('__')) {
      const rule = 'lower-case letters, digits and underscore, not starting with a digit or two underscores';
      problems.push(`column '${name}' must be renamed by apply_mapping: ${rule}`);
    } else if (Object.hasOwn(METADATA, name)) {
      problems.push(`column '${name}' has the name of a metadata column: see 'provenance'`);
    }
    if (seen.has(name.toLowerCase())) problems.push(`two columns are named '${name}'`);
    seen.add(name.toLowerCase());
  }
}

function checkSort({ output }: TableConfig, fields: readonly Field[], problems: string[]): void {
  for (const name of output.sortBy ?? []) {
    const known = [...fields, ...metadataFields].some((field) => field.name === name);
    if (!known) problems.push(`output.sortBy names '${name}', which is no column after the steps`);
  }
}

function checkPartitions(table: TableConfig, fields: readonly Field[], problems: string[]): void {
  const taken = new Set(fields.map(({ name }) => name));
  for (const spec of table.partitionBy) {
    if (!/^[a-z_][a-z0-9_]{0,254}$/.test(spec.column))
      problems.push(`partition column '${spec.column}' is no safe name`);
    const isValue = spec.kind === 'value' && spec.column === spec.field;
    if (!isValue && taken.has(spec.column))
      problems.push(`partition column '${spec.column}' is a column already`);
    taken.add(spec.column);
    if (spec.kind === 'ingest') continue;
    const field = fields.find(({ name }) => name === spec.field);
    if (field === undefined)
      problems.push(`partitionBy names '${spec.field}', which is no column after the steps`);
    else if (spec.kind === 'time' && field.type.kind !== 'timestamp' && field.type.kind !== 'date') {
      problems.push(
        `partitionBy '${spec.field}' by ${spec.by} needs a timestamp or date, and it is ${field.type.glue}`,
      );
    } else if (spec.kind === 'time' && field.type.kind === 'date' && ['hour', 'minute'].includes(spec.by)) {
      problems.push(`partitionBy '${spec.field}' by ${spec.by} needs a timestamp, and it is a date`);
    } else if (spec.kind === 'time' && field.type.kind === 'date' && spec.zone !== undefined) {
      problems.push(`partitionBy '${spec.field}': a date has no time zone`);
    } else if (spec.kind === 'value' && ['binary', 'float'].includes(field.type.kind)) {
      problems.push(`partitionBy '${spec.field}': a ${field.type.glue} makes no partition`);
    }
  }
}
