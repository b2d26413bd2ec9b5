// Message formats v0 and v1, as topics written before Kafka 0.11 still hold them: each message, or compressed
// wrapper of messages, becomes one v2 batch with the same offsets, keys, values and timestamps. Everything
// after this knows v2 only.
import { BATCH_CODECS, decompressBatch } from '@sluice/shared/codecs.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { offsetFromWire } from '@sluice/shared/position.ts';
import { BATCH_PLAIN_BYTES_MAX, MAGIC_END } from '@sluice/shared/record-batch.ts';
import { encodeRecordBatch, type KafkaRecord } from '@sluice/shared/records.ts';

const LENGTH_END = 12;

interface LegacyMessage {
  readonly offset: number;
  readonly magic: number;
  readonly attributes: number;
  /** ms; -1 in v0, which has none. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

/**
 * One entry of a v0 or v1 message set (offset, size and message) as a v2 batch. RECORD_BATCH_CORRUPT if
 * malformed.
 */
export function reframeLegacyEntry(entry: Buffer): Buffer {
  const outer = readMessage(entry);
  const codec = BATCH_CODECS[outer.attributes & 7];
  if (codec === undefined) {
    const place = { place: `offset ${outer.offset}` };
    throw new SluiceError('CODEC_UNKNOWN', `compression type ${outer.attributes & 7}`, place);
  }
  const logAppendTime = (outer.attributes & 0x08) !== 0;
  const messages = codec === 'none' ? [outer] : innerMessages(outer, codec);
  const records: KafkaRecord[] = messages.map(({ offset, timestamp, key, value }) => {
    return { offset, timestamp: logAppendTime ? outer.timestamp : timestamp, key, value, headers: [] };
  });
  return encodeRecordBatch(
    { baseOffset: records[0]?.offset ?? outer.offset, leaderEpoch: -1, logAppendTime },
    records,
  );
}

/** Inner offsets are absolute in v0; in v1 they are relative and the last one is the wrapper's. */
function innerMessages(outer: LegacyMessage, codec: (typeof BATCH_CODECS)[number]): LegacyMessage[] {
  const plain = decompressBatch(codec, outer.value ?? Buffer.alloc(0), BATCH_PLAIN_BYTES_MAX);
  const messages: LegacyMessage[] = [];
  for (let at = 0; at < plain.length; ) {
    if (plain.length - at < MAGIC_END) fail('a compressed message set ends in a header', outer.offset);
    const end = at + LENGTH_END + plain.readInt32BE(at + 8);
    if (end > plain.length || end <= at) fail('a compressed message runs past its set', outer.offset);
    messages.push(readMessage(plain.subarray(at, end)));
    at = end;
  }
  if (outer.magic === 0) return messages;
  const shift = outer.offset - (messages.at(-1)?.offset ?? 0);
  return messages.map((message) => ({ ...message, offset: message.offset + shift }));
}

function readMessage(entry: Buffer): LegacyMessage {
  const offset = offsetFromWire(entry.readBigInt64BE(0));
  const magic = entry[MAGIC_END - 1] ?? 0;
  const attributes = entry[MAGIC_END] ?? 0;
  let at = MAGIC_END + 1 + (magic === 1 ? 8 : 0);
  const field = (): Buffer | null => {
    if (at + 4 > entry.length) fail('a message ends in a length', offset);
    const length = entry.readInt32BE(at);
    at += 4;
    if (length < 0) return null;
    if (at + length > entry.length) fail('a field runs past its message', offset);
    at += length;
    return entry.subarray(at - length, at);
  };
  const key = field();
  const value = field();
  const timestamp = magic === 1 ? Number(entry.readBigInt64BE(MAGIC_END + 1)) : -1;
  return { offset, magic, attributes, timestamp, key, value };
}

function fail(message: string, offset: number): never {
  throw new SluiceError('RECORD_BATCH_CORRUPT', message, { place: `offset ${offset}` });
}
