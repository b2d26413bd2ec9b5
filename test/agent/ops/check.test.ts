// `sluice-agent check` asks the schema registry as `run` will: what is wrong with its address or its password
// is said before the first value needs it.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadAgentConfig } from '@sluice/agent/config.ts';
import { checkAgent } from '@sluice/agent/ops/check.ts';
import { createRegistryClient } from '@sluice/agent/schemas/registry-client.ts';
import { systemClock } from '@sluice/shared/clock.ts';
import { stringify } from 'yaml';
import { startSchemaRegistry } from '../../support/schema-registry.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const directory = temporaryDirectory();
const file = join(directory, 'agent.yaml');
const tls = { ca: 'none.pem', cert: 'none.pem', key: 'none-key.pem' };
writeFileSync(
  file,
  stringify({
    agent: { id: 'plant-7', dataDir: directory },
    kafka: { brokers: ['127.0.0.1:1'], group: 'plant-7' },
    topics: ['claims'],
    collector: { address: '127.0.0.1:1', tls },
    spool: { freeSpaceMin: '1MiB' },
  }),
);

/** What `check` says of the registry; the other parts are not there and fail. */
async function said(url: string | undefined): Promise<readonly string[]> {
  const schemas = url === undefined ? undefined : createRegistryClient({ url, clock: systemClock });
  const kafka = { brokers: [], clientId: 'check', groupId: 'check' } as never;
  const { lines } = await checkAgent(loadAgentConfig(file), { kafka, topics: [], schemas });
  const at = lines.findIndex((line) => /^\w+ +registry:/.test(line));
  return at < 0 ? [] : lines.slice(at, at + 2);
}

test('a registry that answers is said to answer, although it does not have what it was asked for', async (t) => {
  const { url, asked } = await startSchemaRegistry(t);
  assert.equal((await said(url))[0], 'ok      registry: the schema registry answers');
  assert.equal(asked.length, 1);
});

test('a registry that refuses, or is not there, fails the check with the way on', async (t) => {
  const double = await startSchemaRegistry(t);
  double.fault = { status: 401, body: '{"error_code":401,"message":"Unauthorized"}' };
  const [refused = '', remedy = ''] = await said(double.url);
  assert.match(refused, /^failed {2}registry: SCHEMA_UNAVAILABLE: .*it answered 401/);
  assert.match(remedy, /schemaRegistry answers/);
  assert.match((await said('http://127.0.0.1:1'))[0] ?? '', /^failed {2}registry: .*ECONNREFUSED/);
});

test('without a registry in the config none is asked', async () => {
  assert.deepEqual(await said(undefined), []);
});
