// Record batches → columns for DuckDB, one pass, no allocation per record. Values are joined by a separator
// that cannot be foreseen (eight bytes, drawn per process), so that SQL splits them again without looking at
// them; what DuckDB cannot take (tombstones, invalid UTF-8) is set aside with its reason. The batch's CRC is
// checked here: the producer's own.
import { isUtf8 } from 'node:buffer';
import { decompressBatch } from '@sluice/shared/codecs.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { freeBytes } from '@sluice/shared/free-bytes.ts';
import {
  BATCH_PLAIN_BYTES_MAX,
  checkBatchCrc,
  RECORD_BATCH_HEADER_BYTES,
  type RecordBatchHeader,
} from '@sluice/shared/record-batch.ts';
import { JoinedColumn } from './joined-column.ts';
import type { OddCode, OddRecord, OddTexts, PartSource, RecordParts } from './odd-record.ts';
import { NOWHERE } from './odd-record.ts';
import { type HeaderPairs, type KeyText, pairsText, readHeaders, textKey } from './record-texts.ts';
import { STRAIGHT_GROUP_ROWS_MAX } from './sql/straight.ts';

/** Rows [rowStart, rowEnd) of the chunk, all of one partition, and the joined bytes of each column. */
export interface ChunkPart {
  readonly from: PartSource;
  readonly rowStart: number;
  readonly rowEnd: number;
  readonly values: Buffer;
  readonly keys: Buffer | undefined;
  readonly headers: Buffer | undefined;
  readonly originals: Buffer | undefined;
}

/** DuckDB unnests a list of text in quadratic time: lists are kept short. */
const PART_ROWS_MAX = 1_024;

/** A chunk is full once it holds this many bytes or records, those that are set aside included. */
const CHUNK_BYTES = 16 * 2 ** 20;
const CHUNK_RECORDS = STRAIGHT_GROUP_ROWS_MAX;

/** What the values of one batch may be converted to: a few bytes can decompress to many. */
const CONVERTED_BYTES_MAX = 32 * 2 ** 20;

export interface ColumnOptions {
  /** UTF-8 text that stands between two values, and nowhere else. */
  readonly separator: Buffer;
  /** Stands for a null key, and for the value of a tombstone that is kept. */
  readonly nullMark: Buffer;
  readonly keys: boolean;
  readonly headers: boolean;
  /** Values are JSON, CSV or text and must be UTF-8; bytes are handed over as they are. */
  readonly text: boolean;
  readonly convert?: Converter | undefined;
  readonly tombstones?: 'quarantine' | 'drop' | 'keep' | undefined;
  readonly keyText?: KeyText | undefined;
  readonly headersText?: ((pairs: HeaderPairs) => Buffer) | undefined;
  /** Hands over each value as the record had it, too, as base64: for what is converted. */
  readonly originals?: boolean | undefined;
}

/** Rewrites a value before it enters the column, or says why it cannot, or that the record is filtered. */
export type Converter = (value: Buffer) => Uint8Array | OddCode | typeof FILTERED;

/** A record that is counted as filtered and goes no further. */
export const FILTERED = Symbol('filtered');

/**
 * Rows of several partitions, reused from chunk to chunk. `offsets` and `timestamps` (ms) hold int64
 * little-endian, as DuckDB's BIGINT vectors do.
 */
export class ColumnChunk {
  rows = 0;
  offsets = new BigInt64Array(4_096);
  timestamps = new BigInt64Array(4_096);
  odd: OddRecord[] = [];
  /** Records that were filtered before SQL. */
  filtered = 0;
  #oddBytes = 0;
  #batchStart = 0;
  #offsetWords = new Uint32Array(this.offsets.buffer);
  #timestampWords = new Uint32Array(this.timestamps.buffer);
  readonly #values: JoinedColumn;
  readonly #keys: JoinedColumn;
  readonly #headers: JoinedColumn;
  readonly #originals: JoinedColumn;
  readonly #columns: readonly JoinedColumn[];
  readonly #options: ColumnOptions;
  readonly #keyText: KeyText;
  readonly #headersText: (pairs: HeaderPairs) => Buffer;
  /** Whether anything is handed over beside the values. */
  readonly #beside: boolean;
  #parts: { readonly from: PartSource; readonly row: number }[] = [];

  constructor(options: ColumnOptions) {
    this.#options = options;
    this.#values = new JoinedColumn(1 << 20, options.separator);
    this.#keys = new JoinedColumn(0, options.separator);
    this.#headers = new JoinedColumn(0, options.separator);
    this.#originals = new JoinedColumn(0, options.separator);
    this.#columns = [this.#values, this.#keys, this.#headers, this.#originals];
    this.#keyText = options.keyText ?? textKey;
    this.#headersText = options.headersText ?? pairsText;
    this.#beside = options.keys || options.headers || options.originals === true;
  }

