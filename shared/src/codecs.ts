// Compression in both senses: what producers used inside record batches, and the payload of a segment as a
// whole. Every decompression is bounded: hostile or broken bytes end in an error, never in memory without
// limit.
import { constants, gunzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import lz4 from 'lz4-napi';
import snappy from 'snappy';
import { assert, messageOf, SluiceError } from './errors.ts';
import { freeBytes } from './free-bytes.ts';
import type { SegmentCodec } from './segment.ts';

/** Kafka's compression types, attributes bits 0-2 of a RecordBatch (Kafka protocol guide, "Record Batch"). */
export type BatchCodec = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

export const BATCH_CODECS: readonly BatchCodec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

/** A segment's payload before compression is never larger. */
export const SEGMENT_PLAIN_BYTES_MAX = 256 * 2 ** 20;

/**
 * Blocks of one batch, where its codec has blocks. Producers fill blocks of 32 KiB and more, and the smallest
 * that one can be set to is 1 KiB: more than this are hostile, as even an empty one costs memory.
 */
export const BATCH_BLOCKS_MAX = 256 * 1024;

const ZSTD_CHUNK_BYTES = 128 * 1024;
/** Each costs a call and a chunk of memory, however little is in it. */
const ZSTD_FRAMES_MAX = 1_024;
/** What producers may use at their highest level; it is the memory that one frame can ask for. */
const ZSTD_WINDOW_LOG_MAX = 27;
/** An LZ4 block grows to at most this many times its length (lz4_Block_format.md). */
const LZ4_RATIO_MAX = 255;
/** Used again for each block that fits, as those of 64 KiB do: it is read before the call returns. */
const LZ4_PREFIXED = Buffer.allocUnsafeSlow(2 ** 17);
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]);
const LZ4_FRAME_MAGIC = 0x184d2204;

/**
 * The records section of a batch. RECORD_BATCH_TOO_LARGE beyond `bytesMax`, RECORD_BATCH_CORRUPT for anything
 * else.
 */
export function decompressBatch(codec: BatchCodec, bytes: Buffer, bytesMax: number): Buffer {
  try {
    switch (codec) {
      case 'none':
        return bytes;
      case 'gzip':
        return gunzipSync(bytes, { maxOutputLength: bytesMax });
      case 'zstd':
        return decompressZstd(bytes, bytesMax);
      case 'snappy':
        return decompressSnappy(bytes, bytesMax);
      case 'lz4':
        return decompressLz4Frame(bytes, bytesMax);
    }
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE')
      throw tooLarge(codec, bytesMax);
    throw corrupt(`${codec} data cannot be decompressed: ${messageOf(error)}`, error);
  }
}

function corrupt(message: string, cause?: unknown): SluiceError {
  return new SluiceError('RECORD_BATCH_CORRUPT', message, { cause });
}

function tooLarge(codec: BatchCodec, bytesMax: number): SluiceError {
  return new SluiceError('RECORD_BATCH_TOO_LARGE', `a ${codec} batch holds more than ${bytesMax} bytes`);
}

function tooManyBlocks(codec: BatchCodec, max = BATCH_BLOCKS_MAX): SluiceError {
  return new SluiceError('RECORD_BATCH_TOO_LARGE', `a ${codec} batch consists of more than ${max} blocks`);
}

/** Frames behind each other are one text (RFC 8878, 3.1); Node reads one, and says nothing of the others. */
function decompressZstd(bytes: Buffer, bytesMax: number): Buffer {
  const parts: Buffer[] = [];
  let total = 0;
  let at = 0;
  do {
    if (parts.length === ZSTD_FRAMES_MAX) throw tooManyBlocks('zstd', ZSTD_FRAMES_MAX);
    const { buffer, engine } = zstdDecompressSync(at === 0 ? bytes : bytes.subarray(at), {
      info: true,
      maxOutputLength: Math.max(bytesMax - total, 1),
      chunkSize: ZSTD_CHUNK_BYTES,
      params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX },
    }) as unknown as { buffer: Buffer; engine: { bytesWritten: number } };
    parts.push(buffer);
    total += buffer.length;
    at += engine.bytesWritten;
  } while (at < bytes.length);
  if (total > bytesMax) throw tooLarge('zstd', bytesMax);
  return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts, total);
}

/**
 * Raw snappy, or the xerial stream that the Java client writes: magic, two versions, then length-prefixed
 * blocks.
 */
function decompressSnappy(bytes: Buffer, bytesMax: number): Buffer {
  if (bytes.length < 16 || !bytes.subarray(0, 8).equals(XERIAL_MAGIC)) return unsnappy(bytes, bytesMax);
  const parts: Buffer[] = [];
  let total = 0;
  for (let at = 16; at < bytes.length; ) {
    const length = bytes.readInt32BE(at);
    if (length < 0 || at + 4 + length > bytes.length) throw corrupt('a snappy block runs past its batch');
    if (parts.length === BATCH_BLOCKS_MAX) throw tooManyBlocks('snappy');
    const part = unsnappy(bytes.subarray(at + 4, at + 4 + length), bytesMax - total);
    total += part.length;
    parts.push(part);
    at += 4 + length;
  }
  return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts, total);
}

