// Schemas in the language of .proto files (proto2, proto3, editions), parsed by protobufjs: the only file
// that knows it. Of the library only parser and names are used; values are decoded by our own (decision
// 0018).
import { messageOf, SluiceError } from '@sluice/shared/errors.ts';
import protobuf from 'protobufjs';
import { base64Text, floatText } from './json-text.ts';
import { SCALARS } from './protobuf-reader.ts';
import {
  enumNames,
  type FieldShape,
  type MessageShape,
  type ProtobufSchema,
  type ScalarName,
  type ValueShape,
} from './protobuf-shape.ts';
import { SCHEMA_FIELDS_MAX } from './schema-fields.ts';

export interface ProtoFile {
  readonly name: string;
  readonly text: string;
}

/** A schema of which a value may name a message by where it stands. */
export interface TextSchema extends ProtobufSchema {
  /** Full names of the messages of the file itself, nested ones behind the one that holds them. */
  readonly own: readonly OwnMessage[];
}

export interface OwnMessage {
  readonly name: string;
  readonly nested: readonly OwnMessage[];
  /** What the compiler makes of each map: a message, too, where messages are counted. */
  readonly entries: readonly string[];
}

/** What files import and seldom bring. */
const KNOWN_FILES = ['any', 'duration', 'empty', 'field_mask', 'struct', 'timestamp', 'wrappers'];
const KNOWN_TEXTS = [
  'package confluent.type; message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }',
  'package google.type; message Date { int32 year = 1; int32 month = 2; int32 day = 3; }',
  'package google.type; message TimeOfDay { int32 hours = 1; int32 minutes = 2; int32 seconds = 3; int32 nanos = 4; }',
  'package google.type; message Money { string currency_code = 1; int64 units = 2; int32 nanos = 3; }',
  'package google.type; message LatLng { double latitude = 1; double longitude = 2; }',
];

/** `files` are the schema and, before it in any order, what it imports. SCHEMA_INVALID. */
export function textSchema(files: readonly ProtoFile[]): TextSchema {
  assertBounded(files);
  try {
    const root = new protobuf.Root();
    const [last] = files.map((file) => parseInto(root, file)).slice(-1);
    // Beside others in one root a file's own could not be told.
    const own = files.length === 1 ? messagesAt(last) : ownMessages(files.at(-1));
    addKnown(root);
    root.resolveAll();
    assertNumbersOnce(root);
    const shapes = new Shapes();
    return {
      own,
      names: own.map(({ name }) => name),
      message(name) {
        const found = root.lookup(`.${name}`);
        return found instanceof protobuf.Type && found.fullName === `.${name}` ? shapes.of(found) : undefined;
      },
    };
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw invalid(messageOf(error));
  }
}

/** Each field has one, and each name of an enum; a comment may stand between. */
const NUMBERS = /=\s*[-+\d/]/g;
const RESERVED = /\breserved\b[^;]*/g;

/** Before any is parsed. */
function assertBounded(files: readonly ProtoFile[]): void {
  let count = 0;
  for (const { text } of files) {
    count += text.match(NUMBERS)?.length ?? 0;
    for (const [reserved] of text.matchAll(RESERVED)) count += reserved.split(',').length;
  }
  if (count > SCHEMA_FIELDS_MAX)
    throw invalid(`it has more than ${SCHEMA_FIELDS_MAX} fields, names of enums and reserved numbers`);
}

const invalid = (message: string) => new SluiceError('SCHEMA_INVALID', `the protobuf schema: ${message}`);

/** The library's, which it makes of all fields of a message when it is asked for and there is none. */
interface FieldIndex {
  _fieldsById: Readonly<Record<number, protobuf.Field>> | null;
}

/**
 * For each field the library would make the index anew, to see whether its number is taken: 10,000 fields of
 * a message took 4 s. With an empty one it finds none taken, and `assertNumbersOnce` looks once.
 */
const { add } = protobuf.Type.prototype;
protobuf.Type.prototype.add = function (this: protobuf.Type & FieldIndex, object) {
  this._fieldsById = {};
  try {
    return add.call(this, object);
  } finally {
    this._fieldsById = null;
  }
};

function assertNumbersOnce(holder: protobuf.NamespaceBase): void {
  for (const one of holder.nestedArray) {
    // Made here: it throws where a number is there twice.
    if (one instanceof protobuf.Type) void one.fieldsById;
    if (one instanceof protobuf.Namespace) assertNumbersOnce(one);
  }
}

