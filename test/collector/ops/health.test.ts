// Never green while something waits: every way to wait has its reason in words, and an idle collector is
// green.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CollectorFacts, judgeHealth, type TableFacts } from '@sluice/collector/ops/health.ts';

const NOW = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;

interface Change {
  readonly lane?: Partial<TableFacts['lane']>;
  readonly writer?: Partial<TableFacts['writer']>;
  readonly windowLengthMs?: number;
  readonly behind?: number;
  readonly log?: TableFacts['partitions'][number]['log'];
  readonly backfill?: TableFacts['partitions'][number]['backfill'];
}

function tableOf(name: string, change: Change = {}): TableFacts {
  const { lane, writer, windowLengthMs = 100_000, behind = 0, log, backfill } = change;
  return {
    lane: {
      table: name,
      openSegments: 0,
      openBytes: 0,
      configVersion: 'v1',
      partitionedBy: [],
      openConfigVersion: undefined,
      isLeaving: false,
      windowsInFlight: 0,
      oldestStagedMs: undefined,
      waitsFor: undefined,
      detachedSinceMs: undefined,
      windowsCommitted: 1,
      recordsCommitted: 5,
      recordsQuarantined: 0,
      ...lane,
    },
    writer: {
      state: 'ready',
      reason: undefined,
      sinceMs: NOW - 2 * MINUTE,
      lastSequence: 3,
      publishedThrough: 3,
      lastCommitMs: NOW - MINUTE,
      ...writer,
    },
    windowLengthMs,
    partitions: [{ topic: 'claims', partition: 0, committed: 5, acknowledged: 5, behind, backfill, log }],
  };
}

const flowing: CollectorFacts = {
  tables: [tableOf('claims'), tableOf('orders')],
  ingest: { listening: true, agents: [], daysToExpiry: 300 },
  stagedBytes: 0,
  stagedBytesMax: 2 ** 28,
  draining: false,
  wallMs: NOW,
};
const first = (change: Change) => ({ tables: [tableOf('claims', change), tableOf('orders')] });
const both = (change: Change) => ({ tables: [tableOf('claims', change), tableOf('orders', change)] });
const parked = { writer: { state: 'parked', reason: 'STORE_DENIED: s3:PutObject' } } as const;
const detached = { ...parked, lane: { detachedSinceMs: NOW - 180 * MINUTE }, behind: 700 } as const;
const log = { logStart: 2, logEnd: 900, atMs: NOW, startMovesPerSecond: 0.001 };
const halted = { writer: { state: 'halted', reason: 'LEDGER_MISSING_ENTRY' } } as const;

const CASES: readonly (readonly [string, Partial<CollectorFacts>, string, readonly RegExp[]])[] = [
  ['all moves', {}, 'flowing', []],
  ['records of the present window', first({ lane: { oldestStagedMs: NOW - 90_000 } }), 'flowing', []],
  [
    'topics that come and go',
    first({ lane: { topicsComing: ['returns'], topicsLeaving: ['refunds'] } }),
    'degraded',
    [/claims has not opened topic returns yet/, /topic refunds leaves table claims/],
  ],
  [
    'a disk that does not answer',
    { diskSilentMs: 25_000 },
    'degraded',
    [/the disk of collector.workDir has not answered for 25 s: what is staged waits for it/],
  ],
  [
    'records of many windows ago',
    first({ lane: { oldestStagedMs: NOW - 6 * MINUTE } }),
    'degraded',
    [/claims: the oldest staged record has waited 6 m/],
  ],
  [
    'the same under long windows',
    first({ lane: { oldestStagedMs: NOW - 6 * MINUTE }, windowLengthMs: 10 * MINUTE }),
    'flowing',
    [],
  ],
  [
    'a table that waits',
    first({ writer: { state: 'waiting', reason: 'STORE_UNAVAILABLE' } }),
    'degraded',
    [/claims is waiting for 2 m: STORE_UNAVAILABLE|claims is waiting for 120 s: STORE_UNAVAILABLE/],
  ],
  ['a table that is parked', first(parked), 'degraded', [/claims is parked for .*STORE_DENIED/]],
  [
    'a table that is detached',
    first(detached),
    'degraded',
    [
      /claims is parked for .*STORE_DENIED/,
      /claims is detached for 3 h 0 m: at claims-0@5, behind by 700 offsets; only Kafka’s retention keeps what it lacks$/,
    ],
  ],
  [
    'the same while the log’s start is seen to move',
    first({ ...detached, log }),
    'degraded',
    [/parked/, /only Kafka’s retention keeps what it lacks, for about 50 m at its present pace$/],
  ],
  [
    'the same when retention was faster',
    first({ ...detached, log: { ...log, logStart: 25 } }),
    'degraded',
    [/parked/, /Kafka has deleted 20 offsets that it lacks: they become a gap/],
  ],
  ['a table that is halted', first(halted), 'degraded', [/claims is halted/]],
  ['every table parked or halted', both(parked), 'stopped', [/claims is parked/, /orders is parked/]],
  [
    'a transform that fails',
    first({ lane: { waitsFor: 'transform: TRANSFORM_FAILED' } }),
    'degraded',
    [/claims waits: transform/],
  ],
  [
    'staging that is full',
    { stagedBytes: 2 ** 28 },
    'degraded',
    [/agents wait: 256 MiB of windows .* limits.stagingBytesMax is 256 MiB/],
  ],
  [
    'a certificate that ends soon',
    { ingest: { ...flowing.ingest, daysToExpiry: 13.5 } },
    'degraded',
    [/expires in 13 days/],
  ],
  [
    'a certificate that has ended',
    { ingest: { ...flowing.ingest, daysToExpiry: -2.5 } },
    'degraded',
    [/certificate expired 2 days ago, and agents refuse it: replace it/],
  ],
  ['a drain', { draining: true }, 'degraded', [/draining/]],
  [
    'ledgers that are being read',
    both({ writer: { state: 'loading', sinceMs: NOW - 5_000 } }),
    'unknown',
    [],
  ],
];

