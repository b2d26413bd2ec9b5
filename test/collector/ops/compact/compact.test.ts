// A compaction changes which objects hold rows, and no row: each is seen once before, at every step and
// afterwards, is still its entry's, and whoever writes the table meanwhile goes on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObjectStore, TableConfig } from '@sluice/collector/contracts.ts';
import { createDirectoryObjectStore } from '@sluice/collector/lake/directory-object-store.ts';
import { type Compacted, formatCompacted, formatCompactPlan } from '@sluice/collector/ops/compact/report.ts';
import { formatVerification } from '@sluice/collector/ops/verify/report.ts';
import { verify } from '@sluice/collector/ops/verify/verify.ts';
import {
  assertFates,
  compactOn,
  dailyRaw,
  manyWindows,
  rowsOf,
  writeWindow,
} from '../../../support/compacted-lake.ts';
import { CrashError, type FakeObjectStore, type Operation } from '../../../support/fake-object-store.ts';
import type { ManualClock } from '../../../support/manual-clock.ts';
import {
  findingsOf,
  halfRight,
  type RebuiltLake,
  rebuildOn,
  rightDay,
  seenBy,
  swapsOf,
  value,
  writeBoth,
} from '../../../support/rebuilt-lake.ts';
import { replayOn } from '../../../support/replayed-lake.ts';
import { temporaryDirectory } from '../../../support/temp.ts';
import { transformer } from '../../../support/verified-lake.ts';
import { createWrittenLake } from '../../../support/written-lake.ts';

const verified = ({ lake }: RebuiltLake, mode: 'shallow' | 'deep' = 'deep') =>
  verify({ ...lake.options, config: { tables: [rightDay, dailyRaw] } as never }, mode);
const clockOf = ({ lake }: RebuiltLake) => lake.readerOptions.clock as ManualClock;
const withBytes = (objectBytes: number): TableConfig => {
  return { ...rightDay, output: { kind: 'parquet', compression: 'zstd', objectBytes } };
};
const joinedIn = (lake: RebuiltLake) =>
  swapsOf(lake).flatMap(({ moves }) => moves.flatMap(({ joined = [] }) => joined));

test('small objects of many windows become one in each partition, and every row is seen once', async () => {
  const lake = await manyWindows(6);
  let told = '';
  const compacted = await compactOn(lake, rightDay, {
    onPlanned: (so) => {
      told = formatCompactPlan(so);
    },
  });
  assert.match(told, /^claims: 2 partitions with 12 small objects of .*; 0 objects of .* go along\n$/);
  assert.deepEqual([compacted.moved, compacted.joined.objects, compacted.made.objects], [2, 12, 2]);
  assert.match(formatCompacted(compacted), /2 partitions moved by ledger entry 8: 12 objects of .* became 2/);
  assert.deepEqual(await seenBy(lake), rowsOf(6));
  const verification = await verified(lake);
  assert.deepEqual(verification.findings, []);
  const [table] = verification.tables;
  // Two joined ones, and the quarantine's of six windows.
  assert.deepEqual([table?.objects, table?.offsetsRead, table?.leftBehind], [8, 18, 12]);
  assert.match(
    formatVerification(verification),
    /joined by entry 8: 12 objects became 2, 2 partitions moved/,
  );
});

test('in a lake that is a directory it joins the same', async () => {
  const store = createDirectoryObjectStore(temporaryDirectory()) as FakeObjectStore;
  const lake = await manyWindows(5, rightDay, store);
  await compactOn(lake);
  assert.deepEqual(await seenBy(lake), rowsOf(5));
  assert.deepEqual(await findingsOf(lake), []);
});

test('a dry run writes nothing, and what is not old enough or of another time stays as it is', async () => {
  const lake = await manyWindows(4);
  const before = [...lake.store.objects.keys()];
  const dry = await compactOn(lake, rightDay, { dryRun: true });
  assert.deepEqual([dry.partitions, dry.entries], [2, []]);
  const fromMs = clockOf(lake).wallMs() + 1;
  const young = await compactOn(lake, rightDay, { dryRun: true, olderThanMs: 1_000 });
  const other = await compactOn(lake, rightDay, { dryRun: true, time: { fromMs, toMs: undefined } });
  assert.deepEqual([young.partitions, other.partitions], [0, 0]);
  assert.deepEqual([...lake.store.objects.keys()], before);
  await clockOf(lake).advance(3_600_000);
  await writeWindow(lake, 4);
  const old = await compactOn(lake, rightDay, { olderThanMs: 1_000 });
  assert.deepEqual([old.joined.objects, old.carried.objects], [8, 2]);
  assert.deepEqual(await seenBy(lake), rowsOf(5));
  assert.deepEqual(await findingsOf(lake), []);
});

test('fewer than four small objects are left alone', async () => {
  const lake = await manyWindows(3);
  assert.deepEqual((await compactOn(lake)).entries, []);
});

