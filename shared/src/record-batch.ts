// Kafka's RecordBatch v2 as bytes (Kafka protocol guide, "Record Batch"): its header, its CRC, the walk over
// several. Records inside are opened elsewhere, and only where they must be.
import { BATCH_CODECS, type BatchCodec } from './codecs.ts';
import { crc32c } from './crc32c.ts';
import { SluiceError } from './errors.ts';
import { offsetFromWire } from './position.ts';

/** Bytes of a v2 batch before its records. */
export const RECORD_BATCH_HEADER_BYTES = 61;
/** Bytes of any message-set entry up to and including its magic. */
export const MAGIC_END = 17;

/** A batch decompresses to at most this, on either side of the link. */
export const BATCH_PLAIN_BYTES_MAX = 256 * 2 ** 20;

/** The smallest record has seven bytes: a header that counts more is believed by nobody. */
export const BATCH_RECORDS_MAX = Math.floor(BATCH_PLAIN_BYTES_MAX / 7);

const CRC_FROM = 21;

export interface RecordBatchHeader {
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** Length of the whole batch, the first twelve bytes included. */
  readonly totalBytes: number;
  readonly leaderEpoch: number;
  readonly crc: number;
  readonly attributes: number;
  readonly codec: BatchCodec;
  /** ms since the epoch. */
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  readonly logAppendTime: boolean;
  readonly transactional: boolean;
  readonly control: boolean;
  readonly producerId: bigint;
  readonly count: number;
}

function corrupt(message: string, offset?: number): SluiceError {
  return new SluiceError(
    'RECORD_BATCH_CORRUPT',
    message,
    offset === undefined ? {} : { place: `offset ${offset}` },
  );
}

/**
 * Throws RECORD_BATCH_CORRUPT where the bytes cannot be a whole v2 batch, CODEC_UNKNOWN for compression 5-7.
 */
export function readBatchHeader(bytes: Buffer, at = 0): RecordBatchHeader {
  if (bytes.length - at < RECORD_BATCH_HEADER_BYTES) throw corrupt('a record batch ends in its header');
  const baseOffset = offsetFromWire(bytes.readBigInt64BE(at));
  const magic = bytes[at + 16];
  if (magic !== 2) throw corrupt(`magic ${magic} where a v2 batch must be`, baseOffset);
  const totalBytes = bytes.readInt32BE(at + 8) + 12;
  const count = bytes.readInt32BE(at + 57);
  const lastOffsetDelta = bytes.readInt32BE(at + 23);
  if (totalBytes < RECORD_BATCH_HEADER_BYTES || at + totalBytes > bytes.length) {
    throw corrupt(`a record batch of ${totalBytes} bytes does not fit its ${bytes.length - at}`, baseOffset);
  }
  if (count < 0 || lastOffsetDelta < 0 || count > lastOffsetDelta + 1) {
    throw corrupt(`${count} records over ${lastOffsetDelta + 1} offsets`, baseOffset);
  }
  const attributes = bytes.readInt16BE(at + CRC_FROM);
  const codec = BATCH_CODECS[attributes & 7];
  if (codec === undefined)
    throw new SluiceError('CODEC_UNKNOWN', `compression type ${attributes & 7}`, {
      place: `offset ${baseOffset}`,
    });
  return {
    baseOffset,
    lastOffset: baseOffset + lastOffsetDelta,
    totalBytes,
    leaderEpoch: bytes.readInt32BE(at + 12),
    crc: bytes.readUInt32BE(at + 17),
    attributes,
    codec,
    baseTimestamp: Number(bytes.readBigInt64BE(at + 27)),
    maxTimestamp: Number(bytes.readBigInt64BE(at + 35)),
    logAppendTime: (attributes & 0x08) !== 0,
    transactional: (attributes & 0x10) !== 0,
    control: (attributes & 0x20) !== 0,
    producerId: bytes.readBigInt64BE(at + 43),
    count,
  };
}

/** Every batch of a payload of whole batches; bytes are views. */
export function* walkBatches(payload: Buffer): Generator<{ header: RecordBatchHeader; bytes: Buffer }> {
  for (let at = 0; at < payload.length; ) {
    const header = readBatchHeader(payload, at);
    yield { header, bytes: payload.subarray(at, at + header.totalBytes) };
    at += header.totalBytes;
  }
}

export function isBatchWhole(bytes: Buffer, header: RecordBatchHeader): boolean {
  return crc32c(bytes.subarray(CRC_FROM)) === header.crc;
}

/** The producer's own CRC-32C over attributes to end: it protects the bytes from producer to collector. */
export function checkBatchCrc(bytes: Buffer, header: RecordBatchHeader): void {
  const computed = crc32c(bytes.subarray(CRC_FROM));
  if (computed !== header.crc)
    throw corrupt(`CRC-32C is ${hex(computed)} and should be ${hex(header.crc)}`, header.baseOffset);
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}

/** What a control batch says; control batches are never compressed and hold one record. */
export function controlType(batch: Buffer): 'abort' | 'commit' | 'other' {
  let at = RECORD_BATCH_HEADER_BYTES;
  const skipVarint = () => {
    while (at < batch.length && (batch[at++] ?? 0) & 0x80);
  };
  skipVarint(); // length
  at++; // attributes
  skipVarint(); // timestamp delta
  skipVarint(); // offset delta
  skipVarint(); // key length; the key is version int16, type int16
  if (at + 4 > batch.length) return 'other';
  const type = batch.readInt16BE(at + 2);
  return type === 0 ? 'abort' : type === 1 ? 'commit' : 'other';
}
