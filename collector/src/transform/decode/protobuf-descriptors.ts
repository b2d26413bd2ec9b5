// Schemas as a FileDescriptorSet, which `protoc --include_imports --descriptor_set_out` and `buf build`
// write, read by @bufbuild/protobuf: all that a compiler has resolved, exact.
import {
  createFileRegistry,
  type DescEnum,
  type DescField,
  type DescMessage,
  fromBinary,
  ScalarType,
} from '@bufbuild/protobuf';
import { FeatureSet_FieldPresence, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { messageOf, SluiceError } from '@sluice/shared/errors.ts';
import { base64Text, floatText } from './json-text.ts';
import {
  enumNames,
  type FieldShape,
  type MessageShape,
  type ProtobufSchema,
  type ScalarName,
  type ValueShape,
} from './protobuf-shape.ts';

/** SCHEMA_INVALID. */
export function descriptorSchema(bytes: Uint8Array): ProtobufSchema {
  try {
    const set = fromBinary(FileDescriptorSetSchema, bytes);
    const registry = createFileRegistry(set);
    const last = registry.getFile(set.file.at(-1)?.name ?? '');
    const shapes = new Shapes();
    return {
      names: last?.messages.map(({ typeName }) => typeName) ?? [],
      message(name) {
        const found = registry.getMessage(name);
        return found === undefined ? undefined : shapes.of(found);
      },
    };
  } catch (error) {
    const message = messageOf(error);
    throw new SluiceError(
      'SCHEMA_INVALID',
      `the protobuf schema is no set of descriptors with all that it imports: ${message}`,
    );
  }
}

/** Each message once: it may hold itself. */
class Shapes {
  readonly #made = new Map<DescMessage, MessageShape>();

  of(message: DescMessage): MessageShape {
    const known = this.#made.get(message);
    if (known !== undefined) return known;
    const shape = { name: message.typeName, fields: message.fields.map((field) => this.#field(field)) };
    this.#made.set(message, shape);
    return shape;
  }

  #field(field: DescField): FieldShape {
    const { name, number } = field;
    const one = field.fieldKind === 'list' ? 'list' : 'one';
    const holds = field.fieldKind === 'map' ? { key: scalarName(field.mapKey) } : one;
    return { name, number, value: this.#value(field), holds, ...presenceOf(field) };
  }

  #value(field: DescField): ValueShape {
    const delimited = 'delimitedEncoding' in field && field.delimitedEncoding;
    if (field.message !== undefined) {
      const { message } = field;
      return { kind: 'message', delimited, shape: () => this.of(message) };
    }
    if (field.enum !== undefined) return { kind: 'enum', names: namesOf(field.enum) };
    return { kind: 'scalar', scalar: scalarName(field.scalar) };
  }
}

const namesOf = ({ values }: DescEnum) => enumNames(values.map(({ name, number }) => [name, number]));

const scalarName = (type: ScalarType) => (ScalarType[type] ?? '').toLowerCase() as ScalarName;

function presenceOf(field: DescField): Pick<FieldShape, 'presence' | 'oneof' | 'default'> {
  const { IMPLICIT, LEGACY_REQUIRED } = FeatureSet_FieldPresence;
  const implicit = field.presence === IMPLICIT ? 'implicit' : 'explicit';
  const presence = field.presence === LEGACY_REQUIRED ? 'required' : implicit;
  return { presence, oneof: field.oneof?.name, default: defaultOf(field) };
}

/** As JSON. */
function defaultOf(field: DescField): string | undefined {
  if (field.fieldKind === 'enum') {
    const number = field.getDefaultValue();
    return number === undefined ? undefined : JSON.stringify(namesOf(field.enum).get(number) ?? number);
  }
  if (field.fieldKind !== 'scalar') return undefined;
  const value: unknown = field.getDefaultValue();
  if (value === undefined) return undefined;
  if (value instanceof Uint8Array) return base64Text(Buffer.from(value));
  if (typeof value === 'number') return floatText(value);
  const isLong = typeof value === 'bigint' || ('longAsString' in field && field.longAsString);
  return isLong ? String(value) : JSON.stringify(value);
}
