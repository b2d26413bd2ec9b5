// The fold holds entries to what they promise each other: whatever contradicts the ones before is refused and
// changes nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LedgerEntry, LedgerRange } from '@sluice/collector/contracts.ts';
import { emptyFold, type Fold, foldEntry } from '@sluice/collector/ledger/fold.ts';
import { type PartitionId, partitionKey } from '@sluice/shared/position.ts';
import { seededRandom } from '../../support/seeded-random.ts';

const ids: readonly PartitionId[] = [0, 1, 2].flatMap((partition) =>
  ['a', 'b'].map((incarnation) => ({ topic: 'claims', topicId: incarnation.repeat(32), partition })),
);

function base(fold: Fold, publishedThrough = fold.publishedThrough) {
  const { table, nextSequence: sequence, lastToken: previous } = fold;
  const said = { writer: 'w', writtenAt: 'now', publishedThrough };
  return { format: 1, table, sequence, token: `t${sequence}`, previous, ...said } as const;
}

function open(fold: Fold, partitions: readonly PartitionId[], start: number): LedgerEntry {
  const opened = partitions.map((id) => ({ ...id, leaderEpoch: 0, start, why: 'test' }));
  return { ...base(fold), kind: 'open', partitions: opened };
}

function commit(fold: Fold, ranges: readonly LedgerRange[], publishedThrough?: number) {
  const records = ranges.reduce((sum, { counts }) => sum + counts.records, 0);
  return {
    ...base(fold, publishedThrough),
    kind: 'commit',
    windowId: 'w',
    configVersion: 'v',
    openedAt: 'now',
    ranges,
    classes: { in: records, emitted: records, merged: 0, filtered: 0, quarantined: 0 },
    rows: { rows: 0, quarantine: 0 },
    outputs: [],
  } as const;
}

function fork(fold: Fold, id: PartitionId, at: { offset: number; leaderEpoch: number }): LedgerEntry {
  return { ...base(fold), kind: 'fork', forks: [{ ...id, ...at, reason: 'unclean election' }] };
}

function range(id: PartitionId, start: number, records: number, absent = 0): LedgerRange {
  const counts = { records, control: 0, aborted: 0, absent };
  return { ...id, leaderEpoch: 0, start, next: start + records + absent, counts };
}

test('random ledgers of several partitions and incarnations: positions are sums, acked never passes them', () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = seededRandom(seed);
    const fold = emptyFold('claims');
    const expected = new Map(ids.map((id) => [partitionKey(id), 7]));
    foldEntry(fold, open(fold, ids, 7));
    for (let i = 0; i < 20; i++) {
      const chosen = ids.filter(() => random.fraction() < 0.5);
      const ranges = chosen.map((id) => {
        const start = expected.get(partitionKey(id)) ?? 0;
        const made = range(
          id,
          start,
          1 + Math.floor(random.fraction() * 9),
          Math.floor(random.fraction() * 3),
        );
        expected.set(partitionKey(id), made.next);
        return made;
      });
      const through = Math.floor(random.fraction() * fold.nextSequence);
      foldEntry(fold, commit(fold, ranges, Math.max(fold.publishedThrough, through)));
      for (const partition of fold.partitions.values()) assert.ok(partition.acked <= partition.next);
    }
    for (const id of ids)
      assert.equal(fold.partitions.get(partitionKey(id))?.next, expected.get(partitionKey(id)));
    foldEntry(fold, { ...base(fold, fold.nextSequence - 1), kind: 'published' });
    for (const partition of fold.partitions.values()) assert.equal(partition.acked, partition.next);
    assert.equal(fold.unpublished.length, 1);
  }
});

