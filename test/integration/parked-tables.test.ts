// Tables that cannot be written - denied, dropped from the catalog, of an incompatible type - with real
// programs: others flow meanwhile, each side says who waits for whom and since when, and all comes in the end
// by itself. A table that may be detached stops not even its own topic.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Ministack, startMinistack } from '@sluice/deploy/local/ministack.ts';
import { ensureMinistack } from '@sluice/deploy/local/ministack-venv.mjs';
import type { Site } from '@sluice/deploy/local/site.ts';
import { type AwsProxy, startAwsProxy } from '../support/aws-proxy.ts';
import { eventually } from '../support/eventually.ts';
import { assertExactlyOnce } from '../support/oracles.ts';
import {
  acknowledged,
  type Journey,
  numbers,
  query,
  startJourney,
  untilAcknowledged,
  verified,
} from './journey-fixture.ts';

const REGION = 'us-east-1';
let journey: Journey;
let aws: Ministack;
let proxy: AwsProxy;
let glueProxy: AwsProxy;

before(async () => {
  await ensureMinistack();
  [journey, aws] = await Promise.all([startJourney(), startMinistack()]);
  await fetch(`${aws.endpoint}/lake`, { method: 'PUT' });
  [proxy, glueProxy] = await Promise.all([startAwsProxy(aws.endpoint), startAwsProxy(aws.endpoint)]);
});

after(() => Promise.all([journey?.stop(), aws?.stop(), proxy?.close(), glueProxy?.close()]));

async function valuesOf(site: Site, table: string): Promise<string[]> {
  return (await query(site, `select value from ${table}`)).map(({ value }) => String(value));
}

/** Until a command of a program says all of it. */
async function untilSaid(
  site: Site,
  name: 'agent' | 'collector',
  ...said: readonly RegExp[]
): Promise<string> {
  let last = '';
  await eventually(
    `the ${name} says ${said.join(' and ')}`,
    async () => {
      last = (await site[name].command(['status'])).output;
      const missing = said.find((one) => !one.test(last));
      if (missing !== undefined) throw new Error(`${missing} is not in: ${last}`);
      return true;
    },
    { deadlineMs: 60_000, everyMs: 250 },
  );
  return last;
}

async function metric(site: Site, sample: string): Promise<number> {
  const lines = (await (await fetch(`${site.collector.httpUrl}/metrics`)).text()).split('\n');
  return Number(lines.find((line) => line.startsWith(`${sample} `))?.slice(sample.length));
}

/** Glue itself, asked without our client. */
async function glue(action: string, body: object): Promise<void> {
  const credential = `test/20260101/${REGION}/glue/aws4_request`;
  const reply = await fetch(aws.endpoint, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': `AWSGlue.${action}`,
      authorization: `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=host, Signature=0`,
    },
    body: JSON.stringify(body),
  });
  assert.ok(reply.ok, await reply.clone().text());
}

const table = (name: string, topic: string, change: object = {}) => ({
  ...{ name, topic, format: 'text', window: { every: '1s' } },
  ...change,
});

