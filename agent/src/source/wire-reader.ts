// Kafka's non-flexible primitives, read in order from a response. Pure.
import { offsetFromWire } from '@sluice/shared/position.ts';

export class WireReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  int16(): number {
    this.#at += 2;
    return this.#bytes.readInt16BE(this.#at - 2);
  }

  int32(): number {
    this.#at += 4;
    return this.#bytes.readInt32BE(this.#at - 4);
  }

  int64(): bigint {
    this.#at += 8;
    return this.#bytes.readBigInt64BE(this.#at - 8);
  }

  offset(): number {
    return offsetFromWire(this.int64());
  }

  string(): string {
    const length = this.int16();
    this.#at += length;
    return this.#bytes.toString('utf8', this.#at - length, this.#at);
  }

  bytes(): Buffer {
    const length = Math.max(0, this.int32());
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  array<T>(element: () => T): T[] {
    const elements: T[] = [];
    for (let left = this.int32(); left > 0; left--) elements.push(element());
    return elements;
  }
}