function unsnappy(block: Buffer, bytesMax: number): Buffer {
  let length = 0;
  for (let i = 0; i < 5; i++) {
    const byte = block[i];
    if (byte === undefined) throw corrupt('a snappy block ends in its length');
    length += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) break;
  }
  if (length > bytesMax) throw tooLarge('snappy', bytesMax);
  return snappy.uncompressSync(block, { asBuffer: true }) as Buffer;
}

/**
 * LZ4 frame (lz4_Frame_format.md). Producers write independent blocks, which go through the native block
 * call: four times faster than its frame call. Linked blocks take that slower call, after their size was
 * bounded by the block count.
 */
function decompressLz4Frame(bytes: Buffer, bytesMax: number): Buffer {
  if (bytes.length < 11 || bytes.readUInt32LE(0) !== LZ4_FRAME_MAGIC)
    throw corrupt('no LZ4 frame where one must begin');
  const flags = bytes.readUInt8(4);
  if (flags >>> 6 !== 1) throw corrupt(`LZ4 frame version ${flags >>> 6} is unknown`);
  const independent = (flags & 0x20) !== 0 && (flags & 1) === 0;
  const blockMax = 1 << (8 + 2 * ((bytes.readUInt8(5) >>> 4) & 7));
  const blocks = lz4Blocks(bytes, {
    at: 7 + (flags & 8 ? 8 : 0) + (flags & 1 ? 4 : 0),
    checksums: (flags & 0x10) !== 0,
  });
  if (!independent) {
    let count = 0;
    for (const _block of blocks)
      if (++count * blockMax > bytesMax + blockMax) throw tooLarge('lz4', bytesMax);
    const plain = lz4.decompressFrameSync(bytes);
    if (plain.length > bytesMax) throw tooLarge('lz4', bytesMax);
    return plain;
  }
  const parts: Buffer[] = [];
  let total = 0;
  for (const { block, stored } of blocks) {
    const part = stored ? block : uncompressLz4Block(block, blockMax);
    total += part.length;
    if (total > bytesMax) throw tooLarge('lz4', bytesMax);
    parts.push(part);
  }
  if (parts.length === 1 && parts[0]) return parts[0];
  const plain = Buffer.concat(parts, total);
  for (const part of parts) if (part.buffer !== bytes.buffer) freeBytes(part);
  return plain;
}

function* lz4Blocks(
  bytes: Buffer,
  from: { at: number; checksums: boolean },
): Generator<{ block: Buffer; stored: boolean }> {
  for (let at = from.at, count = 0; ; count++) {
    if (at + 4 > bytes.length) throw corrupt('an LZ4 frame ends without its end mark');
    const word = bytes.readUInt32LE(at);
    if (word === 0) return;
    if (count === BATCH_BLOCKS_MAX) throw tooManyBlocks('lz4');
    const length = word & 0x7fffffff;
    if (at + 4 + length > bytes.length) throw corrupt('an LZ4 block runs past its frame');
    yield { block: bytes.subarray(at + 4, at + 4 + length), stored: word >>> 31 === 1 };
    at += 4 + length + (from.checksums ? 4 : 0);
  }
}

/** The native call wants the plain length in front; an upper bound is accepted, and so much memory taken. */
function uncompressLz4Block(block: Buffer, blockMax: number): Buffer {
  const bytes = block.length + 4;
  const prefixed = bytes > LZ4_PREFIXED.length ? Buffer.allocUnsafe(bytes) : LZ4_PREFIXED.subarray(0, bytes);
  prefixed.writeUInt32LE(Math.min(blockMax, block.length * LZ4_RATIO_MAX), 0);
  block.copy(prefixed, 4);
  return lz4.uncompressSync(prefixed);
}

/**
 * A segment's payload as a whole. `lz4` is one LZ4 block behind its plain length as u32 LE; `zstd` one zstd
 * frame. Both are golden: spools and wires of released versions hold them.
 */
export function compressPayload(codec: SegmentCodec, plain: Buffer): Buffer {
  switch (codec) {
    case 'none':
      return plain;
    case 'lz4':
      return lz4.compressSync(plain);
    case 'zstd':
      return zstdCompressSync(plain);
  }
}

/** Exactly `plainBytes`, or SEGMENT_CORRUPT. */
export function decompressPayload(codec: SegmentCodec, bytes: Buffer, plainBytes: number): Buffer {
  assert(
    plainBytes <= SEGMENT_PLAIN_BYTES_MAX,
    `a segment of ${plainBytes} plain bytes is beyond every limit`,
  );
  let plain: Buffer;
  try {
    plain = decompressUnchecked(codec, bytes, plainBytes);
  } catch (error) {
    throw new SluiceError('SEGMENT_CORRUPT', `its ${codec} payload cannot be decompressed`, { cause: error });
  }
  if (plain.length === plainBytes) return plain;
  throw new SluiceError('SEGMENT_CORRUPT', `its payload holds ${plain.length} bytes and not ${plainBytes}`);
}

function decompressUnchecked(codec: SegmentCodec, bytes: Buffer, plainBytes: number): Buffer {
  if (codec === 'none') return bytes;
  if (codec === 'zstd') return zstdDecompressSync(bytes, { maxOutputLength: Math.max(plainBytes, 1) });
  if (bytes.readUInt32LE(0) !== plainBytes) throw new Error('the length in front differs');
  return lz4.uncompressSync(bytes);
}
