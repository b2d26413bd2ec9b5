// The agent as it is, with a collector that takes nothing: Kafka is read into the spool, and everything stays
// there. What lies on disk afterwards is read back and digested; that is not measured.
import { setTimeout as sleep } from 'node:timers/promises';
import { createAgent } from '@sluice/agent/agent.ts';
import { loadAgentConfig } from '@sluice/agent/config.ts';
import type { Spool, Uplink, UplinkHandler } from '@sluice/agent/contracts.ts';
import { createEvents } from '@sluice/agent/events.ts';
import { createKafkaSource } from '@sluice/agent/source/kafka-source.ts';
import { createSqliteSpool } from '@sluice/agent/spool/sqlite-spool.ts';
import { systemClock } from '@sluice/shared/clock.ts';
import { createLogger } from '@sluice/shared/log.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { systemRandom } from '@sluice/shared/random.ts';
import { noHistory } from '../../support/no-history.ts';
import { BatchDigest } from '../orders/batch-digest.ts';
import { answer, Meter, programArguments } from './program.ts';
import type { Usage } from './run-program.ts';

export interface AgentWithoutLinkArguments {
  readonly agentConfig: string;
  readonly topic: string;
  readonly records: number;
}

export interface AgentWithoutLinkAnswer extends Usage {
  readonly spooledBytes: number;
  readonly digest: string;
}

const LOOK_EVERY_MS = 20;
const READ_BYTES = 4 * 2 ** 20;

/** Says of every partition that nothing is committed yet, and asks for nothing. */
function createSilentUplink(): Uplink {
  let handler: UplinkHandler | undefined;
  return {
    start: (given) => {
      handler = given;
    },
    assigned: (partitions) =>
      queueMicrotask(() =>
        handler?.welcomed(
          partitions.map(({ topic, topicId, partition, leaderEpoch, logStart }) => ({
            ...{ topic, topicId, partition, leaderEpoch },
            nextOffset: logStart,
            received: logStart,
            ...{ rewindEpoch: 0, openGaps: [], stands: [] },
          })),
        ),
      ),
    revoked: () => {},
    truncated: () => {},
    reload: () => {},
    stop: () => Promise.resolve(),
    status: () => ({
      state: 'connected',
      sinceMs: 0,
      collectorId: undefined,
      lastError: undefined,
      attempts: 1,
      ...{ sentBytesTotal: 0, sentSegmentsTotal: 0, inFlightBytes: 0, windowBytes: 0, creditBytes: 0 },
    }),
  };
}

async function digestOf(spool: Spool): Promise<string> {
  const digest = new BatchDigest();
  for (const partition of spool.status().partitions) {
    for (let next = partition.startOffset; next < partition.nextOffset; ) {
      for (const segment of await spool.read(partition, next, READ_BYTES)) {
        digest.addPayload(partition.partition, segment.payload, true);
        next = segment.nextOffset;
      }
    }
  }
  return digest.value();
}

const { agentConfig, topic, records } = programArguments<AgentWithoutLinkArguments>();
const config = loadAgentConfig(agentConfig);
const { brokers, clientId, group: groupId, sessionTimeout: sessionTimeoutMs } = config.kafka;
const clock = systemClock;
const events = createEvents(createLogger('bench', 'warn'), createMetrics());
const { bytesMax, freeSpaceMin } = config.spool;
const spool = await createSqliteSpool({
  directory: config.agent.dataDir,
  ...{ bytesMax, freeSpaceMin, clock, events },
});
const source = createKafkaSource({
  kafka: { brokers, clientId, groupId, sessionTimeoutMs, tls: undefined, sasl: undefined },
  topics: [{ kind: 'name', name: topic, startAt: 'earliest' }],
  ...{ events, clock, random: systemRandom },
});
const agent = createAgent({
  config,
  source,
  logReader: noHistory,
  spool,
  uplink: createSilentUplink(),
  clock,
  events,
});
const spooled = () => spool.status().partitions.reduce((sum, p) => sum + p.nextOffset - p.startOffset, 0);
const meter = new Meter();
meter.start();
await agent.start();
while (spooled() < records) await sleep(LOOK_EVERY_MS);
meter.stop();
const usage = meter.usage();
await source.stop();
answer({
  ...usage,
  spooledBytes: spool.status().bytes,
  digest: await digestOf(spool),
} satisfies AgentWithoutLinkAnswer);
process.exit(0);
