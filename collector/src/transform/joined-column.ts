// One column of a chunk as the bytes that DuckDB splits again: reused from chunk to chunk, grown as it must
// be.
import { freeBytes } from '@sluice/shared/free-bytes.ts';

/** Texts joined by the separator, each ending where `ends` says; the separator follows. */
export class JoinedColumn {
  buffer: Buffer;
  length = 0;
  ends = new Uint32Array(4_096);
  readonly #separator: Buffer;

  constructor(bytes: number, separator: Buffer) {
    this.buffer = Buffer.allocUnsafeSlow(bytes);
    this.#separator = separator;
  }

  reserve(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, this.length + bytes));
    this.buffer.copy(grown, 0, 0, this.length);
    freeBytes(this.buffer);
    this.buffer = grown;
  }

  /** Its memory is given back; nothing more is put into it, and nobody reads it any more. */
  free(): void {
    freeBytes(this.buffer);
  }

  put(row: number, text: Uint8Array): void {
    const separator = this.#separator;
    this.reserve(text.length + separator.length);
    if (row >= this.ends.length) this.#growEnds();
    this.buffer.set(text, this.length);
    this.length += text.length;
    this.ends[row] = this.length;
    this.buffer.set(separator, this.length);
    this.length += separator.length;
  }

  #growEnds(): void {
    const grown = new Uint32Array(this.ends.length * 2);
    grown.set(this.ends);
    this.ends = grown;
  }

  startOf(row: number): number {
    return row === 0 ? 0 : (this.ends[row - 1] ?? 0) + this.#separator.length;
  }

  /** Rows [rowStart, rowEnd), joined. */
  slice(rowStart: number, rowEnd: number): Buffer {
    return this.buffer.subarray(this.startOf(rowStart), this.ends[rowEnd - 1]);
  }

  /** Forgets `row` and all behind it. */
  cut(row: number): void {
    this.length = this.startOf(row);
  }
}
