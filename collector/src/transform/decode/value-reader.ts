// A binary value on its way to JSON text, whatever its encoding: each read is bounded by the value, and
// text and depth by limits of their own, so that a few bytes cannot become many.

/** Bytes of a value from `at` on → JSON. Throws UndecodableError. */
export type DecodeValue = (value: Buffer, at: number) => string;

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

/** Bytes from `at` to `end`, with what is left of the bounds of one value. */
export class ValueReader {
  readonly bytes: Buffer;
  at: number;
  end: number;
  /** Path of the field that is read, for errors. */
  field = '';
  #room = TEXT_CHARACTERS_MAX;
  #depth = 0;

  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes;
    this.at = at;
    this.end = bytes.length;
  }

  fail(code: UndecodableCode = 'VALUE_UNDECODABLE'): UndecodableError {
    return new UndecodableError(code, this.field);
  }

  isAtEnd(): boolean {
    return this.at === this.end;
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
    if (this.at >= this.end) throw this.fail();
    return this.bytes[this.at++] as number;
  }

  /** Unsigned, seven bits a byte, at most 64 bits: a number where that is exact. */
  varint(): number | bigint {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 7; i++) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    let big = BigInt(value);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      big |= BigInt(byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      if (big >> 64n !== 0n) throw this.fail();
      return big;
    }
    throw this.fail();
  }

  /** Goes past `count` bytes and says where they begin. */
  skip(count: number): number {
    const at = this.at;
    if (count < 0 || at + count > this.end) throw this.fail();
    this.at = at + count;
    return at;
  }

  /** `count` bytes, a view. */
  take(count: number): Buffer {
    const at = this.skip(count);
    this.spend(count);
    return this.bytes.subarray(at, this.at);
  }
}

/** Signed, out of an unsigned varint: small numbers of either sign are short. */
export function zigzag(value: number | bigint): number | bigint {
  if (typeof value === 'number') return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  return value & 1n ? -((value + 1n) >> 1n) : value >> 1n;
}
