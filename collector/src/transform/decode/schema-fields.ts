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

/**
 * The same of all columns of a schema together: the columns that come when it is used up are JSON text. Where
 * values name their schemas, each of up to a thousand is looked at in every window.
 */
export const SCHEMA_TYPED_FIELDS_MAX = 50_000;

/**
 * Fields that a schema defines, with all that it names, each once: of one with more nothing is decoded. It is
 * compiled by whoever meets its id first, and kept.
 */
export const SCHEMA_FIELDS_MAX = 10_000;

/** A type, with the structs that stand in each other in it and the fields of all of them. */
export interface SizedType {
  readonly type: NestedType;
  readonly levels: number;
  readonly fields: number;
}

export interface SizedField {
  readonly name: string;
  readonly type: SizedType | undefined;
}

export const sizedScalar = (name: string): SizedType => ({ type: scalar(name), levels: 0, fields: 0 });

/** undefined where no column takes it, whatever stands around it. */
export function sizedStruct(members: readonly SizedField[]): SizedType | undefined {
  let [levels, fields] = [0, members.length];
  for (const { type } of members) {
    levels = Math.max(levels, type?.levels ?? 0);
    fields += type?.fields ?? 0;
  }
  if (fields >= TYPED_FIELDS_MAX || levels >= TYPED_LEVELS_MAX) return undefined;
  const type = structOfFields(members.map((member) => ({ name: member.name, type: member.type?.type })));
  return type && { type, levels: levels + 1, fields };
}

/** Types that have a name, each made once however often it stands in a schema. */
export class NamedTypes {
  readonly #made = new Map<string, SizedType | undefined>();

  of(name: string, make: () => SizedType | undefined): SizedType | undefined {
    if (this.#made.has(name)) return this.#made.get(name);
    const made = this.within(name, make);
    this.#made.set(name, made);
    return made;
  }

  /** Meanwhile this type is looked at: where it stands in itself it has no end. */
  within<T>(name: string, look: () => T): T {
    this.#made.set(name, undefined);
    const seen = look();
    this.#made.delete(name);
    return seen;
  }
}

/** What a schema's own fields are as columns. */
export function columnsOfFields(fields: readonly SizedField[]): SchemaField[] {
  let left = SCHEMA_TYPED_FIELDS_MAX;
  return fields.map(({ name, type }) => {
    if (type === undefined || type.levels >= TYPED_LEVELS_MAX || type.fields >= left)
      return { name, type: undefined };
    left -= type.fields + 1;
    return { name, type: type.type };
  });
}

/** undefined where one of them has no type, or their names are those of no struct. */
export function structOfFields(fields: readonly SchemaField[]): NestedType | undefined {
  const names = new Set(fields.map(({ name }) => name.toLowerCase()));
  const areWords = fields.every(({ name }) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name));
  if (fields.length === 0 || names.size < fields.length || !areWords) return undefined;
  const typed = fields.flatMap(({ name, type }) => (type === undefined ? [] : [{ name, type }]));
  return typed.length < fields.length ? undefined : { kind: 'struct', fields: typed };
}

/** What holds the values of both types: of texts and numbers together their text. */
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

/** All fields, in the order in which they first come. Of each schema no more is kept than comes of it. */
export function eitherFields(all: Iterable<readonly SchemaField[]>): SchemaField[] {
  const byName = new Map<string, NestedType | undefined>();
  for (const fields of all)
    for (const { name, type } of fields) {
      const before = byName.get(name);
      const both = before && type && joined(before, type);
      byName.set(name, byName.has(name) ? both : type);
    }
  return [...byName].map(([name, type]) => ({ name, type }));
}
