// A lake of real objects after a prune: what readers see, what is proven of it, and what commands make of it,
// is as before; and what began before a prune is void by name and leaves no hole.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObjectStore, TableConfig } from '@sluice/collector/contracts.ts';
import { verify } from '@sluice/collector/ops/verify/verify.ts';
import { compactOn, dailyRaw, manyWindows, rowsOf, writeWindow } from '../../../support/compacted-lake.ts';
import type { ManualClock } from '../../../support/manual-clock.ts';
import { type PruneTestCall, pruneOn } from '../../../support/pruned-lake.ts';
import {
  findingsOf,
  type RebuiltLake,
  rawTable,
  rebuildOn,
  rightDay,
  seenBy,
} from '../../../support/rebuilt-lake.ts';

const WINDOWS = 6;

const pruned = ({ store, lake }: RebuiltLake, table: TableConfig = rightDay, call: PruneTestCall = {}) =>
  pruneOn(store, table, { clock: lake.readerOptions.clock, ...call });

async function leftBehind({ lake }: RebuiltLake): Promise<number | undefined> {
  const config = { tables: [rightDay, rawTable] } as never;
  const { tables } = await verify({ ...lake.options, config });
  return tables.find(({ table }) => table === 'claims')?.leftBehind;
}

test('after compactions and a prune every row is there, proven, and can be made again', async () => {
  const lake = await manyWindows(WINDOWS);
  await compactOn(lake);
  for (let n = WINDOWS; n < WINDOWS + 4; n++) await writeWindow(lake, n);
  await compactOn(lake, rightDay, { all: true });
  await compactOn(lake, dailyRaw);
  assert.ok(((await leftBehind(lake)) ?? 0) > 0);
  assert.ok((await pruned(lake)).deleted.objects > 2 * WINDOWS);
  assert.ok((await pruned(lake, dailyRaw)).deleted.objects >= WINDOWS);
  assert.equal(await leftBehind(lake), 0);
  assert.deepEqual(await seenBy(lake), rowsOf(WINDOWS + 4));
  assert.deepEqual(await findingsOf(lake), []);
  await rebuildOn(lake, rightDay, { tables: [rightDay, dailyRaw] });
  assert.ok((await pruned(lake)).deleted.objects > 0);
  assert.deepEqual(await seenBy(lake), rowsOf(WINDOWS + 4));
  assert.deepEqual(await findingsOf(lake), []);
});

/** The first time that something is put there, this is done before. */
function beforeFirst(store: ObjectStore, first: () => Promise<unknown>): ObjectStore {
  let begun: Promise<unknown> | undefined;
  return {
    ...store,
    async stage(...asked) {
      begun ??= first();
      await begun;
      return store.stage(...asked);
    },
  };
}

for (const [name, run] of [
  [
    'a compaction',
    (lake: RebuiltLake, store: ObjectStore) => compactOn(lake, rightDay, { store, all: true }),
  ],
  [
    'a rebuild',
    (lake: RebuiltLake, store: ObjectStore) =>
      rebuildOn(lake, rightDay, {
        store,
        tables: [rightDay, dailyRaw],
        time: { fromMs: 0, toMs: undefined },
      }),
  ],
] as const) {
  test(`${name} that began before a prune of what it carries is void by name, and leaves no hole`, async () => {
    const lake = await manyWindows(WINDOWS);
    const store = beforeFirst(lake.store, async () => {
      await compactOn(lake);
      assert.ok((await pruned(lake)).deleted.objects > 0);
    });
    await assert.rejects(run(lake, store), {
      code: 'REBUILD_OVERTAKEN',
      message:
        /^entry \d+ is a replay or a swap of claims, and this one began when the last was none before it$/,
    });
    assert.deepEqual(await seenBy(lake), rowsOf(WINDOWS));
    assert.deepEqual(await findingsOf(lake), []);
  });
}

test('copies to a new place whose source was pruned meanwhile end by name, before anything is decided', async () => {
  const lake = await manyWindows(WINDOWS);
  const clock = lake.lake.readerOptions.clock as ManualClock;
  const fromMs = clock.wallMs() + 1;
  await clock.advance(3_600_000);
  await writeWindow(lake, WINDOWS);
  let begun: Promise<unknown> | undefined;
  // Behind its last look at the ledger: what it carries is gone when it is copied.
  const store: ObjectStore = {
    ...lake.store,
    async publish(...asked) {
      begun ??= compactOn(lake).then(() => pruned(lake));
      await begun;
      return lake.store.publish(...asked);
    },
  };
  const call = { store, tables: [rightDay, dailyRaw], time: { fromMs, toMs: undefined } };
  await assert.rejects(rebuildOn(lake, rightDay, call), { code: 'REBUILD_OVERTAKEN' });
  assert.ok(begun !== undefined);
  assert.deepEqual(await seenBy(lake), rowsOf(WINDOWS + 1));
  assert.deepEqual(await findingsOf(lake), []);
});
