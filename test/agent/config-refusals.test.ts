// agent.yaml: a short file is enough, and what could not run is refused at the door with the place and a
// remedy.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { configPath, loadAgentConfig } from '@sluice/agent/config.ts';
import { ConfigError } from '@sluice/shared/config-file.ts';
import { stringify } from 'yaml';
import { temporaryDirectory } from '../support/temp.ts';

const directory = temporaryDirectory();
const minimal = {
  agent: { id: 'plant-7' },
  kafka: { brokers: ['kafka-1.corp:9093'], group: 'sluice-plant-7' },
  topics: ['claims'],
  collector: { address: 'collector.corp:8443', tls: { ca: 'ca.pem', cert: 'a.pem', key: 'a-key.pem' } },
};

function load(change: object) {
  const file = join(directory, 'agent.yaml');
  writeFileSync(file, stringify({ ...minimal, ...change }));
  return loadAgentConfig(file);
}

test('the shortest file runs with the documented defaults, and paths are relative to it', () => {
  const config = load({});
  assert.deepEqual(config.spool, {
    bytesMax: 50 * 2 ** 30,
    freeSpaceMin: 5 * 2 ** 30,
    segmentBytesMax: 2 ** 20,
    linger: 200,
    compression: 'lz4',
  });
  assert.equal(config.agent.dataDir, '/var/lib/sluice-agent');
  assert.deepEqual(config.http.address, { host: '127.0.0.1', port: 9643 });
  assert.equal(config.kafka.sessionTimeout, 30_000);
  assert.equal(configPath(config, 'ca.pem'), join(directory, 'ca.pem'));
  assert.equal(configPath(config, '/etc/ca.pem'), '/etc/ca.pem');
  assert.ok(Object.isFrozen(config));
});

const REFUSED: readonly (readonly [string, object, string, RegExp])[] = [
  ['an id that no certificate could name', { agent: { id: 'plant/7' } }, 'agent.id', /letters, digits/],
  [
    'a broker without its port',
    { kafka: { ...minimal.kafka, brokers: ['kafka'] } },
    'kafka.brokers[0]',
    /host:port/,
  ],
  ['no broker', { kafka: { ...minimal.kafka, brokers: [] } }, 'kafka.brokers', />=1/],
  ['no topic', { topics: [] }, 'topics', />=1/],
  [
    'a pattern that is none',
    { topics: ['a', { pattern: 'orders(' }] },
    'topics[1].pattern',
    /Invalid regular expression/,
  ],
  [
    'a password in the file itself',
    { kafka: { ...minimal.kafka, sasl: { mechanism: 'plain', username: 'u', password: 'p' } } },
    'kafka.sasl.passwordFile',
    /expected string/,
  ],
  [
    'segments that are too small',
    { spool: { segmentBytesMax: '1KiB' } },
    'spool.segmentBytesMax',
    /between 16KiB and 8MiB/,
  ],
  [
    'segments that are too large',
    { spool: { segmentBytesMax: '9MiB', bytesMax: '50GiB' } },
    'spool.segmentBytesMax',
    /between/,
  ],
  ['a spool of a few segments', { spool: { bytesMax: '10MiB' } }, 'spool.bytesMax', /fewer than 64 segments/],
  [
    'a rate without a unit',
    { collector: { ...minimal.collector, maxRate: '200' } },
    'collector.maxRate',
    /not a rate/,
  ],
  ['a key that nobody knows', { spool: { maxBytes: '1GiB' } }, 'spool.maxBytes', /unknown key/],
];

for (const [what, change, path, message] of REFUSED) {
  test(`${what} is refused at ${path}`, () => {
    assert.throws(
      () => load(change),
      (error: unknown) => {
        assert.ok(error instanceof ConfigError);
        const problem = error.problems.find((p) => p.path === path);
        assert.ok(problem !== undefined, error.message);
        assert.match(problem.message, message);
        assert.ok(problem.line > 0 && problem.remedy !== '');
        return true;
      },
    );
  });
}
