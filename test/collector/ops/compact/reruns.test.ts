// What was joined can be run again: a rebuild takes all that has rows in a joined object with a window that
// it makes again, a replay and its rows are joined and taken back as others are, and a raw table whose
// objects were joined serves as before.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatPlan } from '@sluice/collector/ops/rebuild/report.ts';
import { verify } from '@sluice/collector/ops/verify/verify.ts';
import { compactOn, dailyRaw, manyWindows, rowsOf, writeWindow } from '../../../support/compacted-lake.ts';
import type { ManualClock } from '../../../support/manual-clock.ts';
import {
  findingsOf,
  halfRight,
  type RebuiltLake,
  rebuildOn,
  rightDay,
  seenBy,
  value,
  writeBoth,
  wrongDay,
} from '../../../support/rebuilt-lake.ts';
import { replayOn } from '../../../support/replayed-lake.ts';

const hour = async ({ lake }: RebuiltLake) => {
  const clock = lake.readerOptions.clock as ManualClock;
  await clock.advance(3_600_000);
  return clock.wallMs();
};
const goOn = async ({ lake }: RebuiltLake, table = 'claims') => {
  const writer = lake.writerOf(table);
  await writer.refresh();
  await writer.flushPublished();
};
const tables = [rightDay, dailyRaw];

test('a window that is made again brings in all that has rows in one object with it, and no other', async () => {
  const lake = await manyWindows(5, wrongDay);
  await compactOn(lake, wrongDay);
  await goOn(lake);
  const fromMs = await hour(lake);
  for (const n of [5, 6]) await writeWindow(lake, n);
  const later = await rebuildOn(lake, rightDay, { tables, time: { fromMs, toMs: undefined } });
  assert.deepEqual([later.windows, later.widenedBy], [2, 0]);
  await goOn(lake);
  assert.deepEqual(await findingsOf(lake), []);
  // All rows of the first five were of the same wrong day, in one object.
  const earlier = await rebuildOn(lake, rightDay, { tables, time: { fromMs: undefined, toMs: fromMs } });
  assert.deepEqual([earlier.windows, earlier.widenedBy], [5, 0]);
  assert.deepEqual(await seenBy(lake), rowsOf(7));
  assert.deepEqual(await findingsOf(lake), []);
});

test('windows of other times come in where they have rows in one object with one of the time', async () => {
  const lake = await manyWindows(2, wrongDay);
  const fromMs = await hour(lake);
  for (const n of [2, 3]) await writeWindow(lake, n);
  await compactOn(lake, wrongDay);
  const rebuilt = await rebuildOn(lake, rightDay, { ...{ tables, time: { fromMs, toMs: undefined } } });
  assert.deepEqual([rebuilt.windows, rebuilt.widenedBy], [4, 2]);
  // The joined one, and the quarantine's of four windows.
  assert.equal(rebuilt.replaced.objects, 5);
  assert.match(
    formatPlan(rebuilt),
    / 2 windows of other times come in: they share a replay or a joined object/,
  );
  assert.deepEqual(await seenBy(lake), rowsOf(4));
  assert.deepEqual(await findingsOf(lake), []);
});

test('a joined object of windows that stay goes along once', async () => {
  const lake = await manyWindows(5);
  await compactOn(lake);
  await goOn(lake);
  const fromMs = await hour(lake);
  await writeWindow(lake, 5);
  const { windows, carried } = await rebuildOn(lake, rightDay, {
    ...{ tables, time: { fromMs, toMs: undefined } },
  });
  // The joined ones of two days, and quarantine objects of five windows.
  assert.deepEqual([windows, carried], [1, 7]);
  assert.deepEqual(await seenBy(lake), rowsOf(6));
  assert.deepEqual(await findingsOf(lake), []);
});

test('rows of a replay that are joined with others are taken back into their windows, and are there once', async () => {
  const lake = await manyWindows(4, halfRight);
  await writeBoth(lake, value(12.5, 'x', 'a'));
  const { taken } = await replayOn(lake, rightDay);
  assert.equal(taken.emitted, 1);
  await compactOn(lake);
  const seen = [...rowsOf(4), '12 a'];
  assert.deepEqual([await seenBy(lake), await findingsOf(lake)], [seen, []]);
  const { windows, replays } = await rebuildOn(lake, rightDay, { tables });
  assert.deepEqual([windows, replays.length], [5, 1]);
  assert.deepEqual([await seenBy(lake), await findingsOf(lake)], [seen, []]);
});

test('what is in quarantine is run again after a compaction as before it', async () => {
  const lake = await manyWindows(4, halfRight);
  await writeBoth(lake, value(12.5, 'x', 'a'));
  await compactOn(lake, halfRight);
  const { taken } = await replayOn(lake, rightDay);
  assert.equal(taken.emitted, 1);
  assert.deepEqual([await seenBy(lake), await findingsOf(lake)], [[...rowsOf(4), '12 a'], []]);
});

test('a raw table whose objects were joined gives each record once', async () => {
  const lake = await manyWindows(4, wrongDay);
  // One window of the table is two of the raw one.
  const [four, five] = [4, 5].map((n) => [value(3 * n, 'x', 'a'), value(3 * n + 1, 'x', 'b'), 'no JSON']);
  await lake.lake.write('claims', [...(four ?? []), ...(five ?? [])]);
  for (const values of [four, five]) await lake.lake.write('claims_raw', values ?? []);
  const joined = await compactOn(lake, dailyRaw);
  assert.deepEqual([joined.joined.objects, joined.made.objects], [6, 1]);
  await goOn(lake, 'claims_raw');
  await writeWindow(lake, 6);
  const { windows, after } = await rebuildOn(lake, rightDay, { tables });
  assert.deepEqual([windows, after?.in, after?.quarantined], [6, 21, 7]);
  assert.deepEqual(await seenBy(lake), rowsOf(7));
  const { findings } = await verify({ ...lake.lake.options, config: { tables } as never }, 'deep');
  assert.deepEqual(findings, []);
});

test('records of a topic that was created again keep apart in a joined object of the raw table', async () => {
  const lake = await manyWindows(3, wrongDay);
  for (const n of [0, 1, 2]) {
    const values = [value(3 * n, 'y', 'c'), value(3 * n + 1, 'y', 'c'), value(3 * n + 2, 'y', 'c')];
    for (const name of ['claims', 'claims_raw'])
      await lake.lake.writeAll(name, [{ values, topicId: 'a'.repeat(32) }]);
  }
  const { made } = await compactOn(lake, dailyRaw);
  assert.equal(made.objects, 1);
  const { windows, after } = await rebuildOn(lake, rightDay, { tables });
  assert.deepEqual([windows, after?.in, after?.quarantined], [6, 18, 3]);
  const anew = Array.from({ length: 9 }, (_, n) => `${n} c`);
  assert.deepEqual((await seenBy(lake)).toSorted(), [...rowsOf(3), ...anew].toSorted());
  assert.deepEqual(await findingsOf(lake), []);
});
