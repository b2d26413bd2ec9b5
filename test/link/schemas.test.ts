// A schema that a value names by its id comes from the registry beside the brokers, through the agent that
// sends the topic, over the link: the collector never speaks with the registry itself.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createRegistryClient } from '@sluice/agent/schemas/registry-client.ts';
import { systemClock } from '@sluice/shared/clock.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { eventually } from '../support/eventually.ts';
import { feedDouble } from '../support/feed-double.ts';
import { startAgentEnd, startCollectorEnd } from '../support/link-ends.ts';
import { createLinkPki } from '../support/link-pki.ts';
import { manualClock } from '../support/manual-clock.ts';
import { startSchemaRegistry } from '../support/schema-registry.ts';
import { temporaryDirectory } from '../support/temp.ts';

const pki = await createLinkPki();
const collector = await pki.collector();
const agent = await pki.agent('site-1');
const claims = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };
const want = (id: number, topic = 'claims') => ({
  framing: 'confluent' as const,
  topic,
  topicId: NO_TOPIC_ID,
  id: String(id),
});

async function linked(t: TestContext, registry?: { readonly url: string }) {
  const there = await startCollectorEnd(t, { tls: collector });
  const address = { host: '127.0.0.1', port: there.port };
  const schemas =
    registry === undefined ? undefined : createRegistryClient({ url: registry.url, clock: systemClock });
  const feed = feedDouble([{ id: claims, at: () => undefined }]);
  const here = startAgentEnd(t, { address, tls: agent, feed, schemas });
  await eventually('the agent is welcomed', () => here.uplink.status().state === 'connected');
  return there.ingest;
}

test('a schema comes through the agent, with those that it names, and is asked for once', async (t) => {
  const registry = await startSchemaRegistry(t);
  registry.schemas.set('/schemas/ids/4000000000', {
    schema: '"claim"',
    references: [{ name: 'acme.Money', subject: 'acme/money', version: 2 }],
  });
  registry.schemas.set('/subjects/acme%2Fmoney/versions/2', {
    schema: '"money"',
    references: [{ name: 'acme.Cent', subject: 'cent', version: 1 }],
  });
  registry.schemas.set('/subjects/cent/versions/1', { schema: '"cent"' });
  registry.schemas.set('/schemas/ids/8', { schema: '{}', schemaType: 'JSON' });
  const ingest = await linked(t, registry);
  const [one, same] = await Promise.all([ingest.find(want(4e9)), ingest.find(want(4e9))]);
  assert.deepEqual(one, { type: 'AVRO', schema: '"claim"', references: ['"cent"', '"money"'] });
  assert.deepEqual(same, one);
  assert.equal(registry.asked.length, 3);
  assert.equal((await ingest.find(want(8)))?.type, 'JSON');
});

test('an id that the registry does not have is no fault; a registry that cannot say is one', async (t) => {
  const registry = await startSchemaRegistry(t);
  const ingest = await linked(t, registry);
  assert.equal(await ingest.find(want(404)), undefined);
  for (const [fault, message] of [
    [{ status: 404, body: 'no such page' }, /not valid JSON/],
    [{ status: 404, body: '{"error_code":404}' }, /answered 404/],
    [{ status: 500, body: '{}' }, /answered 500/],
    [{ status: 200, body: '{"schema":5}' }, /answered 200/],
    [{ status: 200, body: JSON.stringify({ schema: 'x'.repeat(5 * 2 ** 20) }) }, /more than 4194304 bytes/],
  ] as const) {
    registry.fault = fault;
    await assert.rejects(ingest.find(want(7)), { code: 'SCHEMA_UNAVAILABLE', message });
  }
  registry.fault = undefined;
  registry.schemas.set('/schemas/ids/7', { schema: '"long"' });
  assert.equal((await ingest.find(want(7)))?.schema, '"long"');
});

test('without a registry, or without an agent of the topic, the reason is told', async (t) => {
  const ingest = await linked(t);
  await assert.rejects(ingest.find(want(7)), {
    code: 'SCHEMA_UNAVAILABLE',
    message: /agent site-1: .*no schemaRegistry/,
  });
  await assert.rejects(ingest.find(want(7, 'orders')), {
    code: 'SCHEMA_UNAVAILABLE',
    message: /no agent of topic orders is connected/,
  });
});

test('a topic of the same name is not asked for the schemas of another, and is told of', async (t) => {
  const registry = await startSchemaRegistry(t);
  registry.schemas.set('/schemas/ids/7', { schema: '"long"' });
  const ingest = await linked(t, registry);
  await assert.rejects(ingest.find({ ...want(7), topicId: 'deleted' }), {
    code: 'SCHEMA_UNAVAILABLE',
    message: /a topic claims with the id deleted, and that of site-1 has another id/,
  });
  assert.deepEqual(registry.asked, []);
});

test('a registry that does not answer ends in time, and a question ends with its stream', async (t) => {
  const registry = await startSchemaRegistry(t);
  const clock = manualClock();
  const client = createRegistryClient({ url: `${registry.url}/`, clock });
  registry.schemas.set('/schemas/ids/1', { schema: '"long"' });
  assert.equal((await client.find(1))?.schema, '"long"');
  const silent = createRegistryClient({ url: 'http://192.0.2.1:9', clock });
  const asked = silent.find(1);
  const failed = assert.rejects(asked, {
    code: 'SCHEMA_UNAVAILABLE',
    message: /no answer in 10 s|192\.0\.2\.1/,
  });
  await clock.advance(10_001);
  await failed;
});

test('the registry is told who asks', async (t) => {
  const registry = await startSchemaRegistry(t);
  const passwordFile = join(temporaryDirectory(), 'password');
  writeFileSync(passwordFile, 'secret\n');
  const client = createRegistryClient({
    url: registry.url,
    username: 'ada',
    passwordFile,
    clock: systemClock,
  });
  await client.find(1);
  assert.equal(registry.asked[0]?.authorization, `Basic ${Buffer.from('ada:secret').toString('base64')}`);
});
