// kafkajs's internal cluster and its brokers, as far as kafka-cluster.ts uses them. Types only.
import type { PseudoMessage } from './fetch-response.ts';

export interface RawCluster {
  targetTopics: Set<string>;
  brokerPool: { findConnectedBroker(): Promise<RawBroker>; metadata: { topicMetadata: RawTopic[] } };
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  /** Of `targetTopics`; it knows all brokers afterwards that the one asked knows. */
  refreshMetadata(): Promise<void>;
  getNodeIds(): string[];
  findTopicPartitionMetadata(topic: string): { partitionId: number }[];
  findLeaderForPartitions(topic: string, partitions: readonly number[]): Record<string, number[]>;
  findBroker(broker: { nodeId: string }): Promise<RawBroker>;
  findGroupCoordinator(group: { groupId: string }): Promise<RawBroker>;
  fetchTopicsOffset(
    topics: { topic: string; fromBeginning: boolean; partitions: { partition: number }[] }[],
  ): Promise<{ topic: string; partitions: { partition: number; offset: string }[] }[]>;
}

export interface RawBroker {
  versions: Record<number, { maxVersion: number }>;
  connectionPool: { send(exchange: { request: object; response: object }): Promise<unknown> };
  metadata(topics: readonly string[]): Promise<{ topicMetadata: RawTopic[] }>;
  findGroupCoordinator(request: { groupId: string; coordinatorType: number }): Promise<unknown>;
  fetch(request: object): Promise<{
    responses: { topicName: string; partitions: { partition: number; messages: PseudoMessage[] }[] }[];
  }>;
  offsetFetch(request: {
    groupId: string;
    topics: { topic: string; partitions: { partition: number }[] }[];
  }): Promise<{ responses: { topic: string; partitions: { partition: number; offset: string }[] }[] }>;
}

export interface RawTopic {
  readonly topic: string;
  readonly isInternal?: boolean;
  readonly partitionMetadata: readonly { readonly partitionId: number }[];
}
