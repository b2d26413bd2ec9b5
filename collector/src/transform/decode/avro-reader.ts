// The primitives of Avro's binary encoding (Avro 1.12, "Binary Encoding"): each read is bounded by the value,
// and what it cannot be ends in an UndecodableError. Integers beyond 2^53 and decimals stay exact.
import { isUtf8 } from 'node:buffer';
import { ValueReader } from './value-reader.ts';

export class AvroReader extends ValueReader {
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
