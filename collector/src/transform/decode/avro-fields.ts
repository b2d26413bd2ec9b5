// The fields of an Avro schema as columns, each of the type that its decoded values convert to exactly.
// Inside other values decimals and bytes are text, as nested columns read them. Pure.
import { type NestedType, scalar } from '../../nested-type.ts';
import { type AvroSchema, fullName, parseAvro } from './avro.ts';
import {
  eitherFields,
  type FieldBudget,
  type SchemaField,
  structOfFields,
  TYPED_FIELDS_MAX,
  TYPED_LEVELS_MAX,
} from './schema-fields.ts';

type Members = Readonly<Record<string, unknown>>;

interface Named {
  readonly schema: Members;
  readonly namespace: string;
}

interface Scope {
  readonly names: ReadonlyMap<string, Named>;
  readonly namespace: string;
  /** Names around this place: one that stands again has no end. */
  readonly around: readonly string[];
  readonly depth: number;
  readonly budget: FieldBudget;
}

/** None where values are no records. SCHEMA_INVALID. */
export function avroFields(schema: string, references: readonly string[] = []): readonly SchemaField[] {
  const names = new Map<string, Named>();
  for (const text of [...references, schema]) collect(parseAvro(text), '', names);
  return fieldsOf(parseAvro(schema), { names, namespace: '', around: [], depth: 0, budget: { left: 0 } });
}

/** Of a record, or of all records that a union may be. */
function fieldsOf(schema: AvroSchema, scope: Scope): readonly SchemaField[] {
  if (Array.isArray(schema))
    return eitherFields((schema as readonly AvroSchema[]).map((branch) => fieldsOf(branch, scope)));
  const found = resolved(schema, scope);
  if (found?.schema['type'] !== 'record' && found?.schema['type'] !== 'error') return [];
  return recordFields(found.schema, found.scope);
}

function recordFields({ fields }: Members, { depth, ...scope }: Scope): SchemaField[] {
  return (fields as readonly { readonly name: string; readonly type: AvroSchema }[]).map(({ name, type }) => {
    const budget = depth === 0 ? { left: TYPED_FIELDS_MAX } : scope.budget;
    const typed = --budget.left < 0 ? undefined : typeOf(type, { ...scope, budget, depth: depth + 1 });
    return { name, type: typed };
  });
}

/** A schema by its definition, with the names that it sees; undefined for a name that stands around it. */
function resolved(
  schema: AvroSchema,
  scope: Scope,
): { readonly schema: Members; readonly scope: Scope } | undefined {
  if (typeof schema === 'object' && !Array.isArray(schema)) {
    const { type, name } = schema as Members;
    if (typeof type === 'object') return resolved(type as AvroSchema, scope);
    if (typeof name === 'string') return defined(nameOf(schema as Members, scope.namespace), scope);
    if (DEFINED.has(String(type))) return { schema: schema as Members, scope };
  }
  const name = typeof schema === 'string' ? schema : String((schema as Members)['type']);
  if (DEFINED.has(name)) return { schema: { type: name }, scope };
  return defined(name.includes('.') ? name : fullName(name, scope.namespace), scope, name);
}

function defined(full: string, scope: Scope, short = full) {
  const name = scope.names.has(full) ? full : short;
  const found = scope.names.get(name);
  if (found === undefined || scope.around.includes(name)) return undefined;
  const { schema, namespace } = found;
  return { schema, scope: { ...scope, namespace, around: [...scope.around, name] } };
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

function typeOf(schema: AvroSchema, scope: Scope): NestedType | undefined {
  if (scope.depth > TYPED_LEVELS_MAX) return undefined;
  if (Array.isArray(schema)) {
    const branches = (schema as readonly AvroSchema[]).filter((branch) => branch !== 'null');
    if (branches.length < 2) return branches[0] === undefined ? undefined : typeOf(branches[0], scope);
    const types = branches.map((branch) => typeOf(branch, scope));
    return types.every((type) => type?.kind === 'scalar') ? scalar('string') : undefined;
  }
  const found = resolved(schema, scope);
  if (found === undefined) return undefined;
  const inner = { ...found.scope, depth: found.scope.depth + 1 };
  const { type, items, values } = found.schema;
  switch (type) {
    case 'record':
    case 'error':
      return structOfFields(recordFields(found.schema, found.scope));
    case 'array': {
      const element = typeOf(items as AvroSchema, inner);
      return element && { kind: 'array', element };
    }
    case 'map': {
      const value = typeOf(values as AvroSchema, inner);
      return value && { kind: 'map', value };
    }
    default:
      return scalarType(found.schema, found.scope.depth > 1);
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
    return scalar(fits && !isInside ? `decimal(${precision},${scale})` : 'string');
  }
  if (isBytes) return scalar(isInside || (logicalType === 'uuid' && size === 16) ? 'string' : 'binary');
  if (type === 'int' && logicalType === 'date') return scalar('date');
  if (type === 'int' && logicalType === 'time-millis') return scalar('string');
  if (type === 'long' && typeof logicalType === 'string' && LONG_TIMES.test(logicalType))
    return scalar(/^timestamp-(millis|micros)$/.test(logicalType) ? 'timestamp' : 'string');
  const name = SCALARS[String(type)];
  return name === undefined ? undefined : scalar(name);
}

/** Of these only points in time no finer than a column's become timestamps; the others are texts. */
const LONG_TIMES = /^(time-(micros|nanos)|(local-)?timestamp-(millis|micros|nanos))$/;
