// What the golden bytes of the link say. Every field has a value of its own, so that two fields that change
// places show.
import type { ConnectRequest, ConnectResponse } from '@sluice/proto/gen/sluice/v1/link.ts';

type Bodies<M extends { body?: { $case: string; value: unknown } | undefined }> = {
  readonly [B in NonNullable<M['body']> as B['$case']]: B['value'];
};

const topicId = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
const ref = { topic: 'claims', topicId, partition: 3 };
const state = {
  ...ref,
  leaderEpoch: 4,
  spoolStart: 5,
  spoolNext: 6,
  logStart: 7,
  logEnd: 2 ** 53 - 1,
  startAt: 'earliest',
  spoolRuns: [],
  readsLog: false,
};
const position = {
  ...{ ...ref, committed: 1_000, received: 2_000, rewindEpoch: 9, openGaps: [], stands: [] },
  current: false,
};

/** Messages as their first version had them: later fields are at rest. */
export const requests: Omit<Bodies<ConnectRequest>, 'truncated' | 'historyWaits'> = {
  hello: {
    agentId: 'plant-7',
    instanceId: '0123456789abcdef',
    version: '1.2.3',
    protocolMin: 1,
    protocolMax: 2,
    partitions: [state, { ...state, partition: 0, leaderEpoch: -1, startAt: '' }],
  },
  segment: {
    ...ref,
    leaderEpoch: 4,
    startOffset: 100,
    nextOffset: 120,
    records: 11,
    control: 2,
    aborted: 3,
    absent: 4,
    skipped: [
      { kind: 1, firstOffset: 101, lastOffset: 102, count: 2 },
      { kind: 2, firstOffset: 103, lastOffset: 107, count: 3 },
    ],
    timestampMax: '1767225600000',
    codec: 2,
    plainBytes: 70_000,
    crc32c: 0xdeadbeef,
    rewindEpoch: 9,
    payload: Buffer.from('whole record batches'),
  },
  gap: { ...ref, leaderEpoch: 4, startOffset: 120, nextOffset: 140, reason: 'retention', rewindEpoch: 9 },
  assigned: { partitions: [state] },
  revoked: { partitions: [ref] },
  logs: { question: 7, partitions: [{ ...ref, logStart: 8, logEnd: 2 ** 53 - 1 }] },
  schemaReply: {
    request: 3,
    status: 1,
    type: 'AVRO',
    schema: '"long"',
    references: ['"int"', '"string"'],
    message: 'why',
  },
};

export const responses: Omit<Bodies<ConnectResponse>, 'readHistory'> = {
  welcome: {
    protocol: 1,
    collectorId: 'collector-1',
    version: '1.2.3',
    creditTotal: 16_777_216,
    positions: [position],
  },
  receipt: { segmentsTotal: 41, creditTotal: 2 ** 40 },
  committed: { partitions: [{ ...ref, nextOffset: 120, openGaps: [], leaderEpoch: undefined }] },
  rewind: { ...ref, offset: 100, rewindEpoch: 10, reason: '110 came where 100 is next', fillUntil: 0 },
  drain: { reason: 'SIGTERM' },
  positions: { positions: [position] },
  hold: { topic: 'claims', reason: 'table claims is parked' },
  release: { topic: 'claims' },
  refused: { topic: 'claims', code: 'LINK_TOPIC_REFUSED', message: 'may not send it' },
  look: { question: 7 },
  schemaRequest: { request: 3, topic: 'claims', schemaId: 4_000_000_000 },
};

const runs = [
  { startOffset: 11, nextOffset: 12 },
  { startOffset: 13, nextOffset: 14 },
];
const place = { leaderEpoch: 21, offset: 22 };

/** What came with open gaps and cut logs. */
export const laterRequests: Partial<Bodies<ConnectRequest>> = {
  assigned: { partitions: [{ ...state, spoolRuns: runs }] },
  truncated: { ...ref, leaderEpoch: 4, offset: 150, reason: 'epoch 4 ends at 150' },
};

export const laterResponses: Partial<Bodies<ConnectResponse>> = {
  committed: { partitions: [{ ...ref, nextOffset: 120, openGaps: runs, leaderEpoch: 0 }] },
  rewind: { ...ref, offset: 100, rewindEpoch: 2 ** 31, reason: 'an open gap', fillUntil: 120 },
  positions: { positions: [{ ...position, openGaps: runs, stands: [place] }] },
};

/** What came with tables that step aside. */
export const thirdResponses: Partial<Bodies<ConnectResponse>> = {
  positions: { positions: [{ ...position, openGaps: runs, stands: [place], current: true }] },
};

/** What came with backfills. */
export const fourthRequests: Partial<Bodies<ConnectRequest>> = {
  assigned: { partitions: [{ ...state, readsLog: true }] },
};

export const fourthResponses: Partial<Bodies<ConnectResponse>> = {
  readHistory: { ...ref, startOffset: 15, nextOffset: 16, rewindEpoch: 3 * 2 ** 30, bytesMax: 4_194_304 },
};

/** What came with history that waits. */
export const fifthRequests: Partial<Bodies<ConnectRequest>> = {
  historyWaits: { rewindEpoch: 3 * 2 ** 30 + 5 },
};
