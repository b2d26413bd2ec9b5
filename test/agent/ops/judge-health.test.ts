// Never green while something waits: every way to wait has its reason in words, and an idle agent is green.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SourceStatus, SpoolPartition, SpoolStatus, UplinkStatus } from '@sluice/agent/contracts.ts';
import { type AgentFacts, judgeHealth, OPEN_TRANSACTION_MS_MAX } from '@sluice/agent/ops/health.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { soundDisk } from '../../support/fake-spool.ts';

const NOW = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;
const claims = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 3 };

const running: SourceStatus = { state: 'running', reason: undefined, lastFetchMs: 0, partitions: [] };
const spool = {
  silentMs: 0,
  bytes: 0,
  bytesMax: 2 ** 30,
  freeBytes: 2 ** 40,
  files: 1,
  partitions: [],
  ...soundDisk,
} as unknown as SpoolStatus;
const connected: UplinkStatus = {
  state: 'connected',
  sinceMs: NOW - 60 * MINUTE,
  collectorId: 'c1',
  lastError: undefined,
  attempts: 1,
  sentBytesTotal: 0,
  sentSegmentsTotal: 0,
  inFlightBytes: 0,
  windowBytes: 0,
  creditBytes: 0,
};

const flowing: AgentFacts = {
  source: running,
  spool,
  uplink: connected,
  refused: new Map(),
  held: new Map(),
  gaps: [],
  waiting: [],
  wallMs: NOW,
};

const spooledSince = (ms: number): SpoolStatus => ({
  ...spool,
  partitions: [
    { ...claims, startOffset: 0, nextOffset: 9, bytes: 5, oldestSpooledMs: NOW - ms } as SpoolPartition,
  ],
});
const down = (ms: number): UplinkStatus => ({
  ...connected,
  state: 'connecting',
  sinceMs: NOW - ms,
  lastError: 'LINK_UNREACHABLE: refused',
});

const waitingSince = (ms: number) => ({
  waiting: [{ ...claims, missing: { startOffset: 10, nextOffset: 30 }, sinceMs: NOW - ms }],
});

