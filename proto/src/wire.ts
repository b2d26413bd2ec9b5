// Between the link's messages and the words of the code: topic ids are hex here and 16 bytes on the wire,
// segments are written by hand so that a payload is copied once. Golden bytes in test/golden hold both sides
// to it.
import { SEGMENT_PLAIN_BYTES_MAX } from '@sluice/shared/codecs.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import type { PartitionId } from '@sluice/shared/position.ts';
import {
  boundedTimestamp,
  type Segment,
  type SegmentCodec,
  type SkippedSpan,
} from '@sluice/shared/segment.ts';
import { Segment as WireSegment } from './gen/sluice/v1/link.ts';

/** gRPC method of the one stream. */
export const CONNECT_PATH = '/sluice.v1.LinkService/Connect';

/**
 * A segment's payload on the wire is never larger: one record batch of 256 MiB plain can only come
 * compressed.
 */
const SEGMENT_PAYLOAD_BYTES_MAX = 64 * 2 ** 20;
export const MESSAGE_BYTES_MAX = SEGMENT_PAYLOAD_BYTES_MAX + 2 ** 20;

const CODECS: readonly SegmentCodec[] = ['none', 'lz4', 'zstd'];
const SKIPPED_KINDS: readonly (SkippedSpan['kind'] | undefined)[] = [undefined, 'control', 'aborted'];
const TOPIC_ID_BYTES = 16;

function topicIdToWire(topicId: string): Uint8Array {
  return Buffer.from(topicId, 'hex');
}

/** LINK_MESSAGE_INVALID unless it has 16 bytes. */
function topicIdFromWire(bytes: Uint8Array): string {
  if (bytes.length !== TOPIC_ID_BYTES) throw invalid(`a topic id of ${bytes.length} bytes`);
  return Buffer.from(bytes).toString('hex');
}

export function partitionToWire({ topic, topicId, partition }: PartitionId) {
  return { topic, topicId: topicIdToWire(topicId), partition };
}

export function partitionFromWire(ref: {
  topic: string;
  topicId: Uint8Array;
  partition: number;
}): PartitionId {
  return { topic: ref.topic, topicId: topicIdFromWire(ref.topicId), partition: ref.partition };
}

/** Tags of the two fields that are written by hand: ConnectRequest.segment and Segment.payload. */
const SEGMENT_TAG = 0x12;
const PAYLOAD_TAG = Buffer.from([0x8a, 0x01]);

/** A whole ConnectRequest with this segment; equal to the generated encoder's bytes. */
export function encodeSegmentRequest(segment: Segment, rewindEpoch: number): Buffer {
  const header = WireSegment.encode(toWire(segment, rewindEpoch)).finish();
  const { payload } = segment;
  const payloadHead =
    payload.length === 0 ? Buffer.alloc(0) : Buffer.concat([PAYLOAD_TAG, uvarint(payload.length)]);
  const segmentBytes = header.length + payloadHead.length + payload.length;
  return Buffer.concat([Buffer.from([SEGMENT_TAG]), uvarint(segmentBytes), header, payloadHead, payload]);
}

function uvarint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest & 127) | 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

/** Without its payload. */
function toWire(segment: Segment, rewindEpoch: number): WireSegment {
  const { counts, skipped, codec, crc32c, ...rest } = segment;
  return {
    ...partitionToWire(segment),
    leaderEpoch: rest.leaderEpoch,
    startOffset: rest.startOffset,
    nextOffset: rest.nextOffset,
    ...counts,
    skipped: skipped.map(({ kind, ...span }) => ({ ...span, kind: SKIPPED_KINDS.indexOf(kind) })),
    // A spool of an earlier version may hold any.
    timestampMax: String(boundedTimestamp(rest.timestampMax)),
    codec: CODECS.indexOf(codec),
    plainBytes: rest.plainBytes,
    crc32c,
    rewindEpoch,
    payload: new Uint8Array(),
  };
}

/** LINK_MESSAGE_INVALID where a number means nothing or does not fit the others. The payload stays a view. */
export function segmentFromWire(wire: WireSegment): Segment {
  const codec = CODECS[wire.codec];
  if (codec === undefined) throw invalid(`segment codec ${wire.codec} is unknown`);
  const { startOffset, nextOffset, records, control, aborted, absent } = wire;
  if (nextOffset <= startOffset || nextOffset - startOffset !== records + control + aborted + absent)
    throw invalid(`segment [${startOffset}, ${nextOffset}) does not balance`);
  const { plainBytes, payload } = wire;
  if (plainBytes > SEGMENT_PLAIN_BYTES_MAX || (codec === 'none' && plainBytes !== payload.length))
    throw invalid(
      `a payload of ${payload.length} bytes cannot be ${plainBytes} plain ones with codec ${codec}`,
    );
  const skipped = wire.skipped.map(({ kind, firstOffset, lastOffset, count }) => {
    const name = SKIPPED_KINDS[kind];
    if (name === undefined) throw invalid(`skipped kind ${kind} is unknown`);
    return { kind: name, firstOffset, lastOffset, count };
  });
  return {
    ...partitionFromWire(wire),
    leaderEpoch: wire.leaderEpoch,
    startOffset,
    nextOffset,
    counts: { records, control, aborted, absent },
    skipped,
    // Another agent may send any: it would break whoever reads the segment.
    timestampMax: boundedTimestamp(Number(wire.timestampMax)),
    codec,
    plainBytes,
    crc32c: wire.crc32c,
    payload,
  };
}

function invalid(message: string): SluiceError {
  return new SluiceError('LINK_MESSAGE_INVALID', message);
}