/** The parser knows few escapes of texts, and a default that it reads otherwise would be another one. */
const ESCAPED_DEFAULT = /\bdefault\s*=\s*["'][^"'\n]*\\/;

function parseInto(root: protobuf.Root, { name, text }: ProtoFile): protobuf.IParserResult {
  if (ESCAPED_DEFAULT.test(text))
    throw invalid(`${name}: a default has an escape in its text: name a set of descriptors instead`);
  try {
    return protobuf.parse(text, root, { keepCase: true });
  } catch (error) {
    throw invalid(`${name}: ${messageOf(error)}`);
  }
}

/** Types that the files do not define themselves. */
function addKnown(root: protobuf.Root): void {
  const known = new protobuf.Root();
  for (const name of KNOWN_FILES) {
    const { nested } = protobuf.common.get(`google/protobuf/${name}.proto`) ?? {};
    if (nested !== undefined) known.addJSON(nested);
  }
  for (const text of KNOWN_TEXTS) protobuf.parse(`syntax = "proto3"; ${text}`, known, { keepCase: true });
  for (const path of ['google.protobuf', 'google.type', 'confluent.type'])
    for (const type of (known.lookup(path) as protobuf.Namespace).nestedArray) {
      const there = root.lookup(`.${path}.${type.name}`);
      if (there?.fullName !== type.fullName) root.define(path).add(type);
    }
}

function ownMessages(file: ProtoFile | undefined): OwnMessage[] {
  if (file === undefined) return [];
  return messagesAt(parseInto(new protobuf.Root(), file));
}

function messagesAt(parsed: protobuf.IParserResult | undefined): OwnMessage[] {
  const holder = parsed?.package === undefined ? parsed?.root : parsed.root.lookup(parsed.package);
  return holder instanceof protobuf.Namespace ? messagesIn(holder) : [];
}

function messagesIn(holder: protobuf.NamespaceBase): OwnMessage[] {
  return holder.nestedArray.flatMap((type) => {
    if (!(type instanceof protobuf.Type)) return [];
    const name = type.fullName.slice(1);
    const entries = type.fieldsArray
      .filter(({ map }) => map)
      .map((field) => `${name}.${entryName(field.name)}`);
    return [{ name, nested: messagesIn(type), entries }];
  });
}

const entryName = (field: string) =>
  `${field.replace(/(?:^|_)([a-z])/g, (_all, letter: string) => letter.toUpperCase()).replaceAll('_', '')}Entry`;

/** Each message once: it may hold itself. */
class Shapes {
  readonly #made = new Map<protobuf.Type, MessageShape>();

  of(type: protobuf.Type): MessageShape {
    const known = this.#made.get(type);
    if (known !== undefined) return known;
    const fields = type.fieldsArray.filter(({ declaringField }) => declaringField === null);
    const shape = { name: type.fullName.slice(1), fields: fields.map((field) => this.#field(field)) };
    this.#made.set(type, shape);
    return shape;
  }

  #field(field: protobuf.Field): FieldShape {
    const { name, id: number, repeated } = field;
    const value = this.#value(field);
    const one = repeated ? 'list' : 'one';
    const holds = field instanceof protobuf.MapField ? { key: field.keyType as ScalarName } : one;
    const explicit = field.hasPresence || value.kind === 'message' ? 'explicit' : 'implicit';
    const presence = field.required ? 'required' : explicit;
    return { name, number, value, holds, presence, oneof: field.partOf?.name, default: defaultOf(field) };
  }

  #value(field: protobuf.Field): ValueShape {
    const { resolvedType, type, delimited } = field;
    if (resolvedType instanceof protobuf.Enum)
      return { kind: 'enum', names: enumNames(Object.entries(resolvedType.values)) };
    if (resolvedType instanceof protobuf.Type)
      return { kind: 'message', delimited, shape: () => this.of(resolvedType) };
    if (!Object.hasOwn(SCALARS, type)) throw invalid(`${field.fullName} has the type '${type}'`);
    return { kind: 'scalar', scalar: type as ScalarName };
  }
}

/** As JSON. */
function defaultOf({ options, bytes, fullName }: protobuf.Field): string | undefined {
  const value: unknown = options?.['default'];
  if (value === undefined || value === null) return undefined;
  if (bytes) return base64Text(Buffer.from(String(value)));
  if (typeof value !== 'number') return JSON.stringify(value);
  if (Number.isInteger(value) && !Number.isSafeInteger(value))
    throw invalid(`${fullName} has a default beyond 2^53: name a set of descriptors instead`);
  return floatText(value);
}
