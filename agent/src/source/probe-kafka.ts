// One look at the cluster with the settings that the source would use: for `check`.
import type { Clock } from '@sluice/shared/clock.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import type { KafkaSettings, TopicSelection } from '../contracts.ts';
import { prepareKafkajs } from './kafka-client.ts';
import { createKafkaCluster } from './kafka-cluster.ts';

/**
 * What was found, in one line. KAFKA_UNREACHABLE, KAFKA_AUTHENTICATION, KAFKA_AUTHORIZATION,
 * KAFKA_TOPIC_UNKNOWN.
 */
export async function probeKafka(
  settings: KafkaSettings,
  topics: readonly TopicSelection[],
  clock: Clock,
): Promise<string> {
  // Without it kafkajs arms timers with negative times, of which Node warns on stderr.
  prepareKafkajs(clock);
  const cluster = createKafkaCluster(settings, () => {});
  try {
    const seen = (await cluster.topics())
      .filter(({ errorCode }) => errorCode === 0)
      .map(({ topic }) => topic);
    for (const topic of topics)
      if (topic.kind === 'name' && !seen.includes(topic.name))
        throw new SluiceError(
          'KAFKA_TOPIC_UNKNOWN',
          `topic '${topic.name}' is not there, or may not be seen`,
        );
    await cluster.checkGroup();
    return `${settings.brokers.join(', ')} shows ${seen.length} topics; group ${settings.groupId} may be used`;
  } finally {
    await cluster.close();
  }
}
