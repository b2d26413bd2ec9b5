// Many small objects of a table, of rows or of lines, become few, with real programs over an emulated S3 and
// Glue, while records flow: each is in the table once, as Glue's and S3's own answers say, and a second
// compaction goes on from what the first one made.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Compacted } from '@sluice/collector/ops/compact/report.ts';
import { BURST, BURSTS, type BurstSite, claims, startBurstSite } from './burst-site.ts';
import { verified } from './journey-fixture.ts';

let bursts: BurstSite;

const tables = [
  claims,
  { ...claims, name: 'claims_packed', output: { format: 'json', compression: 'gzip' } },
  { ...claims, name: 'claims_lines', output: { format: 'json' } },
  { ...claims, name: 'claims_csv', output: { format: 'csv', compression: 'gzip' } },
];

before(async () => {
  bursts = await startBurstSite('compact', tables);
});

after(() => bursts?.stop());

/** In the order of the tables. */
async function compact(): Promise<readonly Compacted[]> {
  const names = tables.map(({ name }) => name);
  const { code, output } = await bursts.site.collector.command([
    ...['compact', ...names, '--older-than', '0s', '--json'],
  ]);
  assert.equal(code, 0, output);
  return JSON.parse(output.slice(output.indexOf('[\n'))) as Compacted[];
}

test('objects of many windows are joined while records flow, and joined again with what came since', async () => {
  let records = 0;
  for (let n = 0; n < BURSTS; n++) records = await bursts.burst(records);
  const [first] = await Promise.all([compact(), bursts.produce(records, records + BURST)]);
  records += BURST;
  assert.equal(first.length, tables.length);
  for (const { joined, made } of first)
    assert.ok(joined.objects >= 2 * BURSTS && made.objects === 2, JSON.stringify(first));
  await bursts.untilAllHave(records);
  await bursts.assertWhole(records);
  const joins = (await verified(bursts.site)).match(
    /joined by entry \d+: [\d,]+ objects became 2, 2 partitions moved/g,
  );
  assert.equal(joins?.length, tables.length);

  for (let n = 0; n < 3; n++) records = await bursts.burst(records);
  const second = await compact();
  for (const { joined, made } of second)
    assert.ok(joined.objects >= 8 && made.objects === 2, JSON.stringify(second));
  await bursts.assertWhole(records);
  await verified(bursts.site);
});
