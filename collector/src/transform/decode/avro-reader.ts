// The primitives of Avro's binary encoding (Avro 1.12, "Binary Encoding"): each read is bounded by the value,
// and what it cannot be ends in an UndecodableError. Integers beyond 2^53 and decimals stay exact.
import { isUtf8 } from 'node:buffer';

export type UndecodableCode = 'VALUE_UNDECODABLE' | 'VALUE_TOO_LARGE';

/** The value is not what its schema says, at `field`. */
export class UndecodableError extends Error {
  readonly code: UndecodableCode;
  readonly field: string;

  constructor(code: UndecodableCode, field: string) {
    super(`${field}: ${code}`);
    this.code = code;
    this.field = field;
  }
}

/** Text that one value may become; also bounds what a few bytes can say of themselves to be many. */
const TEXT_CHARACTERS_MAX = 16 * 2 ** 20;
const DEPTH_MAX = 100;

export class AvroReader {
  readonly bytes: Buffer;
  at: number;
  /** Path of the field that is read, for errors. */
  field = '';
  #room = TEXT_CHARACTERS_MAX;
  #depth = 0;

  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  fail(code: UndecodableCode = 'VALUE_UNDECODABLE'): UndecodableError {
    return new UndecodableError(code, this.field);
  }

  isAtEnd(): boolean {
    return this.at === this.bytes.length;
  }

  /** Said for whatever is written, so that the text is bounded before it is there. */
  spend(characters: number): void {
    this.#room -= characters;
    if (this.#room < 0) throw this.fail('VALUE_TOO_LARGE');
  }

  deeper<T>(read: () => T): T {
    if (++this.#depth > DEPTH_MAX) throw this.fail('VALUE_TOO_LARGE');
    const result = read();
    this.#depth--;
    return result;
  }

  byte(): number {
    const byte = this.bytes[this.at++];
    if (byte === undefined) throw this.fail();
    return byte;
  }

  /** `count` bytes, a view. */
  take(count: number): Buffer {
    const end = this.at + count;
    if (count < 0 || end > this.bytes.length) throw this.fail();
    const view = this.bytes.subarray(this.at, end);
    this.at = end;
    this.spend(count);
    return view;
  }

  /** A zigzag varint of at most 64 bits: a number where that is exact. */
  long(): number | bigint {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 7; i++) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      scale *= 128;
    }
    let big = BigInt(value);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      big |= BigInt(byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      if (big >> 64n !== 0n) throw this.fail();
      return big & 1n ? -((big + 1n) >> 1n) : big >> 1n;
    }
    throw this.fail();
  }

  /** A long that counts or measures something here. */
  size(): number {
    const value = this.long();
    if (typeof value === 'bigint') throw this.fail();
    return value;
  }

  int(): number {
    const value = this.size();
    if (value < -(2 ** 31) || value >= 2 ** 31) throw this.fail();
    return value;
  }

  sized(): Buffer {
    return this.take(this.size());
  }

  text(): string {
    const view = this.sized();
    if (!isUtf8(view)) throw this.fail();
    return view.toString();
  }
}
