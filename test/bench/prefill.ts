// Fills a topic with orders before anything is measured.
import { Kafka, logLevel } from 'kafkajs';
import { type OrderBatch, orderBatches, PARTITIONS } from './order-batches.ts';
import type { OrderOptions } from './orders.ts';
import { RawProducer } from './raw-producer.ts';

export interface Filled {
  readonly topic: string;
  readonly records: number;
  readonly partitions: number;
  /** Bytes of the record batches as they are in the log. */
  readonly logBytes: number;
  /** Bytes of the values. */
  readonly plainBytes: number;
  readonly seconds: number;
}

export async function prefill(broker: string, topic: string, options: OrderOptions): Promise<Filled> {
  const started = performance.now();
  await createTopic(broker, topic);
  const producer = await RawProducer.open(broker, topic);
  let logBytes = 0;
  let plainBytes = 0;
  let waiting: OrderBatch[] = [];
  for (const batch of orderBatches(options, Date.now())) {
    logBytes += batch.bytes.length;
    plainBytes += batch.plainBytes;
    waiting.push(batch);
    if (waiting.length < PARTITIONS) continue;
    await producer.send(waiting);
    waiting = [];
  }
  if (waiting.length > 0) await producer.send(waiting);
  await producer.close();
  const seconds = (performance.now() - started) / 1_000;
  return { topic, records: options.records, partitions: PARTITIONS, logBytes, plainBytes, seconds };
}

async function createTopic(broker: string, topic: string): Promise<void> {
  const admin = new Kafka({
    brokers: [broker],
    clientId: 'sluice-bench',
    logLevel: logLevel.NOTHING,
  }).admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS, replicationFactor: 1 }] });
  await admin.disconnect();
}