for (const [what, facts, verdict, reasons] of CASES) {
  test(`${what}: ${verdict}`, () => {
    const report = judgeHealth({ ...flowing, ...facts });
    assert.equal(report.verdict, verdict);
    assert.equal(report.reasons.length, reasons.length, report.reasons.join('\n'));
    for (const [i, reason] of reasons.entries()) assert.match(report.reasons[i] ?? '', reason);
  });
}

test('a ledger that cannot be read yet is not green, though its neighbours are', () => {
  const { verdict, reasons } = judgeHealth({
    ...flowing,
    ...first({ writer: { state: 'loading', sinceMs: NOW - 5 * MINUTE } }),
  });
  assert.equal(verdict, 'degraded');
  assert.match(reasons.join(), /claims has been reading its ledger for 5 m/);
});

test('whatever waits, the verdict is not flowing: reasons and green exclude each other', () => {
  for (const [, a] of CASES)
    for (const [, b] of CASES) {
      const { verdict, reasons } = judgeHealth({ ...flowing, ...a, ...b });
      if (reasons.length > 0) assert.notEqual(verdict, 'flowing');
      else assert.ok(verdict === 'flowing' || verdict === 'unknown');
    }
});

test('a table that nothing waits for says since when it is idle, one with staged records does not', () => {
  const busy = first({ lane: { oldestStagedMs: NOW - 1_000 } });
  const detail = JSON.stringify(judgeHealth({ ...flowing, ...busy }).detail);
  assert.match(detail, /"table":"orders",.*"idle":"idle since 2025-12-31T23:59:00\.000Z \(60 s\)"/);
  assert.doesNotMatch(detail, /"table":"claims",[^}]*"idle"/);
});

test('a table that reads its history says how far it is, and is no less well for it', () => {
  const backfill = { from: 100, next: 1_600, to: 4_100 };
  const reading = judgeHealth({ ...flowing, ...first({ backfill }) });
  assert.equal(reading.verdict, 'flowing');
  const detail = JSON.stringify(reading.detail);
  assert.match(detail, /"history is being read: 1,500 of 4,000 offsets, 1 of 1 partitions are left"/);
  assert.match(detail, /"backfill":\{"from":100,"next":1600,"to":4100\}/);
  const read = judgeHealth({ ...flowing, ...first({ backfill: { ...backfill, next: 4_100 } }) });
  assert.match(JSON.stringify(read.detail), /"history is read: 4,000 offsets"/);
});

test('agents are sent elsewhere while it drains or does not listen', () => {
  const ready = (facts: Partial<CollectorFacts>) => judgeHealth({ ...flowing, ...facts }).ready;
  assert.equal(ready({}), true);
  assert.equal(ready({ draining: true }), false);
  assert.equal(ready({ ingest: { ...flowing.ingest, listening: false } }), false);
});