test('every contradiction is refused and leaves the fold as it was', () => {
  const [one, two] = ids;
  assert.ok(one && two);
  const fold = emptyFold('claims');
  foldEntry(fold, open(fold, [one], 10));
  const good = commit(fold, [range(one, 10, 5)]);
  const wrong: readonly (readonly [string, LedgerEntry])[] = [
    ['a hole before it', commit(fold, [range(one, 11, 5)])],
    ['an overlap', commit(fold, [range(one, 9, 5)])],
    ['a partition never opened', commit(fold, [range(two, 10, 5)])],
    ['a partition named twice', commit(fold, [range(one, 10, 5), range(one, 15, 5)])],
    ['an empty range', commit(fold, [range(one, 10, 0)])],
    ['counts that do not balance', commit(fold, [{ ...range(one, 10, 5), next: 16 }])],
    ['classes that do not add up', { ...good, classes: { ...good.classes, filtered: 1 } }],
    ['classes of other records', { ...good, classes: { ...good.classes, in: 6, emitted: 6 } }],
    ['rows that no output holds', { ...good, rows: { rows: 1, quarantine: 0 } }],
    ['a number skipped', { ...good, sequence: 2 }],
    ['itself as published', { ...good, publishedThrough: 1 }],
    ['a second opening', open(fold, [one], 15)],
    ['a gap elsewhere', { ...base(fold), kind: 'gap', gaps: [{ ...range(one, 12, 5), reason: 'x' }] }],
    ['another predecessor', { ...good, previous: 'another' }],
    ['a fill where no gap is', { ...good, kind: 'fill' }],
    ['a fork beyond what is committed', fork(fold, one, { offset: 10, leaderEpoch: 1 })],
    ['a fork under no newer epoch', fork(fold, one, { offset: 5, leaderEpoch: -1 })],
    ['an empty gap', { ...base(fold), kind: 'gap', gaps: [{ ...range(one, 10, 0), reason: 'x' }] }],
  ];
  const before = structuredClone(fold);
  for (const [what, entry] of wrong) {
    assert.throws(() => foldEntry(fold, entry), { code: 'LEDGER_ENTRY_INVALID' }, what);
    assert.deepEqual(fold, before, what);
  }
  foldEntry(fold, good);
  assert.equal(fold.partitions.get(partitionKey(one))?.next, 15);
});

test('a gap stays open until fills have covered it, each in one gap, and moves no position', () => {
  const [id] = ids;
  assert.ok(id);
  const fold = emptyFold('claims');
  foldEntry(fold, open(fold, [id], 0));
  foldEntry(fold, { ...base(fold), kind: 'gap', gaps: [{ ...range(id, 0, 20), reason: 'retention' }] });
  const fill = (start: number, records: number): LedgerEntry => ({
    ...commit(fold, [range(id, start, records)]),
    kind: 'fill',
  });
  foldEntry(fold, fill(5, 10));
  const gaps = () => fold.partitions.get(partitionKey(id))?.gaps.map(({ start, next }) => [start, next]);
  assert.deepEqual(gaps(), [
    [0, 5],
    [15, 20],
  ]);
  for (const [start, records] of [
    [5, 1],
    [4, 2],
    [0, 20],
    [14, 6],
  ] as const)
    assert.throws(() => foldEntry(fold, fill(start, records)), { code: 'LEDGER_ENTRY_INVALID' });
  foldEntry(fold, fill(0, 5));
  foldEntry(fold, fill(15, 5));
  assert.deepEqual(gaps(), []);
  assert.equal(fold.partitions.get(partitionKey(id))?.next, 20);
  assert.equal(fold.totals.in, 20);
});

test('after a fork the offsets come again, and what was acknowledged goes back with it', () => {
  const [id] = ids;
  assert.ok(id);
  const fold = emptyFold('claims');
  foldEntry(fold, open(fold, [id], 0));
  foldEntry(fold, commit(fold, [range(id, 0, 10)]));
  foldEntry(fold, { ...base(fold), kind: 'gap', gaps: [{ ...range(id, 10, 10), reason: 'retention' }] });
  foldEntry(fold, fork(fold, id, { offset: 12, leaderEpoch: 3 }));
  const partition = fold.partitions.get(partitionKey(id));
  assert.deepEqual(partition?.gaps, [{ start: 10, next: 12, reason: 'retention' }]);
  foldEntry(fold, commit(fold, [{ ...range(id, 12, 3), leaderEpoch: 3 }], fold.nextSequence - 1));
  assert.deepEqual([partition?.next, partition?.acked, partition?.leaderEpoch], [15, 12, 3]);
});
