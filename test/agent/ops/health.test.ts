// What the agent says of itself, and what makes systemd restart it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SpoolStatus } from '@sluice/agent/contracts.ts';
import { type AgentFacts, isAlive, judgeHealth } from '@sluice/agent/ops/health.ts';
import { soundDisk } from '../../support/fake-spool.ts';

const spool: SpoolStatus = {
  bytes: 0,
  bytesMax: 1,
  freeBytes: 1,
  files: 0,
  partitions: [],
  silentMs: 0,
  ...soundDisk,
};

const flowing: AgentFacts = {
  source: { state: 'running', reason: undefined, lastFetchMs: 0, partitions: [] },
  spool,
  uplink: {
    state: 'connected',
    sinceMs: 0,
    collectorId: 'c',
    lastError: undefined,
    attempts: 1,
    sentBytesTotal: 0,
    sentSegmentsTotal: 0,
    inFlightBytes: 0,
    windowBytes: 0,
    creditBytes: 0,
  },
  refused: new Map(),
  held: new Map(),
  gaps: [],
  waiting: [],
  wallMs: 0,
};

test('a spool thread that ended or hangs wants a restart; a slow disk and a disk error do not', () => {
  assert.ok(isAlive(spool));
  assert.ok(isAlive({ ...spool, silentMs: 60_000 }));
  assert.ok(isAlive({ ...spool, fault: 'SPOOL_IO: no space left on device' }));
  assert.equal(isAlive({ ...spool, silentMs: 121_000 }), false);
  assert.equal(isAlive({ ...spool, silentMs: Infinity }), false);
});

test('an agent that has never met a collector does not claim to flow, from its first second', () => {
  const { uplink } = flowing;
  const connecting = { ...uplink, state: 'connecting', collectorId: undefined } as const;
  assert.equal(judgeHealth({ ...flowing, uplink: connecting }).verdict, 'unknown');
  assert.equal(judgeHealth({ ...flowing, uplink: { ...uplink, state: 'connecting' } }).verdict, 'flowing');
});

test('an agent whose disk does not answer is not flowing, and says for how long', () => {
  assert.equal(judgeHealth(flowing).verdict, 'flowing');
  const stuck = judgeHealth({ ...flowing, spool: { ...spool, silentMs: 60_000 } });
  assert.equal(stuck.verdict, 'degraded');
  assert.deepEqual(stuck.reasons, ['spool: the disk has not answered for 60 s']);
  const ended = judgeHealth({ ...flowing, spool: { ...spool, silentMs: Infinity } });
  assert.deepEqual(ended.reasons, ['spool: its thread has ended; restart the agent']);
});
