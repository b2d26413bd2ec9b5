// Quarantined records of a table that detects its columns, replayed by the command beside the collectors that
// wrote them: what a window of these records would have made, the replay makes.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createCommandSite } from '../support/command-site.ts';
import { createLinkPki } from '../support/link-pki.ts';
import { createLogPartition } from '../support/log-partition.ts';

const pki = await createLinkPki();
const tls = await pki.collector();

const claims = {
  name: 'claims',
  topic: 'claims',
  format: 'json',
  columns: 'detect',
  window: { every: '10s' },
};
/** Nothing that is sent is compressed. */
const wrong = { ...claims, compression: 'gzip' };

function createSite(t: TestContext) {
  const site = createCommandSite(t, tls);
  const schemas = () => {
    const directoryOf = join(site.lake, '_sluice/schemas/claims');
    return readdirSync(directoryOf).map((file) => JSON.parse(readFileSync(join(directoryOf, file), 'utf8')));
  };
  return { ...site, schemas };
}

test('records that are replayed before their table has a column give it its columns', async (t) => {
  const site = createSite(t);
  const first = await site.start('first', wrong);
  const partition = createLogPartition(t, pki, 0);
  const uplink = await partition.connect(first.port);
  await partition.produce({ id: 1, note: 'a' }, { id: 2 });
  await uplink.stop(20_000);
  await first.drain();
  const second = await site.start('second', claims);
  const asked = site.command('second', 'replay', 'claims', '--all', '--dry-run');
  assert.deepEqual([asked.run, asked.taken.emitted, asked.failed], [2, 2, {}]);
  assert.throws(site.schemas, /ENOENT/);
  const { taken, entries } = site.command('second', 'replay', 'claims', '--all');
  assert.deepEqual([taken, entries.length], [{ emitted: 2, merged: 0, filtered: 0 }, 1]);
  await partition.connect(second.port);
  await partition.produce({ id: 3, amount: 1.5 });
  assert.deepEqual(site.command('second', 'query', 'select id, note, amount from claims order by id'), [
    { id: '1', note: 'a', amount: null },
    { id: '2', note: null, amount: null },
    { id: '3', note: null, amount: '1.5' },
  ]);
  assert.deepEqual(site.command('second', 'verify').findings, []);
});

test('a field that only replayed records have becomes a column', async (t) => {
  const site = createSite(t);
  const first = await site.start('first', claims);
  const partition = createLogPartition(t, pki, 0);
  const uplink = await partition.connect(first.port);
  await partition.produce({ id: 1 });
  await uplink.stop(20_000);
  await first.drain();
  const second = await site.start('second', wrong);
  const again = await partition.connect(second.port);
  await partition.produce({ id: 2, note: 'a' });
  await again.stop(20_000);
  await second.drain();
  const { taken } = site.command('first', 'replay', 'claims', '--all');
  assert.deepEqual(taken, { emitted: 1, merged: 0, filtered: 0 });
  assert.deepEqual(site.command('first', 'query', 'select id, note from claims order by id'), [
    { id: '1', note: null },
    { id: '2', note: 'a' },
  ]);
  assert.deepEqual(
    site.schemas().map(({ version }) => version),
    [1, 2],
  );
  assert.deepEqual(site.command('first', 'verify').findings, []);
});
