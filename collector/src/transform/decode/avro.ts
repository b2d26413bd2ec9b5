// An Avro schema becomes a function from a binary value to JSON text: the same way into SQL as JSON's, and
// exact (decision 0011). A union gives the value of its branch and not the branch's name; bytes are base64;
// NaN and infinities, which JSON has not, are strings.
import { assert, messageOf, SluiceError } from '@sluice/shared/errors.ts';
import { type Decode, logicalDecoder } from './avro-logical.ts';
import { AvroReader } from './avro-reader.ts';
import { base64Text, floatText } from './json-text.ts';
import { SCHEMA_FIELDS_MAX } from './schema-fields.ts';
import type { DecodeValue } from './value-reader.ts';

type Schema = string | readonly Schema[] | { readonly type: Schema; readonly [key: string]: unknown };
export type AvroSchema = Schema;

/** `references` are schemas that this one names, each after those that it names. SCHEMA_INVALID. */
export function avroDecoder(schema: string, references: readonly string[] = []): DecodeValue {
  const names = new Map<string, { decode?: Decode }>();
  const all = parseAvro([...references, schema]);
  const decode = all.map((one) => compile(one, { names, namespace: '', path: '' })).at(-1);
  assert(decode !== undefined, 'a schema was left out');
  return (value, at) => {
    const reader = new AvroReader(value, at);
    const text = decode(reader);
    if (!reader.isAtEnd()) throw reader.fail();
    return text;
  };
}

/** Lists and objects of a schema's JSON that stand in each other. */
const LEVELS_MAX = 500;

/** A schema behind those that it names. SCHEMA_INVALID where they are beyond what is read. */
export function parseAvro(texts: readonly string[]): readonly Schema[] {
  const all = texts.map(parsed);
  assertBounded(all);
  return all;
}

/** Without recursion: whatever follows may use it. */
function assertBounded(schemas: readonly Schema[]): void {
  let fields = 0;
  const left: { readonly value: unknown; readonly level: number }[] = [{ value: schemas, level: 0 }];
  for (let one = left.pop(); one !== undefined; one = left.pop()) {
    const { value, level } = one;
    if (typeof value !== 'object' || value === null) continue;
    if (level > LEVELS_MAX) throw invalid(`it has more than ${LEVELS_MAX} levels`);
    if ('fields' in value && Array.isArray(value.fields)) fields += value.fields.length;
    if (fields > SCHEMA_FIELDS_MAX) throw invalid(`it has more than ${SCHEMA_FIELDS_MAX} fields`);
    for (const inner of Object.values(value)) left.push({ value: inner, level: level + 1 });
  }
}

/** SCHEMA_INVALID. */
function parsed(text: string): Schema {
  try {
    return JSON.parse(text) as Schema;
  } catch (error) {
    // A registry gives the name of a primitive type without quotes, too.
    if (Object.hasOwn(PRIMITIVES, text.trim())) return text.trim();
    throw invalid(`it is not JSON: ${messageOf(error)}`);
  }
}

const invalid = (message: string) => new SluiceError('SCHEMA_INVALID', `the Avro schema: ${message}`);

interface Scope {
  readonly names: Map<string, { decode?: Decode }>;
  readonly namespace: string;
  readonly path: string;
}

const PRIMITIVES: Readonly<Record<string, Decode>> = {
  null: () => 'null',
  boolean: (reader) => {
    const byte = reader.byte();
    if (byte > 1) throw reader.fail();
    return byte === 1 ? 'true' : 'false';
  },
  int: (reader) => String(reader.int()),
  long: (reader) => String(reader.long()),
  float: (reader) => floatText(reader.take(4).readFloatLE(0)),
  double: (reader) => floatText(reader.take(8).readDoubleLE(0)),
  bytes: (reader) => base64Text(reader.sized()),
  string: (reader) => JSON.stringify(reader.text()),
};

