// The collector's end of the link by itself: the listener, the sessions, and a sequencer that only counts.
import { listenerFiles, loadCollectorConfig } from '@sluice/collector/config.ts';
import type { AgentLink, Sequencer } from '@sluice/collector/contracts.ts';
import { createEvents } from '@sluice/collector/events.ts';
import { createIngest } from '@sluice/collector/ingest/ingest.ts';
import { systemClock } from '@sluice/shared/clock.ts';
import { createLogger } from '@sluice/shared/log.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { type PartitionId, partitionKey } from '@sluice/shared/position.ts';
import { systemRandom } from '@sluice/shared/random.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import { BatchDigest } from '../orders/batch-digest.ts';
import { announceReady, answer, Meter, programArguments } from './program.ts';
import type { Usage } from './run-program.ts';

export interface LinkReceiverArguments {
  readonly collectorConfig: string;
  readonly records: number;
}

export interface LinkReceiverAnswer extends Usage {
  readonly digest: string;
}

const { collectorConfig, records } = programArguments<LinkReceiverArguments>();
const config = loadCollectorConfig(collectorConfig);
const meter = new Meter();
const digest = new BatchDigest();
const next = new Map<string, number>();
let received = 0;

/** Everything is committed at once, when the last record is here. */
function count(link: AgentLink, segment: Segment): 'staged' {
  const key = partitionKey(segment);
  if (next.get(key) !== segment.startOffset) throw new Error(`${key} does not go on at its offset`);
  next.set(key, segment.nextOffset);
  digest.addPayload(segment.partition, segment.payload, false);
  received += segment.counts.records;
  if (received >= records)
    link.committed(
      [...declared.values()].map((id) => {
        const nextOffset = next.get(partitionKey(id)) ?? 0;
        return { partition: id, nextOffset, openGaps: [], leaderEpoch: 0 };
      }),
    );
  return 'staged';
}

const declared = new Map<string, PartitionId>();
const sequencer: Sequencer = {
  async declare(_link, partitions) {
    if (declared.size === 0) meter.start();
    for (const partition of partitions) {
      declared.set(partitionKey(partition), partition);
      next.set(partitionKey(partition), 0);
    }
    return partitions.map((p) => {
      return { ...p, committed: 0, received: 0, rewindEpoch: 0, openGaps: [], stands: [] };
    });
  },
  revoke: () => {},
  segment: count,
  gap: () => {},
  truncated: () => {},
  historyWaits: () => {},
  finish: () => Promise.resolve(),
  disconnected: finish,
  room: () => config.limits.stagingBytesMax,
};

const { address, allowCommonName, streamAgeMax: streamAgeMaxMs } = config.listen;
const ingest = createIngest({
  ...{ address, allowCommonName, streamAgeMaxMs, sequencer },
  tls: listenerFiles(config),
  connectionsMax: config.limits.connectionsMax,
  creditBytesMax: config.limits.creditBytesMax,
  drainMs: config.collector.drainTimeout,
  agents: config.agents,
  collectorId: 'bench',
  version: 'bench',
  clock: systemClock,
  random: systemRandom,
  events: createEvents(createLogger('bench', 'warn'), createMetrics()),
});
await ingest.start();
announceReady();

function finish(): void {
  if (received < records) throw new Error(`the stream ended after ${received} of ${records} records`);
  meter.stop();
  answer({ ...meter.usage(), digest: digest.value() } satisfies LinkReceiverAnswer);
  setImmediate(() => process.exit(0));
}
