// explode, unnest and unpivot: values that hold others become rows, and columns. A record keeps a row
// wherever it goes: one that has nothing to explode is filtered, or stays with NULLs where the config says
// `outer`, and where it is the mark of a deletion.
import type { StepOf } from '../../../step-config.ts';
import { DELETED } from '../metadata.ts';
import { type FieldType, identifier, literal, parseType, type ScalarType } from '../types.ts';
import {
  andNotDeleted,
  columns,
  type Field,
  kept,
  type Made,
  type Place,
  type PlannedStep,
  rowStep,
  type Scope,
  sure,
  TEXT,
} from './step.ts';

export const LIVE = '__problem IS NULL AND NOT __filtered';
const INT = parseType('int') as ScalarType;

export interface Exploding {
  /** SQL of a list. */
  readonly list: string;
  /** Columns of before that stay. */
  readonly others: readonly Field[];
  /** What comes of an element, each as SQL of it. */
  readonly made: readonly (Field & { readonly of: (element: string) => string })[];
  /** Name of a column for where the element stood, from 0. */
  readonly position: string | undefined;
  readonly outer: boolean;
}

export function exploded(exploding: Exploding): PlannedStep {
  const { others, made, position } = exploding;
  const at = position === undefined ? [] : [{ name: position, type: INT }];
  const fields = [...others, ...made.map(({ name, type }) => ({ name, type })), ...at];
  return { fields, layers: (place) => explodeLayers(exploding, place), multiplies: true };
}

function explodeLayers({ list, others, made, position, outer }: Exploding, at: Place): string[] {
  const full = `(${LIVE} AND len(${list}) > 0)`;
  const element = `unnest(CASE WHEN ${full} THEN ${list} ELSE [NULL] END) AS __x`;
  const index = `unnest(CASE WHEN ${full} THEN range(len(${list})) ELSE [NULL] END) AS __i`;
  const filtered = `__filtered OR (__problem IS NULL AND __i IS NULL${andNotDeleted(at)})`;
  const changed = {
    nth: 'list_append(__nth, coalesce(__i, 0)::INTEGER)',
    first: 'coalesce(__i, 0) = 0',
    ...(outer ? {} : { filtered }),
  };
  const values = made.map(({ name, of }) => `, ${of('__x')} AS ${identifier(name)}`).join('');
  const place = position === undefined ? '' : `, __i::INTEGER AS ${identifier(position)}`;
  return [
    `${at.name}rows AS (SELECT *, ${element}, ${index} FROM ${at.from})`,
    `${at.name} AS (SELECT ${at.carry(changed)}${columns(others)}${values}${place} FROM ${at.name}rows)`,
  ];
}

export function planExplode(step: StepOf<'explode'>, scope: Scope): PlannedStep {
  const { field: name, position, outer } = step;
  const field = scope.find(name);
  const others = scope.fields.filter((one) => one.name !== name);
  const list = listOf(field);
  if (list === undefined) {
    scope.problem(`explode: '${name}' is ${field.type.glue} and no array or map`);
    return rowStep(scope.fields.map(kept));
  }
  const into =
    field.type.kind === 'map' ? [step.key ?? 'key', step.column ?? 'value'] : [step.column ?? name];
  if (field.type.kind === 'array' && step.key !== undefined) scope.problem("explode: an array has no 'key'");
  const made = list.parts.map(({ type, of }, i) => ({ name: into[i] ?? '', type, of }));
  return exploded({ list: list.sql, others, made, position, outer });
}

/** The elements of an array, or the keys and values of a map. */
export function listOf({
  name,
  type,
}: Field):
  | { readonly sql: string; readonly parts: readonly { type: FieldType; of: (element: string) => string }[] }
  | undefined {
  if (type.kind === 'array') return { sql: identifier(name), parts: [{ type: type.element, of: (x) => x }] };
  if (type.kind !== 'map') return undefined;
  const part = (of: string) => (x: string) => `struct_extract(${x}, '${of}')`;
  const parts = [
    { type: TEXT, of: part('key') },
    { type: type.value, of: part('value') },
  ];
  return { sql: `map_entries(${identifier(name)})`, parts };
}

export function planUnpivot(step: StepOf<'unpivot'>, scope: Scope): PlannedStep {
  const fields = step.fields.map((name) => scope.find(name));
  const type = fields[0]?.type ?? TEXT;
  for (const field of fields)
    if (field.type.glue !== type.glue)
      scope.problem(`unpivot: '${field.name}' is ${field.type.glue}, and '${fields[0]?.name}' ${type.glue}`);
  const each = fields.map(({ name }) => `{'n': ${literal(name)}, 'v': ${identifier(name)}}`);
  const all = `[${each.join(', ')}]`;
  const some = step.keepNulls ? all : `list_filter(${all}, lambda __p: __p.v IS NOT NULL)`;
  // The mark of a deletion has no values to stand below each other.
  const list = scope.keepsDeleted ? `CASE WHEN NOT ${DELETED} THEN ${some} END` : some;
  const others = scope.fields.filter(({ name }) => !step.fields.includes(name));
  const made = [
    { name: step.name, type: TEXT, of: (x: string) => `struct_extract(${x}, 'n')` },
    { name: step.value, type, of: (x: string) => `struct_extract(${x}, 'v')` },
  ];
  return exploded({ list, others, made, position: undefined, outer: false });
}

/** Structs become columns; their names stand before those of their fields. */
export function planUnnest({ fields }: StepOf<'unnest'>, scope: Scope): PlannedStep {
  for (const name of fields) {
    const { type } = scope.find(name);
    if (type.kind !== 'struct') scope.problem(`unnest: '${name}' is ${type.glue} and no struct`);
  }
  return rowStep(
    scope.fields.flatMap((field) =>
      fields.includes(field.name) ? flattened(field.name, field.type, identifier(field.name)) : [kept(field)],
    ),
  );
}

/** A column for each value in structs within structs; what is no struct stays as it is. */
export function flattened(name: string, type: FieldType, sql: string): Made[] {
  if (type.kind !== 'struct') return [{ name, type, computed: sure(name, sql) }];
  return type.fields.flatMap((field) =>
    flattened(
      name === '' ? field.name : `${name}_${field.name}`,
      field.type,
      `struct_extract(${sql}, ${literal(field.name)})`,
    ),
  );
}