function compile(schema: Schema, scope: Scope): Decode {
  if (typeof schema === 'string') return named(schema, scope);
  if (Array.isArray(schema)) return union(schema as readonly Schema[], scope);
  if (typeof schema !== 'object' || schema === null) throw invalid(`${JSON.stringify(schema)} is no type`);
  const { type, ...rest } = schema as Exclude<Schema, string | readonly Schema[]>;
  if (typeof type !== 'string') return compile(type as Schema, scope);
  const logical = logicalDecoder({ ...rest, type });
  switch (type) {
    case 'record':
    case 'error':
      return define(rest, scope, (inner) => record(rest, inner));
    case 'enum':
      return define(rest, scope, () => enumeration(rest));
    case 'fixed':
      return define(rest, scope, () => logical ?? fixed(rest));
    case 'array':
      return blocks(compile(rest['items'] as Schema, scope), '[]');
    case 'map':
      return blocks(pair(compile(rest['values'] as Schema, scope)), '{}');
    default:
      return logical ?? named(type, scope);
  }
}

function named(name: string, { names, namespace }: Scope): Decode {
  if (Object.hasOwn(PRIMITIVES, name)) return PRIMITIVES[name] as Decode;
  const found = names.get(name.includes('.') ? name : fullName(name, namespace)) ?? names.get(name);
  if (found === undefined) throw invalid(`no type is named '${name}'`);
  // A type may name itself before it is whole.
  return (reader) => reader.deeper(() => (found.decode as Decode)(reader));
}

export const fullName = (name: string, namespace: string) =>
  namespace === '' ? name : `${namespace}.${name}`;

function define(
  schema: Readonly<Record<string, unknown>>,
  scope: Scope,
  body: (inner: Scope) => Decode,
): Decode {
  const { name } = schema;
  if (typeof name !== 'string' || name === '') throw invalid('a record, enum or fixed has no name');
  const own = typeof schema['namespace'] === 'string' ? schema['namespace'] : scope.namespace;
  const full = name.includes('.') ? name : fullName(name, own);
  const entry: { decode?: Decode } = {};
  scope.names.set(full, entry);
  entry.decode = body({ ...scope, namespace: full.includes('.') ? full.replace(/\.[^.]*$/, '') : '' });
  return entry.decode;
}

function record({ fields }: Readonly<Record<string, unknown>>, scope: Scope): Decode {
  if (!Array.isArray(fields)) throw invalid('a record has no fields');
  const parts = (fields as readonly ({ name?: unknown; type: Schema } | null)[]).map((field, i) => {
    const { name, type } = field ?? {};
    if (typeof name !== 'string' || type === undefined) throw invalid('a field has no name, or no type');
    const path = scope.path === '' ? name : `${scope.path}.${name}`;
    const key = `${i === 0 ? '' : ','}${JSON.stringify(name)}:`;
    return { path, key, decode: compile(type, { ...scope, path }) };
  });
  return (reader) => {
    let text = '{';
    for (const { path, key, decode } of parts) {
      reader.field = path;
      reader.spend(key.length);
      text += key + decode(reader);
    }
    return `${text}}`;
  };
}

function enumeration({ symbols }: Readonly<Record<string, unknown>>): Decode {
  if (!Array.isArray(symbols)) throw invalid('an enum has no symbols');
  const texts = symbols.map((symbol) => JSON.stringify(String(symbol)));
  return (reader) => {
    const text = texts[reader.int()];
    if (text === undefined) throw reader.fail();
    return text;
  };
}

function fixed({ size }: Readonly<Record<string, unknown>>): Decode {
  if (typeof size !== 'number' || !Number.isInteger(size) || size < 0) throw invalid('a fixed has no size');
  return (reader) => base64Text(reader.take(size));
}

function union(branches: readonly Schema[], scope: Scope): Decode {
  const decoders = branches.map((branch) => compile(branch, scope));
  return (reader) => {
    const decode = decoders[reader.int()];
    if (decode === undefined) throw reader.fail();
    return decode(reader);
  };
}

const pair =
  (value: Decode): Decode =>
  (reader) =>
    `${JSON.stringify(reader.text())}:${value(reader)}`;

/** Items in blocks, each behind its count, or behind minus its count and its bytes. */
function blocks(item: Decode, brackets: '[]' | '{}'): Decode {
  const read: Decode = (reader) => {
    const items: string[] = [];
    for (let left = reader.size(); left !== 0; left = reader.size()) {
      if (left < 0) {
        left = -left;
        reader.size();
      }
      for (; left > 0; left--) {
        reader.spend(4);
        items.push(item(reader));
      }
    }
    return `${brackets[0]}${items.join(',')}${brackets[1]}`;
  };
  return (reader) => reader.deeper(() => read(reader));
}
