// A rebuild makes windows again and swaps their partitions: each record has one fate before, at every step
// and afterwards, wherever its rows were and wherever they go, and whoever writes the table meanwhile.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObjectStore } from '@sluice/collector/contracts.ts';
import { createDirectoryObjectStore } from '@sluice/collector/lake/directory-object-store.ts';
import { formatPlan, formatRebuilt } from '@sluice/collector/ops/rebuild/report.ts';
import { verify, verifyOffset } from '@sluice/collector/ops/verify/verify.ts';
import {
  CrashError,
  type FakeObjectStore,
  fakeObjectStore,
  type Operation,
} from '../../../support/fake-object-store.ts';
import type { ManualClock } from '../../../support/manual-clock.ts';
import {
  findingsOf,
  halfRight,
  rawTable,
  rebuildOn,
  rightDay,
  seenBy,
  swapsOf,
  value,
  writeBoth,
  wrongDay,
  wronglyWritten,
} from '../../../support/rebuilt-lake.ts';
import { replayOn } from '../../../support/replayed-lake.ts';
import { temporaryDirectory } from '../../../support/temp.ts';
import { transformer } from '../../../support/verified-lake.ts';
import { createWrittenLake } from '../../../support/written-lake.ts';

const BEFORE = ['0 a', '1 a', '3 a', '4 b'];
const AFTER = ['0 a', '1 c', '2 b', '3 a', '4 b'];
const optionsOf = ({ lake }: Awaited<ReturnType<typeof wronglyWritten>>) => ({
  ...lake.options,
  config: { tables: [rightDay, rawTable] } as never,
});

test('each record has one fate by the present config, in the partition where it belongs now', async () => {
  const lake = await wronglyWritten();
  assert.deepEqual(await seenBy(lake), BEFORE);
  const rebuilt = await rebuildOn(lake);
  assert.deepEqual(await seenBy(lake), AFTER);
  assert.deepEqual(await seenBy(lake, 'SELECT _offset, code FROM claims_quarantine ORDER BY 1'), [
    '5 JSON_INVALID',
  ]);
  assert.deepEqual(rebuilt.before, { in: 6, emitted: 4, merged: 0, filtered: 0, quarantined: 2 });
  assert.deepEqual(rebuilt.after, { in: 6, emitted: 5, merged: 0, filtered: 0, quarantined: 1 });
  assert.deepEqual(await findingsOf(lake), []);
  const [table] = (await verify(optionsOf(lake), 'deep')).tables;
  assert.deepEqual([table?.in, table?.emitted, table?.quarantined, table?.offsetsRead], [6, 5, 1, 6]);
});

test('in a lake that is a directory a rebuild makes the same', async () => {
  const store = createDirectoryObjectStore(temporaryDirectory()) as FakeObjectStore;
  const lake = await wronglyWritten({}, {}, store);
  await rebuildOn(lake);
  assert.deepEqual(await seenBy(lake), AFTER);
  await rebuildOn(lake, halfRight);
  assert.deepEqual(await seenBy(lake), ['0 a', '1 c', '3 a', '4 b']);
  assert.deepEqual(await findingsOf(lake), []);
});

test('it says what it reads and what it will replace before anything is made', async () => {
  const lake = await wronglyWritten();
  let told = '';
  let made = 0;
  const watched = {
    run(request: Parameters<typeof transformer.run>[0]) {
      made++;
      assert.match(told, /2 windows opened .*, 6 records, from the raw table claims_raw/);
      return transformer.run(request);
    },
  };
  const rebuilt = await rebuildOn(lake, rightDay, {
    transformer: watched,
    onPlanned: (so) => {
      told = formatPlan(so);
    },
  });
  assert.equal(made, 2);
  assert.match(told, /replaces 5 objects with 6 rows: in 6 = emitted 4 \+ quarantined 2/);
  assert.match(told, /with config version v2; until now v1/);
  assert.match(formatRebuilt(rebuilt), /swapped by ledger entry 4: 2 windows, in 6 = emitted 5/);
});

