// What every test of the whole journey stands on: a real broker that demands certificates, both programs as
// processes of their own, and what an operator would ask of them.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LedgerEntry } from '@sluice/collector/contracts.ts';
import { ledgerPrefix } from '@sluice/collector/lake/object-keys.ts';
import { type Broker, startBroker } from '@sluice/deploy/local/kafka-broker.ts';
import { createKafkaClient } from '@sluice/deploy/local/kafka-client.ts';
import { ensureKafkaJars } from '@sluice/deploy/local/kafka-jars.mjs';
import {
  createSite,
  createSitePki,
  type Site,
  type SiteOptions,
  type SitePki,
} from '@sluice/deploy/local/site.ts';
import { type Admin, type Kafka, type Message, Partitioners, type Producer } from 'kafkajs';
import { eventually } from '../support/eventually.ts';
import { temporaryDirectory } from '../support/temp.ts';

/** Short, so that a killed agent's partitions are free again soon: the broker allows no less. */
export const SESSION_TIMEOUT = '6s';
const ACKNOWLEDGED_MS_MAX = 90_000;

export interface Journey {
  readonly directory: string;
  readonly pki: SitePki;
  readonly broker: Broker;
  readonly kafka: Kafka;
  readonly admin: Admin;
  readonly producer: Producer;
  createTopics(partitions: number, ...topics: string[]): Promise<void>;
  produce(topic: string, messages: readonly (string | Buffer | Message)[]): Promise<void>;
  /** The `kafka` section of an agent with a group of its own, over mutual TLS. */
  mutualTls(group: string): SiteOptions['kafka'];
  /** A site below the journey's directory whose group, unless told otherwise, has its name. */
  site(name: string, options: SiteSketch): Promise<Site>;
  /** Next offsets of the group, summed over the topic: what ordinary lag tools see. */
  groupOffset(group: string, topic: string): Promise<number>;
  stop(): Promise<void>;
}

export type SiteSketch = Pick<SiteOptions, 'topics' | 'tables'> & Partial<SiteOptions>;

/** `from` to `to` - 1 as texts: the offsets that they get in a topic with one partition. */
export const numbers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => String(from + i));

/** A table of a topic's values as they are. */
export const textTable = (name: string, topic = name, every = '1s') => ({
  name,
  topic,
  format: 'text',
  window: { every },
});

/** Where sources lie compiled, if anywhere: each start of a program would compile all of them. */
function compileCache(): Readonly<Record<string, string>> {
  const { NODE_COMPILE_CACHE } = process.env;
  return NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE };
}

/** `furtherAgents`: beside site-1, each with a certificate of its own. */
export async function startJourney(
  users: Readonly<Record<string, string>> = {},
  furtherAgents: readonly string[] = [],
): Promise<Journey> {
  await ensureKafkaJars();
  const directory = temporaryDirectory();
  const pki = await createSitePki(directory, 'site-1', furtherAgents);
  const tls = { certificate: pki.broker, caPem: pki.caPem };
  const broker = await startBroker({ directory: join(directory, 'kafka'), tls, users, isBrief: true });
  const kafka = createKafkaClient({ brokers: [broker.plaintext] });
  const admin = kafka.admin();
  // Idempotent: kafkajs repeats a whole request, also for partitions that took it, when one leader is not
  // there yet.
  const producer = kafka.producer({
    allowAutoTopicCreation: false,
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await Promise.all([admin.connect(), producer.connect()]);
  const sites: Site[] = [];
  const mutualTls = (group: string) => ({
    brokers: [broker.mutualTls],
    group,
    sessionTimeout: SESSION_TIMEOUT,
    tls: {
      ca: join(pki.directory, 'ca.pem'),
      cert: join(pki.directory, 'client.pem'),
      key: join(pki.directory, 'client-key.pem'),
    },
  });
  return {
    directory,
    pki,
    broker,
    kafka,
    admin,
    producer,
    mutualTls,
    async createTopics(numPartitions, ...topics) {
      await admin.createTopics({
        topics: topics.map((topic) => ({ topic, numPartitions, replicationFactor: 1 })),
      });
    },
    async produce(topic, messages) {
      const isPlain = (message: string | Buffer | Message) =>
        typeof message === 'string' || Buffer.isBuffer(message);
      await producer.send({
        topic,
        messages: messages.map((m) => (isPlain(m) ? { value: m as string | Buffer } : (m as Message))),
      });
    },
    async site(name, sketch) {
      const site = await createSite({
        directory: join(directory, name),
        pki,
        kafka: mutualTls(name),
        ...sketch,
        environment: { ...compileCache(), ...sketch.environment },
      });
      sites.push(site);
      return site;
    },
    async groupOffset(groupId, topic) {
      const [found] = await admin.fetchOffsets({ groupId, topics: [topic] });
      return (found?.partitions ?? []).reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0);
    },
    async stop() {
      // Those that a failed test left running.
      await Promise.all(sites.flatMap(({ agent, collector }) => [agent.kill(), collector.kill()]));
      await Promise.all([producer.disconnect(), admin.disconnect()]);
      await broker.stop();
    },
  };
}

export interface CollectorStatus {
  readonly verdict: string;
  readonly reasons: readonly string[];
  readonly tables: readonly {
    readonly table: string;
    readonly partitions: readonly { readonly acknowledged: number }[];
  }[];
}

/** Acknowledged offsets of a table, summed over its partitions. */
export async function acknowledged(site: Site, table: string): Promise<number> {
  const { tables } = await site.collector.status<CollectorStatus>();
  const partitions = tables.find((t) => t.table === table)?.partitions ?? [];
  return partitions.reduce((sum, p) => sum + p.acknowledged, 0);
}

/** `offsets` counts from 0 in each partition; what holds no record counts as well. */
export async function untilAcknowledged(site: Site, table: string, offsets: number): Promise<void> {
  await eventually(
    `${offsets} offsets of ${table} are acknowledged`,
    async () => {
      const now = await acknowledged(site, table);
      if (now < offsets) throw new Error(`${now} are`);
      return true;
    },
    { deadlineMs: ACKNOWLEDGED_MS_MAX, everyMs: 100 },
  );
}

export async function query(site: Site, sql: string): Promise<Record<string, string | null>[]> {
  const { code, output } = await site.collector.command(['query', '--json', sql]);
  assert.equal(code, 0, output);
  return JSON.parse(output.trim().split('\n').at(-1) ?? '') as Record<string, string | null>[];
}

/** What `verify --deep` prints; it must find nothing wrong. */
export async function verified(site: Site): Promise<string> {
  const { code, output } = await site.collector.command(['verify', '--deep']);
  assert.equal(code, 0, output);
  return output;
}

/** Every entry of a table's ledger, from a lake that is a directory. */
export function ledgerOf(site: Pick<Site, 'lakeDirectory'>, table: string): LedgerEntry[] {
  const directory = join(site.lakeDirectory, ledgerPrefix(table));
  const files = readdirSync(directory).sort();
  return files.map((file) => JSON.parse(readFileSync(join(directory, file), 'utf8')) as LedgerEntry);
}
