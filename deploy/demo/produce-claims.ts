// The insurer's own producer: claims over mutual TLS, paced so that one can watch.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Kafka } from 'kafkajs';
import { createKafkaClient } from '../local/kafka-client.ts';
import { CLAIM_COUNT, claimOf } from './claims.ts';

export interface KafkaAccess {
  readonly broker: string;
  /** Directory with ca.pem, client.pem and client-key.pem. */
  readonly pki: string;
}

const BATCH = 1_000;
const BATCH_MS = 120;

function connect({ broker, pki }: KafkaAccess): Kafka {
  const read = (name: string) => readFileSync(join(pki, name), 'utf8');
  const ssl = { ca: read('ca.pem'), cert: read('client.pem'), key: read('client-key.pem') };
  return createKafkaClient({ brokers: [broker], clientId: 'insurer', ssl });
}

export async function createTopic(access: KafkaAccess, topic: string, numPartitions: number): Promise<void> {
  const admin = connect(access).admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions, replicationFactor: 1 }] });
  await admin.disconnect();
}

export async function produceClaims(access: KafkaAccess, sent: (total: number) => void): Promise<void> {
  const producer = connect(access).producer({ allowAutoTopicCreation: false });
  await producer.connect();
  for (let from = 0; from < CLAIM_COUNT; from += BATCH) {
    const due = performance.now() + BATCH_MS;
    const messages = Array.from({ length: BATCH }, (_, i) => {
      const { key, value } = claimOf(from + i);
      return { key, value };
    });
    await producer.send({ topic: 'claims', messages });
    sent(from + BATCH);
    const waitMs = due - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
  await producer.disconnect();
}