test('a dry run writes nothing', async () => {
  const lake = await wronglyWritten();
  const before = [...lake.store.objects.keys()];
  const { entry, windows, partitions } = await rebuildOn(lake, rightDay, { dryRun: true });
  assert.deepEqual([entry, windows, partitions], [undefined, 2, 3]);
  assert.deepEqual([...lake.store.objects.keys()], before);
});

test('windows of another time stay as they are, and their rows go along, once', async () => {
  const lake = await wronglyWritten();
  const clock = lake.lake.readerOptions.clock as ManualClock;
  const fromMs = clock.wallMs() + 1;
  await clock.advance(3_600_000);
  await writeBoth(lake, value(6, 'a', 'c'), value(7, 'd'));
  const none = await rebuildOn(lake, rightDay, { time: { fromMs: clock.wallMs() + 1, toMs: undefined } });
  assert.deepEqual([none.windows, none.entry], [0, undefined]);
  const some = await rebuildOn(lake, rightDay, { time: { fromMs, toMs: undefined } });
  // Days a, c and d move; of day a the rows of both other windows go along.
  assert.deepEqual([some.windows, some.partitions, some.carried], [1, 3, 2]);
  assert.deepEqual(await seenBy(lake), [...BEFORE, '6 c', '7 d']);
  assert.deepEqual(await findingsOf(lake), []);
});

test('what is committed while it runs, before and after the swap, is neither lost nor twice', async () => {
  const lake = await wronglyWritten();
  let runs = 0;
  const beside = {
    async run(request: Parameters<typeof transformer.run>[0]) {
      if (runs++ === 1) await writeBoth(lake, value(6, 'a'), value(7, 'c'), value(8, 'd'));
      return transformer.run(request);
    },
  };
  await rebuildOn(lake, rightDay, { transformer: beside });
  const meanwhile = [...AFTER, '6 a', '7 c', '8 d'];
  assert.deepEqual(await seenBy(lake), meanwhile);
  const late = lake.lake.writerOf('claims');
  await late.refresh();
  await late.flushPublished();
  await writeBoth(lake, value(9, 'a'), value(10, 'e'));
  assert.deepEqual(await seenBy(lake), ['0 a', '1 c', '10 e', ...meanwhile.slice(2), '9 a'].sort(byOffset));
  assert.deepEqual(await findingsOf(lake), []);
});

test('what is committed between the last copy and the entry goes along as well', async () => {
  const lake = await wronglyWritten();
  const clock = lake.lake.readerOptions.clock as ManualClock;
  const toMs = clock.wallMs() + 1;
  await clock.advance(3_600_000);
  await writeBoth(lake, value(6, 'a'));
  let copies = 0;
  const slow: ObjectStore = {
    ...lake.store,
    async publish(...args) {
      await lake.store.publish(...args);
      if (copies++ > 0) return;
      await writeBoth(lake, value(7, 'a'), value(8, 'e'));
      await lake.lake.writerOf('claims').flushPublished();
    },
  };
  await rebuildOn(lake, rightDay, { time: { fromMs: undefined, toMs }, store: slow });
  assert.equal(copies, 1);
  assert.deepEqual(await seenBy(lake), [...AFTER, '6 a', '7 a', '8 e']);
  assert.deepEqual(await findingsOf(lake), []);
});

const byOffset = (a: string, b: string) => Number(a.split(' ')[0]) - Number(b.split(' ')[0]);

