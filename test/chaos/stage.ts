// All that a chaos run stands on: a real Kafka, an emulated S3 and Glue, and sites that share one consumer
// group and one lake. Each agent reaches the collectors through a balancer that can fail, each collector AWS
// through a proxy that can lie.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Broker, startBroker } from '@sluice/deploy/local/kafka-broker.ts';
import { createKafkaClient } from '@sluice/deploy/local/kafka-client.ts';
import { type Ministack, startMinistack } from '@sluice/deploy/local/ministack.ts';
import { createSite, createSitePki, type Json, type Site, type SitePki } from '@sluice/deploy/local/site.ts';
import type { Admin, Kafka } from 'kafkajs';
import { type AwsProxy, startAwsProxy } from '../support/aws-proxy.ts';
import { type Balancer, createBalancer } from '../support/balancer.ts';
import { createLinkProxy, type LinkProxy } from '../support/link-proxy.ts';
import type { NonEmpty } from './lane.ts';
import type { NumberedTopic } from './numbered-producer.ts';
import { mountSmallDisk, type SmallDisk } from './small-disk.ts';

export const GROUP = 'chaos';
/** As short as the broker allows, so that what is stopped for longer loses its partitions. */
export const SESSION_TIMEOUT_MS = 6_000;
export const BUCKET = 'lake';
const DISK_SKIPPED: readonly string[] = [
  'agent’s disk full: this user may not mount a small file system; its spool’s floor of free space is raised',
  'collector’s disk full: this user may not mount a small file system',
];
const AGENT_DISK_MIB = 128;
const COLLECTOR_DISK_MIB = 64;

export const TOPICS: readonly NumberedTopic[] = [
  { topic: 'claims', partitions: 4 },
  { topic: 'orders', partitions: 2 },
];

/**
 * `numbers`: SQL that takes the number out of a row. `isStrict`: it has columns, so that a malformed record
 * is quarantined.
 */
export const TABLES = [
  { name: 'claims', topic: 'claims', numbers: 'n', isStrict: true },
  { name: 'claims_text', topic: 'claims', numbers: numberIn('value'), isStrict: false },
  { name: 'orders', topic: 'orders', numbers: 'n', isStrict: true },
] as const;

export function numberIn(text: string): string {
  return `regexp_extract(${text}, '"n":([0-9]+)', 1)`;
}

const COLUMNS = { n: 'bigint', day: 'string', filler: 'string' };
const TABLE_CONFIGS: readonly Json[] = [
  {
    name: 'claims',
    topic: 'claims',
    format: 'json',
    window: { every: '2s' },
    columns: COLUMNS,
    partitionBy: [{ field: 'day' }],
  },
  {
    name: 'claims_text',
    topic: 'claims',
    format: 'text',
    window: { every: '3s' },
    output: { format: 'json', compression: 'gzip' },
  },
  { name: 'orders', topic: 'orders', format: 'json', window: { every: '1s' }, columns: COLUMNS },
];

export interface Place {
  readonly name: string;
  readonly number: number;
  readonly site: Site;
  /** Before the collectors, for this agent. */
  readonly link: LinkProxy;
  /** Before S3 and Glue, for this collector. */
  readonly aws: AwsProxy;
  readonly agentDisk: SmallDisk | undefined;
  readonly collectorDisk: SmallDisk | undefined;
}

export interface Stage {
  readonly directory: string;
  readonly broker: Broker;
  readonly kafka: Kafka;
  readonly admin: Admin;
  readonly lake: Ministack;
  readonly places: NonEmpty<Place>;
  /** Faults that cannot be made on this machine, and why. */
  readonly skipped: readonly string[];
  stop(): Promise<void>;
}

/** Of a run, below the scratch directory; removed unless the run fails. */
export const createDirectory = () => mkdtempSync(join(tmpdir(), 'sluice-chaos-'));

export async function setStage(directory: string, count: number): Promise<Stage> {
  const names = Array.from({ length: count }, (_, i) => `site-${i + 1}`);
  const [first = '', ...further] = names;
  const pki = await createSitePki(directory, first, further);
  const tls = { certificate: pki.broker, caPem: pki.caPem };
  const [broker, lake] = await Promise.all([
    startBroker({ directory: join(directory, 'kafka'), tls }),
    startMinistack(),
  ]);
  await fetch(`${lake.endpoint}/${BUCKET}`, { method: 'PUT' });
  const kafka = createKafkaClient({ brokers: [broker.plaintext], retry: { retries: 8 } });
  const admin = kafka.admin();
  await admin.connect();
  const topics = TOPICS.map(({ topic, partitions }) => ({ topic, numPartitions: partitions }));
  await admin.createTopics({ topics });
  const balancer = createBalancer();
  const places: Place[] = [];
  for (const [i, name] of names.entries())
    places.push(await createPlace({ directory, pki, broker, lake, balancer, number: i + 1, name }));
  return {
    directory,
    broker,
    kafka,
    admin,
    lake,
    places: places as [Place, ...Place[]],
    skipped: places.every((p) => p.agentDisk && p.collectorDisk) ? [] : DISK_SKIPPED,
    async stop() {
      await Promise.all(places.flatMap(({ site }) => [site.agent.kill(), site.collector.kill()]));
      await admin.disconnect().catch(() => {});
      await Promise.all([broker.kill(), lake.stop()]);
      for (const { link, aws } of places) await Promise.all([link.close(), aws.close()]);
      for (const { agentDisk, collectorDisk } of places) {
        agentDisk?.unmount();
        collectorDisk?.unmount();
      }
    },
  };
}

interface PlaceOptions {
  readonly directory: string;
  readonly pki: SitePki;
  readonly broker: Broker;
  readonly lake: Ministack;
  readonly balancer: Balancer;
  readonly number: number;
  readonly name: string;
}

async function createPlace({
  directory,
  pki,
  broker,
  lake,
  balancer,
  number,
  name,
}: PlaceOptions): Promise<Place> {
  const [link, aws] = await Promise.all([createLinkProxy(balancer.next), startAwsProxy(lake.endpoint)]);
  const file = (path: string) => join(pki.directory, path);
  const at = join(directory, name);
  const agentDisk = mountSmallDisk(join(at, 'agent'), AGENT_DISK_MIB);
  const collectorDisk = mountSmallDisk(join(at, 'collector'), COLLECTOR_DISK_MIB);
  const site = await createSite({
    directory: at,
    pki,
    agentId: name,
    ...(number === 1 ? {} : { agentCertificate: `agent-${name}` }),
    allowedAgents: 'site-*',
    collectorId: `collector-${number}`,
    collectorAddress: `127.0.0.1:${link.port}`,
    kafka: {
      brokers: [broker.mutualTls],
      group: GROUP,
      sessionTimeout: `${SESSION_TIMEOUT_MS / 1e3}s`,
      tls: { ca: file('ca.pem'), cert: file('client.pem'), key: file('client-key.pem') },
    },
    topics: TOPICS.map(({ topic }) => topic),
    tables: TABLE_CONFIGS,
    spool: { bytesMax: '64MiB', freeSpaceMin: '4MiB', segmentBytesMax: '256KiB' },
    lake: {
      store: `s3://${BUCKET}/acme`,
      catalog: 'glue',
      database: 'acme',
      region: 'us-east-1',
      s3Endpoint: aws.endpoint,
      glueEndpoint: aws.endpoint,
    },
    environment: lake.environment,
  });
  balancer.add(Number(site.linkAddress.split(':')[1]));
  return { name, number, site, link, aws, agentDisk, collectorDisk };
}
