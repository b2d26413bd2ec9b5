// Many small objects of a table, of rows or of lines, become few, with real programs over an emulated S3 and
// Glue, while records flow: each is in the table once, as Glue's and S3's own answers say, and a second
// compaction goes on from what the first one made.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Compacted } from '@sluice/collector/ops/compact/report.ts';
import type { Site } from '@sluice/deploy/local/site.ts';
import { assertExactlyOnce } from '../support/oracles.ts';
import { query, untilAcknowledged, verified } from './journey-fixture.ts';
import { type MappedSite, startMappedSite, TOPIC } from './mapped-site.ts';

const BURST = 40;
const BURSTS = 6;
let mapped: MappedSite;
let site: Site;

const table = {
  name: 'claims',
  topic: TOPIC,
  format: 'json',
  provenance: 'full',
  window: { every: '1s' },
  columns: { n: 'int', kind: 'string' },
  partitionBy: [{ field: 'kind' }],
};
const tables = [
  table,
  { ...table, name: 'claims_packed', output: { format: 'json', compression: 'gzip' } },
  { ...table, name: 'claims_lines', output: { format: 'json' } },
  { ...table, name: 'claims_csv', output: { format: 'csv', compression: 'gzip' } },
];

before(async () => {
  mapped = await startMappedSite('compact', { tables, fieldsOf: (n) => ({ kind: `k${n % 2}` }) });
  ({ site } = mapped);
});

after(() => mapped?.stop());

async function untilAllHave(records: number): Promise<void> {
  await Promise.all(tables.map(({ name }) => untilAcknowledged(site, name, records)));
}

async function burst(from: number): Promise<number> {
  await mapped.produce(from, from + BURST);
  await untilAllHave(from + BURST);
  return from + BURST;
}

/** In the order of the tables. */
async function compact(): Promise<readonly Compacted[]> {
  const names = tables.map(({ name }) => name);
  const { code, output } = await site.collector.command([
    ...['compact', ...names, '--older-than', '0s', '--json'],
  ]);
  assert.equal(code, 0, output);
  return JSON.parse(output.slice(output.indexOf('[\n'))) as Compacted[];
}

async function assertWhole(records: number): Promise<void> {
  for (const { name } of tables) {
    const rows = await query(site, `select n, kind, _key from ${name}`);
    assertExactlyOnce(
      Array.from({ length: records }, (_, n) => String(n)),
      rows.map(({ n }) => String(n)),
    );
    for (const { n, kind, _key } of rows) assert.deepEqual([kind, _key], [`k${Number(n) % 2}`, `key-${n}`]);
  }
}

test('objects of many windows are joined while records flow, and joined again with what came since', async () => {
  let records = 0;
  for (let n = 0; n < BURSTS; n++) records = await burst(records);
  const [first] = await Promise.all([compact(), mapped.produce(records, records + BURST)]);
  records += BURST;
  assert.equal(first.length, tables.length);
  for (const { joined, made } of first)
    assert.ok(joined.objects >= 2 * BURSTS && made.objects === 2, JSON.stringify(first));
  await untilAllHave(records);
  await assertWhole(records);
  const joins = (await verified(site)).match(
    /joined by entry \d+: [\d,]+ objects became 2, 2 partitions moved/g,
  );
  assert.equal(joins?.length, tables.length);

  for (let n = 0; n < 3; n++) records = await burst(records);
  const second = await compact();
  for (const { joined, made } of second)
    assert.ok(joined.objects >= 8 && made.objects === 2, JSON.stringify(second));
  await assertWhole(records);
  await verified(site);
});
