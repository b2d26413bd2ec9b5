// topic, or topics: what a table reads is written in one of two ways, and what was always written stays what
// it was, to the byte.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadCollectorConfig } from '@sluice/collector/config.ts';
import { configChange } from '@sluice/collector/config-change.ts';
import { namesTopic, topicsOf, topicsText } from '@sluice/collector/table-topics.ts';
import { ConfigError } from '@sluice/shared/config-file.ts';
import { stringify } from 'yaml';
import { temporaryDirectory } from '../support/temp.ts';

const directory = temporaryDirectory();
const sales = { name: 'sales', format: 'json', columns: { n: 'int' } };
const minimal = {
  listen: { address: '0.0.0.0:8443', tls: { ca: 'ca.pem', cert: 'c.pem', key: 'c-key.pem' } },
  agents: [{ id: 'plant-7', topics: ['*'] }],
  lake: { store: './lake', catalog: 'file' },
};

function load(...tables: object[]) {
  const file = join(directory, 'collector.yaml');
  const written = tables.map((change, i) => ({
    ...sales,
    ...(i === 0 ? {} : { name: `more${i}` }),
    ...change,
  }));
  writeFileSync(file, stringify({ ...minimal, tables: written }));
  return loadCollectorConfig(file);
}

function tableOf(change: object) {
  return load(change).tables[0] ?? assert.fail();
}

test('a table of one topic has the version that it had before tables could have several', () => {
  assert.equal(tableOf({ topic: 'orders' }).configVersion, 'c9547b665f9659a8');
});

test('several topics are one table, whatever order they are written in', () => {
  const table = tableOf({ topics: ['returns', 'orders'] });
  assert.deepEqual(topicsOf(table), ['orders', 'returns']);
  assert.equal(table.configVersion, tableOf({ topics: ['orders', 'returns'] }).configVersion);
  assert.equal(topicsText(table), 'topics orders, returns');
  assert.equal(topicsText(tableOf({ topic: 'orders' })), 'topic orders');
  assert.equal(topicsText({ topics: [...'abcdefg'] }), 'topics a, b, c, d, e and 2 more');
});

test('a list of one names its topic in each row, since others may come', () => {
  assert.ok(namesTopic(tableOf({ topics: ['orders'] })));
  assert.ok(!namesTopic(tableOf({ topic: 'orders' })));
});

const REFUSED = [
  ['neither', {}, 'tables[0].topic', /is missing/],
  ['both', { topic: 'a', topics: ['b'] }, 'tables[0].topic', /beside topics/],
  ['an empty list', { topics: [] }, 'tables[0].topics', />=1/],
  ['a topic twice', { topics: ['a', 'b', 'a'] }, 'tables[0].topics', /'a' is named twice/],
  [
    'an example of another topic',
    { topics: ['a'], examples: [{ name: 'x', records: [{ text: '1', topic: 'b' }] }] },
    'tables[0].examples',
    /of 'b', which the table does not read/,
  ],
] as const;

for (const [name, change, path, message] of REFUSED)
  test(`${name} is refused where it stands`, () => {
    assert.throws(
      () => load(change),
      (error: unknown) => {
        assert.ok(error instanceof ConfigError);
        assert.deepEqual([error.problems.length, error.problems[0]?.path], [1, path]);
        assert.match(error.problems[0]?.message ?? '', message);
        assert.ok((error.problems[0]?.remedy ?? '') !== '');
        return true;
      },
    );
  });

test('topics come and go while the collector runs, and streams are judged anew where one was not read before', () => {
  const other = { topic: 'returns' };
  const change = (from: object, to: object) => {
    const { problems, changed, agentsAnew } = configChange(load(from, other), load(to, other));
    return [problems.map(({ path }) => path), changed.map(({ name }) => name), agentsAnew];
  };
  const orders = { topics: ['orders'] };
  assert.deepEqual(change(orders, { topics: ['orders', 'returns'] }), [[], ['sales'], false]);
  assert.deepEqual(change(orders, { topics: ['orders', 'refunds'] }), [[], ['sales'], true]);
  assert.deepEqual(change({ topics: ['orders', 'returns'] }, orders), [[], ['sales'], false]);
  assert.deepEqual(change({ topic: 'orders' }, { topics: ['orders', 'returns'] }), [[], ['sales'], false]);
  assert.deepEqual(change({ topic: 'orders' }, { topic: 'refunds' })[0], ['tables.sales.topic']);
});

test('a table of several topics does not become one of one topic while it runs: its rows go on to name theirs', () => {
  const { problems } = configChange(load({ topics: ['orders', 'returns'] }), load({ topic: 'orders' }));
  assert.deepEqual(
    problems.map(({ path, remedy }) => [path, remedy]),
    [['tables.sales.topic', 'write topics: ["orders"], so that rows go on to name their topic']],
  );
});
