// The fields of an Avro schema as columns, each of the type that its decoded values convert to exactly.
// Inside other values decimals and bytes are text, as nested columns read them. Pure.
import { type AvroSchema, fullName, parseAvro } from './avro.ts';
import {
  columnsOfFields,
  eitherFields,
  NamedTypes,
  type SchemaField,
  type SizedField,
  type SizedType,
  sizedScalar,
  sizedStruct,
} from './schema-fields.ts';

type Members = Readonly<Record<string, unknown>>;

interface Named {
  readonly schema: Members;
  readonly namespace: string;
}

interface Scope {
  readonly names: ReadonlyMap<string, Named>;
  readonly namespace: string;
  readonly types: NamedTypes;
  /** Of a value that stands in another. */
  readonly isInside: boolean;
}

/** None where values are no records. SCHEMA_INVALID. */
export function avroFields(schema: string, references: readonly string[] = []): readonly SchemaField[] {
  const names = new Map<string, Named>();
  const all = parseAvro([...references, schema]);
  for (const one of all) collect(one, '', names);
  return fieldsOf(all.at(-1) ?? 'null', { names, namespace: '', types: new NamedTypes(), isInside: false });
}

/** Of a record, or of all records that a union may be. */
function fieldsOf(schema: AvroSchema, scope: Scope): readonly SchemaField[] {
  const branches = Array.isArray(schema) ? (schema as readonly AvroSchema[]).flat(UNIONS_MAX) : [schema];
  const records = new Map<Members, Found>();
  for (const branch of branches) {
    const found = resolved(branch as AvroSchema, scope);
    if (isRecord(found)) records.set(found.schema, found);
  }
  const all = [...records.values()].map((found) =>
    scope.types.within(found.name, () => columnsOfFields(recordFields(found))),
  );
  return all.length === 1 ? (all[0] ?? []) : eitherFields(all);
}

/** Unions in unions, which no registry takes. */
const UNIONS_MAX = 8;

interface Found {
  readonly schema: Members;
  /** As it sees other names. */
  readonly scope: Scope;
  /** Empty where it has none; every record has one. */
  readonly name: string;
}

const isRecord = (found: Found | undefined): found is Found =>
  found?.schema['type'] === 'record' || found?.schema['type'] === 'error';

function recordFields({ schema, scope }: Found): SizedField[] {
  const fields = schema['fields'] as readonly { readonly name: string; readonly type: AvroSchema }[];
  return fields.map(({ name, type }) => ({ name, type: typeOf(type, scope) }));
}

/** A schema by its definition; undefined for a name that nothing has. */
function resolved(schema: AvroSchema, scope: Scope): Found | undefined {
  if (typeof schema === 'object' && !Array.isArray(schema)) {
    const { type, name } = schema as Members;
    if (typeof type === 'object') return resolved(type as AvroSchema, scope);
    if (typeof name === 'string') return defined(nameOf(schema as Members, scope.namespace), scope);
    if (DEFINED.has(String(type))) return { schema: schema as Members, scope, name: '' };
  }
  const name = typeof schema === 'string' ? schema : String((schema as Members)['type']);
  if (DEFINED.has(name)) return { schema: { type: name }, scope, name: '' };
  return defined(name.includes('.') ? name : fullName(name, scope.namespace), scope, name);
}

function defined(full: string, scope: Scope, short = full) {
  const name = scope.names.has(full) ? full : short;
  const found = scope.names.get(name);
  return found && { schema: found.schema, scope: { ...scope, namespace: found.namespace }, name };
}

/** Types that have no name of their own. */
const DEFINED = new Set([
  'null',
  'boolean',
  'int',
  'long',
  'float',
  'double',
  'bytes',
  'string',
  'array',
  'map',
]);

function nameOf({ name, namespace: own }: Members, namespace: string): string {
  const told = String(name);
  return told.includes('.') ? told : fullName(told, typeof own === 'string' ? own : namespace);
}

/** Every definition by its full name. */
function collect(schema: AvroSchema, namespace: string, names: Map<string, Named>): void {
  if (typeof schema !== 'object' || schema === null) return;
  if (Array.isArray(schema)) {
    for (const branch of schema) collect(branch as AvroSchema, namespace, names);
    return;
  }
  const members = schema as Members;
  const { type, items, values, fields, name } = members;
  let inner = namespace;
  if (typeof name === 'string' && typeof type === 'string') {
    const full = nameOf(members, namespace);
    inner = full.includes('.') ? full.replace(/\.[^.]*$/, '') : '';
    names.set(full, { schema: members, namespace: inner });
  }
  for (const part of [type, items, values]) collect(part as AvroSchema, inner, names);
  if (Array.isArray(fields))
    for (const field of fields) collect((field as { type: AvroSchema }).type, inner, names);
}

function typeOf(schema: AvroSchema, scope: Scope): SizedType | undefined {
  if (Array.isArray(schema)) {
    const branches = (schema as readonly AvroSchema[]).filter((branch) => branch !== 'null');
    if (branches.length < 2) return branches[0] === undefined ? undefined : typeOf(branches[0], scope);
    const types = branches.map((branch) => typeOf(branch, scope));
    return types.every((type) => type?.type.kind === 'scalar') ? sizedScalar('string') : undefined;
  }
  const found = resolved(schema, scope);
  if (found === undefined) return undefined;
  const inner = { ...found.scope, isInside: true };
  const { type, items, values } = found.schema;
  switch (type) {
    case 'record':
    case 'error':
      return scope.types.of(found.name, () => sizedStruct(recordFields({ ...found, scope: inner })));
    case 'array': {
      const element = typeOf(items as AvroSchema, inner);
      return (
        element && { ...element, type: { kind: 'array', element: element.type }, levels: element.levels + 1 }
      );
    }
    case 'map': {
      const value = typeOf(values as AvroSchema, inner);
      return value && { ...value, type: { kind: 'map', value: value.type }, levels: value.levels + 1 };
    }
    default:
      return scalarType(found.schema, scope.isInside);
  }
}

const SCALARS: Readonly<Record<string, string>> = {
  boolean: 'boolean',
  int: 'int',
  long: 'bigint',
  float: 'float',
  double: 'double',
  string: 'string',
  enum: 'string',
};

const isWhole = (value: unknown): value is number => Number.isInteger(value) && Number(value) >= 0;

/** `isInside`: of a value in another. */
function scalarType({ type, logicalType, precision, scale = 0, size }: Members, isInside: boolean) {
  const isBytes = type === 'bytes' || type === 'fixed';
  if (isBytes && logicalType === 'decimal') {
    // Registries take what the specification does not: such a type no table would ever get rid of.
    const fits =
      isWhole(precision) && isWhole(scale) && precision > 0 && precision <= 38 && scale <= precision;
    return sizedScalar(fits && !isInside ? `decimal(${precision},${scale})` : 'string');
  }
  if (isBytes) return sizedScalar(isInside || (logicalType === 'uuid' && size === 16) ? 'string' : 'binary');
  if (type === 'int' && logicalType === 'date') return sizedScalar('date');
  if (type === 'int' && logicalType === 'time-millis') return sizedScalar('string');
  if (type === 'long' && typeof logicalType === 'string' && LONG_TIMES.test(logicalType))
    return sizedScalar(/^timestamp-(millis|micros)$/.test(logicalType) ? 'timestamp' : 'string');
  const name = SCALARS[String(type)];
  return name === undefined ? undefined : sizedScalar(name);
}

/** Of these only points in time no finer than a column's become timestamps; the others are texts. */
const LONG_TIMES = /^(time-(micros|nanos)|(local-)?timestamp-(millis|micros|nanos))$/;
