// Kafka's fetch responses v4 to v11 as bytes, turned into what kafkajs expects of a decoded response: each
// partition carries one pseudo-message, which holds the batches of its record set unopened. kafkajs
// schedules; we read.
import type { FetchedBounds, SourceBatch } from '../contracts.ts';
import { type AbortedTransaction, walkRecordSet } from './record-set.ts';
import { WireReader } from './wire-reader.ts';

/** What one fetch brought of one partition. `batches` are views on the response. */
export interface PartitionFetch {
  readonly batches: readonly SourceBatch[];
  readonly bounds: FetchedBounds;
}

/**
 * The only "message" that kafkajs sees of a partition, also when nothing came, so that bounds arrive while it
 * idles.
 */
export interface PseudoMessage {
  /** Never below the fetched offset, or kafkajs would filter it. It is not what gets resolved. */
  readonly offset: string;
  readonly key: null;
  readonly value: null;
  readonly timestamp: '0';
  readonly headers: Record<string, never>;
  readonly attributes: 0;
  readonly isControlRecord: false;
  readonly fetch: PartitionFetch;
}

export interface DecodedFetchResponse {
  readonly throttleTime: number;
  readonly clientSideThrottleTime?: number;
  readonly errorCode: number;
  readonly sessionId: number;
  readonly responses: readonly { readonly topicName: string; readonly partitions: readonly unknown[] }[];
}

/** A decoder for one version of the response. */
export function fetchResponseDecoder(version: number): (payload: Buffer) => Promise<DecodedFetchResponse> {
  return async (payload) => {
    const reader = new WireReader(payload);
    const throttleMs = reader.int32();
    const errorCode = version >= 7 ? reader.int16() : 0;
    const sessionId = version >= 7 ? reader.int32() : 0;
    const responses = reader.array(() => ({
      topicName: reader.string(),
      partitions: reader.array(() => decodePartition(reader, version)),
    }));
    // From v8 on the broker answers first and expects the client to wait (KIP-219).
    return version >= 8
      ? { throttleTime: 0, clientSideThrottleTime: throttleMs, errorCode, sessionId, responses }
      : { throttleTime: throttleMs, errorCode, sessionId, responses };
  };
}

function decodePartition(reader: WireReader, version: number) {
  const partition = reader.int32();
  const errorCode = reader.int16();
  const highWatermark = reader.offset();
  const lastStableOffset = reader.offset();
  const logStart = version >= 5 ? reader.offset() : -1;
  const aborted: AbortedTransaction[] = reader.array(() => ({
    producerId: reader.int64(),
    firstOffset: reader.offset(),
  }));
  const preferredReadReplica = version >= 11 ? reader.int32() : -1;
  const batches = walkRecordSet(reader.bytes(), aborted);
  const bounds = { logStart, lastStableOffset, highWatermark };
  const lastOffset = batches.at(-1)?.lastOffset ?? -1;
  return {
    partition,
    errorCode,
    highWatermark: String(highWatermark),
    lastStableOffset: String(lastStableOffset),
    lastStartOffset: String(logStart),
    // Already applied: kafkajs's own filter takes them in the wrong order.
    abortedTransactions: [],
    preferredReadReplica,
    messages:
      errorCode === 0 ? [pseudoMessage(Math.max(lastOffset, highWatermark), { batches, bounds })] : [],
  };
}

function pseudoMessage(offset: number, fetch: PartitionFetch): PseudoMessage {
  return {
    offset: String(offset),
    key: null,
    value: null,
    timestamp: '0',
    headers: {},
    attributes: 0,
    isControlRecord: false,
    fetch,
  };
}
