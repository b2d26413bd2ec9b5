// The whole journey on real parts: Kafka that demands proof, both programs as processes of their own, S3 and Glue over
// HTTP. What was produced is in the lake exactly once, whatever was killed meanwhile.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Broker, startBroker } from '@sluice/deploy/local/kafka-broker.ts';
import { ensureKafkaJars } from '@sluice/deploy/local/kafka-jars.mjs';
import { type Ministack, startMinistack } from '@sluice/deploy/local/ministack.ts';
import { ensureMinistack } from '@sluice/deploy/local/ministack-venv.mjs';
import { createSite, createSitePki, type Site, type SitePki } from '@sluice/deploy/local/site.ts';
import { Kafka, logLevel } from 'kafkajs';
import { eventually } from '../support/eventually.ts';
import { assertExactlyOnce } from '../support/oracles.ts';
import { temporaryDirectory } from '../support/temp.ts';

const directory = temporaryDirectory();
const USER = { name: 'agent', password: 'only-for-this-test' };
let broker: Broker;
let pki: SitePki;
let aws: Ministack;
let kafka: Kafka;

before(async () => {
  await Promise.all([ensureKafkaJars(), ensureMinistack()]);
  pki = await createSitePki(directory);
  broker = await startBroker({
    directory: join(directory, 'kafka'),
    tls: { certificate: pki.broker, caPem: pki.caPem },
    users: { [USER.name]: USER.password },
  });
  aws = await startMinistack();
  await fetch(`${aws.endpoint}/lake`, { method: 'PUT' });
  kafka = new Kafka({ brokers: [broker.plaintext], logLevel: logLevel.NOTHING });
});

after(async () => {
  await broker?.stop();
  await aws?.stop();
});

async function createTopics(...topics: string[]): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({
    topics: topics.map((topic) => ({ topic, numPartitions: 3, replicationFactor: 1 })),
  });
  await admin.disconnect();
}

async function produce(topic: string, values: readonly (string | Buffer)[]): Promise<void> {
  const producer = kafka.producer({ allowAutoTopicCreation: false });
  await producer.connect();
  await producer.send({ topic, messages: values.map((value) => ({ value })) });
  await producer.disconnect();
}

interface CollectorStatus {
  readonly verdict: string;
  readonly tables: readonly {
    readonly table: string;
    readonly partitions: readonly { readonly acknowledged: number }[];
  }[];
}

async function acknowledged(site: Site, table: string): Promise<number> {
  const { tables } = await site.collector.status<CollectorStatus>();
  const partitions = tables.find((t) => t.table === table)?.partitions ?? [];
  return partitions.reduce((sum, p) => sum + p.acknowledged, 0);
}

async function untilAcknowledged(site: Site, table: string, records: number): Promise<void> {
  await eventually(
    `${records} records of ${table} acknowledged`,
    async () => (await acknowledged(site, table)) >= records,
    {
      deadlineMs: 90_000,
      everyMs: 200,
    },
  );
}

async function query(site: Site, sql: string): Promise<Record<string, string | null>[]> {
  const { code, output } = await site.collector.command(['query', '--json', sql]);
  assert.equal(code, 0, output);
  return JSON.parse(output.trim().split('\n').at(-1) ?? '') as Record<string, string | null>[];
}

const SESSION_TIMEOUT = '6s';
const mutualTls = () => ({
  brokers: [broker.mutualTls],
  group: 'journey',
  sessionTimeout: SESSION_TIMEOUT,
  tls: {
    ca: join(pki.directory, 'ca.pem'),
    cert: join(pki.directory, 'client.pem'),
    key: join(pki.directory, 'client-key.pem'),
  },
});

test('each input format arrives in each output format, through SASL, in S3 and Glue', async () => {
  await createTopics('json-in', 'csv-in', 'text-in', 'bytes-in');
  const passwordFile = join(directory, 'password');
  writeFileSync(passwordFile, `${USER.password}\n`, { mode: 0o600 });
  const every = { every: '1s' };
  const site = await createSite({
    directory: join(directory, 'formats'),
    pki,
    kafka: {
      brokers: [broker.sasl],
      group: 'formats',
      sessionTimeout: SESSION_TIMEOUT,
      tls: { ca: join(pki.directory, 'ca.pem') },
      sasl: { mechanism: 'scram-sha-512', username: USER.name, passwordFile },
    },
    topics: ['json-in', 'csv-in', 'text-in', 'bytes-in'],
    tables: [
      {
        name: 'from_json',
        topic: 'json-in',
        format: 'json',
        window: every,
        columns: { n: 'int', at: 'timestamp' },
        partitionBy: [{ field: 'at', by: 'day' }],
        output: { format: 'parquet', compression: 'snappy' },
      },
      {
        name: 'from_csv',
        topic: 'csv-in',
        format: 'csv',
        window: every,
        columns: { n: 'int', word: 'string' },
        partitionBy: [{ field: 'word' }],
        output: { format: 'csv', compression: 'gzip' },
      },
      { name: 'from_text', topic: 'text-in', format: 'text', window: every, output: { format: 'json' } },
      { name: 'from_bytes', topic: 'bytes-in', format: 'bytes', window: every, provenance: 'full' },
    ],
    lake: {
      store: 's3://lake/formats',
      catalog: 'glue',
      database: 'formats',
      region: 'us-east-1',
      s3Endpoint: aws.endpoint,
      glueEndpoint: aws.endpoint,
    },
    environment: aws.environment,
  });
  const numbers = Array.from({ length: 300 }, (_, i) => i);
  await produce('json-in', [
    ...numbers.map((n) => `{"n":${n},"at":"2026-11-0${1 + (n % 3)}T00:00:00Z"}`),
    '{"n":"x"}',
  ]);
  await produce(
    'csv-in',
    numbers.map((n) => `${n},"word ${n % 2}"`),
  );
  await produce(
    'text-in',
    numbers.map((n) => `line ${n} ü`),
  );
  await produce(
    'bytes-in',
    numbers.map((n) => Buffer.from([0xff, n >> 8, n & 0xff])),
  );
  await site.collector.start();
  await site.agent.start();
  await untilAcknowledged(site, 'from_json', 301);
  for (const table of ['from_csv', 'from_text', 'from_bytes']) await untilAcknowledged(site, table, 300);
  const ids = async (sql: string) => (await query(site, sql)).map((row) => String(row['id']));
  const wanted = numbers.map(String);
  assertExactlyOnce(wanted, await ids('select n as id from from_json'));
  assertExactlyOnce(wanted, await ids('select n as id from from_csv'));
  assertExactlyOnce(wanted, await ids("select split_part(value, ' ', 2) as id from from_text"));
  const bytes = await query(site, 'select hex(value) as id, _topic from from_bytes');
  assertExactlyOnce(
    wanted,
    bytes.map(({ id }) => String(Number.parseInt(String(id).slice(2), 16))),
  );
  const [bad] = await query(site, 'select reason from from_json_quarantine');
  assert.equal(bad?.['reason'], "n 'x' is not int");
  const { code, output } = await site.collector.command(['verify']);
  assert.equal(code, 0, output);
  await site.agent.stop();
  await site.collector.stop();
});

