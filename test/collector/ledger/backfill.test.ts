// History in a ledger: a cursor of its own that only goes on, below everything that the table's position has
// passed, and one word for each offset whoever writes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LedgerEntry, LedgerRange } from '@sluice/collector/contracts.ts';
import { backfillProposal } from '@sluice/collector/ledger/backfill.ts';
import { decodeCheckpoint, encodeCheckpoint, foldAt } from '@sluice/collector/ledger/checkpoint.ts';
import { decodeEntry, encodeEntry } from '@sluice/collector/ledger/entry.ts';
import { ackedOf, emptyFold, type Fold, foldEntry, keptGapsOf } from '@sluice/collector/ledger/fold.ts';
import { partitionKey } from '@sluice/shared/position.ts';
import { fakeObjectStore } from '../../support/fake-object-store.ts';
import { decodeGolden, goldenFiles } from '../../support/golden.ts';
import { claims, windowOf, writerOn } from '../../support/lake-fixture.ts';

const id = { topic: 'claims', topicId: '00112233445566778899aabbccddeeff', partition: 3 };
const files = goldenFiles('backfill').filter(({ name }) => !name.startsWith('checkpoint'));
const at = (sequence: number) => ({ key: `golden ${sequence}`, table: 'claims', sequence });
const golden = () =>
  files.map((file, sequence) =>
    decodeGolden(file, { decode: (bytes) => decodeEntry(bytes, at(sequence)), encode: encodeEntry }),
  );
const goldenFold = () => {
  const fold = emptyFold('claims');
  for (const entry of golden()) foldEntry(fold, entry);
  return fold;
};
const partitionOf = (fold: Fold) => fold.partitions.get(partitionKey(id));

function base(fold: Fold) {
  const { table, nextSequence: sequence, lastToken: previous, publishedThrough } = fold;
  const said = { writer: 'w', writtenAt: 'now', publishedThrough };
  return { format: 1, table, sequence, token: `t${sequence}`, previous, ...said } as const;
}

function range(start: number, next: number): LedgerRange {
  const counts = { records: next - start, control: 0, aborted: 0, absent: 0 };
  return { ...id, leaderEpoch: 4, start, next, counts };
}

function window(fold: Fold, kind: 'commit' | 'fill', ranges: readonly LedgerRange[]): LedgerEntry {
  const records = ranges.reduce((sum, { counts }) => sum + counts.records, 0);
  return {
    ...{ ...base(fold), kind, windowId: 'w', configVersion: 'v', openedAt: 'now', ranges },
    classes: { in: records, emitted: records, merged: 0, filtered: 0, quarantined: 0 },
    ...{ rows: { rows: 0, quarantine: 0 }, outputs: [] },
  };
}

const gap = (fold: Fold, start: number, next: number): LedgerEntry => {
  return { ...base(fold), kind: 'gap', gaps: [{ ...id, leaderEpoch: -1, start, next, reason: 'retention' }] };
};
const begin = (fold: Fold, from: number, to: number): LedgerEntry => {
  return { ...base(fold), kind: 'backfill', backfills: [{ ...id, from, to }] };
};

test('the golden ledger with a backfill folds to the places it always folded to', () => {
  const fold = goldenFold();
  const partition = partitionOf(fold);
  assert.deepEqual([partition?.start, partition?.next, partition?.records], [100, 110, 58]);
  assert.deepEqual(partition?.backfill, { from: 20, next: 80, to: 100 });
  assert.deepEqual(partition?.gaps, [{ start: 50, next: 60, reason: 'retention: Kafka’s log begins at 60' }]);
  assert.deepEqual([fold.totals.in, fold.publishedThrough], [58, 4]);
});

test('the golden checkpoint carries the history, and encodes to the same bytes', () => {
  const [file] = goldenFiles('backfill').filter(({ name }) => name.startsWith('checkpoint'));
  const fold = goldenFold();
  assert.deepEqual(encodeCheckpoint(fold), file?.bytes);
  const place = { key: 'golden', table: 'claims', through: 5 };
  const again = foldAt(decodeCheckpoint(file?.bytes ?? Buffer.alloc(0), place));
  assert.deepEqual(partitionOf(again), partitionOf(fold));
});

test('neither a fill of history nor a gap in it moves what is acknowledged', () => {
  const fold = goldenFold();
  assert.equal(ackedOf(fold, id), 110);
  foldEntry(fold, gap(fold, 80, 90));
  foldEntry(fold, { ...base(fold), kind: 'published', publishedThrough: fold.nextSequence - 1 });
  assert.deepEqual([ackedOf(fold, id), partitionOf(fold)?.next], [110, 110]);
  assert.deepEqual(keptGapsOf(fold, id), [
    { startOffset: 50, nextOffset: 60 },
    { startOffset: 80, nextOffset: 90 },
  ]);
});

