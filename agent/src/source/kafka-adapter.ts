// What the source needs of a Kafka client, in one value: kafkajs here, a cluster in memory in a simulation.
import type { Clock } from '@sluice/shared/clock.ts';
import type { KafkaSettings } from '../contracts.ts';
import { createGroupMember, type GroupMember, type MemberListener, prepareKafkajs } from './kafka-client.ts';
import { createKafkaCluster, type KafkaCluster } from './kafka-cluster.ts';

export interface KafkaAdapter {
  /** Before the first member; idempotent. */
  prepare(clock: Clock): void;
  member(settings: KafkaSettings, listener: MemberListener): GroupMember;
  cluster(settings: KafkaSettings, logged: MemberListener['logged']): KafkaCluster;
}

export const kafkajsAdapter: KafkaAdapter = {
  prepare: prepareKafkajs,
  member: createGroupMember,
  cluster: createKafkaCluster,
};
