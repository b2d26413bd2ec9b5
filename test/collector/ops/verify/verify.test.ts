// `verify` proves what it can see, finds faults of ledger and catalog by their place, and says in weaker
// words what it could not see.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Catalog } from '@sluice/collector/contracts.ts';
import { ledgerKey } from '@sluice/collector/lake/object-keys.ts';
import { entriesOnce, tablesOnce } from '@sluice/collector/ops/read-once.ts';
import { formatVerification } from '@sluice/collector/ops/verify/report.ts';
import { verify, verifyOffset } from '@sluice/collector/ops/verify/verify.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { fakeObjectStore } from '../../../support/fake-object-store.ts';
import { byDay, columns, findings, keysOf, transformer, written } from '../../../support/verified-lake.ts';
import { createWrittenLake, plainTable } from '../../../support/written-lake.ts';

for (const output of [
  { kind: 'parquet', compression: 'zstd' },
  { kind: 'csv', compression: 'gzip' },
  { kind: 'json', compression: 'none' },
] as const) {
  test(`a lake as it was written has no finding: ${output.kind}`, async () => {
    const { lake } = await written({ output, ...byDay });
    const { tables, findings: found } = await verify(lake.options, 'deep');
    assert.deepEqual(found, []);
    const [table] = tables;
    assert.deepEqual(
      [table?.in, table?.emitted, table?.quarantined, table?.windows, table?.objects, table?.weaker],
      [5, 4, 1, 2, 3, []],
    );
    assert.deepEqual(table?.partitions, [{ partition: 'claims-0', topicId: NO_TOPIC_ID, start: 0, next: 5 }]);
  });
}

test('rows without a column to see, and none at all, are counted as they are', async () => {
  for (const kind of ['csv', 'json'] as const) {
    const { lake } = await written({ output: { kind, compression: 'none' }, provenance: 'none' });
    await lake.write('claims', ['{}', '{"n":null}', '{"n":1}']);
    assert.deepEqual(await findings(lake), [], kind);
  }
});

test('a ledger with a hole, or with an altered entry, is a finding and no verdict', async () => {
  const { lake, store } = await written();
  const [, second = ''] = keysOf(store, '_sluice/ledger/');
  const bytes = store.objects.get(second) ?? Buffer.alloc(0);
  store.objects.delete(second);
  const { tables, findings: found } = await verify(lake.options, 'deep');
  assert.deepEqual(tables, []);
  assert.match(found[0]?.message ?? '', /entry 1 of \d is not there/);
  store.objects.set(second, Buffer.from(bytes.toString().replace('"in":3', '"in":4')));
  assert.match((await findings(lake)).join('\n'), /^LEDGER_ENTRY_INVALID .*classes do not add up/);
});

test('a partition that is not registered, and a table that is not catalogued, are found: no reader sees them', async () => {
  const { lake, store } = await written(byDay);
  for (const key of keysOf(store, '_sluice/catalog/sluice/claims/')) store.objects.delete(key);
  assert.match(
    (await findings(lake)).join('\n'),
    /day=2026-01-01\/: the catalog does not have this partition/,
  );
  const other = await written();
  other.store.objects.delete('_sluice/catalog/sluice/claims.json');
  assert.match((await findings(other.lake)).join('\n'), /claims: the catalog does not have this table/);
});

test('two tables are judged apart: what is wrong with one is not said of the other', async () => {
  const store = fakeObjectStore();
  const tables = ['a', 'b'].map((name) => ({ ...plainTable, name, location: name, columns }));
  const lake = await createWrittenLake(transformer, store, tables);
  for (const { name } of tables) await lake.write(name, ['{"n":1}']);
  store.objects.delete(keysOf(store, 'a/')[0] ?? '');
  const verification = await verify(lake.options, 'deep');
  assert.deepEqual(
    verification.findings.map(({ table }) => table),
    ['a'],
  );
  const text = formatVerification(verification);
  assert.doesNotMatch(text, /a: .*\n {2}claims-0: .*without a gap or a duplicate/);
  assert.match(
    text,
    /b: in 1 = emitted 1 \+ quarantined 0 \+ filtered 0, 1 windows\n {2}claims-0: \[0, 1\) without a gap or a duplicate/,
  );
  assert.match(text, /FINDING OBJECT_DELETED a: .*\n {2}Put the object back .*\n1 finding\n$/);
});

test('without provenance the proof is weaker, and says so', async () => {
  const { lake } = await written({ provenance: 'none' });
  const verification = await verify(lake.options, 'deep');
  assert.deepEqual(verification.findings, []);
  const text = formatVerification(verification);
  assert.match(text, /weaker proof: provenance is 'none'/);
  assert.doesNotMatch(text, /without a gap or a duplicate/);
  assert.match(text, /verified: .*the ledger/);
  const strong = formatVerification(await verify((await written()).lake.options, 'deep'));
  assert.match(
    strong,
    /\[0, 5\) without a gap or a duplicate\n.*verified: every offset has exactly one fate/s,
  );
});

