// Records in an envelope, behind a schema registry's frame, that a wrong config could not read: `replay`,
// `rebuild` and `compact` make of them what a window would have made, and know each by the bytes that came.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createCommandSite } from '../support/command-site.ts';
import { createLinkPki } from '../support/link-pki.ts';
import { createLogPartition } from '../support/log-partition.ts';

const pki = await createLinkPki();
const tls = await pki.collector();

/** As Kafka Connect and a serializer of JSON Schema write it. */
const enveloped = (payload: unknown) =>
  Buffer.concat([
    Buffer.of(0, 0, 0, 0, 7),
    Buffer.from(JSON.stringify({ schema: { type: 'struct' }, payload })),
  ]);

const of = (name: string) => ({ name, topic: 'claims', window: { every: '10s' } });
const claims = (at: string, more: object) => ({
  ...of('claims'),
  format: { json: { frame: 'confluent', at, ...more } },
  partitionBy: [{ ingest: 'day' }],
});
const raw = { ...of('claims_raw'), format: 'bytes', provenance: 'full' };

/** What `first` made of records, and the site with a collector that has another config. */
async function corrected(t: TestContext, first: object, second: object, records: readonly Buffer[]) {
  const site = createCommandSite(t, tls, [raw]);
  const collector = await site.start('first', first);
  const partition = createLogPartition(t, pki, 0);
  const uplink = await partition.connect(collector.port);
  // A window for each.
  for (const record of records) await partition.produce(record);
  await uplink.stop(20_000);
  await collector.drain();
  const { port, drain } = await site.start('second', second);
  const produce = async (...more: readonly Buffer[]) => {
    const again = await partition.connect(port);
    for (const record of more) await partition.produce(record);
    await again.stop(20_000);
  };
  const command = (name: string, ...rest: readonly string[]) => site.command('second', name, ...rest);
  return { command, produce, drain };
}

test('records whose envelope was not known are replayed, and give the table its columns', async (t) => {
  const detect = { columns: 'detect' };
  const wrong = { ...claims('after', {}), ...detect };
  const right = { ...claims('payload', {}), ...detect };
  const records = [{ id: 1, owner: { name: 'Ada' } }, { id: 2, amount: 1.5 }, 7].map(enveloped);
  const site = await corrected(t, wrong, right, records);
  const { run, taken, failed } = site.command('replay', 'claims', '--all');
  assert.deepEqual([run, taken.emitted, failed], [3, 2, { NOT_AN_OBJECT: 1 }]);
  await site.produce(enveloped({ id: 4, late: true }));
  assert.deepEqual(
    site.command('query', 'select _offset, id, owner.name as owner, amount, late from claims order by id'),
    [
      { _offset: '0', id: '1', owner: 'Ada', amount: null, late: null },
      { _offset: '1', id: '2', owner: null, amount: '1.5', late: null },
      { _offset: '3', id: '4', owner: null, amount: null, late: 'true' },
    ],
  );
  assert.equal(site.command('replay', 'claims', '--all').run, 1);
  assert.deepEqual(site.command('verify', '--deep').findings, []);
});

test('elements of an envelope that were mistyped are replayed, made again from raw values, and joined', async (t) => {
  const typed = (amount: string) => ({
    ...claims('payload.rows', { array: 'explode' }),
    columns: { id: 'int', amount },
    steps: [
      {
        apply_mapping: [
          ['id', 'int', 'id', 'int'],
          ['amount', amount, 'amount', 'decimal(8,2)'],
        ],
      },
    ],
  });
  const records = [
    { rows: [{ id: 1, amount: 1.5 }, { id: 2 }] },
    { rows: [] },
    { rows: { id: 3, amount: 3 } },
    { rows: [{ id: 4 }, { id: 'x' }] },
  ].map(enveloped);
  const site = await corrected(t, typed('int'), typed('decimal(8,2)'), records);
  const rows = () =>
    site
      .command('query', 'select _offset, _row, id, amount from claims order by _offset, _row')
      .map(Object.values);
  const replayed = site.command('replay', 'claims', '--all');
  assert.deepEqual([replayed.run, replayed.taken.emitted, replayed.failed], [2, 1, { CAST_FAILED: 1 }]);
  const whole = [
    ['0', '0', '1', '1.50'],
    ['0', '1', '2', null],
    ['2', '0', '3', '3.00'],
  ];
  assert.deepEqual(rows(), whole);
  const [rebuilt] = site.command('rebuild', 'claims', '--all');
  assert.deepEqual(rebuilt.after, { in: 4, emitted: 2, merged: 0, filtered: 1, quarantined: 1 });
  assert.deepEqual(rows(), whole);
  await site.produce(enveloped({ rows: [{ id: 5 }] }), enveloped({ rows: [{ id: 6 }] }));
  await site.drain();
  const [{ joined, made }] = site.command('compact', 'claims', '--older-than', '0s');
  assert.deepEqual([joined.objects, made.objects], [4, 1]);
  assert.deepEqual(rows(), [...whole, ['4', '0', '5', null], ['5', '0', '6', null]]);
  const left = site.command('query', 'select _offset, field from claims_quarantine');
  assert.deepEqual(left, [{ _offset: '3', field: '[1].id' }]);
  assert.deepEqual(site.command('replay', 'claims', '--all').failed, { CAST_FAILED: 1 });
  assert.deepEqual(site.command('verify', '--deep').findings, []);
});