const STEPS: readonly (readonly [string, Operation, RegExp])[] = [
  ['making an object', 'stage', /^claims\.rebuilt/],
  ['the append', 'createIfAbsent', /ledger\/claims\/0+4/],
  ['moving a partition', 'createIfAbsent', /\.moved\/claims\//],
];

for (const [step, operation, key] of STEPS)
  for (const when of ['crash', 'crash after'] as const)
    test(`a rebuild that dies ${when === 'crash' ? 'before' : 'after'} ${step} leaves the old rows or the new ones`, async () => {
      const lake = await wronglyWritten();
      let died = 0;
      lake.store.faults = (op, at) => (op === operation && key.test(at) && died++ === 0 ? when : undefined);
      await rebuildOn(lake).catch((error: unknown) => assert.ok(error instanceof CrashError));
      assert.ok(died > 0);
      lake.store.faults = () => undefined;
      for (const day of ['a', 'b', 'c']) {
        const left = await seenBy(lake, `SELECT _offset, day FROM claims WHERE day = '${day}' ORDER BY 1`);
        const [old, now] = [BEFORE, AFTER].map((rows) => rows.filter((row) => row.endsWith(day)));
        assert.ok(
          [old, now].some((rows) => JSON.stringify(rows) === JSON.stringify(left)),
          `${day}: ${left}`,
        );
      }
      const isCommitted = swapsOf(lake).length === 1;
      await lake.lake.writerOf('claims').load();
      assert.deepEqual(await seenBy(lake), isCommitted ? AFTER : BEFORE);
      assert.deepEqual(await findingsOf(lake), []);
      await rebuildOn(lake);
      assert.deepEqual(await seenBy(lake), AFTER);
      assert.deepEqual(await findingsOf(lake), []);
    });

test('of two rebuilds at the same time the ledger takes one, and the other is void by name', async () => {
  const lake = await wronglyWritten();
  const both = await Promise.allSettled([rebuildOn(lake), rebuildOn(lake)]);
  const refused = both.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []));
  assert.deepEqual(refused, ['REBUILD_OVERTAKEN']);
  assert.deepEqual([swapsOf(lake).length, await seenBy(lake)], [1, AFTER]);
  assert.deepEqual(await findingsOf(lake), []);
});

test('of a rebuild and a replay at the same time the one that appends first counts', async () => {
  const during = (task: () => Promise<unknown>) => {
    let first = true;
    return {
      async run(request: Parameters<typeof transformer.run>[0]) {
        if (first) {
          first = false;
          await task();
        }
        return transformer.run(request);
      },
    };
  };
  const replayFirst = await wronglyWritten();
  const overtaken = rebuildOn(replayFirst, rightDay, {
    transformer: during(() => replayOn(replayFirst, rightDay)),
  });
  await assert.rejects(overtaken, { code: 'REBUILD_OVERTAKEN' });
  assert.deepEqual(await seenBy(replayFirst), ['0 a', '1 a', '2 b', '3 a', '4 b']);

  const rebuildFirst = await wronglyWritten();
  const stopped = replayOn(rebuildFirst, rightDay, { transformer: during(() => rebuildOn(rebuildFirst)) });
  await assert.rejects(stopped, { code: 'REPLAY_STOPPED', message: /a rebuild has made windows again/ });
  assert.deepEqual(await seenBy(rebuildFirst), AFTER);
  for (const lake of [replayFirst, rebuildFirst]) assert.deepEqual(await findingsOf(lake), []);
});

test('a rebuild of what was rebuilt starts from what stands, and moves on', async () => {
  const lake = await wronglyWritten();
  await rebuildOn(lake);
  await writeBoth(lake, value(6, 'a'));
  const filtering = {
    ...rightDay,
    configVersion: 'v3',
    steps: [...rightDay.steps, { kind: 'filter' as const, expression: 'n <> 3' }],
  };
  const again = await rebuildOn(lake, filtering);
  assert.deepEqual([again.windows, again.after?.filtered], [3, 1]);
  assert.deepEqual(await seenBy(lake), ['0 a', '1 c', '2 b', '4 b', '6 a']);
  assert.deepEqual(await findingsOf(lake), []);
});

test('rows of a replay go back into their windows, and are there once', async () => {
  const lake = await wronglyWritten();
  const replayed = await replayOn(lake, rightDay);
  assert.equal(replayed.taken.emitted, 1);
  assert.deepEqual(await seenBy(lake), [...BEFORE, '2 b'].sort());
  const { replays } = await rebuildOn(lake);
  assert.deepEqual(replays, [3]);
  assert.deepEqual(await seenBy(lake), AFTER);
  assert.deepEqual(await findingsOf(lake), []);
  const left = await replayOn(lake, rightDay);
  assert.deepEqual([left.run, left.failed], [1, { JSON_INVALID: 1 }]);
});

