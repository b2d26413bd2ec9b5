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
