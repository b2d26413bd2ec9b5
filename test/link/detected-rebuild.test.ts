// Windows of a table that detects its columns, made again by the command from a raw table beside it: what was
// never a column becomes one before the partitions move, and what later windows added stays.
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createCommandSite } from '../support/command-site.ts';
import { createLinkPki } from '../support/link-pki.ts';
import { createLogPartition } from '../support/log-partition.ts';

const pki = await createLinkPki();
const tls = await pki.collector();

const of = (name: string) => ({ name, topic: 'claims', window: { every: '10s' } });
const detected = { ...of('claims'), format: 'json', columns: 'detect', partitionBy: [{ ingest: 'day' }] };
/** Nothing that is sent is compressed: all of it is quarantined, and no column is ever detected. */
const wrong = { ...detected, compression: 'gzip' };
const raw = { ...of('claims_raw'), format: 'bytes', provenance: 'full' };

function createSite(t: TestContext) {
  const site = createCommandSite(t, tls, [raw]);
  const schemas = join(site.lake, '_sluice/schemas/claims');
  const versions = () => (existsSync(schemas) ? readdirSync(schemas).length : 0);
  return { ...site, versions };
}

test('windows that were all quarantined become rows, and the table gets their columns', async (t) => {
  const site = createSite(t);
  const first = await site.start('first', wrong);
  const partition = createLogPartition(t, pki, 0);
  const uplink = await partition.connect(first.port);
  await partition.produce({ id: 1, note: 'a' }, { id: 2, amount: 1.5 });
  await uplink.stop(20_000);
  await first.drain();

  const second = await site.start('second', detected);
  const [planned] = site.command('second', 'rebuild', 'claims', '--all', '--dry-run');
  assert.deepEqual([planned.before.quarantined, site.versions()], [2, 0]);
  const [rebuilt] = site.command('second', 'rebuild', 'claims', '--all');
  assert.deepEqual([rebuilt.after.emitted, rebuilt.after.quarantined, site.versions()], [2, 0, 1]);
  const rows = () => site.command('second', 'query', 'select * exclude (ingest_day) from claims order by id');
  const of = (n: number) => ({ _partition: '0', _offset: String(n) });
  assert.deepEqual(rows(), [
    { id: '1', note: 'a', amount: null, ...of(0) },
    { id: '2', note: null, amount: '1.5', ...of(1) },
  ]);

  await partition.connect(second.port);
  await partition.produce({ id: 3, late: true });
  await second.drain();
  assert.equal(site.versions(), 2);
  const [again] = site.command('second', 'rebuild', 'claims', '--all');
  assert.match(again.configVersions.join(' '), /\.s1 .*\.s2/);
  assert.deepEqual(
    rows().map(({ id, note, late }: Record<string, string | null>) => [id, note, late]),
    [
      ['1', 'a', null],
      ['2', null, null],
      ['3', null, 'true'],
    ],
  );
  assert.deepEqual(site.command('second', 'verify', '--deep').findings, []);
});
