// One look at the cluster with the settings that the source would use: for `check`.
import type { KafkaSettings } from '../contracts.ts';
import { listTopics } from './kafka-client.ts';

/** What was found, in one line. KAFKA_UNREACHABLE, KAFKA_AUTHENTICATION. */
export async function probeKafka(settings: KafkaSettings): Promise<string> {
  const topics = await listTopics(settings);
  return `${settings.brokers.join(', ')} shows ${topics.length} topics`;
}
