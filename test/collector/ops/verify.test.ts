// `verify` proves what it can see, finds faults of ledger and catalog by their place, and says in weaker words what it could
// not see.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatVerification, verify } from '@sluice/collector/ops/verify.ts';
import { fakeObjectStore } from '../../support/fake-object-store.ts';
import { byDay, columns, findings, keysOf, transformer, written } from '../../support/verified-lake.ts';
import { createWrittenLake, plainTable } from '../../support/written-lake.ts';

for (const output of [
  { kind: 'parquet', compression: 'zstd' },
  { kind: 'csv', compression: 'gzip' },
  { kind: 'json', compression: 'none' },
] as const) {
  test(`a lake as it was written has no finding: ${output.kind}`, async () => {
    const { lake } = await written({ output, ...byDay });
    const { tables, findings: found } = await verify(lake.options);
    assert.deepEqual(found, []);
    const [table] = tables;
    assert.deepEqual(
      [table?.in, table?.emitted, table?.quarantined, table?.windows, table?.objects, table?.weaker],
      [5, 4, 1, 2, 3, []],
    );
    assert.deepEqual(table?.partitions, [{ partition: 'claims-0', start: 0, next: 5 }]);
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
  const { tables, findings: found } = await verify(lake.options);
  assert.deepEqual(tables, []);
  assert.match(found[0]?.what ?? '', /entry 1 of \d is not there/);
  store.objects.set(second, Buffer.from(bytes.toString().replace('"in":3', '"in":4')));
  assert.match((await findings(lake)).join('\n'), /classes do not add up/);
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
  const verification = await verify(lake.options);
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
  assert.match(text, /FINDING a: .*\n1 finding\n$/);
});

test('without provenance the proof is weaker, and says so', async () => {
  const { lake } = await written({ provenance: 'none' });
  const verification = await verify(lake.options);
  assert.deepEqual(verification.findings, []);
  const text = formatVerification(verification);
  assert.match(text, /weaker proof: provenance is 'none'/);
  assert.doesNotMatch(text, /without a gap or a duplicate/);
  assert.match(text, /verified: .*the ledger/);
  const strong = formatVerification(await verify((await written()).lake.options));
  assert.match(
    strong,
    /\[0, 5\) without a gap or a duplicate\n.*verified: every offset has exactly one fate/s,
  );
});
