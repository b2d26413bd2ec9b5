// Both ends of the link as the programs run them, each with a log that the test can read. Stopped after the
// test.
import type { TestContext } from 'node:test';
import type { Uplink } from '@sluice/agent/contracts.ts';
import { createEvents as createAgentEvents } from '@sluice/agent/events.ts';
import { createUplink, type UplinkOptions } from '@sluice/agent/uplink/grpc-uplink.ts';
import { createEvents as createCollectorEvents } from '@sluice/collector/events.ts';
import { createIngest, type Ingest, type IngestOptions } from '@sluice/collector/ingest/ingest.ts';
import { type Clock, systemClock } from '@sluice/shared/clock.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { systemRandom } from '@sluice/shared/random.ts';
import { type FeedDouble, feedDouble } from './feed-double.ts';
import { type RecordingLogger, recordingLogger } from './recording-logger.ts';
import { type SequencerDouble, sequencerDouble } from './sequencer-double.ts';

export interface CollectorEnd {
  readonly ingest: Ingest;
  readonly port: number;
  readonly sequencer: SequencerDouble;
  readonly log: RecordingLogger;
}

export interface CollectorEndOptions extends Partial<Omit<IngestOptions, 'sequencer' | 'tls'>> {
  readonly tls: IngestOptions['tls'];
  readonly sequencer?: SequencerDouble;
}

export async function startCollectorEnd(
  t: Pick<TestContext, 'after'>,
  options: CollectorEndOptions,
): Promise<CollectorEnd> {
  const log = recordingLogger();
  const sequencer = options.sequencer ?? sequencerDouble();
  const ingest = createIngest({
    address: { host: '127.0.0.1', port: 0 },
    allowCommonName: false,
    connectionsMax: 16,
    drainMs: 10_000,
    streamAgeMaxMs: 1_800_000,
    creditBytesMax: 16 * 2 ** 20,
    agents: [{ id: '*', topics: ['*'] }],
    collectorId: 'collector-1',
    version: '0.0.0',
    clock: systemClock,
    random: systemRandom,
    events: createCollectorEvents(log, createMetrics()),
    ...options,
    sequencer,
  });
  const { port } = await ingest.start();
  t.after(async () => {
    await ingest.drain('the test is over', 100);
    await ingest.close(100);
  });
  return { ingest, port, sequencer, log };
}

/** Waits between attempts are twenty times as short. */
export const hurriedClock: Clock = {
  ...systemClock,
  sleep: (delayMs, signal) => systemClock.sleep(delayMs / 20, signal),
};

const FASTER = 20;

/** Twenty times as fast: what waits for minutes is tested in seconds. */
export const fastClock: Clock = {
  wallMs: systemClock.wallMs,
  monotonicMs: () => systemClock.monotonicMs() * FASTER,
  after: (delayMs, task) => systemClock.after(delayMs / FASTER, task),
  sleep: (delayMs, signal) => systemClock.sleep(delayMs / FASTER, signal),
};

export interface AgentEnd {
  readonly uplink: Uplink;
  readonly feed: FeedDouble;
  readonly log: RecordingLogger;
}

export function startAgentEnd(
  t: Pick<TestContext, 'after'>,
  options: Partial<UplinkOptions> & Pick<UplinkOptions, 'tls' | 'address'> & { readonly feed?: FeedDouble },
): AgentEnd {
  const log = recordingLogger();
  const feed = options.feed ?? feedDouble([]);
  const uplink = createUplink({
    agentId: 'site-1',
    instanceId: 'instance-1',
    segmentBytesMax: 2 ** 20,
    version: '0.0.0',
    clock: systemClock,
    random: systemRandom,
    events: createAgentEvents(log, createMetrics()),
    ...options,
  });
  uplink.start(feed.handler, feed.feed);
  t.after(() => uplink.stop(1_000));
  return { uplink, feed, log };
}