describe('parked', { concurrency: 2 }, () => {
  test('a denied table that may be detached stops nobody; it comes back to its own offset, and what Kafka lost is its gap alone', async () => {
    await journey.createTopics(1, 'shared');
    const site = await journey.site('detached', {
      topics: ['shared'],
      tables: [table('kept', 'shared'), table('denied', 'shared', { whenParked: 'detach' })],
      lake: {
        ...{ store: 's3://lake/detached', catalog: 'file', database: 'detached', region: REGION },
        s3Endpoint: proxy.endpoint,
      },
      environment: aws.environment,
    });
    let produced = 0;
    const produce = async (count: number) => {
      await journey.produce('shared', numbers(produced, produced + count));
      produced += count;
    };
    await Promise.all([site.collector.start(), site.agent.start()]);
    await produce(20);
    for (const name of ['kept', 'denied']) await untilAcknowledged(site, name, 20);
    proxy.rule = ({ action, path }) =>
      action === 'PutObject' && path.includes('/staged/denied/')
        ? { when: 'before', how: { status: 403, code: 'AccessDenied' } }
        : undefined;
    await eventually('the table is detached', async () => {
      await produce(1);
      return /table denied is detached/.test((await site.collector.command(['status'])).output);
    });
    await produce(100);
    await untilAcknowledged(site, 'kept', produced);
    const atDetached = await acknowledged(site, 'denied');
    assert.equal(atDetached, 20);
    const said = await untilSaid(
      site,
      'collector',
      /table denied is parked for .*: uploading: STORE_DENIED: s3:PutObject/,
      new RegExp(
        `table denied is detached for .*: at shared-0@20, behind by ${produced - 20} offsets; only Kafka`,
      ),
    );
    assert.doesNotMatch(said, /kept/);
    assert.equal(
      await metric(site, 'sluice_table_behind_offsets{table="denied",topic="shared",partition="0"}'),
      produced - 20,
    );
    assert.ok((await metric(site, 'sluice_table_detached_seconds{table="denied"}')) > 0);
    assert.doesNotMatch((await site.agent.command(['status'])).output, /topic shared waits/);
    await eventually('the group is where the table that flows is', async () => {
      return (await journey.groupOffset('detached', 'shared')) === produced;
    });

    const beside = await site.collector.command(['verify', '--kafka']);
    assert.equal(beside.code, 0, beside.output);
    assert.match(
      beside.output,
      new RegExp(`shared-0: equal to Kafka's last stable offset ${produced} \\(asked by site-1`),
    );
    assert.match(beside.output, new RegExp(`shared-0: ${produced - 20} offsets behind Kafka's`));

    // Retention takes a part of what only Kafka had; the rest is read again.
    await journey.admin.deleteTopicRecords({ topic: 'shared', partitions: [{ partition: 0, offset: '60' }] });
    const lost = await site.collector.command(['verify', '--kafka', 'denied']);
    assert.equal(lost.code, 1, lost.output);
    assert.match(lost.output, /FINDING KAFKA_LOG_AHEAD denied: shared-0: .*40 offsets are gone/);
    // Nobody is asked: an agent that is away cannot say.
    await site.agent.stop();
    const unseen = await site.collector.command(['verify', '--kafka']);
    assert.equal(unseen.code, 3, unseen.output);
    assert.match(unseen.output, /shared-0: no verdict: no agent/);
    await site.agent.start();

    proxy.resume();
    site.collector.signal('SIGHUP');
    await untilAcknowledged(site, 'denied', produced);
    await produce(10);
    for (const name of ['kept', 'denied']) await untilAcknowledged(site, name, produced);
    assertExactlyOnce(numbers(0, produced), await valuesOf(site, 'kept'));
    const denied = await valuesOf(site, 'denied');
    const proof = await verified(site);
    const [, from, to] = /gap shared-0 \[(\d+), (\d+)\): retention/.exec(proof) ?? [];
    assert.equal(to, '60');
    assertExactlyOnce([...numbers(0, Number(from)), ...numbers(60, produced)], denied);
    assert.equal(proof.split('gap shared-0').length, 2, 'one table has it, once');
    const { code, output } = await site.collector.command(['status']);
    assert.equal(code, 0, output);
    await Promise.all([site.agent.stop(), site.collector.stop()]);
  });

  test('a table that was dropped, and one of another type, are named on both sides; their neighbour flows, and they go on by themselves', async () => {
    const topics = ['dropped', 'altered', 'fine'] as const;
    await journey.createTopics(1, ...topics);
    const byValue = { partitionBy: [{ field: 'value', as: 'v' }] };
    const DatabaseName = 'parked';
    const StorageDescriptor = {
      Columns: [{ Name: 'value', Type: 'int' }],
      Location: 's3://lake/parked/altered/',
    };
    await glue('CreateDatabase', { DatabaseInput: { Name: DatabaseName } });
    await glue('CreateTable', {
      DatabaseName,
      TableInput: { Name: 'altered', StorageDescriptor, PartitionKeys: [] },
    });
    const site = await journey.site('parked', {
      topics,
      tables: [table('dropped', 'dropped', byValue), table('altered', 'altered'), table('fine', 'fine')],
      lake: {
        ...{ store: 's3://lake/parked', catalog: 'glue', database: DatabaseName, region: REGION },
        ...{ s3Endpoint: aws.endpoint, glueEndpoint: glueProxy.endpoint },
      },
      environment: aws.environment,
    });
    for (const topic of topics) await journey.produce(topic, numbers(0, 5));
    await Promise.all([site.collector.start(), site.agent.start()]);
    await untilAcknowledged(site, 'dropped', 5);
    await untilAcknowledged(site, 'fine', 5);
    await glue('DeleteTable', { DatabaseName, Name: 'dropped' });
    // The emulator takes partitions of any table; Glue itself answers this.
    glueProxy.rule = ({ action }) =>
      action === 'BatchCreatePartition'
        ? { when: 'before', how: { status: 400, code: 'EntityNotFoundException' } }
        : undefined;
    await journey.produce('dropped', numbers(5, 10));
    await untilSaid(
      site,
      'collector',
      /table dropped is parked for .*: publishing: CATALOG_TABLE_MISSING: the table is not in the catalog any more/,
      /table altered is parked for .*: creating the tables: CATALOG_INCOMPATIBLE: the catalogued table has/,
    );
    assert.equal(await metric(site, 'sluice_table_ready{table="altered"}'), 0);
    assert.equal(await metric(site, 'sluice_table_ready{table="fine"}'), 1);
    await untilSaid(
      site,
      'agent',
      /topic altered waits: table altered cannot be opened: .*CATALOG_INCOMPATIBLE/,
    );
    await journey.produce('fine', numbers(5, 50));
    await untilAcknowledged(site, 'fine', 50);

    await glue('DeleteTable', { DatabaseName, Name: 'altered' });
    const columns = [{ Name: 'value', Type: 'string' }];
    const location = { Columns: columns, Location: 's3://lake/parked/dropped/' };
    await glue('CreateTable', {
      DatabaseName,
      TableInput: {
        Name: 'dropped',
        StorageDescriptor: location,
        PartitionKeys: [{ Name: 'v', Type: 'string' }],
      },
    });
    glueProxy.resume();
    site.collector.signal('SIGHUP');
    await untilAcknowledged(site, 'altered', 5);
    await untilAcknowledged(site, 'dropped', 10);
    assertExactlyOnce(numbers(0, 5), await valuesOf(site, 'altered'));
    await eventually('nothing waits any more', async () => {
      return (await site.collector.command(['status'])).code === 0;
    });
    await Promise.all([site.agent.stop(), site.collector.stop()]);
  });
});
