// The fields that a schema says a value has, typed as columns: what a table that detects its columns is made
// of where values have a schema. Pure.
import { type NestedType, nestedText, scalar } from '../../nested-type.ts';

export interface SchemaField {
  readonly name: string;
  /** undefined where no type of a column holds all of its values: they are JSON text. */
  readonly type: NestedType | undefined;
}

/** Something with fields of its own: an Avro schema, or a message. */
export interface Typed {
  fields(): readonly SchemaField[];
}

/** Levels of a value that become types; a column of what is deeper is JSON text. */
export const TYPED_LEVELS_MAX = 8;

/** Fields inside one column, however often a type stands in it: a column of more is JSON text. */
export const TYPED_FIELDS_MAX = 5_000;

/** How many fields may still be inside a column. */
export interface FieldBudget {
  left: number;
}

/** undefined where one of them has no type, or their names are those of no struct. */
export function structOfFields(fields: readonly SchemaField[]): NestedType | undefined {
  const names = new Set(fields.map(({ name }) => name.toLowerCase()));
  const areWords = fields.every(({ name }) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name));
  if (fields.length === 0 || names.size < fields.length || !areWords) return undefined;
  const typed = fields.flatMap(({ name, type }) => (type === undefined ? [] : [{ name, type }]));
  return typed.length < fields.length ? undefined : { kind: 'struct', fields: typed };
}

/** What holds the values of each of these types: of texts and numbers together their text. */
function eitherType(types: readonly (NestedType | undefined)[]): NestedType | undefined {
  const [first, ...others] = types;
  return others.reduce((one, other) => (one && other ? joined(one, other) : undefined), first);
}

function joined(one: NestedType, other: NestedType): NestedType | undefined {
  if (one.kind === 'struct' && other.kind === 'struct')
    return structOfFields(eitherFields([one.fields, other.fields]));
  if (one.kind === 'array' && other.kind === 'array') {
    const element = joined(one.element, other.element);
    return element && { kind: 'array', element };
  }
  if (one.kind === 'map' && other.kind === 'map') {
    const value = joined(one.value, other.value);
    return value && { kind: 'map', value };
  }
  if (one.kind !== 'scalar' || other.kind !== 'scalar') return undefined;
  if (nestedText(one) === nestedText(other)) return one;
  return scalar(
    WIDER.find((names) => names.includes(one.name) && names.includes(other.name))?.[0] ?? 'string',
  );
}

/** The first holds every value of the others. */
const WIDER = [
  ['bigint', 'int'],
  ['double', 'float'],
];

/** All fields, in the order in which they first come. */
export function eitherFields(all: readonly (readonly SchemaField[])[]): SchemaField[] {
  const byName = Map.groupBy(all.flat(), ({ name }) => name);
  return [...byName].map(([name, same]) => ({ name, type: eitherType(same.map(({ type }) => type)) }));
}
