// The primitives of Avro's binary encoding (Avro 1.12, "Binary Encoding"): each read is bounded by the value,
// and what it cannot be ends in an UndecodableError. Integers beyond 2^53 and decimals stay exact.
import { isUtf8 } from 'node:buffer';
import { ValueReader, zigzag } from './value-reader.ts';

export class AvroReader extends ValueReader {
  /** A number where that is exact. */
  long(): number | bigint {
    return zigzag(this.varint());
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
