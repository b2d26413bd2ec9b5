// What compactions left behind is pruned, with real programs over an emulated S3 and Glue, while records
// flow: each is in the table once, as Glue's and S3's own answers say, and the table goes on.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { loadCollectorConfig } from '@sluice/collector/config.ts';
import { withReader } from '@sluice/collector/opened-lake.ts';
import type { Compacted } from '@sluice/collector/ops/compact/report.ts';
import { prune } from '@sluice/collector/ops/prune/prune.ts';
import type { Pruned } from '@sluice/collector/ops/prune/report.ts';
import type { Site } from '@sluice/deploy/local/site.ts';
import { systemClock } from '@sluice/shared/clock.ts';
import { systemRandom } from '@sluice/shared/random.ts';
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

before(async () => {
  process.env['AWS_ACCESS_KEY_ID'] = 'test';
  process.env['AWS_SECRET_ACCESS_KEY'] = 'test';
  mapped = await startMappedSite('prune', { tables: [table], fieldsOf: (n) => ({ kind: `k${n % 2}` }) });
  ({ site } = mapped);
});

after(() => mapped?.stop());

async function burst(from: number): Promise<number> {
  await mapped.produce(from, from + BURST);
  await untilAcknowledged(site, 'claims', from + BURST);
  return from + BURST;
}

async function told<T>(...call: string[]): Promise<T> {
  const { code, output } = await site.collector.command([...call, '--json']);
  assert.equal(code, 0, output);
  const [done] = JSON.parse(output.slice(output.indexOf('[\n'))) as [T];
  return done;
}

const compact = () => told<Compacted>('compact', 'claims', '--older-than', '0s');

/** Of an age that the command does not take: what was left a moment ago goes. */
async function pruneAtOnce(): Promise<Pruned> {
  const config = loadCollectorConfig(site.collector.configFile);
  const [claims] = config.tables;
  assert.ok(claims);
  return withReader({ config, clock: systemClock, random: systemRandom }, ({ store, catalog, reader }) =>
    prune({
      ...{ table: claims, store, catalog, reader, clock: systemClock, olderThanMs: 0, dryRun: false },
      onPlanned: () => {},
      onProgress: () => {},
    }),
  );
}

async function assertWhole(records: number): Promise<void> {
  const rows = await query(site, 'select n, kind, _key from claims');
  assertExactlyOnce(
    Array.from({ length: records }, (_, n) => String(n)),
    rows.map(({ n }) => String(n)),
  );
  for (const { n, kind, _key } of rows) assert.deepEqual([kind, _key], [`k${Number(n) % 2}`, `key-${n}`]);
}

test('what compactions left is pruned while records flow, and every record is there once', async () => {
  let records = 0;
  for (let n = 0; n < BURSTS; n++) records = await burst(records);
  const [first] = await Promise.all([compact(), mapped.produce(records, records + BURST)]);
  records += BURST;
  assert.ok(first.joined.objects >= 2 * BURSTS && first.made.objects === 2, JSON.stringify(first));
  await untilAcknowledged(site, 'claims', records);
  await assertWhole(records);
  assert.match(await verified(site), /joined by entry \d+: [\d,]+ objects became 2, 2 partitions moved/);

  for (let n = 0; n < 3; n++) records = await burst(records);
  const second = await compact();
  assert.ok(second.joined.objects >= 8 && second.made.objects === 2, JSON.stringify(second));
  await assertWhole(records);
  await verified(site);

  const asked = await told<Pruned>('prune', 'claims', '--dry-run');
  assert.deepEqual([asked.left.objects, asked.kept], [0, []], 'it was left a moment ago');
  const [pruned] = await Promise.all([pruneAtOnce(), mapped.produce(records, records + BURST)]);
  records += BURST;
  assert.equal(pruned.deleted.objects, asked.younger.objects);
  assert.ok(pruned.deleted.objects >= first.joined.objects + second.joined.objects, JSON.stringify(pruned));
  await untilAcknowledged(site, 'claims', records);
  await assertWhole(records);
  assert.doesNotMatch(await verified(site), /left behind/);
  for (let n = 0; n < 3; n++) records = await burst(records);
  assert.ok((await compact()).joined.objects >= 8);
  await assertWhole(records);
  await verified(site);
});
