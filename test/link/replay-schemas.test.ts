// Quarantined values that name their schema by Confluent's id are replayed without a registry beside the
// command: a running collector is asked over its HTTP port, that one an agent of the topic, and the agent the
// registry. Where nobody can be asked nothing is taken, and the reason is told.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createRegistryClient } from '@sluice/agent/schemas/registry-client.ts';
import { createFileCatalog } from '@sluice/collector/catalog/file-catalog.ts';
import { loadCollectorConfig } from '@sluice/collector/config.ts';
import { createObjectStore } from '@sluice/collector/lake/open-store.ts';
import { main } from '@sluice/collector/main.ts';
import { LakeReader } from '@sluice/collector/ops/lake-reader.ts';
import { runQuery } from '@sluice/collector/ops/query.ts';
import { collectorSchemas, schemaDocument } from '@sluice/collector/ops/schema-document.ts';
import { createTransformer } from '@sluice/collector/transform/transformer.ts';
import { systemClock } from '@sluice/shared/clock.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { startOpsServer } from '@sluice/shared/ops-server.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { systemRandom } from '@sluice/shared/random.ts';
import avsc from 'avsc';
import { parse, stringify } from 'yaml';
import { createLinkPki } from '../support/link-pki.ts';
import { createLogPartition } from '../support/log-partition.ts';
import { type SchemaRegistryDouble, startSchemaRegistry } from '../support/schema-registry.ts';
import { temporaryDirectory } from '../support/temp.ts';
import { startWholeCollector } from '../support/whole-collector.ts';

const pki = await createLinkPki();
const tls = await pki.collector();
const schema: avsc.Schema = { type: 'record', name: 'Claim', fields: [{ name: 'n', type: 'long' }] };

function framed(id: number, n: number): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(id, 1);
  return Buffer.concat([head, avsc.Type.forSchema(schema).toBuffer({ n })]);
}

const table = (type: string) => ({
  name: 'claims',
  topic: 'claims',
  format: { avro: { registry: 'confluent' } },
  columns: { n: type },
  steps: [{ apply_mapping: [['n', type, 'n', 'bigint']] }],
  window: { every: '10s' },
});

/** A collector with three records in quarantine: one is too large, two name an unknown schema. */
async function quarantined(t: TestContext, registry: SchemaRegistryDouble) {
  const directory = temporaryDirectory();
  const collector = await startWholeCollector(t, { directory, tls, topics: [], tables: [table('int')] });
  const partition = createLogPartition(t, pki, 0);
  await partition.connect(collector.port, createRegistryClient({ url: registry.url, clock: systemClock }));
  partition.add(framed(7, 1), framed(7, 5_000_000_000), framed(8, 3), framed(9, 4));
  const http = await startOpsServer({
    ...{ host: '127.0.0.1', port: 0, metrics: createMetrics() },
    report: () => assert.fail('nobody asks'),
    documents: { '/schemas': (query) => schemaDocument(query, collector.schema) },
  });
  t.after(() => http.close());
  return { directory, collector, partition, url: `http://127.0.0.1:${http.port}` };
}

async function valuesIn(t: TestContext, directory: string) {
  const lake = join(directory, 'lake');
  const store = createObjectStore({ store: lake, region: undefined, endpoint: undefined });
  const catalog = createFileCatalog('sluice', store);
  const scratch = temporaryDirectory();
  const transformer = createTransformer({ memoryBytesMax: 64e6, threads: 1 });
  t.after(() => transformer.close());
  const config = loadCollectorConfig(join(directory, 'corrected.yaml'));
  const reader = new LakeReader({ store, catalog, scratch, clock: systemClock, random: systemRandom });
  const options = { config, reader, transformer, scratch, directories: [scratch, lake] };
  return (await runQuery(options, 'select n from claims order by n')).rows.flat();
}

test('a replay asks a running collector for the schemas that values name, and takes what can be read', async (t) => {
  const registry = await startSchemaRegistry(t);
  registry.schemas.set('/schemas/ids/7', { schema: JSON.stringify(schema) });
  const { directory, partition, url } = await quarantined(t, registry);
  await partition.produce();
  const file = join(directory, 'corrected.yaml');
  const config = parse(readFileSync(join(directory, 'collector.yaml'), 'utf8')) as object;
  writeFileSync(file, stringify({ ...config, tables: [table('bigint')] }));
  registry.schemas.set('/schemas/ids/8', { schema: JSON.stringify(schema) });

  const replay = (collector: string) =>
    main(['replay', 'claims', '--all', '--config', file, '--collector', collector]);
  const nobody = await replay('http://127.0.0.1:9');
  assert.notEqual(nobody, 0);
  assert.deepEqual(await valuesIn(t, directory), ['1']);
  assert.equal(await replay(url), 0);
  assert.deepEqual(await valuesIn(t, directory), ['1', '3', '5000000000'], 'the id 9 is unknown as before');
});

test('whoever asks is told why there is no schema, and what asks wrongly is refused', async (t) => {
  const registry = await startSchemaRegistry(t);
  const { url, partition } = await quarantined(t, registry);
  await partition.produce();
  const want = (topic: string, id = '7') => ({
    framing: 'confluent' as const,
    topic,
    topicId: NO_TOPIC_ID,
    id,
  });
  const { find } = collectorSchemas(`${url}/`);
  assert.equal(await find(want('claims')), undefined);
  const unavailable = (message: RegExp) => ({ code: 'SCHEMA_UNAVAILABLE', message });
  await assert.rejects(find(want('orders')), unavailable(/no agent of topic orders is connected/));
  await assert.rejects(find(want('claims', 'seven')), unavailable(/takes topic, topicId and id, a number/));
  registry.fault = { status: 500, body: '{}' };
  await assert.rejects(find(want('claims')), unavailable(/answered 500/));
  await assert.rejects(collectorSchemas(registry.url).find(want('claims')), unavailable(/collector/));
  registry.fault = { status: 200, body: '{}' };
  await assert.rejects(
    collectorSchemas(registry.url).find(want('claims')),
    unavailable(/no collector of this/),
  );
});

test('what is no collector fills no log with its answer, and an address in it shows no password', async (t) => {
  const registry = await startSchemaRegistry(t);
  const want = { framing: 'confluent', topic: 'claims', topicId: NO_TOPIC_ID, id: '7' } as const;
  registry.fault = { status: 404, body: `no such page\u001b[31m${'!'.repeat(100_000)}` };
  const told = (base: string) =>
    collectorSchemas(base)
      .find(want)
      .then(
        () => assert.fail('it has no schema'),
        (error: Error) => error.message,
      );
  const refused = await told(registry.url);
  assert.match(refused, /no such page \[31m!/);
  assert.ok(refused.length < 500, `${refused.length} characters`);
  const hidden = await told(registry.url.replace('://', '://ops:s3cret@'));
  assert.match(hidden, /127\.0\.0\.1/);
  assert.doesNotMatch(hidden, /s3cret/);
});