test('what is committed while it works, before and after the swap, is neither lost nor twice', async () => {
  const lake = await manyWindows(5);
  let uploads = 0;
  const beside: ObjectStore = {
    ...lake.store,
    async stage(...args) {
      if (uploads++ === 0) await writeWindow(lake, 5);
      await lake.store.stage(...args);
    },
  };
  await compactOn(lake, rightDay, { store: beside });
  assert.deepEqual(await seenBy(lake), rowsOf(6));
  const writer = lake.lake.writerOf('claims');
  await writer.refresh();
  await writer.flushPublished();
  await writeWindow(lake, 6);
  assert.deepEqual(await seenBy(lake), rowsOf(7));
  assert.deepEqual(await findingsOf(lake), []);
});

test('a window whose log Kafka cut stays apart: nobody could make it again, nor what is joined with it', async () => {
  const lake = await manyWindows(6);
  const id = { topic: 'claims', topicId: '0'.repeat(32), partition: 0 };
  // Within the last window.
  await lake.lake.writerOf('claims').fork([{ ...id, leaderEpoch: 5, offset: 16, reason: 'unclean' }]);
  const { joined, carried } = await compactOn(lake);
  assert.deepEqual([joined.objects, carried.objects], [10, 2]);
  assert.deepEqual(await seenBy(lake), rowsOf(6));
});

test('what was joined is joined again with what came since, and each entry still has its own rows', async () => {
  const lake = await manyWindows(5);
  await compactOn(lake);
  const writer = lake.lake.writerOf('claims');
  await writer.refresh();
  await writer.flushPublished();
  for (const n of [5, 6, 7]) await writeWindow(lake, n);
  const again = await compactOn(lake);
  assert.deepEqual([again.joined.objects, again.made.objects], [8, 2]);
  assert.deepEqual(await seenBy(lake), rowsOf(8));
  const { tables, findings } = await verified(lake);
  assert.deepEqual([findings, tables[0]?.offsetsRead, tables[0]?.objects], [[], 24, 10]);
});

test('no object becomes larger than the table says', async () => {
  const probe = await manyWindows(4);
  const [bytes = 0] = swapsOf(probe).length === 0 ? [await objectBytesOf(probe)] : [];
  const lake = await manyWindows(9);
  const { made } = await compactOn(lake, withBytes(bytes * 3 + 8));
  // Nine of one size in threes, in two partitions.
  assert.equal(made.objects, 6);
  assert.ok(joinedIn(lake).every(({ parts }) => parts.length === 3));
  assert.deepEqual(await seenBy(lake), rowsOf(9));
  assert.deepEqual(await findingsOf(lake), []);
});

async function objectBytesOf({ lake }: RebuiltLake): Promise<number> {
  let most = 0;
  for await (const entry of lake.options.reader.entries('claims'))
    if (entry.kind === 'commit')
      for (const { output, bytes } of entry.outputs) if (output === 'rows') most = Math.max(most, bytes);
  return most;
}

test('objects of other columns are not joined with each other', async () => {
  const lake = await manyWindows(3);
  const more: TableConfig = {
    ...rightDay,
    configVersion: 'v3',
    columns: [...rightDay.columns, { name: 'extra', type: 'string' }],
    steps: rightDay.steps.map((step) =>
      step.kind === 'apply_mapping'
        ? {
            ...step,
            mappings: [
              ...step.mappings,
              { source: 'extra', sourceType: 'string', target: 'extra', targetType: 'string' },
            ],
          }
        : step,
    ),
  };
  // A catalog in files lets nobody alter a table.
  lake.store.objects.delete('_sluice/catalog/sluice/claims.json');
  const grown = {
    lake: await createWrittenLake(transformer, lake.store, [more, dailyRaw]),
    store: lake.store,
  };
  for (const n of [3, 4, 5]) await writeWindow(grown, n);
  const { joined, made } = await compactOn(grown, more);
  assert.deepEqual([joined.objects, made.objects], [12, 4]);
  assert.ok(joinedIn(grown).every(({ parts }) => parts.length === 3));
  assert.deepEqual(await seenBy(grown, undefined, more), rowsOf(6));
});

test('a partition of which much more would be copied than joined stays as it is, and is told', async () => {
  const lake = await manyWindows(1);
  const clock = clockOf(lake);
  for (let n = 1; n < 30; n++) await writeWindow(lake, n);
  await clock.advance(3_600_000);
  const fromMs = clock.wallMs();
  for (let n = 30; n < 34; n++) await writeWindow(lake, n);
  const time = { fromMs, toMs: undefined };
  const skipped = await compactOn(lake, rightDay, { time });
  assert.deepEqual([skipped.entries, skipped.skipped.length], [[], 2]);
  assert.match(
    formatCompactPlan(skipped),
    /leaves claims day=a, 4 small objects: .* would be copied for .* that are joined, more than 4 times/,
  );
  const all = await compactOn(lake, rightDay, { time, all: true });
  assert.deepEqual([all.joined.objects, all.carried.objects], [8, 60]);
  assert.deepEqual(await seenBy(lake), rowsOf(34));
  assert.deepEqual(await findingsOf(lake), []);
});

