// What Kafka still has of topics, and where the group stands: asked once, outside the group, by commands that
// run while the agent does not.
import type { Clock } from '@sluice/shared/clock.ts';
import { type PartitionId, slotKey } from '@sluice/shared/position.ts';
import type { KafkaSettings } from '../contracts.ts';
import { prepareKafkajs } from './kafka-client.ts';
import { createKafkaCluster } from './kafka-cluster.ts';

export interface LogBounds extends PartitionId {
  readonly logStart: number;
  /** Last stable offset. */
  readonly logEnd: number;
  /** What is acknowledged, as the group was told; undefined where it was told nothing. */
  readonly groupOffset: number | undefined;
}

/** Of each partition of those topics that exist. KAFKA_UNREACHABLE, _AUTHENTICATION, _AUTHORIZATION. */
export async function askLogBounds(
  settings: KafkaSettings,
  topics: readonly string[],
  clock: Clock,
): Promise<readonly LogBounds[]> {
  prepareKafkajs(clock);
  const cluster = createKafkaCluster(settings, () => {});
  try {
    const seen = (await cluster.topics(topics)).filter(({ errorCode }) => errorCode === 0);
    const ids = new Map(seen.map(({ topic, topicId }) => [topic, topicId]));
    const logs = await cluster.logs([...ids.keys()]);
    const positions = logs.length === 0 ? [] : await cluster.groupOffsets(logs);
    const groupOffsets = new Map(positions.map((p) => [slotKey(p), p.groupOffset]));
    return logs.flatMap((log) => {
      const topicId = ids.get(log.topic);
      return topicId === undefined ? [] : [{ ...log, topicId, groupOffset: groupOffsets.get(slotKey(log)) }];
    });
  } finally {
    await cluster.close();
  }
}