  /** Time to hand it over and reset it; a batch may still be appended. */
  isFull(): boolean {
    const bytes = this.#columns.reduce((sum, { length }) => sum + length, this.#oddBytes);
    return bytes >= CHUNK_BYTES || this.rows + this.odd.length >= CHUNK_RECORDS;
  }

  reset(): void {
    [this.rows, this.filtered, this.#oddBytes] = [0, 0, 0];
    this.odd = [];
    this.#parts = [];
    for (const column of this.#columns) column.cut(0);
  }

  free(): void {
    for (const column of this.#columns) column.free();
  }

  /** Starts rows of a partition; the rows before belong to the part before. */
  beginPart(partition: number, topic = NOWHERE.topic): void {
    const last = this.#parts.at(-1)?.from;
    if (last?.partition === partition && last.topic === topic) return;
    this.#parts.push({ from: { topic, partition }, row: this.rows });
  }

  /** The finished parts, in row order and without a gap. */
  parts(): ChunkPart[] {
    const parts: ChunkPart[] = [];
    this.#parts.forEach(({ from, row }, i) => {
      const end = this.#parts[i + 1]?.row ?? this.rows;
      for (let rowStart = row; rowStart < end; rowStart += PART_ROWS_MAX) {
        const rowEnd = Math.min(end, rowStart + PART_ROWS_MAX);
        const { keys, headers, originals } = this.#options;
        parts.push({
          from,
          rowStart,
          rowEnd,
          values: this.#values.slice(rowStart, rowEnd),
          keys: keys ? this.#keys.slice(rowStart, rowEnd) : undefined,
          headers: headers ? this.#headers.slice(rowStart, rowEnd) : undefined,
          originals: originals ? this.#originals.slice(rowStart, rowEnd) : undefined,
        });
      }
    });
    return parts;
  }

  /** Takes a row out again: SQL skips rows whose offset is negative. */
  strike(row: number, code: OddCode): void {
    const part = this.#parts.findLast((p) => p.row <= row);
    const offset = Number(this.offsets[row]);
    const raw = this.#originalAt(row);
    const timestamp = Number(this.timestamps[row]);
    this.odd.push({ ...(part?.from ?? NOWHERE), offset, timestamp, code, raw, ...this.#textsAt(row) });
    this.offsets[row] = -1n;
  }

  /** The bytes as the record had them: a value that was converted tells them no more. */
  #originalAt(row: number): Buffer {
    if (this.#options.originals !== true) return Buffer.from(this.value(row));
    return Buffer.from(this.#originals.slice(row, row + 1).toString('latin1'), 'base64');
  }

  #textsAt(row: number): OddTexts {
    const { keys, headers, nullMark } = this.#options;
    const key = keys ? Buffer.from(this.#keys.slice(row, row + 1)) : nullMark;
    return {
      key: key.equals(nullMark) ? undefined : key,
      headers: headers ? Buffer.from(this.#headers.slice(row, row + 1)) : undefined,
    };
  }

  /** One value of the chunk, as a view. */
  value(row: number): Buffer {
    return this.#values.slice(row, row + 1);
  }

  /** All values as they lie, a separator behind each, and where each value ends. */
  joined(): { bytes: Buffer; ends: Uint32Array; startOf(row: number): number } {
    const { buffer, ends, length } = this.#values;
    return { bytes: buffer.subarray(0, length), ends, startOf: (row) => this.#values.startOf(row) };
  }

  /**
   * Appends the records of one batch with fromOffset ≤ offset < nextOffset to the current part and returns
   * how many there were, odd ones included. All of the batch or nothing: RECORD_BATCH_CORRUPT where CRC or
   * lengths are wrong.
   */
  appendBatch(
    batch: Buffer,
    header: RecordBatchHeader,
    range: { fromOffset: number; nextOffset: number },
  ): number {
    checkBatchCrc(batch, header);
    const records = batch.subarray(RECORD_BATCH_HEADER_BYTES);
    const body = decompressBatch(header.codec, records, BATCH_PLAIN_BYTES_MAX);
    if (header.count > body.length) throw corrupt(header, 'more records than bytes');
    this.#growRows(header.count);
    this.#values.reserve(body.length + header.count * this.#options.separator.length);
    const rowsBefore = this.rows;
    const asideBefore = { odd: this.odd.length, filtered: this.filtered };
    this.#batchStart = this.#values.length;
    try {
      this.#decode(body, header, range);
    } catch (error) {
      this.#takeBack(rowsBefore, asideBefore);
      throw error;
    }
    // All of it was copied. A batch that was not compressed is its own body.
    if (body.buffer !== batch.buffer) freeBytes(body);
    const bulkCheck = this.#options.text && !this.#checksEach();
    if (bulkCheck && !isUtf8(this.#values.buffer.subarray(this.#batchStart, this.#values.length))) {
      this.#setAsideInvalid(rowsBefore);
    }
    return this.rows - rowsBefore + this.odd.length - asideBefore.odd + this.filtered - asideBefore.filtered;
  }

  #takeBack(rows: number, aside: { readonly odd: number; readonly filtered: number }): void {
    const { keys, headers, originals } = this.#options;
    this.rows = rows;
    this.filtered = aside.filtered;
    for (const { raw } of this.odd.splice(aside.odd)) this.#oddBytes -= raw?.length ?? 0;
    this.#values.cut(rows);
    if (keys) this.#keys.cut(rows);
    if (headers) this.#headers.cut(rows);
    if (originals) this.#originals.cut(rows);
  }

  #growRows(rows: number): void {
    const needed = this.rows + rows;
    if (needed <= this.offsets.length) return;
    const length = Math.max(this.offsets.length * 2, needed);
    const grow = (from: BigInt64Array<ArrayBuffer>, to: BigInt64Array<ArrayBuffer>) => {
      to.set(from);
      return to;
    };
    this.offsets = grow(this.offsets, new BigInt64Array(length));
    this.timestamps = grow(this.timestamps, new BigInt64Array(length));
    this.#offsetWords = new Uint32Array(this.offsets.buffer);
    this.#timestampWords = new Uint32Array(this.timestamps.buffer);
  }

  #decode(body: Buffer, header: RecordBatchHeader, range: { fromOffset: number; nextOffset: number }): void {
    const cursor = { at: 0 };
    for (let i = 0; i < header.count; i++) {
      if (cursor.at >= body.length) throw corrupt(header, 'records end early');
      const length = zigzag(unsigned(body, cursor));
      const next = cursor.at + length;
      if (length < 6 || next > body.length) throw corrupt(header, 'a record runs past its batch');
      cursor.at++; // attributes
      const timestampDelta = zigzag(unsigned(body, cursor));
      const offset = header.baseOffset + zigzag(unsigned(body, cursor));
      const keyLength = zigzag(unsigned(body, cursor));
      const keyAt = cursor.at;
      if (keyLength > 0) cursor.at += keyLength;
      const valueLength = zigzag(unsigned(body, cursor));
      const valueEnd = valueLength > 0 ? cursor.at + valueLength : cursor.at;
      if (valueEnd > next || offset > header.lastOffset)
        throw corrupt(header, 'a value runs past its record');
      if (offset >= range.fromOffset && offset < range.nextOffset) {
        const timestamp = header.logAppendTime ? header.maxTimestamp : header.baseTimestamp + timestampDelta;
        const raw = valueLength < 0 ? null : body.subarray(cursor.at, valueEnd);
        if (this.#beside) {
          const key = keyLength < 0 ? undefined : body.subarray(keyAt, keyAt + keyLength);
          this.#putWithOthers({ raw, key, headers: body.subarray(valueEnd, next), offset, timestamp });
        } else if (this.#put(raw, offset, timestamp)) this.rows++;
      }
      cursor.at = next;
    }
    if (cursor.at !== body.length) throw corrupt(header, 'bytes follow the last record');
  }

  /** Rows of several columns go together: a value is looked at before its key is put. */
  #checksEach(): boolean {
    return this.#beside || this.#options.convert !== undefined;
  }

  /** A value with what else is handed over of its record. */
  #putWithOthers(record: RecordParts): void {
    const { keys, headers, originals, nullMark } = this.#options;
    const { raw, offset, timestamp } = record;
    const key = keys && record.key !== undefined ? this.#keyText(record.key) : nullMark;
    const aside = this.odd.length;
    if (typeof key === 'string') this.#setAside(key, raw, { offset, timestamp });
    if (typeof key === 'string' || !this.#put(raw, offset, timestamp)) {
      const last = this.odd.length > aside ? this.odd.pop() : undefined;
      if (last !== undefined) this.odd.push({ ...last, ...this.#textsOf(record) });
      return;
    }
    if (keys) this.#keys.put(this.rows, key);
    if (headers)
      this.#headers.put(this.rows, this.#headersText(readHeaders(record.headers, `offset ${offset}`)));
    if (originals) this.#originals.put(this.rows, Buffer.from(raw?.toString('base64') ?? ''));
    this.rows++;
  }

  /** Copies, for a record that is set aside. */
  #textsOf({ key, headers, offset }: RecordParts): OddTexts {
    const { keys, headers: withHeaders } = this.#options;
    const text = key === undefined ? undefined : this.#keyText(key);
    const told = keys && key !== undefined ? (text === 'KEY_INVALID' ? textKey(key) : text) : undefined;
    return {
      key: told && Buffer.from(told),
      headers: withHeaders ? this.#headersText(readHeaders(headers, `offset ${offset}`)) : undefined,
    };
  }

  /** Appends a value, or sets it aside and says false. */
  #put(raw: Buffer | null, offset: number, timestamp: number): boolean {
    const { convert, text } = this.#options;
    if (raw === null) return this.#putTombstone(offset, timestamp);
    let value: Uint8Array = raw;
    if (convert !== undefined) {
      const converted = convert(raw);
      if (typeof converted === 'string') return this.#setAside(converted, raw, { offset, timestamp });
      if (converted === FILTERED) {
        this.filtered++;
        return false;
      }
      if (this.#values.length - this.#batchStart + converted.length > CONVERTED_BYTES_MAX)
        return this.#setAside('VALUE_TOO_LARGE', raw, { offset, timestamp });
      value = converted;
    }
    if (text && this.#checksEach() && !isUtf8(value))
      return this.#setAside('UTF8_INVALID', raw, { offset, timestamp });
    this.#values.put(this.rows, value);
    this.#setRow(this.rows, offset, timestamp);
    return true;
  }

  #putTombstone(offset: number, timestamp: number): boolean {
    const { tombstones = 'quarantine', nullMark } = this.#options;
    if (tombstones === 'quarantine') return this.#setAside('TOMBSTONE', null, { offset, timestamp });
    if (tombstones === 'drop') {
      this.filtered++;
      return false;
    }
    this.#values.put(this.rows, nullMark);
    this.#setRow(this.rows, offset, timestamp);
    return true;
  }

  #setAside(code: OddCode, raw: Buffer | null, at: { offset: number; timestamp: number }): false {
    const from = this.#parts.at(-1)?.from ?? NOWHERE;
    this.odd.push({ ...from, ...at, code, raw: raw === null ? null : Buffer.from(raw) });
    this.#oddBytes += raw?.length ?? 0;
    return false;
  }

  #setRow(row: number, offset: number, timestamp: number): void {
    const word = row * 2;
    this.#offsetWords[word] = offset >>> 0;
    this.#offsetWords[word + 1] = Math.floor(offset / 2 ** 32);
    this.#timestampWords[word] = timestamp >>> 0;
    this.#timestampWords[word + 1] = Math.floor(timestamp / 2 ** 32);
  }

  /** Slow and rare: rows of the last batch whose value is not UTF-8 are taken out again. */
  #setAsideInvalid(firstRow: number): void {
    const kept: { value: Buffer; offset: number; timestamp: number }[] = [];
    for (let row = firstRow; row < this.rows; row++) {
      const value = Buffer.from(this.value(row));
      const offset = Number(this.offsets[row]);
      const timestamp = Number(this.timestamps[row]);
      if (isUtf8(value)) kept.push({ value, offset, timestamp });
      else this.#setAside('UTF8_INVALID', value, { offset, timestamp });
    }
    this.rows = firstRow;
    this.#values.cut(firstRow);
    for (const { value, offset, timestamp } of kept) {
      this.#values.put(this.rows, value);
      this.#setRow(this.rows++, offset, timestamp);
    }
  }
}

/** An unsigned varint, exact to 2^53; past the end it reads as 0 and the caller's bounds fail. */
function unsigned(bytes: Buffer, cursor: { at: number }): number {
  const first = bytes[cursor.at++] ?? 0;
  if (first < 0x80) return first;
  const second = bytes[cursor.at++] ?? 0;
  if (second < 0x80) return (first & 0x7f) | (second << 7);
  let value = (first & 0x7f) | ((second & 0x7f) << 7);
  for (let scale = 128 * 128; scale < 2 ** 63; scale *= 128) {
    const byte = bytes[cursor.at++] ?? 0;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
  }
  return value;
}

function zigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}

function corrupt(header: RecordBatchHeader, message: string): SluiceError {
  return new SluiceError('RECORD_BATCH_CORRUPT', message, { place: `offset ${header.baseOffset}` });
}