test('more than one entry may name is joined by several, each whole, and what none can name is told', async () => {
  const lake = await manyWindows(6);
  const two = await compactOn(lake, rightDay, { objectsMax: 12 });
  assert.deepEqual([two.entries, two.moved], [[8, 10], 2]);
  assert.deepEqual(await seenBy(lake), rowsOf(6));
  assert.deepEqual(await findingsOf(lake), []);
  const other = await manyWindows(6);
  const none = await compactOn(other, rightDay, { objectsMax: 8 });
  assert.deepEqual(none.entries, []);
  assert.match(none.skipped[0]?.why ?? '', /it has 9 objects, more than one entry may name/);
});

test('the entries that are written are told before a later one fails', async () => {
  const lake = await manyWindows(6);
  const told: Compacted[] = [];
  lake.store.faults = (op, key) => {
    return op === 'createIfAbsent' && /ledger\/claims\/0+10\.json/.test(key) ? 'crash' : undefined;
  };
  const call = { objectsMax: 12, onEntry: (so: Compacted) => void told.push(so) };
  await assert.rejects(compactOn(lake, rightDay, call), CrashError);
  assert.deepEqual(
    told.map(({ entries, moved, joined, made }) => [entries, moved, joined.objects, made.objects]),
    [[[8], 1, 6, 1]],
  );
});

const STEPS: readonly (readonly [string, Operation, RegExp])[] = [
  ['joining an object', 'stage', /^claims\.rebuilt/],
  ['the append', 'createIfAbsent', /ledger\/claims\/0+8\.json/],
  ['moving a partition', 'createIfAbsent', /\.moved\/claims\//],
];

for (const [step, operation, key] of STEPS)
  for (const when of ['crash', 'crash after'] as const)
    test(`a compaction that dies ${when === 'crash' ? 'before' : 'after'} ${step} takes no row and doubles none`, async () => {
      const lake = await manyWindows(6);
      let died = 0;
      lake.store.faults = (op, at) => (op === operation && key.test(at) && died++ === 0 ? when : undefined);
      await compactOn(lake).catch((error: unknown) => assert.ok(error instanceof CrashError));
      assert.ok(died > 0);
      lake.store.faults = () => undefined;
      assert.deepEqual(await seenBy(lake), rowsOf(6));
      await lake.lake.writerOf('claims').load();
      assert.deepEqual(await seenBy(lake), rowsOf(6));
      assert.deepEqual(await findingsOf(lake), []);
      await compactOn(lake);
      assert.deepEqual([await seenBy(lake), swapsOf(lake).length], [rowsOf(6), 1]);
      assert.deepEqual(await findingsOf(lake), []);
    });

test('of two compactions at the same time, or one and a rebuild or replay, the second is void by name', async () => {
  for (const other of [compactOn, rebuildOn, replayOn] as const) {
    const lake = await manyWindows(5, halfRight);
    await writeBoth(lake, value(15.5, 'x', 'a'));
    let uploads = 0;
    const beside: ObjectStore = {
      ...lake.store,
      async stage(...args) {
        if (uploads++ === 0) await other(lake, rightDay);
        await lake.store.stage(...args);
      },
    };
    await assert.rejects(compactOn(lake, rightDay, { store: beside }), { code: 'REBUILD_OVERTAKEN' });
    assert.deepEqual(await findingsOf(lake), []);
    assert.deepEqual(await seenBy(lake), [...rowsOf(5), ...(other === compactOn ? [] : ['15 a'])]);
  }
});

test('an object that was replaced or is gone keeps its partition as it is, and is named', async () => {
  for (const bytes of [Buffer.from('other'), undefined]) {
    const lake = await manyWindows(5);
    const key = [...lake.store.objects.keys()].find((at) => /^claims\/day=a/.test(at)) ?? assert.fail();
    if (bytes === undefined) lake.store.objects.delete(key);
    else lake.store.objects.set(key, bytes);
    const { moved, skipped } = await compactOn(lake);
    assert.equal(moved, 1);
    assert.match(
      skipped[0]?.why ?? '',
      new RegExp(`^${key} ${bytes === undefined ? 'is not there' : 'was replaced'}`),
    );
  }
});

for (const [what, change, message] of [
  ['has no partitions', { partitionBy: [] }, /has no partitions, and a compaction moves partitions/],
  [
    'is partitioned otherwise by the config',
    { partitionBy: [{ kind: 'value', field: 'late', column: 'late' }] },
    /has objects partitioned by \(day\), and the config partitions by \(late\)/,
  ],
] as const)
  test(`a table that ${what} is refused by name`, async () => {
    const lake = await manyWindows(4);
    const call = { dryRun: true } as const;
    await assert.rejects(compactOn(lake, { ...rightDay, ...change } as TableConfig, call), {
      code: 'COMPACT_REFUSED',
      message,
    });
  });

test('one offset is told with the joined object that holds it', async () => {
  const lake = await manyWindows(5);
  await compactOn(lake);
  const options = { ...lake.lake.options, config: { tables: [rightDay] } as never };
  await assertFates(options, /^claims\.rebuilt\//);
});
