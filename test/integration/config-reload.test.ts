// Collectors whose config changes while agents send: by SIGHUP, and by another collector that has another
// config already, as in a rolling deployment. Nothing is lost, doubled or mixed: each row is of the config
// that its ledger entry names, and lies in a partition that this config makes.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { LedgerEntry } from '@sluice/collector/contracts.ts';
import { ledgerPrefix } from '@sluice/collector/lake/object-keys.ts';
import type { Json, Site } from '@sluice/deploy/local/site.ts';
import { parse, stringify } from 'yaml';
import { eventually } from '../support/eventually.ts';
import { assertExactlyOnce } from '../support/oracles.ts';
import {
  type Journey,
  ledgerOf,
  numbers,
  query,
  startJourney,
  untilAcknowledged,
  verified,
} from './journey-fixture.ts';

let journey: Journey;
before(async () => {
  journey = await startJourney({}, ['site-2']);
});
after(() => journey?.stop());

/** Between two batches of records, so that all of them can be compared one by one. */
const PACE_MS = 20;

type Version = 'one' | 'two';
/** What each config writes into `made_by`, and how it cuts the partition. */
const GRAIN = { one: 'day', two: 'month' } as const;
const SPELLED = { one: /^\d{4}-\d\d-\d\d$/, two: /^\d{4}-\d\d$/ };

function tableOf(version: Version, name = 'flow'): Json {
  return {
    ...{ name, topic: 'flow', format: 'json', columns: { n: 'bigint' }, window: { every: '1s' } },
    steps: [{ derive: [{ column: 'made_by', type: 'string', expression: `'${version}'` }] }],
    partitionBy: [{ ingest: GRAIN[version], as: 'cut' }],
  };
}

async function reload(site: Site, change: (config: { tables: Json[] } & Record<string, Json>) => object) {
  const { configFile } = site.collector;
  const before = site.collector.log();
  const config = parse(readFileSync(configFile, 'utf8')) as { tables: Json[] } & Record<string, Json>;
  writeFileSync(configFile, stringify({ ...config, ...change(config) }));
  site.collector.signal('SIGHUP');
  let said = '';
  await eventually('the collector says what it makes of the config', () => {
    said = site.collector.log().slice(before.length);
    return /config read again|new config refused/.test(said);
  });
  return said;
}

async function versionOf(site: Site, table: string): Promise<string | undefined> {
  const { tables } = await site.collector.status<{ tables: { table: string; configVersion: string }[] }>();
  return tables.find((one) => one.table === table)?.configVersion;
}

type Window = Extract<LedgerEntry, { kind: 'commit' }>;
const windowsOf = (site: Site, table: string) =>
  (existsSync(join(site.lakeDirectory, ledgerPrefix(table))) ? ledgerOf(site, table) : []).flatMap(
    (entry): Window[] => (entry.kind === 'commit' ? [entry] : []),
  );

/** The one entry that holds a record. */
function entryOf({ _partition, _offset }: Record<string, unknown>, windows: readonly Window[]): Window {
  const [partition, offset] = [Number(_partition), Number(_offset)];
  const [entry, ...more] = windows.filter(({ ranges }) =>
    ranges.some((r) => r.partition === partition && r.start <= offset && offset < r.next),
  );
  assert.ok(entry !== undefined && more.length === 0, `one entry has ${partition}@${offset}`);
  return entry;
}

function assertUnmixed(rows: readonly Record<string, unknown>[], windows: readonly Window[]): void {
  for (const { made_by, cut, ...at } of rows) {
    const entry = entryOf(at, windows);
    const version = made_by as Version;
    assert.deepEqual(entry.partitionedBy, [`cut = ${GRAIN[version]}(ingest time) in UTC`]);
    assert.match(String(cut), SPELLED[version]);
  }
}

