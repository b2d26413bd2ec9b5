// The agent's end of the link by itself: segments that lie in memory, sent as fast as the uplink lets them
// go. Making them is not measured; that they lie here is in its memory.
import { linkFiles, loadAgentConfig } from '@sluice/agent/config.ts';
import type { UplinkFeed } from '@sluice/agent/contracts.ts';
import { createEvents } from '@sluice/agent/events.ts';
import { createUplink } from '@sluice/agent/uplink/grpc-uplink.ts';
import { systemClock } from '@sluice/shared/clock.ts';
import { createLogger } from '@sluice/shared/log.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { type PartitionId, partitionKey } from '@sluice/shared/position.ts';
import { systemRandom } from '@sluice/shared/random.ts';
import { orderSegments } from '../orders/order-segments.ts';
import type { OrderOptions } from '../orders/orders.ts';
import { answer, Meter, programArguments } from './program.ts';
import type { Usage } from './run-program.ts';

export interface LinkSenderArguments {
  readonly agentConfig: string;
  readonly topic: string;
  readonly orders: OrderOptions;
  /** Of the records, so that the batches are those of the topic. */
  readonly timestamp: number;
}

export interface LinkSenderAnswer extends Usage {
  readonly payloadBytes: number;
}

const { agentConfig, topic, orders, timestamp } = programArguments<LinkSenderArguments>();
const config = loadAgentConfig(agentConfig);
const segments = [...orderSegments(topic, orders, timestamp)];
const payloadBytes = segments.reduce((sum, { payload }) => sum + payload.byteLength, 0);
const partitions = new Map<string, PartitionId>(segments.map((segment) => [partitionKey(segment), segment]));
const finished = Promise.withResolvers<void>();
let sent = 0;

const feed: UplinkFeed = {
  declared: () =>
    [...partitions.values()].map(({ topic, topicId, partition }) => ({
      ...{ topic, topicId, partition, leaderEpoch: 0, logStart: 0, logEnd: 0 },
      ...{
        groupOffset: undefined,
        startAt: 'earliest',
        spoolStart: 0,
        spoolNext: 0,
        spoolRuns: [],
        readsLog: false,
      },
    })),
  async next() {
    const segment = segments[sent];
    if (segment === undefined) return undefined;
    sent++;
    return { kind: 'segment', segment, rewindEpoch: 0 };
  },
  inFlight: () => {},
  ready: (signal) =>
    sent < segments.length
      ? Promise.resolve()
      : new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true })),
};

const uplink = createUplink({
  address: config.collector.address,
  tls: linkFiles(config),
  segmentBytesMax: config.spool.segmentBytesMax,
  agentId: config.agent.id,
  instanceId: 'bench',
  version: 'bench',
  clock: systemClock,
  random: systemRandom,
  events: createEvents(createLogger('bench', 'warn'), createMetrics()),
});
const refuse = (what: string) => finished.reject(new Error(what));
const meter = new Meter();
meter.start();
uplink.start(
  {
    welcomed: () => {},
    committed: () => finished.resolve(),
    rewind: (_partition, offset, _epoch, reason) => refuse(`rewind to ${offset}: ${reason}`),
    fill: () => refuse('a fill'),
    readHistory: () => refuse('history'),
    look: async () => undefined,
    hold: (_topic, reason) => refuse(`held: ${reason}`),
    release: () => {},
    refused: (_topic, code, message) => refuse(`${code}: ${message}`),
    disconnected: (reason) => refuse(`disconnected: ${reason}`),
  },
  feed,
);
await finished.promise;
meter.stop();
const usage = meter.usage();
await uplink.stop(5_000);
answer({ ...usage, payloadBytes } satisfies LinkSenderAnswer);
