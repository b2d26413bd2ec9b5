// Fills a topic with orders before anything is measured.
import { createKafkaClient } from '@sluice/deploy/local/kafka-client.ts';
import { BatchDigest } from '../orders/batch-digest.ts';
import { type OrderBatch, orderBatches, PARTITIONS } from '../orders/order-batches.ts';
import type { OrderOptions } from '../orders/orders.ts';
import { RawProducer } from './raw-producer.ts';

export interface Filled {
  readonly topic: string;
  /** Bytes of the record batches as they are in the log. */
  readonly logBytes: number;
  /** Bytes of the values. */
  readonly valueBytes: number;
  /** Of all records, ms since the epoch: with it the same batches can be made again. */
  readonly timestamp: number;
  /** Of all batches (`BatchDigest`). */
  readonly digest: string;
  readonly seconds: number;
}

export async function prefill(broker: string, topic: string, orders: OrderOptions): Promise<Filled> {
  const started = performance.now();
  await createTopic(broker, topic);
  const producer = await RawProducer.open(broker, topic);
  const timestamp = Date.now();
  const digest = new BatchDigest();
  let logBytes = 0;
  let valueBytes = 0;
  let waiting: OrderBatch[] = [];
  for (const batch of orderBatches(orders, timestamp)) {
    logBytes += batch.bytes.length;
    valueBytes += batch.valueBytes;
    digest.addPayload(batch.partition, batch.bytes, false);
    waiting.push(batch);
    if (waiting.length < PARTITIONS) continue;
    await producer.send(waiting);
    waiting = [];
  }
  if (waiting.length > 0) await producer.send(waiting);
  await producer.close();
  const seconds = (performance.now() - started) / 1_000;
  return { topic, logBytes, valueBytes, timestamp, digest: digest.value(), seconds };
}

async function createTopic(broker: string, topic: string): Promise<void> {
  const admin = createKafkaClient({ brokers: [broker], clientId: 'sluice-bench' }).admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS, replicationFactor: 1 }] });
  await admin.disconnect();
}