test('agent, collector and broker killed in mid-stream: every record is in the lake exactly once', async () => {
  const topic = 'killed';
  await createTopics(topic);
  const site = await createSite({
    directory: join(directory, 'killed'),
    pki,
    kafka: mutualTls(),
    topics: [topic],
    tables: [{ name: 'killed', topic, format: 'json', window: { every: '1s' }, columns: { n: 'int' } }],
  });
  await site.collector.start();
  await site.agent.start();
  const total = 60;
  const perBatch = 200;
  const steps: Readonly<Record<number, () => Promise<void>>> = {
    10: async () => {
      await site.agent.kill();
      await site.agent.start();
    },
    22: async () => {
      await site.collector.kill();
      await site.collector.start();
    },
    34: async () => {
      await site.collector.stop();
      await site.collector.start();
    },
    44: () => broker.restart(),
    52: async () => {
      await Promise.all([site.agent.kill(), site.collector.kill()]);
      await site.collector.start();
      await site.agent.start();
    },
  };
  for (let batch = 0; batch < total; batch++) {
    await steps[batch]?.();
    const values = Array.from({ length: perBatch }, (_, i) => `{"n":${batch * perBatch + i}}`);
    await eventually('the broker takes a batch', () => produce(topic, values).then(() => true));
  }
  await untilAcknowledged(site, 'killed', total * perBatch);
  await site.agent.stop();
  await site.collector.stop();
  const found = await query(site, 'select n from killed');
  assertExactlyOnce(
    Array.from({ length: total * perBatch }, (_, n) => String(n)),
    found.map(({ n }) => String(n)),
  );
  const { code, output } = await site.collector.command(['verify']);
  assert.equal(code, 0, output);
});

test('an idle topic is flowing and says since when; without a collector the agent says that it waits', async () => {
  await createTopics('idle');
  const site = await createSite({
    directory: join(directory, 'idle'),
    pki,
    kafka: { ...mutualTls(), group: 'idle' },
    topics: ['idle'],
    tables: [{ name: 'idle', topic: 'idle', format: 'text', window: { every: '1s' } }],
  });
  await site.collector.start();
  await site.agent.start();
  await produce('idle', ['one']);
  await untilAcknowledged(site, 'idle', 1);
  await eventually('both flow', async () => {
    const [agent, collector] = [
      await site.agent.command(['status']),
      await site.collector.command(['status']),
    ];
    return agent.code === 0 && collector.code === 0;
  });
  assert.match(JSON.stringify(await site.agent.status()), /idle since 2/);
  await site.collector.stop();
  const down = await eventually(
    'the agent says that it waits',
    async () => {
      const { code, output } = await site.agent.command(['status']);
      return code === 1 ? output : undefined;
    },
    { deadlineMs: 60_000, everyMs: 500 },
  );
  assert.match(down, /link: no collector for .*LINK_UNREACHABLE/);
  assert.equal((await fetch(`${site.agent.httpUrl}/healthz`)).status, 503);
  assert.equal((await fetch(`${site.agent.httpUrl}/livez`)).status, 200);
  await site.agent.stop();
});

test('a wrong config is refused with every problem, its line and a remedy, and exit 78', async () => {
  const site = await createSite({
    directory: join(directory, 'wrong'),
    pki,
    kafka: { brokers: ['nonsense'], group: 'g', colour: 'red' },
    topics: ['t'],
    tables: [{ name: 't', topic: 't', format: 'json', columns: { a: 'varchar' } }],
  });
  const agent = await site.agent.command(['run']);
  assert.equal(agent.code, 78);
  assert.match(agent.output, /2 problems/);
  assert.match(agent.output, /agent\.yaml:\d+ {2}kafka\.colour: unknown key/);
  const collector = await site.collector.command(['run']);
  assert.equal(collector.code, 78);
  assert.match(collector.output, /'a' has the type 'varchar'/);
});
