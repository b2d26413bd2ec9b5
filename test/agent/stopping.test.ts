// Stopping has a time: a disk that fails meanwhile costs the link nothing of its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAgent } from '@sluice/agent/agent.ts';
import type { Source, Spool, Uplink } from '@sluice/agent/contracts.ts';
import { createEvents } from '@sluice/agent/events.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { manualClock } from '../support/manual-clock.ts';
import { noHistory } from '../support/no-history.ts';
import { recordingLogger } from '../support/recording-logger.ts';

async function stop(append: () => Promise<void>) {
  const done: string[] = [];
  const clock = manualClock();
  const source = { stop: async () => void done.push('source') } as unknown as Source;
  const spool = {
    append,
    close: async () => void done.push('spool'),
  } as unknown as Spool;
  const uplink = {
    stop: async (graceMs: number) => void done.push(`link, ${graceMs} ms`),
  } as unknown as Uplink;
  const events = createEvents(recordingLogger(), createMetrics());
  const packing = { segmentBytesMax: 2 ** 20, linger: 200, compression: 'none' };
  const config = { topics: [], spool: packing } as never;
  const stopped = createAgent({ config, source, logReader: noHistory, spool, uplink, clock, events }).stop(
    10_000,
  );
  await clock.advance(10_000);
  await stopped;
  assert.equal(clock.timers, 0);
  return done;
}

test('an agent whose disk takes nothing more still ends its link in time, and hears what is committed', async () => {
  const waits = new Promise<void>(() => {});
  assert.deepEqual(await stop(() => waits), ['source', 'link, 6000 ms', 'spool']);
  const dead = () => Promise.reject(new Error('the spool thread ended'));
  assert.deepEqual(await stop(dead), ['source', 'link, 9000 ms', 'spool']);
});
