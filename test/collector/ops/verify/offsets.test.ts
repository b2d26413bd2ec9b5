// `verify --deep` reads which record each row is: none twice, none missing, none that its entry does not
// answer for, and as many of each class as the ledger says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packs } from '@sluice/collector/ops/verify/offset-packs.ts';
import { verify } from '@sluice/collector/ops/verify/verify.ts';
import fc from 'fast-check';
import type { FakeObjectStore } from '../../../support/fake-object-store.ts';
import { parquetOf } from '../../../support/parquet.ts';
import { byDay, findings, keysOf, written } from '../../../support/verified-lake.ts';

const rows = (offsets: string, partition = 0) =>
  parquetOf(`SELECT 0 n, ${partition} _partition, unnest([${offsets}])::BIGINT _offset`);

/** Findings once the first or second object of the table holds other offsets. */
async function withOffsets(offsets: string, index = 0): Promise<string> {
  const { lake, store } = await written();
  store.objects.set(keysOf(store, 'claims/')[index] ?? '', await rows(offsets));
  return (await findings(lake)).join('\n');
}

test('a record that is there twice is named with its object', async () => {
  const found = await withOffsets('0, 2, 2');
  assert.match(
    found,
    /OFFSET_DUPLICATED entry 1: 1 record is there more than once: claims-0 offset 2 2 times in claims\/.*parquet/,
  );
  assert.doesNotMatch(found, /OFFSET_MISSING/);
  assert.match(found, /ROWS_MISCOUNTED claims\/.*: it holds 3 rows and the ledger says 2/);
});

test('a record that is in the table and in its quarantine is there twice, and counted once', async () => {
  const found = await withOffsets('0, 1, 2');
  assert.match(
    found,
    /OFFSET_DUPLICATED entry 1: .*claims-0 offset 1 2 times in claims(_quarantine)?\/.* and claims(_quarantine)?\//,
  );
  assert.doesNotMatch(found, /CLASSES_MISCOUNTED/);
});

test('a row that stands in an object of another window as well is there twice, and whose it is is said', async () => {
  assert.match(
    await withOffsets('3, 4, 2', 1),
    /OFFSET_DUPLICATED claims\/.*: it holds 1 row of claims-0, offsets 2 to 2, outside the ranges of its entry 2: entry 1 \(claims-0 \[0, 3\)\) answers for them/,
  );
});

test('a record in two objects of one window is there twice', async () => {
  const { lake, store } = await written({
    partitionBy: [{ kind: 'value', field: 'n', column: 'by_n' }],
  });
  const [first = '', second = ''] = keysOf(store, 'claims/');
  store.objects.set(second, store.objects.get(first) ?? Buffer.alloc(0));
  const found = (await findings(lake)).join('\n');
  assert.match(found, /OFFSET_DUPLICATED entry 1: .*offset 0 2 times in .*by_n=.* and .*by_n=/);
  assert.match(found, /OFFSET_MISSING entry 1: 1 record has no row, .*: claims-0 offset 2$/m);
});

test('a record that is missing is named, where the entry left none out', async () => {
  assert.match(
    await withOffsets('3', 1),
    /OFFSET_MISSING entry 2: 1 record has no row, and none was left out by the entry: claims-0 offset 4/,
  );
});

test('where records were filtered, one that is missing besides is counted', async () => {
  const { lake, store } = await written({ steps: [{ kind: 'filter', expression: 'n <> 3' }] });
  assert.deepEqual(await findings(lake), []);
  await lake.write('claims', ['{"n":3}', '{"n":4}', '{"n":5}']);
  assert.deepEqual(await findings(lake), []);
  store.objects.set(keysOf(store, 'claims/')[2] ?? '', await rows('6'));
  assert.match(
    (await findings(lake)).join('\n'),
    /OFFSET_MISSING entry 3: 1 record has no row, and 1 was left out by the entry, somewhere in claims-0 \[5, 8\)/,
  );
});

test('offsets that no entry answers for are found, and rows of a partition that was never opened', async () => {
  assert.match(
    await withOffsets('0, 2, 9'),
    /OFFSET_OUT_OF_RANGE claims\/.*: it holds 1 row of claims-0, offsets 9 to 9, outside/,
  );
  const { lake, store } = await written();
  store.objects.set(keysOf(store, 'claims/')[0] ?? '', await rows('0, 2', 7));
  assert.match(
    (await findings(lake)).join('\n'),
    /OFFSET_OUT_OF_RANGE claims\/.*: it holds 2 rows of claims-7, offsets 0 to 2, outside/,
  );
});

