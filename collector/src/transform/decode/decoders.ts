// Binary values with a schema, on their way to SQL: out of their frame, decoded to JSON text, or quarantined
// with the field at which that ended.
import { SluiceError } from '@sluice/shared/errors.ts';
import type { AvroInput, ProtobufInput } from '../../contracts.ts';
import type { Converter } from '../columns.ts';
import type { OddCode } from '../odd-record.ts';
import { avroDecoder } from './avro.ts';
import { avroFields } from './avro-fields.ts';
import { protobufDecoder } from './protobuf.ts';
import { descriptorSchema } from './protobuf-descriptors.ts';
import { messageFields } from './protobuf-fields.ts';
import { ProtobufReader } from './protobuf-reader.ts';
import type { MessageShape } from './protobuf-shape.ts';
import { textSchema } from './protobuf-text.ts';
import type { SchemaField } from './schema-fields.ts';
import { confluentFrame, type Framed, glueFrame, type Known, type WindowSchemas } from './schemas.ts';
import { type DecodeValue, UndecodableError } from './value-reader.ts';

type Framing = 'confluent' | 'glue';

export function avroConverter(input: AvroInput, schemas: WindowSchemas): Converter {
  if (input.framing === 'none') {
    const decode = avroDecoder(input.schema);
    return (value) => decoded(decode, value, 0);
  }
  return framed(input.framing, schemas, (known, { value, at }) => {
    if (known.type !== 'AVRO') return 'SCHEMA_UNUSABLE';
    schemas.saw(known);
    return decoded(known.decode, value, at);
  });
}

export function protobufConverter(input: ProtobufInput, schemas: WindowSchemas): Converter {
  if (input.framing === 'none') {
    const decode = fileDecoder(input);
    return (value) => decoded(decode, value, 0);
  }
  const { framing, message } = input;
  return framed(framing, schemas, (known, { value, at }) => {
    if (known.type !== 'PROTOBUF') return 'SCHEMA_UNUSABLE';
    return orCode(() => {
      const reader = new ProtobufReader(value, at);
      const found = known.messages.find(reader);
      if (found === undefined) return 'FRAME_INVALID';
      if (message !== undefined && found.name !== message) return 'MESSAGE_OTHER';
      schemas.saw(found);
      return Buffer.from(found.decode(value, reader.at));
    });
  });
}

/** Of the schema that a file has; undefined where each value names its own. SCHEMA_INVALID. */
export function fileFields(input: AvroInput | ProtobufInput): readonly SchemaField[] | undefined {
  if (input.framing !== 'none') return undefined;
  return input.kind === 'avro' ? avroFields(input.schema) : messageFields(fileShape(input));
}

type FileInput = Extract<ProtobufInput, { framing: 'none' }>;

/** SCHEMA_INVALID. */
export const fileDecoder = (input: FileInput): DecodeValue => protobufDecoder(fileShape(input));

function fileShape({ schema, message }: FileInput): MessageShape {
  const found =
    'files' in schema
      ? textSchema(schema.files)
      : descriptorSchema(Buffer.from(schema.descriptors, 'base64'));
  const shape = found.message(message);
  if (shape !== undefined) return shape;
  const others = found.names.slice(0, 5).join(', ');
  throw new SluiceError('SCHEMA_INVALID', `the protobuf schema has no message '${message}', but ${others}`);
}

function framed(
  framing: Framing,
  schemas: WindowSchemas,
  read: (known: Exclude<Known, string>, framed: Framed) => Buffer | OddCode,
): Converter {
  const unframe = framing === 'confluent' ? confluentFrame : glueFrame;
  return (value) => {
    const found = unframe(value);
    if (typeof found === 'string') return found;
    const known = schemas.get(framing, found.id);
    return typeof known === 'string' ? known : read(known, found);
  };
}

const decoded = (decode: DecodeValue, value: Buffer, at: number) =>
  orCode(() => Buffer.from(decode(value, at)));

/** JSON, or a code with the path of the field, which quarantine tells apart. */
function orCode(read: () => Buffer | OddCode): Buffer | OddCode {
  try {
    return read();
  } catch (error) {
    if (error instanceof UndecodableError) return `${error.code}\u001f${error.field}`;
    throw error;
  }
}
