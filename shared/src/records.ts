// The records inside a batch, one object each: for counting, for tests and tools. The collector's hot path
// has its own column decoder; a test holds both against each other.
import { gzipSync, zstdCompressSync } from 'node:zlib';
import lz4 from 'lz4-napi';
import snappy from 'snappy';
import { BATCH_CODECS, type BatchCodec, decompressBatch } from './codecs.ts';
import { crc32c } from './crc32c.ts';
import { SluiceError } from './errors.ts';
import { BATCH_PLAIN_BYTES_MAX, RECORD_BATCH_HEADER_BYTES, readBatchHeader } from './record-batch.ts';

export interface KafkaRecord {
  readonly offset: number;
  /** ms since the epoch. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [string, Buffer | null])[];
}

/** Opens a batch. RECORD_BATCH_CORRUPT where lengths do not add up. */
export function decodeRecords(batch: Buffer): KafkaRecord[] {
  const header = readBatchHeader(batch);
  const body = decompressBatch(
    header.codec,
    batch.subarray(RECORD_BATCH_HEADER_BYTES, header.totalBytes),
    BATCH_PLAIN_BYTES_MAX,
  );
  const reader = new VarintReader(body, header.baseOffset);
  const records: KafkaRecord[] = [];
  for (let i = 0; i < header.count; i++) {
    const end = reader.varint() + reader.at;
    reader.at++; // attributes, unused
    const timestampDelta = reader.varint();
    const offset = header.baseOffset + reader.varint();
    const key = reader.bytes();
    const value = reader.bytes();
    const headers: [string, Buffer | null][] = [];
    for (let left = reader.varint(); left > 0; left--)
      headers.push([(reader.bytes() ?? Buffer.alloc(0)).toString(), reader.bytes()]);
    if (reader.at !== end) reader.fail('a record’s length is wrong');
    const timestamp = header.logAppendTime ? header.maxTimestamp : header.baseTimestamp + timestampDelta;
    records.push({ offset, timestamp, key, value, headers });
  }
  if (reader.at !== body.length) reader.fail('bytes follow the last record');
  return records;
}

/**
 * Records at or above `fromOffset`. A dense batch need not be opened; of a sparse one that cannot be opened
 * as many are counted as there may be. Agent and collector count by this alone: they must agree also where a
 * batch is broken.
 */
export function countRecordsFrom(batch: Buffer, fromOffset: number): number {
  const header = readBatchHeader(batch);
  if (fromOffset <= header.baseOffset) return header.count;
  if (fromOffset > header.lastOffset) return 0;
  if (header.count === header.lastOffset - header.baseOffset + 1) return header.lastOffset - fromOffset + 1;
  try {
    return decodeRecords(batch).filter((record) => record.offset >= fromOffset).length;
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    return Math.min(header.count, header.lastOffset - fromOffset + 1);
  }
}

class VarintReader {
  at = 0;
  readonly #bytes: Buffer;
  readonly #baseOffset: number;

  constructor(bytes: Buffer, baseOffset: number) {
    this.#bytes = bytes;
    this.#baseOffset = baseOffset;
  }

  fail(message: string): never {
    throw new SluiceError('RECORD_BATCH_CORRUPT', message, { place: `offset ${this.#baseOffset}` });
  }

  /** Zigzag varint or varlong, exact to 2^53. */
  varint(): number {
    let value = 0;
    for (let scale = 1; scale < 2 ** 63; scale *= 128) {
      const byte = this.#bytes[this.at++];
      if (byte === undefined) this.fail('records end in a number');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
    this.fail('a number has too many bytes');
  }

  bytes(): Buffer | null {
    const length = this.varint();
    if (length < 0) return null;
    if (this.at + length > this.#bytes.length) this.fail('a field runs past its batch');
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }
}

export interface BatchOptions {
  readonly baseOffset: number;
  readonly codec?: BatchCodec;
  readonly leaderEpoch?: number;
  readonly producerId?: bigint;
  readonly transactional?: boolean;
  readonly control?: boolean;
  readonly logAppendTime?: boolean;
  /** Defaults to the last record's delta. */
  readonly lastOffsetDelta?: number;
}

/** A valid v2 batch of `records`, for re-framing old formats, tests and generators. */
export function encodeRecordBatch(options: BatchOptions, records: readonly KafkaRecord[]): Buffer {
  const codec = options.codec ?? 'none';
  const baseTimestamp = records[0]?.timestamp ?? -1;
  const plain = Buffer.concat(
    records.map((record) => encodeRecord(record, options.baseOffset, baseTimestamp)),
  );
  const body = records.length === 0 ? plain : compressBatch(codec, plain);
  const header = Buffer.alloc(RECORD_BATCH_HEADER_BYTES);
  const last = records.at(-1);
  header.writeBigInt64BE(BigInt(options.baseOffset), 0);
  header.writeInt32BE(RECORD_BATCH_HEADER_BYTES - 12 + body.length, 8);
  header.writeInt32BE(options.leaderEpoch ?? 0, 12);
  header.writeInt8(2, 16);
  const flags =
    (options.logAppendTime ? 8 : 0) | (options.transactional ? 0x10 : 0) | (options.control ? 0x20 : 0);
  header.writeInt16BE(BATCH_CODECS.indexOf(codec) | flags, 21);
  header.writeInt32BE(
    options.lastOffsetDelta ?? (last === undefined ? 0 : last.offset - options.baseOffset),
    23,
  );
  header.writeBigInt64BE(BigInt(baseTimestamp), 27);
  header.writeBigInt64BE(BigInt(records.reduce((max, r) => Math.max(max, r.timestamp), -1)), 35);
  header.writeBigInt64BE(options.producerId ?? -1n, 43);
  header.writeInt16BE(options.producerId === undefined ? -1 : 0, 51);
  header.writeInt32BE(-1, 53);
  header.writeInt32BE(records.length, 57);
  const batch = Buffer.concat([header, body]);
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  return batch;
}

export function compressBatch(codec: BatchCodec, plain: Buffer): Buffer {
  switch (codec) {
    case 'none':
      return plain;
    case 'gzip':
      return gzipSync(plain);
    case 'snappy':
      return snappy.compressSync(plain);
    case 'lz4':
      return lz4.compressFrameSync(plain);
    case 'zstd':
      return zstdCompressSync(plain);
  }
}

function encodeRecord(record: KafkaRecord, baseOffset: number, baseTimestamp: number): Buffer {
  const fields = [
    Buffer.from([0]),
    zigzag(record.timestamp - baseTimestamp),
    zigzag(record.offset - baseOffset),
    ...sized(record.key),
    ...sized(record.value),
    zigzag(record.headers.length),
    ...record.headers.flatMap(([name, value]) => [...sized(Buffer.from(name)), ...sized(value)]),
  ];
  const body = Buffer.concat(fields);
  return Buffer.concat([zigzag(body.length), body]);
}

function sized(bytes: Buffer | null): Buffer[] {
  return bytes === null ? [zigzag(-1)] : [zigzag(bytes.length), bytes];
}

function zigzag(value: number): Buffer {
  let rest = value >= 0 ? BigInt(value) * 2n : BigInt(-value) * 2n - 1n;
  const bytes: number[] = [];
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}