test('under load, SIGHUP and a collector with another config lose, double and mix nothing', async () => {
  await journey.createTopics(2, 'flow');
  const sketch = { topics: ['flow'], tables: [tableOf('one')], kafka: journey.mutualTls('reload') };
  const first = await journey.site('reload-1', { ...sketch, allowedAgents: 'site-*' });
  const second = await journey.site('reload-2', {
    ...{ ...sketch, agentId: 'site-2', agentCertificate: 'agent-site-2', collectorId: 'collector-2' },
    ...{ lake: { store: first.lakeDirectory, catalog: 'file', database: 'sluice' } },
  });
  await Promise.all([first, second].flatMap((site) => [site.collector.start(), site.agent.start()]));
  let [produced, malformed] = [0, 0];
  let producing = true;
  const load = (async () => {
    while (producing) {
      const values = Array.from({ length: 50 }, () => JSON.stringify({ n: produced++ }));
      await journey.produce('flow', [...values, 'no JSON']);
      malformed++;
      await setTimeout(PACE_MS);
    }
  })();
  const windows = () => windowsOf(first, 'flow');
  const moreWindows = async (of: Version) => {
    const count = () => windows().filter((w) => w.partitionedBy?.[0]?.includes(`${GRAIN[of]}(`)).length;
    const before = count();
    await eventually(`windows of config ${of} are committed`, () => count() >= before + 3, {
      deadlineMs: 60_000,
    });
  };
  await moreWindows('one');

  const bad = await reload(first, ({ tables }) => ({ tables, http: { address: '127.0.0.1:1' } }));
  assert.match(bad, /new config refused/);
  assert.match(bad, /http\.address\.port.*cannot change while the collector runs/s);
  const known = await versionOf(first, 'flow');

  const http = { address: new URL(first.collector.httpUrl).host };
  const worse = await reload(first, () => ({
    http,
    tables: [{ ...(tableOf('two') as object), steps: [{ filter: 'no such' }] }],
  }));
  assert.match(worse, /new config refused/);
  assert.equal(await versionOf(first, 'flow'), known, 'a bad config changes nothing');

  // The first has the new config, the second still the old one: both write.
  const extra = tableOf('one', 'extra');
  assert.match(await reload(first, () => ({ tables: [tableOf('two'), extra] })), /config read again/);
  assert.notEqual(await versionOf(first, 'flow'), known);
  await moreWindows('two');
  await moreWindows('one');
  await eventually('the added table is written', () => windowsOf(first, 'extra').length > 2);
  await reload(second, () => ({ tables: [tableOf('two'), extra] }));
  await reload(first, () => ({ tables: [tableOf('one')] }));
  await eventually('the removed table is gone', () => /table removed/.test(first.collector.log()));
  await reload(second, () => ({ tables: [tableOf('one')] }));
  await reload(first, () => ({ tables: [tableOf('two')] }));
  await moreWindows('two');
  producing = false;
  await load;
  await eventually(
    'all is acknowledged',
    async () => (await journey.groupOffset('reload', 'flow')) === produced + malformed,
    { deadlineMs: 90_000, everyMs: 250 },
  );
  const rows = await query(first, 'select n, made_by, cut, _partition, _offset from flow');
  const found = rows.map(({ n }) => String(n));
  assertExactlyOnce(numbers(0, produced), found);
  assertUnmixed(rows, windows());
  const quarantined = await query(first, 'select config_version, _partition, _offset from flow_quarantine');
  assert.equal(quarantined.length, malformed);
  for (const { config_version, ...at } of quarantined)
    assert.equal(config_version, entryOf(at, windows()).configVersion);
  const versions = new Set(windows().map(({ configVersion }) => configVersion));
  assert.equal(versions.size, 2, 'each config has one version, on whichever collector');
  await verified(first);
});

test('two topics become one table: one comes while records flow, the agent is killed, one goes, and each record is there once', async () => {
  await journey.createTopics(2, 'orders', 'returns');
  const table = (...topics: string[]) => ({ name: 'sales', topics, format: 'text', window: { every: '1s' } });
  const site = await journey.site('union', { topics: ['orders', 'returns'], tables: [table('orders')] });
  const produced: string[] = [];
  const produce = async (topic: string, from: number) => {
    const values = numbers(from, from + 300).map((n) => `${topic} ${n}`);
    produced.push(...values);
    await journey.produce(topic, values);
  };
  await site.collector.start();
  await site.agent.start();
  await produce('orders', 0);
  await produce('returns', 0);
  await untilAcknowledged(site, 'sales', 300);
  assert.match(await reload(site, () => ({ tables: [table('returns', 'orders')] })), /config read again/);
  await untilAcknowledged(site, 'sales', 600);
  for (const topic of ['orders', 'returns']) await produce(topic, 300);
  await site.agent.kill();
  await site.agent.start();
  for (const topic of ['orders', 'returns']) await produce(topic, 600);
  await untilAcknowledged(site, 'sales', 1_800);
  await reload(site, () => ({ tables: [table('orders')] }));
  await eventually('the topic is gone', () => /topic removed from a table/.test(site.collector.log()));
  await produce('orders', 900);
  await untilAcknowledged(site, 'sales', 1_200);
  await Promise.all([site.agent.stop(), site.collector.stop()]);
  const rows = await query(site, 'select value, _topic from sales');
  assertExactlyOnce(
    produced,
    rows.map(({ value }) => String(value)),
  );
  for (const { value, _topic } of rows)
    assert.ok(String(value).startsWith(`${_topic} `), `${value} of ${_topic}`);
  await verified(site);
  const { code, output } = await site.collector.command(['verify', '--offset', 'returns:0:0']);
  assert.equal(code, 0, output);
  assert.match(output, /sales: returns-0 offset 0: emitted/);
});
