// A table that is added to a live topic gets the topic's history beside what comes live: every record once,
// whoever is killed meanwhile, and nothing that comes live waits for it.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type { Site, SiteProgram } from '@sluice/deploy/local/site.ts';
import { parse, stringify } from 'yaml';
import { eventually } from '../support/eventually.ts';
import { assertExactlyOnce } from '../support/oracles.ts';
import {
  type Journey,
  ledgerOf,
  numbers,
  query,
  startJourney,
  textTable,
  untilAcknowledged,
  verified,
} from './journey-fixture.ts';

let journey: Journey;

before(async () => {
  journey = await startJourney();
});

after(() => journey?.stop());

/** Incompressible, so that history takes its time. */
const PADDING_BYTES = 384;
const padded = (from: number, to: number) =>
  numbers(from, to).map((n) => `${n} ${randomBytes(PADDING_BYTES).toString('base64')}`);

interface Backfill {
  readonly from: number;
  readonly next: number;
  readonly to: number;
}

interface Status {
  readonly verdict: string;
  readonly reasons: readonly string[];
  readonly tables: readonly {
    readonly table: string;
    readonly backfill?: string;
    readonly partitions: readonly { readonly backfill?: Backfill; readonly acknowledged: number }[];
  }[];
}

async function historyOf(site: Site, table: string): Promise<Backfill> {
  const { tables } = await site.collector.status<Status>();
  const found = tables.find((t) => t.table === table)?.partitions.flatMap(({ backfill }) => backfill ?? []);
  const sum = (of: (one: Backfill) => number) => (found ?? []).reduce((total, one) => total + of(one), 0);
  return { from: sum((b) => b.from), next: sum((b) => b.next), to: sum((b) => b.to) };
}

const untilHistoryIs = (site: Site, what: string, is: (backfill: Backfill) => boolean) =>
  eventually(
    `history is ${what}`,
    async () => {
      const backfill = await historyOf(site, 'added');
      if (!is(backfill)) throw new Error(JSON.stringify(backfill));
      return true;
    },
    { deadlineMs: 90_000, everyMs: 20 },
  );
const isRead = ({ next, to }: Backfill) => to > 0 && next === to;

function changeConfig<C>({ configFile }: SiteProgram, change: (config: C) => object): void {
  const config = parse(readFileSync(configFile, 'utf8')) as C;
  writeFileSync(configFile, stringify({ ...config, ...change(config) }));
}

const valuesOf = async (site: Site, table: string) =>
  (await query(site, `select split_part(value, ' ', 1) as n from ${table}`)).map(({ n }) => String(n));

/** One topic with `count` records in a table; then another table of it is added. */
async function addedTable(topic: string, count: number): Promise<Site> {
  await journey.createTopics(2, topic);
  const tables = [textTable('kept', topic)];
  const limits = { stagingBytesMax: '16MiB', creditBytesMax: '4MiB' };
  const site = await journey.site(topic, { topics: [topic], tables, limits });
  changeConfig(site.agent, ({ collector }: { collector: object }) => ({
    collector: { ...collector, maxRate: '24Mbit/s' },
  }));
  for (let at = 0; at < count; at += 2_000) await journey.produce(topic, padded(at, at + 2_000));
  await Promise.all([site.collector.start(), site.agent.start()]);
  await untilAcknowledged(site, 'kept', count);
  await site.collector.stop();
  changeConfig(site.collector, () => ({
    tables: [...tables, { ...textTable('added', topic), backfill: 'earliest' }],
  }));
  return site;
}

test('a table added to a live topic gets its history once, and what comes live does not wait for it', async () => {
  const site = await addedTable('history', 40_000);
  await site.collector.start();
  await untilHistoryIs(site, 'begun', ({ next }) => next > 0);
  await journey.produce('history', padded(40_000, 40_100));
  await untilAcknowledged(site, 'kept', 40_100);
  await untilAcknowledged(site, 'added', 40_100);
  const midway = await historyOf(site, 'added');
  assert.ok(midway.next < midway.to / 2, `live records waited for history: ${JSON.stringify(midway)}`);
  const { verdict, reasons, tables } = await site.collector.status<Status>();
  assert.deepEqual([verdict, reasons], ['flowing', []]);
  assert.match(
    tables.find((t) => t.table === 'added')?.backfill ?? '',
    /^history is being read: .* of 40,000/,
  );
  await site.agent.kill();
  await site.agent.start();
  await untilHistoryIs(site, 'read on', ({ next }) => next > midway.next);
  await site.collector.kill();
  await site.collector.start();
  await untilHistoryIs(site, 'read', isRead);
  for (const table of ['kept', 'added']) assertExactlyOnce(numbers(0, 40_100), await valuesOf(site, table));
  const said = await verified(site);
  assert.match(said, /history history-\d \[0, \d+\): read\n/);
  assert.doesNotMatch(said, /^ {2}(gap|filled) /m);
  assert.match(site.collector.log(), /backfill ended/);
  const fills = ledgerOf(site, 'added').filter(({ kind }) => kind === 'fill');
  assert.ok(fills.length > 2, `${fills.length} windows of history`);
  assert.equal(ledgerOf(site, 'kept').filter(({ kind }) => kind === 'fill').length, 0);
  await Promise.all([site.agent.stop(), site.collector.stop()]);
});

test('history that retention takes before it is read is a gap by name, and the rest comes', async () => {
  const site = await addedTable('expiring', 20_000);
  await site.collector.start();
  await untilHistoryIs(site, 'begun', ({ next }) => next > 0);
  await site.agent.kill();
  const offsets = await journey.admin.fetchTopicOffsets('expiring');
  // From the middle of one partition on; of the other nothing is taken.
  const { partition = 0, high = '0' } = offsets.find((o) => o.partition === 1) ?? {};
  const start = Math.floor((Number(high) * 9) / 10);
  await journey.admin.deleteTopicRecords({
    topic: 'expiring',
    partitions: [{ partition, offset: String(start) }],
  });
  await site.agent.start();
  await untilHistoryIs(site, 'read', isRead);
  const said = await verified(site);
  const [, from = ''] = new RegExp(`gap expiring-1 \\[(\\d+), ${start}\\): retention`).exec(said) ?? [];
  assert.ok(from !== '' && Number(from) < start, said);
  const values = await valuesOf(site, 'added');
  assert.equal(new Set(values).size, values.length);
  assert.equal(values.length, 20_000 - (start - Number(from)));
  assertExactlyOnce(numbers(0, 20_000), await valuesOf(site, 'kept'));
  await Promise.all([site.agent.stop(), site.collector.stop()]);
});