test('history goes on from its cursor, never beyond where the table began, and is begun once', () => {
  const fold = goldenFold();
  const wrong: readonly (readonly [string, LedgerEntry])[] = [
    ['a hole before it', window(fold, 'fill', [range(81, 90)])],
    ['what is there already', window(fold, 'fill', [range(79, 90)])],
    ['what lies at the beginning again', window(fold, 'fill', [range(20, 50)])],
    ['more than the history', window(fold, 'fill', [range(80, 101)])],
    ['history as a commit', window(fold, 'commit', [range(80, 90)])],
    ['a gap before the cursor', gap(fold, 70, 80)],
    ['a gap beyond the history', gap(fold, 80, 101)],
    ['a second backfill', begin(fold, 0, 20)],
  ];
  const before = structuredClone(fold);
  for (const [what, entry] of wrong) {
    assert.throws(() => foldEntry(fold, entry), { code: 'LEDGER_ENTRY_INVALID' }, what);
    assert.deepEqual(fold, before, what);
  }
  foldEntry(fold, window(fold, 'fill', [range(80, 100)]));
  assert.deepEqual(partitionOf(fold)?.backfill, { from: 20, next: 100, to: 100 });
  assert.throws(() => foldEntry(fold, window(fold, 'fill', [range(100, 101)])), {
    code: 'LEDGER_ENTRY_INVALID',
  });
});

test('no backfill begins where the table was never opened, above where it began, or empty', () => {
  const fold = emptyFold('claims');
  assert.throws(() => foldEntry(fold, begin(fold, 0, 10)), { code: 'LEDGER_ENTRY_INVALID' });
  const [open] = golden();
  assert.ok(open);
  foldEntry(fold, open);
  for (const [from, to] of [
    [0, 101],
    [100, 100],
    [60, 50],
  ] as const)
    assert.throws(() => foldEntry(fold, begin(fold, from, to)), { code: 'LEDGER_ENTRY_INVALID' });
});

test('what a spool has of lost history fills its gap', () => {
  const fold = goldenFold();
  foldEntry(fold, window(fold, 'fill', [range(50, 60)]));
  assert.deepEqual(partitionOf(fold)?.gaps, []);
  assert.equal(partitionOf(fold)?.backfill?.next, 80);
});

test('history above a cut of its log is not read: it comes again as it comes live', () => {
  const fold = goldenFold();
  const fork = { ...id, leaderEpoch: 7, offset: 90, reason: 'unclean election' };
  foldEntry(fold, { ...base(fold), kind: 'fork', forks: [fork] });
  assert.deepEqual(partitionOf(fold)?.backfill, { from: 20, next: 80, to: 90 });
  foldEntry(fold, window(fold, 'fill', [range(80, 90)]));
  foldEntry(fold, window(fold, 'commit', [{ ...range(90, 95), leaderEpoch: 7 }]));
  assert.deepEqual([partitionOf(fold)?.next, partitionOf(fold)?.backfill?.next], [95, 90]);
});

test('history that is begun after a cut below the beginning ends at the cut, however far the table has read', () => {
  const fold = emptyFold('claims');
  const [open] = golden();
  assert.ok(open);
  foldEntry(fold, open);
  const fork = { ...id, leaderEpoch: 7, offset: 90, reason: 'unclean election' };
  foldEntry(fold, { ...base(fold), kind: 'fork', forks: [fork] });
  foldEntry(fold, window(fold, 'commit', [{ ...range(90, 120), leaderEpoch: 7 }]));
  const backfills = [{ ...id, from: 20, to: 90 }];
  assert.deepEqual(backfillProposal(fold, [{ ...id, from: 20 }]), { kind: 'backfill', backfills });
  assert.throws(() => foldEntry(fold, begin(fold, 20, 100)), { code: 'LEDGER_ENTRY_INVALID' });
});

test('of two collectors that bring the same history one is first, and the other goes on behind it', async () => {
  const store = fakeObjectStore();
  const [one, other] = [writerOn(store), writerOn(store)];
  await Promise.all([one.load(), other.load()]);
  await one.open([{ ...claims, leaderEpoch: 0, start: 30, why: 'test' }]);
  await other.refresh();
  await Promise.all([one, other].map((writer) => writer.beginBackfill([{ ...claims, from: 5 }])));
  const [first, second] = await Promise.allSettled([
    one.fillWindow(windowOf(5, 15)),
    other.fillWindow(windowOf(5, 12)),
  ]);
  assert.deepEqual([first.status, second.status].sort(), ['fulfilled', 'rejected']);
  await Promise.all([one.refresh(), other.refresh()]);
  const { next = 0 } = one.backfill(claims) ?? {};
  assert.deepEqual(one.backfill(claims), other.backfill(claims));
  const lost = { ...claims, leaderEpoch: -1, start: next, next: 25, reason: 'retention' };
  await Promise.all([one.loseHistory(lost), other.loseHistory(lost)]);
  await other.fillWindow(windowOf(25, 30));
  await one.refresh();
  assert.deepEqual(one.backfill(claims), { from: 5, next: 30, to: 30 });
  assert.deepEqual(one.openGaps(claims), [{ startOffset: next, nextOffset: 25 }]);
  assert.equal(one.position(claims), 30);
  await assert.rejects(one.fillWindow(windowOf(25, 30)), { code: 'LEDGER_RANGE_CONFLICT' });
});
