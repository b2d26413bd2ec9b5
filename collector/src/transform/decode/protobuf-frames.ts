// Which message of its schema a value is, as serializers write it in front: Confluent's path of places, or
// AWS Glue's single number. The bytes behind it are the message.
import { protobufDecoder } from './protobuf.ts';
import { messageFields } from './protobuf-fields.ts';
import type { ProtobufReader } from './protobuf-reader.ts';
import type { OwnMessage, TextSchema } from './protobuf-text.ts';
import type { Typed } from './schema-fields.ts';
import { type DecodeValue, zigzag } from './value-reader.ts';

/** Messages may stand inside others, but not for ever. */
const PLACES_MAX = 100;

export interface Messages {
  /** Reads what stands in front of the message; undefined where it names none. */
  find(reader: ProtobufReader): NamedMessage | undefined;
}

export interface NamedMessage extends Typed {
  readonly name: string;
  readonly decode: DecodeValue;
}

export function messagesOf(schema: TextSchema, framing: 'confluent' | 'glue'): Messages {
  const made = new Map<string, NamedMessage>();
  const named = (name: string): NamedMessage | undefined => {
    const known = made.get(name);
    const shape = schema.message(name);
    if (known !== undefined || shape === undefined) return known;
    const found = { name, decode: protobufDecoder(shape), fields: () => messageFields(shape) };
    made.set(name, found);
    return found;
  };
  const ordered = framing === 'glue' ? inOrder(schema.own).sort() : [];
  return {
    find(reader) {
      const name = framing === 'glue' ? ordered[reader.size()] : nameAt(reader, schema.own);
      return name === undefined ? undefined : named(name);
    },
  };
}

/** How many places follow, then the place at each level; a lone 0 is the first message. */
function nameAt(reader: ProtobufReader, own: readonly OwnMessage[]): string | undefined {
  const count = place(reader);
  if (count === 0) return own[0]?.name;
  if (count < 0 || count > PLACES_MAX) return undefined;
  let found: OwnMessage | undefined;
  for (let level = 0, among = own; level < count; level++) {
    found = among[place(reader)];
    among = found?.nested ?? [];
  }
  return found?.name;
}

function place(reader: ProtobufReader): number {
  return Number(zigzag(reader.size()));
}

/** All names, those of what maps become included: Glue counts them, sorted. */
function inOrder(messages: readonly OwnMessage[]): string[] {
  return messages.flatMap(({ name, nested, entries }) => [name, ...entries, ...inOrder(nested)]);
}