const CASES: readonly (readonly [string, Partial<AgentFacts>, string, readonly RegExp[]])[] = [
  ['all moves', {}, 'flowing', []],
  ['data that wait a moment', { spool: spooledSince(2 * MINUTE) }, 'flowing', []],
  [
    'data that wait too long',
    { spool: spooledSince(6 * MINUTE) },
    'degraded',
    [/oldest spooled segment has waited 6 m/],
  ],
  ['a spool behind what another agent brings now', waitingSince(MINUTE), 'flowing', []],
  [
    'a spool behind what nobody brings',
    waitingSince(6 * MINUTE),
    'degraded',
    [/^spool: claims-3 from 30 on has waited 6 m.* for \[10, 30\), which another agent has to bring/],
  ],
  ['a reconnect', { uplink: down(5_000) }, 'flowing', []],
  [
    'no collector',
    { uplink: down(MINUTE) },
    'degraded',
    [/link: no collector for 60 s, LINK_UNREACHABLE: refused/],
  ],
  [
    'Kafka that is away',
    { source: { ...running, state: 'restarting', reason: 'KAFKA_UNREACHABLE' } },
    'degraded',
    [/Kafka: restarting, KAFKA_UNREACHABLE/],
  ],
  [
    'neither Kafka nor a collector',
    { source: { ...running, state: 'restarting' }, uplink: down(MINUTE) },
    'stopped',
    [/Kafka: restarting/, /link: no collector/],
  ],
  [
    'a disk that fails',
    { spool: { ...spool, disk: 'failing', fault: 'SPOOL_IO: EIO', faultSinceMs: NOW - 3 * MINUTE } },
    'degraded',
    [/spool: the disk is failing for 3 m: SPOOL_IO: EIO/],
  ],
  [
    'a disk without inodes',
    { spool: { ...spool, disk: 'no inodes', fault: 'SPOOL_NO_INODES', faultSinceMs: NOW - 3 * MINUTE } },
    'degraded',
    [/spool: the disk has no inodes for 3 m: SPOOL_NO_INODES/],
  ],
  [
    'a topic that is held',
    { held: new Map([['claims', 'its share']]) },
    'degraded',
    [/topic claims waits: its share/],
  ],
  [
    'a topic that is refused',
    { refused: new Map([['claims', 'no table']]) },
    'degraded',
    [/claims is refused: no table$/],
  ],
  [
    'a topic that is refused, and whose spooled data keep their room',
    { refused: new Map([['claims', 'no table']]), spool: spooledSince(MINUTE) },
    'degraded',
    [/claims is refused: no table; 5 B of it stay in the spool/],
  ],
  [
    'a gap',
    { gaps: [{ ...claims, leaderEpoch: 0, startOffset: 5, nextOffset: 9, reason: 'retention' }] },
    'degraded',
    [/gap: claims-3 \[5, 9\) is no longer in Kafka \(retention\)/],
  ],
  [
    'a start',
    { source: { ...running, state: 'starting', reason: 'connecting' }, uplink: down(1_000) },
    'unknown',
    [/Kafka: starting, connecting/],
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

test('whatever waits, the verdict is not flowing: reasons and green exclude each other', () => {
  const parts = CASES.map(([, facts]) => facts);
  for (const a of parts)
    for (const b of parts) {
      const { verdict, reasons } = judgeHealth({ ...flowing, ...a, ...b });
      assert.equal(verdict === 'flowing', reasons.length === 0);
    }
});

test('an idle partition says since when, a moving one how far behind it is', () => {
  const partition = {
    ...claims,
    leaderEpoch: 0,
    logStart: 0,
    logEnd: 100,
    groupOffset: 10,
    startAt: undefined,
    position: 90,
    highWatermark: 100,
    openTransactionSinceMs: undefined,
    paused: ['spool'],
    idleSinceMs: undefined,
    committedToGroup: 10,
  };
  const idle = { ...partition, position: 100, idleSinceMs: NOW - MINUTE };
  const detail = JSON.stringify(
    judgeHealth({ ...flowing, source: { ...running, partitions: [partition, idle] } }).detail,
  );
  assert.match(
    detail,
    /"partition":"claims-3","position":90,"highWatermark":100,"lag":10,"paused":\["spool"\]/,
  );
  assert.match(detail, /"idle":"idle since 2025-12-31T23:59:00/);
});

test('an open transaction is said at once, and is a reason from its bound on', () => {
  const open = (sinceMs: number) =>
    judgeHealth({
      ...flowing,
      source: {
        ...running,
        partitions: [
          {
            ...{ topic: 'claims', topicId: '0', partition: 3, leaderEpoch: 0, logStart: 0, logEnd: 90 },
            ...{ groupOffset: 90, startAt: undefined, position: 90, highWatermark: 100, paused: [] },
            ...{ idleSinceMs: NOW - MINUTE, committedToGroup: 90, openTransactionSinceMs: NOW - sinceMs },
          },
        ],
      },
    });
  const young = open(OPEN_TRANSACTION_MS_MAX);
  assert.equal(young.verdict, 'flowing');
  assert.match(JSON.stringify(young.detail), /"waits":"open transaction since 2025-12-31T23:55:00/);
  const old = open(OPEN_TRANSACTION_MS_MAX + 1);
  assert.equal(old.verdict, 'degraded');
  assert.match(old.reasons.join(), /^claims-3 waits: open transaction since 2025-12-31T23:54:59/);
});

test('a load balancer is sent elsewhere unless both ends are there', () => {
  const ready = (facts: Partial<AgentFacts>) => judgeHealth({ ...flowing, ...facts }).ready;
  assert.equal(ready({}), true);
  assert.equal(ready({ uplink: down(1_000) }), false);
  assert.equal(ready({ source: { ...running, state: 'restarting' } }), false);
});
