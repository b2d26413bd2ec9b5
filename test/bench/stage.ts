// What all rows share: one broker with the orders in a topic, certificates, and a directory that is gone at
// the end.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Broker, startBroker } from '@sluice/deploy/local/kafka-broker.ts';
import { createSite, createSitePki, type Json, type Site, type SitePki } from '@sluice/deploy/local/site.ts';
import { type Filled, prefill } from './broker/prefill.ts';
import { type Expectation, expectation, type OrderOptions } from './orders/orders.ts';
import { ordersTable } from './orders/orders-table.ts';

const TOPIC = 'orders';

export interface Stage {
  readonly directory: string;
  readonly pki: SitePki;
  readonly broker: Broker;
  readonly orders: OrderOptions;
  readonly filled: Filled;
  readonly expected: Expectation;
  /** Where the programs of the journeys leave CPU profiles of all their threads. */
  readonly profileDirectory: string | undefined;
  /** A fresh directory of one row. */
  subdirectory(name: string): string;
}

export interface StageOptions {
  readonly directory: string;
  readonly orders: OrderOptions;
  readonly profileDirectory: string | undefined;
}

/** `say` hears what is done. */
export async function setStage(options: StageOptions, say: (line: string) => void): Promise<Stage> {
  const { directory, orders } = options;
  const pki = await createSitePki(directory);
  say('starting Kafka');
  const broker = await startBroker({
    directory: join(directory, 'kafka'),
    tls: { certificate: pki.broker, caPem: pki.caPem },
  });
  say(`producing ${orders.records.toLocaleString('en')} orders`);
  const filled = await prefill(broker.plaintext, TOPIC, orders);
  say(`produced in ${filled.seconds.toFixed(1)} s`);
  return {
    ...options,
    pki,
    broker,
    filled,
    expected: expectation(orders.records),
    subdirectory(name) {
      const path = join(directory, name);
      mkdirSync(path, { recursive: true });
      return path;
    },
  };
}

/** Agent and collector as they are configured for every row that has them; nothing runs yet. */
export async function stageSite(
  stage: Stage,
  at: {
    name: string;
    kafka?: { readonly [key: string]: Json };
    environment?: Readonly<Record<string, string>>;
  },
): Promise<Site> {
  const { broker, filled, orders, pki } = stage;
  return await createSite({
    directory: stage.subdirectory(at.name),
    pki,
    kafka: { brokers: [broker.plaintext], ...at.kafka, group: at.name },
    topics: [{ name: filled.topic, startAt: 'earliest' }],
    tables: [ordersTable(filled.topic, orders.size)],
    environment: at.environment ?? {},
  });
}
