// What is joined, what is left, and how much one entry takes: of ledger entries alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LedgerEntry } from '@sluice/collector/contracts.ts';
import { emptyFold } from '@sluice/collector/ledger/fold.ts';
import { LINKED_MAX, LinkedEntries } from '@sluice/collector/ops/compact/linked.ts';
import { batchesOf, type CompactChoice, planOf } from '@sluice/collector/ops/compact/plan.ts';
import { parseCompactChoice } from '@sluice/collector/ops/compact/selection.ts';
import { PLACES_MAX } from '@sluice/collector/ops/rebuild/plan.ts';
import { UsageError } from '@sluice/shared/command-line.ts';
import { commitOf, walked } from '../../../support/commit-entries.ts';
import { rightDay } from '../../../support/rebuilt-lake.ts';

const MIB = 2 ** 20;

const windowOf = (sequence: number, bytes: number, days: readonly string[] = ['a']) =>
  commitOf(sequence, { days, bytes, rows: 2 });

const planned = (
  entries: readonly LedgerEntry[],
  choice: Partial<CompactChoice> = {},
  fold = emptyFold('claims'),
) =>
  planOf(fold, walked(entries), {
    ...{ table: rightDay, objectBytes: 8 * MIB, all: false },
    ...{ isChosen: () => true, wrong: () => undefined, ...choice },
  });
const windows = (n: number, bytes = MIB, days?: readonly string[]) =>
  Array.from({ length: n }, (_, i) => windowOf(i, bytes, days));

test('objects below half of objectBytes are joined, in the order of their entries, and larger ones go along', async () => {
  const entries = [...windows(4), windowOf(4, 4 * MIB), windowOf(5, 4 * MIB - 1)];
  const { places } = await planned(entries);
  assert.deepEqual(
    places.map(({ key, parts, carried }) => [key, parts.map(({ entry }) => entry), carried]),
    [['rows\u0000a', [0, 1, 2, 3, 5], { objects: 1, bytes: 4 * MIB }]],
  );
});

test('bytes that go along are four times those that are joined, and not one more', async () => {
  const four = [...windows(4), windowOf(4, 16 * MIB)];
  assert.equal((await planned(four)).places.length, 1);
  const more = [...windows(4), windowOf(4, 16 * MIB + 1)];
  const { places, skipped } = await planned(more);
  assert.deepEqual(
    [places.length, skipped.map(({ place, objects }) => [place, objects])],
    [0, [['claims day=a', 4]]],
  );
  assert.equal((await planned(more, { all: true })).places.length, 1);
});

test('a joined object is taken where every entry that has rows in it is chosen, and is named once', async () => {
  const swap = {
    ...windowOf(4, 0, []),
    ...{ kind: 'swap', rebuildId: 'r', source: '', after: -1, asOf: 3, windows: [], replays: [] },
    before: { in: 0, emitted: 0, merged: 0, filtered: 0, quarantined: 0 },
    moves: [
      {
        ...{ output: 'rows', partition: [{ column: 'day', value: 'a' }], to: 'claims.rebuilt/r/day=a/' },
        ...{ made: [], carried: [] },
        joined: [
          {
            ...{ name: 'j.parquet', bytes: MIB, sha256: 'j', rows: 8 },
            parts: windows(4).flatMap(({ sequence: entry, outputs }) =>
              outputs.map(({ finalKey: from, rows }) => ({ entry, from, rows })),
            ),
          },
        ],
      },
    ],
  } as unknown as LedgerEntry;
  const later = [5, 6, 7].map((sequence) => windowOf(sequence, MIB));
  const [place] = (await planned([...windows(4), swap, ...later])).places;
  assert.deepEqual(
    place?.parts.map(({ entry, from, rows }) => [entry, from, rows]),
    [
      [4, 'claims.rebuilt/r/day=a/j.parquet', 8],
      ...later.map(({ sequence, outputs }) => [sequence, outputs[0]?.finalKey, 2]),
    ],
  );
  const without = await planned([...windows(4), swap, ...later, windowOf(8, MIB)], {
    isChosen: ({ sequence }) => sequence !== 2,
  });
  assert.deepEqual(
    without.places.map(({ parts, carried }) => [parts.length, carried.objects]),
    [[4, 1]],
  );
});

