// The whole journey on real parts: Kafka that demands proof, both programs as processes of their own, S3 and
// Glue over HTTP. What was produced is in the lake exactly once, whatever was killed meanwhile.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Ministack, startMinistack } from '@sluice/deploy/local/ministack.ts';
import { ensureMinistack } from '@sluice/deploy/local/ministack-venv.mjs';
import { eventually } from '../support/eventually.ts';
import { assertExactlyOnce } from '../support/oracles.ts';
import {
  type Journey,
  query,
  SESSION_TIMEOUT,
  startJourney,
  untilAcknowledged,
  verified,
} from './journey-fixture.ts';

const USER = { name: 'agent', password: 'only-for-this-test' };
let journey: Journey;
let aws: Ministack;

before(async () => {
  await ensureMinistack();
  [journey, aws] = await Promise.all([startJourney({ [USER.name]: USER.password }), startMinistack()]);
  await fetch(`${aws.endpoint}/lake`, { method: 'PUT' });
});

after(() => Promise.all([journey?.stop(), aws?.stop()]));

test('each input format arrives in each output format, through SASL, in S3 and Glue', async () => {
  const { broker, pki, directory, produce } = journey;
  await journey.createTopics(3, 'json-in', 'csv-in', 'text-in', 'bytes-in');
  const passwordFile = join(directory, 'password');
  writeFileSync(passwordFile, `${USER.password}\n`, { mode: 0o600 });
  const every = { every: '1s' };
  const site = await journey.site('formats', {
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
  assert.equal(bad?.['reason'], "n 'x' is not int but string");
  await verified(site);
  await site.agent.stop();
  await site.collector.stop();
});

test('agent, collector and broker killed in mid-stream: every record is in the lake exactly once', async () => {
  const topic = 'killed';
  await journey.createTopics(3, topic);
  const site = await journey.site('killed', {
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
    44: () => journey.broker.restart(),
    52: async () => {
      await Promise.all([site.agent.kill(), site.collector.kill()]);
      await site.collector.start();
      await site.agent.start();
    },
  };
  for (let batch = 0; batch < total; batch++) {
    await steps[batch]?.();
    const values = Array.from({ length: perBatch }, (_, i) => `{"n":${batch * perBatch + i}}`);
    await eventually('the broker takes a batch', () => journey.produce(topic, values).then(() => true));
  }
  await untilAcknowledged(site, 'killed', total * perBatch);
  await site.agent.stop();
  await site.collector.stop();
  const found = await query(site, 'select n from killed');
  assertExactlyOnce(
    Array.from({ length: total * perBatch }, (_, n) => String(n)),
    found.map(({ n }) => String(n)),
  );
  await verified(site);
});

test('an idle topic is flowing and says since when; without a collector the agent says that it waits', async () => {
  await journey.createTopics(1, 'idle');
  const site = await journey.site('idle', {
    topics: ['idle'],
    tables: [{ name: 'idle', topic: 'idle', format: 'text', window: { every: '1s' } }],
  });
  await site.collector.start();
  await site.agent.start();
  await journey.produce('idle', ['one']);
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
  const site = await journey.site('wrong', {
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