/** The ledger says other classes than the objects have; its rows still add up. */
function reclassify(store: FakeObjectStore, entry: number, from: string, to: string): void {
  const key = keysOf(store, '_sluice/ledger/')[entry] ?? '';
  const text = String(store.objects.get(key));
  assert.ok(text.includes(from), text);
  store.objects.set(key, Buffer.from(text.replace(from, to)));
}

test('classes that the objects do not bear out are found by both numbers', async () => {
  const classes = (emitted: number, filtered: number, quarantined: number) =>
    `"emitted":${emitted},"merged":0,"filtered":${filtered},"quarantined":${quarantined}`;
  for (const [to, what] of [
    [
      classes(1, 0, 2),
      /CLASSES_MISCOUNTED entry 1: 2 records are quarantined by the ledger and 1 by the objects/,
    ],
    [
      classes(1, 1, 1),
      /CLASSES_MISCOUNTED entry 1: 1 records are emitted by the ledger and 2 by the objects/,
    ],
  ] as const) {
    const { lake, store } = await written();
    reclassify(store, 1, classes(2, 0, 1), to);
    assert.match((await findings(lake)).join('\n'), what);
    assert.deepEqual(await findings(lake, 'shallow'), []);
  }
});

test('without provenance, what can be seen is held to the ledger: rows by number, quarantined records by offset', async () => {
  const { lake, store } = await written({ provenance: 'none' });
  assert.deepEqual(await findings(lake), []);
  reclassify(store, 2, '"emitted":2,"merged":0,"filtered":0', '"emitted":1,"merged":0,"filtered":1');
  const [quarantine = ''] = keysOf(store, 'claims_quarantine/');
  store.objects.set(quarantine, await parquetOf('SELECT 0 _partition, 4::BIGINT _offset'));
  const found = (await findings(lake)).join('\n');
  assert.match(found, /CLASSES_MISCOUNTED entry 2: 1 records are emitted by the ledger and 2 rows/);
  assert.match(found, /OFFSET_DUPLICATED claims_quarantine\/.*: .*entry 2 \(claims-0 \[3, 5\)\) answers/);
  assert.match(
    found,
    /CLASSES_MISCOUNTED entry 1: 1 records are quarantined by the ledger and 0 by the objects/,
  );
});

test('an object that is gone makes nobody say that its records are missing', async () => {
  const { lake, store } = await written(byDay);
  store.objects.delete(keysOf(store, 'claims/')[0] ?? '');
  assert.deepEqual(
    (await findings(lake)).map((one) => one.split(' ')[0]),
    ['OBJECT_DELETED'],
  );
});

test('packs hold every offset once and never more than the bound', () => {
  const range = fc
    .record({
      slot: fc.integer({ min: 0, max: 2 }),
      start: fc.nat(40),
      length: fc.integer({ min: 1, max: 30 }),
    })
    .map(({ slot, start, length }) => ({ slot, start, next: start + length }));
  const keysIn = (ranges: readonly { slot: number; start: number; next: number }[]) =>
    ranges.flatMap(({ slot, start, next }) =>
      Array.from({ length: next - start }, (_, i) => `${slot}:${start + i}`),
    );
  fc.assert(
    fc.property(fc.array(range, { maxLength: 6 }), fc.integer({ min: 1, max: 25 }), (ranges, max) => {
      const made = [...packs(ranges, max)];
      for (const pack of made) assert.ok(keysIn(pack).length <= max);
      assert.deepEqual(made.flatMap(keysIn).sort(), [...new Set(keysIn(ranges))].sort());
    }),
  );
});

test('a window with more offsets than are compared at a time has the same findings', async () => {
  for (const offsets of ['0, 2', '0, 2, 2', '0', '0, 1, 2']) {
    const { lake, store } = await written();
    store.objects.set(keysOf(store, 'claims/')[0] ?? '', await rows(offsets));
    const whole = await verify(lake.options, 'deep');
    for (const offsetsAtOnceMax of [1, 2])
      assert.deepEqual(await verify({ ...lake.options, offsetsAtOnceMax }, 'deep'), whole, offsets);
  }
});
