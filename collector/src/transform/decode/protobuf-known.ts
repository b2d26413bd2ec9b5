// Messages of Google's and Confluent's own that stand for one value: they are written as that value, so
// that a column reads it by its type, and not as objects with fields.
import { decimalText, isoTime } from './json-text.ts';
import type { ProtobufReader } from './protobuf-reader.ts';

/** A field of the message by its name, as JSON; undefined where it is not there. */
export type FieldText = (name: string) => string | undefined;

export type WriteKnown = (part: FieldText, reader: ProtobufReader) => string;

const NANOS = 1_000_000_000n;

function timestamp(part: FieldText, reader: ProtobufReader): string {
  const [seconds, nanos] = [BigInt(part('seconds') ?? 0), BigInt(part('nanos') ?? 0)];
  if (nanos < 0n || nanos >= NANOS) throw reader.fail();
  const digits = [0, 3, 6].find((some) => nanos % 10n ** BigInt(9 - some) === 0n) ?? 9;
  return `"${isoTime(seconds * NANOS + nanos, digits)}Z"`;
}

/** Seconds, to the digit. */
function duration(part: FieldText, reader: ProtobufReader): string {
  const [seconds, nanos] = [BigInt(part('seconds') ?? 0), BigInt(part('nanos') ?? 0)];
  const isOdd =
    nanos <= -NANOS || nanos >= NANOS || (seconds < 0n && nanos > 0n) || (seconds > 0n && nanos < 0n);
  if (isOdd) throw reader.fail();
  const total = seconds * NANOS + nanos;
  const size = total < 0n ? -total : total;
  const below = size % NANOS;
  const fraction = below === 0n ? '' : `.${String(below).padStart(9, '0').replace(/0+$/, '')}`;
  return `"${total < 0n ? '-' : ''}${size / NANOS}${fraction}"`;
}

function decimal(part: FieldText, reader: ProtobufReader): string {
  const bytes = Buffer.from(part('value') ?? '', 'base64');
  const text = decimalText(bytes, Number(part('scale') ?? 0));
  if (text === undefined) throw reader.fail();
  return `"${text}"`;
}

/** Whichever is there of JSON's own kinds. */
function anyJson(part: FieldText): string {
  for (const kind of ['number', 'string', 'bool', 'struct', 'list']) {
    // Named as in the schema language by whoever brings the schema, as in JavaScript by the library.
    const found = part(`${kind}_value`) ?? part(`${kind}Value`);
    if (found !== undefined) return found;
  }
  return 'null';
}

const WRAPPERS = ['Double', 'Float', 'Int64', 'UInt64', 'Int32', 'UInt32', 'Bool', 'String', 'Bytes'];

const KNOWN: ReadonlyMap<string, WriteKnown> = new Map<string, WriteKnown>([
  ['google.protobuf.Timestamp', timestamp],
  ['google.protobuf.Duration', duration],
  ['google.protobuf.Struct', (part) => part('fields') ?? '{}'],
  ['google.protobuf.ListValue', (part) => part('values') ?? '[]'],
  ['google.protobuf.Value', anyJson],
  ['confluent.type.Decimal', decimal],
  ...WRAPPERS.map((kind): [string, WriteKnown] => [
    `google.protobuf.${kind}Value`,
    (part) => part('value') ?? 'null',
  ]),
]);

/** undefined where the message is one as any other. */
export const wellKnown = (name: string): WriteKnown | undefined => KNOWN.get(name);
