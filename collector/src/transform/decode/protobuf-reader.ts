// The primitives of Protocol Buffers' wire format: each read is bounded by the message it stands in, and what
// is not of its type ends in an UndecodableError. Integers of 64 bits stay exact.
import { isUtf8 } from 'node:buffer';
import { base64Text, floatText } from './json-text.ts';
import type { ScalarName } from './protobuf-shape.ts';
import { type UndecodableCode, type UndecodableError, ValueReader, zigzag } from './value-reader.ts';

const VARINT = 0;
const FIXED_64 = 1;
export const SIZED = 2;
export const GROUP = 3;
const GROUP_END = 4;
const FIXED_32 = 5;

/** Bytes [start, end) of the value. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export class ProtobufReader extends ValueReader {
  /** Fields that are read, each inside the one before. */
  readonly path: string[] = [];

  override fail(code?: UndecodableCode): UndecodableError {
    this.field = this.path.join('.');
    return super.fail(code);
  }

  /** A varint that counts or measures something here. */
  size(): number {
    const value = this.varint();
    if (typeof value === 'bigint') throw this.fail();
    return value;
  }

  span(): Span {
    const size = this.size();
    const start = this.skip(size);
    return { start, end: start + size };
  }

  /** What stands in a group, up to the end that bears its number. */
  group(number: number): Span {
    return this.deeper(() => {
      for (const start = this.at; ; ) {
        const end = this.at;
        const tag = this.size();
        if (tag === number * 8 + GROUP_END) return { start, end };
        this.skipField(tag);
      }
    });
  }

  skipField(tag: number): void {
    const [number, wire] = [Math.floor(tag / 8), tag % 8];
    if (number === 0) throw this.fail();
    if (wire === VARINT) this.varint();
    else if (wire === FIXED_64) this.skip(8);
    else if (wire === SIZED) this.span();
    else if (wire === GROUP) this.group(number);
    else if (wire === FIXED_32) this.skip(4);
    else throw this.fail();
  }

  /** Reads these bytes, and goes on where it was. */
  within({ start, end }: Span, read: () => void): void {
    const before = { at: this.at, end: this.end };
    this.at = start;
    this.end = end;
    read();
    this.at = before.at;
    this.end = before.end;
  }
}

export interface ScalarCodec {
  readonly wire: number;
  readonly read: (reader: ProtobufReader) => string;
}

function within(value: number | bigint, reader: ProtobufReader, [least, most]: readonly [number, number]) {
  if (value < least || value > most) throw reader.fail();
  return String(value);
}

const INT_32 = [-(2 ** 31), 2 ** 31 - 1] as const;

const signed = (value: number | bigint) => (typeof value === 'bigint' ? BigInt.asIntN(64, value) : value);

function bool(reader: ProtobufReader): string {
  const value = reader.varint();
  if (value !== 0 && value !== 1) throw reader.fail();
  return value === 1 ? 'true' : 'false';
}

function text(reader: ProtobufReader): string {
  const view = reader.take(reader.size());
  if (!isUtf8(view)) throw reader.fail();
  return JSON.stringify(view.toString());
}

/** As JSON. A number beyond its type is refused: it was written under another one. */
export const SCALARS: Readonly<Record<ScalarName, ScalarCodec>> = {
  double: { wire: FIXED_64, read: (r) => floatText(r.take(8).readDoubleLE(0)) },
  float: { wire: FIXED_32, read: (r) => floatText(r.take(4).readFloatLE(0)) },
  int32: { wire: VARINT, read: (r) => within(signed(r.varint()), r, INT_32) },
  int64: { wire: VARINT, read: (r) => String(signed(r.varint())) },
  uint32: { wire: VARINT, read: (r) => within(r.varint(), r, [0, 2 ** 32 - 1]) },
  uint64: { wire: VARINT, read: (r) => String(r.varint()) },
  sint32: { wire: VARINT, read: (r) => within(zigzag(r.varint()), r, INT_32) },
  sint64: { wire: VARINT, read: (r) => String(zigzag(r.varint())) },
  fixed32: { wire: FIXED_32, read: (r) => String(r.take(4).readUInt32LE(0)) },
  fixed64: { wire: FIXED_64, read: (r) => String(r.take(8).readBigUInt64LE(0)) },
  sfixed32: { wire: FIXED_32, read: (r) => String(r.take(4).readInt32LE(0)) },
  sfixed64: { wire: FIXED_64, read: (r) => String(r.take(8).readBigInt64LE(0)) },
  bool: { wire: VARINT, read: bool },
  string: { wire: SIZED, read: text },
  bytes: { wire: SIZED, read: (r) => base64Text(r.take(r.size())) },
};

/** By name; a number without a name as it is, so that it is not lost. */
export function enumCodec(names: ReadonlyMap<number, string>): ScalarCodec {
  const texts = new Map([...names].map(([number, name]) => [String(number), JSON.stringify(name)]));
  return {
    wire: VARINT,
    read: (reader) => {
      const number = SCALARS.int32.read(reader);
      return texts.get(number) ?? number;
    },
  };
}

const ZEROS: Partial<Record<ScalarName, string>> = { bool: 'false', string: '""', bytes: '""' };

export const zeroOf = (scalar: ScalarName) => ZEROS[scalar] ?? '0';
