// What another config means for a collector that runs: tables come, go and change, and what cannot change
// while it runs is named, all of it at once, with what to do instead.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadCollectorConfig } from '@sluice/collector/config.ts';
import { configChange, refusedConfig } from '@sluice/collector/config-change.ts';
import { partitionScheme } from '@sluice/collector/partition-scheme.ts';
import { stringify } from 'yaml';
import { temporaryDirectory } from '../support/temp.ts';

const directory = temporaryDirectory();
const claims = { name: 'claims', topic: 'claims', format: 'json', columns: { n: 'int', at: 'timestamp' } };
const orders = { ...claims, name: 'orders', topic: 'orders' };
const written = {
  listen: { address: '0.0.0.0:8443', tls: { ca: 'ca.pem', cert: 'c.pem', key: 'c-key.pem' } },
  agents: [{ id: 'plant-7', topics: ['claims'] }],
  lake: { store: './lake', catalog: 'file' },
  tables: [claims, orders],
};

function load(change: object = {}) {
  const file = join(directory, 'collector.yaml');
  writeFileSync(file, stringify({ ...written, ...change }));
  return loadCollectorConfig(file);
}

function changeTo(change: object) {
  const { problems, added, changed, removed, agentsAnew } = configChange(load(), load(change));
  const names = (tables: readonly { readonly name: string }[]) => tables.map(({ name }) => name);
  return { problems, added: names(added), changed: names(changed), removed, agentsAnew };
}

const nothing = { problems: [], added: [], changed: [], removed: [], agentsAnew: false };

test('the same config, written differently, changes nothing', () => {
  assert.deepEqual(changeTo({ log: { level: 'info' }, tables: [orders, claims] }), nothing);
});

test('tables come, go and change, each by its name', () => {
  const invoices = { ...claims, name: 'invoices', topic: 'claims' };
  const tables = [{ ...claims, quarantine: { ratioMax: 0.5 } }, invoices];
  assert.deepEqual(changeTo({ tables }), {
    ...nothing,
    ...{ added: ['invoices'], changed: ['claims'], removed: ['orders'] },
  });
});

test('other agents, and topics that were read by no table, make every stream be judged anew', () => {
  const anew = { ...nothing, agentsAnew: true };
  assert.deepEqual(changeTo({ agents: [{ id: 'plant-7', topics: ['*'] }] }), anew);
  const invoices = { ...claims, name: 'invoices', topic: 'invoices' };
  assert.deepEqual(changeTo({ tables: [claims, orders, invoices] }), { ...anew, added: ['invoices'] });
});

test('a topic whose tables are all others now is judged anew: agents were told that nobody reads it', () => {
  const tables = [claims, { ...orders, name: 'orders_v2' }];
  const moved = { added: ['orders_v2'], removed: ['orders'], agentsAnew: true };
  assert.deepEqual(changeTo({ tables }), { ...nothing, ...moved });
});

test('what cannot change while it runs is refused by name, all at once, with the way on', () => {
  const { problems } = changeTo({
    listen: { ...written.listen, address: '0.0.0.0:9443' },
    lake: { store: './other', catalog: 'file' },
    limits: { stagingBytesMax: '1GiB' },
    tables: [
      { ...claims, topic: 'claims.v2' },
      { ...orders, location: 'elsewhere' },
    ],
  });
  assert.deepEqual(
    problems.map(({ path }) => path),
    [
      'listen.address.port',
      'lake.store',
      'limits.stagingBytesMax',
      'tables.claims.topic',
      'tables.orders.location',
    ],
  );
  assert.match(problems[1]?.message ?? '', /it is "\.\/lake", the file says "\.\/other"/);
  assert.match(problems[1]?.remedy ?? '', /replace the task/);
  assert.match(problems[3]?.remedy ?? '', /table of another name/);
});

test('history that a table asks for makes every stream be judged anew, and columns cannot become detected', () => {
  const asking = { ...claims, backfill: 'earliest' };
  const anew = { ...nothing, agentsAnew: true, changed: ['claims'] };
  assert.deepEqual(changeTo({ tables: [asking, orders] }), anew);
  const { problems } = changeTo({ tables: [{ ...claims, columns: 'detect' }, orders] });
  assert.deepEqual(
    problems.map(({ path }) => path),
    ['tables.claims.columns'],
  );
});

test('how a table is partitioned is said in words, one for each column', () => {
  const partitionBy = [
    { ingest: 'hour' },
    { field: 'at', by: 'day', zone: 'Europe/Berlin', pattern: 'yyyy-MM', as: 'month' },
    { field: 'n' },
  ];
  const [table] = load({ tables: [{ ...claims, partitionBy }] }).tables;
  assert.deepEqual(partitionScheme(table?.partitionBy ?? []), [
    'ingest_hour = hour(ingest time) in UTC',
    'month = month(at) as yyyy-MM in Europe/Berlin',
    'n = n',
  ]);
});

test('what is refused is told with its line of the file, a table by where it stands there', () => {
  const next = load({
    limits: { transformThreads: 3 },
    tables: [claims, { ...orders, location: 'elsewhere' }],
  });
  const { problems } = configChange(load(), next);
  const whole = { line: 0, path: 'tables.orders', message: 'x', remedy: 'y' };
  const { message, problems: told } = refusedConfig(next, [...problems, whole]);
  const lines = stringify({
    ...written,
    limits: { transformThreads: 3 },
    tables: [claims, { ...orders, location: 'elsewhere' }],
  }).split('\n');
  const at = (text: string) => lines.findIndex((line) => line.includes(text)) + 1;
  assert.deepEqual(
    told.map(({ path, line }) => [path, line]),
    [
      ['limits.transformThreads', at('transformThreads')],
      ['tables.orders.location', at('elsewhere')],
      ['tables.orders', at('name: orders')],
    ],
  );
  assert.ok(message.startsWith(`3 problems in ${join(directory, 'collector.yaml')}\n`));
});