test('a replay that took records of windows of two times brings both in', async () => {
  const lake = await wronglyWritten();
  const clock = lake.lake.readerOptions.clock as ManualClock;
  await clock.advance(3_600_000);
  const fromMs = clock.wallMs();
  await writeBoth(lake, value(6, 'a'), value(7.5, 'b'));
  await replayOn(lake, rightDay);
  const { windows, widenedBy, replays } = await rebuildOn(lake, rightDay, {
    time: { fromMs, toMs: undefined },
  });
  assert.deepEqual([windows, widenedBy, replays.length], [2, 1, 1]);
  // The window of 3 to 5 stays as it was.
  assert.deepEqual(await seenBy(lake), [...AFTER, '6 a', '7 b']);
  assert.deepEqual(await findingsOf(lake), []);
});

test('what a rebuild quarantines can be replayed, and rebuilt again with the replay', async () => {
  const lake = await wronglyWritten();
  await rebuildOn(lake, halfRight);
  const { taken } = await replayOn(lake, rightDay);
  assert.equal(taken.emitted, 1);
  assert.deepEqual(
    (await seenBy(lake)).filter((row) => row.startsWith('2')),
    ['2 b'],
  );
  assert.deepEqual(await findingsOf(lake), []);
  await rebuildOn(lake);
  assert.deepEqual(await seenBy(lake), AFTER);
  assert.deepEqual(await findingsOf(lake), []);
});

