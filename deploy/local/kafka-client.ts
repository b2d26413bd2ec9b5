// A Kafka client for whoever is not the agent: producers and admins of the tests and of the demo. It changes
// kafkajs as the agent does, else every connection that has answered once arms a timer of a negative delay, a
// thousand times a second. What such a process consumes is record batches unopened.
import { prepareKafkajs } from '@sluice/agent/source/kafka-client.ts';
import { systemClock } from '@sluice/shared/clock.ts';
import { Kafka, type KafkaConfig, logLevel } from 'kafkajs';

export function createKafkaClient(options: KafkaConfig): Kafka {
  prepareKafkajs(systemClock);
  return new Kafka({ logLevel: logLevel.NOTHING, ...options });
}