test('without --deep no object is read, nothing is said of offsets, and what is gone or replaced is found all the same', async () => {
  const { lake, store } = await written();
  const read: string[] = [];
  store.faults = (operation, key) => {
    if (operation === 'read') read.push(key);
    return undefined;
  };
  const shallow = await verify(lake.options);
  assert.deepEqual([shallow.ok, shallow.mode, shallow.tables[0]?.offsetsRead], [true, 'shallow', 0]);
  assert.deepEqual(
    read.filter((key) => key.startsWith('claims')),
    [],
  );
  const text = formatVerification(shallow);
  assert.match(text, /claims-0: \[0, 5\) contiguous in the ledger\nverified: .*`verify --deep`/);
  assert.equal((await verify(lake.options, 'deep')).tables[0]?.offsetsRead, 5);
  const [key = ''] = keysOf(store, 'claims/');
  store.objects.set(key, Buffer.from('other bytes'));
  assert.match((await findings(lake, 'shallow')).join(), /^OBJECT_REPLACED claims\/.*: it has 11 bytes/);
});

test('only the tables named are judged, and one that the config does not have is a wrong call', async () => {
  const store = fakeObjectStore();
  const tables = ['a', 'b'].map((name) => ({ ...plainTable, name, location: name, columns }));
  const lake = await createWrittenLake(transformer, store, tables);
  const found = await verify({ ...lake.options, only: ['b'] });
  assert.deepEqual(
    found.tables.map(({ table }) => table),
    ['b'],
  );
  await assert.rejects(verify({ ...lake.options, only: ['c'] }), /the config has no table c/);
});

test('every finding has a code, a place and a remedy, and ok says whether there is one', async () => {
  const { lake, store } = await written();
  store.objects.delete(keysOf(store, 'claims/')[0] ?? '');
  const found = await verify(lake.options, 'deep');
  assert.equal(found.ok, false);
  for (const one of found.findings)
    for (const field of ['code', 'table', 'place', 'message', 'remedy'] as const)
      assert.ok(one[field].length > 0, field);
  assert.deepEqual(Object.keys(found).sort(), [
    'fates',
    'findings',
    'kafka',
    'mode',
    'ok',
    'omitted',
    'tables',
  ]);
});

test('gaps and truncations are lines of the verdict, and no finding', async () => {
  const { lake } = await written();
  const writer = lake.writerOf('claims');
  const id = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };
  await writer.gap([{ ...id, leaderEpoch: 0, start: 5, next: 9, reason: 'retention' }]);
  await writer.fork([{ ...id, leaderEpoch: 1, offset: 4, reason: 'unclean election' }]);
  await lake.write('claims', ['{"n":4}', '{"n":5}']);
  const found = await verify(lake.options, 'deep');
  assert.deepEqual(found.findings, []);
  const text = formatVerification(found);
  assert.match(text, /fork claims-0 \[4, 9\): came again in epoch 1/);
  await writer.gap([{ ...id, leaderEpoch: 1, start: 6, next: 8, reason: 'retention' }]);
  assert.match(
    formatVerification(await verify(lake.options, 'deep')),
    /\[0, 8\) without a duplicate, and with the gaps below\n {2}gap claims-0 \[6, 8\): retention/,
  );
});

test('each ledger entry and the list of tables are read once, whatever is asked', async () => {
  const store = fakeObjectStore();
  const tables = ['a', 'b'].map((name) => ({ ...plainTable, name, location: name, columns }));
  const lake = await createWrittenLake(transformer, store, tables);
  for (const { name } of tables) await lake.write(name, ['{"n":1}']);
  const reads = new Map<string, number>();
  store.faults = (operation, key) => {
    if (operation === 'read') reads.set(key, (reads.get(key) ?? 0) + 1);
    return undefined;
  };
  const asked: readonly (() => Promise<{ findings: readonly unknown[] }>)[] = [
    () => verify(lake.options, 'deep'),
    () => verifyOffset(lake.options, { topic: 'claims', partition: 0, offset: 0 }),
  ];
  for (const ask of asked) {
    reads.clear();
    assert.deepEqual((await ask()).findings, []);
    const entries = keysOf(store, '_sluice/ledger/').map((key) => [key, reads.get(key)]);
    assert.deepEqual(
      entries.filter(([, times]) => times !== 1),
      [],
    );
    assert.ok(entries.length > 0);
  }
});

test('entries beyond what may be kept are read again, and a list that failed is asked for again', async () => {
  const store = fakeObjectStore();
  const keys = [0, 1, 2].map((n) => ledgerKey('claims', n));
  for (const key of keys) await store.put(key, Buffer.alloc(10));
  let reads = 0;
  store.faults = (operation) => {
    if (operation === 'read') reads++;
    return undefined;
  };
  const once = entriesOnce(store, 25);
  for (const key of [...keys, ...keys]) await once.read(key);
  assert.equal(reads, 4);
  let asked = 0;
  const catalog = tablesOnce({
    tables: () => (++asked === 1 ? Promise.reject(new Error('away')) : Promise.resolve([])),
  } as unknown as Catalog);
  await assert.rejects(catalog.tables(), /away/);
  await Promise.all([catalog.tables(), catalog.tables()]);
  assert.equal(asked, 2);
});