test('entries that a rebuild takes together stay few, whatever their windows have in common', async () => {
  // Each window has a row of the next day as well: day by day all of them would come to be linked.
  const entries = Array.from({ length: 5_000 }, (_, i) => {
    const day = Math.floor(i / 500);
    return windowOf(i, MIB / 1_024, [`${day}`, `${day + 1}`]);
  });
  const { places } = await planned(entries);
  assert.equal(places.length, 11);
  const linked = new LinkedEntries();
  const groups = places.flatMap((place) => place.groups);
  for (const group of groups)
    for (const { entry } of group) linked.link(group[0]?.entry ?? assert.fail(), entry);
  const most = Math.max(...entries.map(({ sequence }) => linked.sizeOf(sequence)));
  assert.ok(most > LINKED_MAX / 2 && most <= LINKED_MAX, `${most} are linked`);
  assert.equal(groups.flat().length, 10_000, 'and every object is joined');
  assert.ok(groups.length <= 15, `${groups.length} groups`);
});

test('what a joined object links, and a replay with its windows, counts as well', async () => {
  const linked = new LinkedEntries();
  for (let i = 1; i < 10; i++) linked.link(0, i);
  const objects = [10, 11, 5, 12, 13].map((of) => ({ of }));
  const found = linked.groups(objects, 11);
  // Entries 0 to 9 are one, and have room for one more.
  assert.deepEqual(
    found.map((group) => group.map(({ of }) => of)),
    [[10, 11, 12, 13]],
  );
  const replay = {
    ...windowOf(4, MIB),
    ...{ kind: 'replay', after: -1 },
    replayed: [{ entry: 1, finalKey: 'q', ranges: [] }],
  } as unknown as LedgerEntry;
  const groups = async (of: readonly LedgerEntry[], linkedMax: number) =>
    (await planned(of, { linkedMax })).places.map((place) =>
      place.groups.map((group) => group.map(({ entry }) => entry)),
    );
  assert.deepEqual(await groups([...windows(4), replay], 3), [
    [
      [0, 1, 4],
      [2, 3],
    ],
  ]);
});

test('one entry takes partitions up to what it may name and no more bytes than named, one at least', async () => {
  const { places } = await planned(windows(4, MIB, ['a', 'b', 'c']));
  const batched = (objectsMax: number, of = places) =>
    [...batchesOf(of, { objectsMax })].map((b) => b.length);
  // Four parts of one partition are up to six names, of which nine tenths may be chosen.
  assert.deepEqual([batched(20), batched(14), batched(13), batched(1)], [[3], [2, 1], [1, 1, 1], [1, 1, 1]]);
  const large = places.map((place) => ({ ...place, bytes: 9 * 2 ** 30 }));
  assert.deepEqual(batched(1_000, large), [1, 1, 1]);
  const { skipped } = await planned(windows(4, MIB, ['a', 'b']), { objectsMax: 6 });
  assert.match(skipped[0]?.why ?? '', /it has 6 objects, more than one entry may name/);
});

test('partitions that were ever moved are as many as a checkpoint may name', async () => {
  const fold = emptyFold('claims');
  for (let n = 0; n < PLACES_MAX - 1; n++) fold.places.set(`rows\u0000old-${n}`, 'claims.rebuilt/r/');
  const { places, skipped } = await planned(windows(4, MIB, ['a', 'b']), {}, fold);
  assert.deepEqual(
    [places.length, skipped.map(({ place, why }) => [place, why])],
    [1, [['claims day=b', '100,000 have moved already']]],
  );
});

test('what is chosen is an hour old where nothing is said, and a time that is none is a wrong call', () => {
  assert.deepEqual(parseCompactChoice(undefined, undefined), {
    time: { fromMs: undefined, toMs: undefined },
    olderThanMs: 3_600_000,
  });
  const { time, olderThanMs } = parseCompactChoice('2026-01-01', '2026-01-02', '30m');
  assert.deepEqual([time.fromMs, olderThanMs], [Date.parse('2026-01-01'), 1_800_000]);
  for (const [from, to, olderThan] of [
    [undefined, undefined, '1 fortnight'],
    ['yesterday', undefined, '1h'],
    ['2026-01-02', '2026-01-01', '1h'],
  ] as const)
    assert.throws(() => parseCompactChoice(from, to, olderThan), UsageError);
});
