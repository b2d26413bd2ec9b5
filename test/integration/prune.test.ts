// What compactions left behind is pruned, with real programs over an emulated S3 and Glue, while records
// flow: each is in the table once, as Glue's and S3's own answers say, and the table goes on.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { loadCollectorConfig } from '@sluice/collector/config.ts';
import { withReader } from '@sluice/collector/opened-lake.ts';
import type { Compacted } from '@sluice/collector/ops/compact/report.ts';
import { prune } from '@sluice/collector/ops/prune/prune.ts';
import type { Pruned } from '@sluice/collector/ops/prune/report.ts';
import { systemClock } from '@sluice/shared/clock.ts';
import { systemRandom } from '@sluice/shared/random.ts';
import { BURST, BURSTS, type BurstSite, claims, startBurstSite } from './burst-site.ts';
import { verified } from './journey-fixture.ts';

let bursts: BurstSite;

before(async () => {
  process.env['AWS_ACCESS_KEY_ID'] = 'test';
  process.env['AWS_SECRET_ACCESS_KEY'] = 'test';
  bursts = await startBurstSite('prune', [claims]);
});

after(() => bursts?.stop());

async function told<T>(...call: string[]): Promise<T> {
  const { code, output } = await bursts.site.collector.command([...call, '--json']);
  assert.equal(code, 0, output);
  const [done] = JSON.parse(output.slice(output.indexOf('[\n'))) as [T];
  return done;
}

const compact = () => told<Compacted>('compact', 'claims', '--older-than', '0s');

/** Of an age that the command does not take: what was left a moment ago goes. */
async function pruneAtOnce(): Promise<Pruned> {
  const config = loadCollectorConfig(bursts.site.collector.configFile);
  const [table] = config.tables;
  assert.ok(table);
  return withReader({ config, clock: systemClock, random: systemRandom }, ({ store, catalog, reader }) =>
    prune({
      ...{ table, store, catalog, reader, clock: systemClock, olderThanMs: 0, dryRun: false },
      onPlanned: () => {},
      onProgress: () => {},
    }),
  );
}

test('what compactions left is pruned while records flow, and every record is there once', async () => {
  let records = 0;
  for (let n = 0; n < BURSTS; n++) records = await bursts.burst(records);
  const [first] = await Promise.all([compact(), bursts.produce(records, records + BURST)]);
  records += BURST;
  assert.ok(first.joined.objects >= 2 * BURSTS && first.made.objects === 2, JSON.stringify(first));
  await bursts.untilAllHave(records);
  await bursts.assertWhole(records);
  assert.match(
    await verified(bursts.site),
    /joined by entry \d+: [\d,]+ objects became 2, 2 partitions moved/,
  );

  for (let n = 0; n < 3; n++) records = await bursts.burst(records);
  const second = await compact();
  assert.ok(second.joined.objects >= 8 && second.made.objects === 2, JSON.stringify(second));
  await bursts.assertWhole(records);
  await verified(bursts.site);

  const asked = await told<Pruned>('prune', 'claims', '--dry-run');
  assert.deepEqual([asked.left.objects, asked.kept], [0, []], 'it was left a moment ago');
  const [pruned] = await Promise.all([pruneAtOnce(), bursts.produce(records, records + BURST)]);
  records += BURST;
  assert.equal(pruned.deleted.objects, asked.younger.objects);
  assert.ok(pruned.deleted.objects >= first.joined.objects + second.joined.objects, JSON.stringify(pruned));
  await bursts.untilAllHave(records);
  await bursts.assertWhole(records);
  assert.doesNotMatch(await verified(bursts.site), /left behind/);
  for (let n = 0; n < 3; n++) records = await bursts.burst(records);
  assert.ok((await compact()).joined.objects >= 8);
  await bursts.assertWhole(records);
  await verified(bursts.site);
});
