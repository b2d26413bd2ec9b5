// Orders as Kafka record batches, as fast as one core can: values are written straight into the batch, which
// is then compressed as the Java client does it (LZ4 frame of independent 64 KiB blocks).
import { compressPayload } from '@sluice/shared/codecs.ts';
import { crc32c } from '@sluice/shared/crc32c.ts';
import { RECORD_BATCH_HEADER_BYTES } from '@sluice/shared/record-batch.ts';
import { ORDER_BYTES_MAX, OrderGenerator, type OrderOptions } from './orders.ts';

export const PARTITIONS = 4;
/** Consecutive orders that go to one partition, then to the next: one record batch each. */
export const RUN_RECORDS = 500;

export interface OrderBatch {
  readonly partition: number;
  readonly baseOffset: number;
  readonly count: number;
  /** ms since the epoch, of all its records. */
  readonly timestamp: number;
  readonly valueBytes: number;
  readonly bytes: Buffer;
}

const RECORD_OVERHEAD_MAX = 16;
const BLOCK_BYTES = 65_536;
const LZ4_CODEC = 3;
/** Magic, FLG 0x60 (version 1, independent blocks), BD 0x40 (64 KiB), and their checksum. */
const FRAME_HEAD = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
const FRAME_END = Buffer.alloc(4);
const STORED = 0x80000000;

/** All orders in the order of their numbers, batch by batch. Batches are fresh buffers. */
export function* orderBatches(options: OrderOptions, timestamp: number): Generator<OrderBatch> {
  const generator = new OrderGenerator(options);
  const plain = Buffer.alloc(RUN_RECORDS * (ORDER_BYTES_MAX + RECORD_OVERHEAD_MAX));
  const nextOffsets = new Array<number>(PARTITIONS).fill(0);
  for (let from = 0; from < options.records; from += RUN_RECORDS) {
    const count = Math.min(RUN_RECORDS, options.records - from);
    const partition = (from / RUN_RECORDS) % PARTITIONS;
    const baseOffset = nextOffsets[partition] ?? 0;
    nextOffsets[partition] = baseOffset + count;
    let plainBytes = 0;
    let valueBytes = 0;
    for (let i = 0; i < count; i++) {
      const written = writeRecord(generator, plain, { at: plainBytes, index: from + i, offsetDelta: i });
      plainBytes = written.end;
      valueBytes += written.valueBytes;
    }
    const bytes = batchOf(plain.subarray(0, plainBytes), { baseOffset, count, timestamp });
    yield { partition, baseOffset, count, timestamp, valueBytes, bytes };
  }
}

/**
 * Length, attributes, timestamp delta, offset delta, no key, value, no headers. The two lengths take two
 * bytes each.
 */
function writeRecord(
  generator: OrderGenerator,
  plain: Buffer,
  { at, index, offsetDelta }: { at: number; index: number; offsetDelta: number },
): { end: number; valueBytes: number } {
  let to = at + 2;
  plain[to++] = 0;
  plain[to++] = 0;
  if (offsetDelta < 64) {
    plain[to++] = offsetDelta * 2;
  } else {
    putTwoByteVarint(plain, to, offsetDelta);
    to += 2;
  }
  plain[to++] = 1;
  const valueAt = to + 2;
  const valueEnd = generator.write(plain, valueAt, index);
  const valueBytes = valueEnd - valueAt;
  putTwoByteVarint(plain, to, valueBytes);
  plain[valueEnd] = 0;
  const end = valueEnd + 1;
  putTwoByteVarint(plain, at, end - at - 2);
  return { end, valueBytes };
}

/** Zigzag varint of 64 to 8191. */
function putTwoByteVarint(target: Buffer, at: number, value: number): void {
  if (value < 64 || value > 8_191) throw new Error(`${value} does not take two bytes as a varint`);
  target[at] = ((value * 2) & 0x7f) | 0x80;
  target[at + 1] = (value * 2) >>> 7;
}

function batchOf(
  plain: Buffer,
  { baseOffset, count, timestamp }: { baseOffset: number; count: number; timestamp: number },
): Buffer {
  const header = Buffer.alloc(RECORD_BATCH_HEADER_BYTES);
  const frame = lz4Frame(plain);
  const bytes = Buffer.concat([header, ...frame]);
  bytes.writeBigInt64BE(BigInt(baseOffset), 0);
  bytes.writeInt32BE(bytes.length - 12, 8);
  bytes.writeInt32BE(-1, 12); // leader epoch, set by the broker
  bytes.writeInt8(2, 16);
  bytes.writeInt16BE(LZ4_CODEC, 21);
  bytes.writeInt32BE(count - 1, 23);
  bytes.writeBigInt64BE(BigInt(timestamp), 27);
  bytes.writeBigInt64BE(BigInt(timestamp), 35);
  bytes.writeBigInt64BE(-1n, 43);
  bytes.writeInt16BE(-1, 51);
  bytes.writeInt32BE(-1, 53);
  bytes.writeInt32BE(count, 57);
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17);
  return bytes;
}

function lz4Frame(plain: Buffer): Buffer[] {
  const parts: Buffer[] = [FRAME_HEAD];
  for (let from = 0; from < plain.length; from += BLOCK_BYTES) {
    const block = plain.subarray(from, Math.min(from + BLOCK_BYTES, plain.length));
    // One LZ4 block behind its plain length.
    const packed = compressPayload('lz4', block).subarray(4);
    const stored = packed.length >= block.length;
    const size = Buffer.alloc(4);
    size.writeUInt32LE(stored ? block.length + STORED : packed.length);
    parts.push(size, stored ? Buffer.from(block) : packed);
  }
  parts.push(FRAME_END);
  return parts;
}