test('one offset is told with the entry that made it again', async () => {
  const lake = await wronglyWritten();
  await rebuildOn(lake);
  const asked = { topic: 'claims', partition: 0, offset: 1 };
  const { fates, findings } = await verifyOffset({ ...optionsOf(lake), only: ['claims'] }, asked);
  assert.deepEqual(findings, []);
  const [fate] = fates.filter(({ table }) => table === 'claims');
  assert.match(`${fate?.fate} ${fate?.message}`, /^emitted made again by entry 4: a row of the table$/);
  assert.match(fate?.objects[0] ?? '', /^claims\.rebuilt\/.*\/day=c\//);
});

for (const [what, raw, tables, code] of [
  ['no raw table', {}, [rightDay], 'REBUILD_NO_SOURCE'],
  ['a raw table without keys and times', { provenance: 'position' }, undefined, 'REBUILD_NO_SOURCE'],
  [
    'a raw table that filters',
    { steps: [{ kind: 'filter', expression: 'true' }] },
    undefined,
    'REBUILD_NO_SOURCE',
  ],
  [
    'a raw table that leaves tombstones out',
    { record: { ...rawTable.record, tombstones: 'drop' } },
    undefined,
    'REBUILD_SOURCE_INCOMPLETE',
  ],
] as const)
  test(`with ${what} it is refused by name, and nothing is swapped`, async () => {
    const lake = await wronglyWritten({}, raw as Partial<typeof rawTable>);
    await writeBoth(lake, null, value(7, 'a'));
    const seen = await seenBy(lake);
    const given = tables ?? [rightDay, { ...rawTable, ...raw } as typeof rawTable];
    await assert.rejects(rebuildOn(lake, rightDay, { tables: given }), { code });
    assert.deepEqual([swapsOf(lake).length, await seenBy(lake)], [0, seen]);
  });

test('windows that the raw table does not have yet stay as they are, and are counted', async () => {
  const lake = await wronglyWritten();
  await lake.lake.write('claims', [value(6, 'a', 'z')]);
  const rebuilt = await rebuildOn(lake);
  assert.deepEqual([rebuilt.windows, rebuilt.notYet], [2, 1]);
  assert.match(formatPlan(rebuilt), /leaves 1 window that the raw table claims_raw does not have yet/);
  assert.deepEqual(await seenBy(lake), [...AFTER, '6 a']);
  assert.deepEqual(await findingsOf(lake), []);
});

test('records that the raw table lacks for good are named before anything is made', async () => {
  const store = fakeObjectStore();
  const lake = { lake: await createWrittenLake(transformer, store, [wrongDay, rawTable]), store };
  await lake.lake.write('claims', [value(0, 'a'), value(1, 'b')]);
  const id = { topic: 'claims', topicId: '0'.repeat(32), partition: 0 };
  await lake.lake.writerOf('claims_raw').open([{ ...id, leaderEpoch: 0, start: 2, why: 'latest' }]);
  await writeBoth(lake, value(2, 'a'));
  await assert.rejects(rebuildOn(lake), {
    code: 'REBUILD_SOURCE_INCOMPLETE',
    message: /claims-0 \[0, 2\) is not in it from offset 0 on/,
  });
  assert.ok(![...lake.store.objects.keys()].some((key) => key.startsWith('claims.rebuilt')));
});

test('tombstones that the raw table has in quarantine are records as well', async () => {
  const lake = await wronglyWritten();
  await writeBoth(lake, null, value(7, 'a'));
  const keeping = { ...rightDay, record: { ...rightDay.record, tombstones: 'drop' as const } };
  const { after } = await rebuildOn(lake, keeping);
  assert.deepEqual(after, { in: 8, emitted: 6, merged: 0, filtered: 1, quarantined: 1 });
  assert.deepEqual(await findingsOf(lake), []);
});

test('a table without partitions is refused, with what to do instead', async () => {
  const lake = await wronglyWritten({ partitionBy: [] });
  await assert.rejects(rebuildOn(lake, { ...rightDay, partitionBy: [] }), {
    code: 'REBUILD_REFUSED',
    message: /claims has no partitions, .* another name, with `partitionBy/,
  });
});

test('more objects than one entry may name are refused, before they are made or as soon as they are', async () => {
  const lake = await wronglyWritten();
  for (const objectsMax of [1, 5])
    await assert.rejects(rebuildOn(lake, rightDay, { objectsMax }), {
      code: 'REBUILD_TOO_LARGE',
      message: /objects into one ledger entry, which may name [15]$/,
    });
  assert.deepEqual([swapsOf(lake).length, await seenBy(lake)], [0, BEFORE]);
  await rebuildOn(lake, rightDay, { objectsMax: 6 });
  assert.deepEqual(await seenBy(lake), AFTER);
});

test('windows whose log Kafka cut are refused', async () => {
  const lake = await wronglyWritten();
  const id = { topic: 'claims', topicId: '0'.repeat(32), partition: 0 };
  await lake.lake.writerOf('claims').fork([{ ...id, leaderEpoch: 5, offset: 4, reason: 'unclean' }]);
  await assert.rejects(rebuildOn(lake), { code: 'REBUILD_REFUSED', message: /Kafka cut that log at 4/ });
});

const badly = (n: number) => Array.from({ length: n }, () => value('x', 'a'));
const fine = (n: number) => Array.from({ length: n }, (_, i) => value(i, 'a'));
const budget = { ...rightDay, quarantineRatioMax: 0.2 };

test('the error budget is of all records that are made again: one bad window does not keep the others', async () => {
  const lake = await wronglyWritten();
  await writeBoth(lake, ...badly(12));
  await writeBoth(lake, ...fine(60));
  const { after } = await rebuildOn(lake, budget);
  assert.deepEqual([after?.in, after?.quarantined], [78, 13]);
  assert.deepEqual(await findingsOf(lake), []);
});

test('many windows of few records each are over the budget together, and nothing is swapped', async () => {
  const lake = await wronglyWritten();
  for (let i = 0; i < 5; i++) await writeBoth(lake, ...badly(3));
  const seen = await seenBy(lake);
  const message = '10 of 21 records of these windows would go to quarantine, and 0.2 of them may';
  await assert.rejects(rebuildOn(lake, budget), { code: 'REBUILD_REFUSED', message: new RegExp(message) });
  assert.deepEqual([swapsOf(lake).length, await seenBy(lake)], [0, seen]);
});
