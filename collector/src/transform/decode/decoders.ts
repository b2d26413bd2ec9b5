// Binary values with a schema, on their way to SQL: out of their frame, decoded to JSON text, or quarantined
// with the field at which that ended.
import type { AvroInput } from '../../contracts.ts';
import type { Converter, OddCode } from '../columns.ts';
import { avroDecoder, type DecodeValue } from './avro.ts';
import { UndecodableError } from './avro-reader.ts';
import { confluentFrame, glueFrame, type WindowSchemas } from './schemas.ts';

export function avroConverter(input: AvroInput, schemas: WindowSchemas): Converter {
  if (input.framing === 'none') {
    const decode = avroDecoder(input.schema);
    return (value) => decoded(decode, value, 0);
  }
  const { framing } = input;
  const unframe = framing === 'confluent' ? confluentFrame : glueFrame;
  return (value) => {
    const framed = unframe(value);
    if (typeof framed === 'string') return framed;
    const known = schemas.get(framing, framed.id);
    return typeof known === 'string' ? known : decoded(known, framed.value, framed.at);
  };
}

/** JSON, or a code with the path of the field, which quarantine tells apart. */
export function decoded(decode: DecodeValue, value: Buffer, at: number): Buffer | OddCode {
  try {
    return Buffer.from(decode(value, at));
  } catch (error) {
    if (error instanceof UndecodableError) return `${error.code}\u001f${error.field}`;
    throw error;
  }
}
