// Ledger entries outlive every process: the bytes of each released version must read the same for ever.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeEntry, encodeEntry } from '@sluice/collector/ledger/entry.ts';
import { emptyFold, foldEntry } from '@sluice/collector/ledger/fold.ts';
import { placeOf } from '@sluice/collector/ledger/swaps.ts';
import { partitionKey } from '@sluice/shared/position.ts';
import { decodeGolden, goldenFiles } from '../../support/golden.ts';

const files = goldenFiles('ledger');
const at = (sequence: number) => ({ key: `golden ${sequence}`, table: 'claims', sequence });
const entries = () =>
  files.map((file, sequence) =>
    decodeGolden(file, { decode: (bytes) => decodeEntry(bytes, at(sequence)), encode: encodeEntry }),
  );

test('golden entries decode, and encode to the same bytes', () => {
  const kinds = ['open', 'commit', 'gap', 'published', 'fill', 'fork', 'sweep', 'replay', 'swap'];
  assert.deepEqual(
    entries().map(({ kind }) => kind),
    kinds,
  );
});

test('the golden ledger folds to the positions it always folded to', () => {
  const fold = emptyFold('claims');
  for (const entry of entries()) foldEntry(fold, entry);
  const id = { topic: 'claims', topicId: '00112233445566778899aabbccddeeff', partition: 3 };
  const partition = fold.partitions.get(partitionKey(id));
  assert.deepEqual([partition?.start, partition?.next, partition?.acked], [100, 135, 135]);
  assert.deepEqual(partition?.gaps, [
    { start: 120, next: 125, reason: 'retention' },
    { start: 130, next: 135, reason: 'retention' },
  ]);
  assert.deepEqual(partition?.forks, [{ from: 140, to: 135, leaderEpoch: 6 }]);
  assert.deepEqual(fold.totals, { in: 19, emitted: 17, merged: 1, filtered: 1, quarantined: 0, windows: 2 });
  assert.equal(fold.publishedThrough, 7);
  assert.equal(fold.lastRerun, 8);
  const day = (value: string) => ({ output: 'rows', partition: [{ column: 'day', value }] });
  assert.equal(placeOf(fold, day('2026-01-02')), 'claims.rebuilt/e1e2e3e4/day=2026-01-02/');
  assert.equal(placeOf(fold, day('2026-01-03')), undefined);
});

test('a golden entry that says how it is partitioned decodes, and encodes to the same bytes', () => {
  const [file] = goldenFiles('ledger-partitioned');
  const codec = { decode: (bytes: Buffer) => decodeEntry(bytes, at(1)), encode: encodeEntry };
  const entry = decodeGolden(file ?? assert.fail(), codec);
  assert.deepEqual(entry.kind === 'commit' && entry.partitionedBy, [
    'day = day(incident_time) in Europe/Berlin',
  ]);
});

test('a golden entry that joins objects decodes, encodes to the same bytes, and moves their partitions', () => {
  const [file] = goldenFiles('ledger-joined');
  const codec = { decode: (bytes: Buffer) => decodeEntry(bytes, at(9)), encode: encodeEntry };
  const entry = decodeGolden(file ?? assert.fail(), codec);
  const fold = emptyFold('claims');
  for (const before of entries()) foldEntry(fold, before);
  assert.equal(fold.format, 1);
  foldEntry(fold, entry);
  assert.deepEqual([fold.format, fold.lastRerun, fold.totals.in], [2, 9, 19]);
  const day = { output: 'rows', partition: [{ column: 'day', value: '2026-01-01' }] };
  assert.equal(placeOf(fold, day), 'claims.rebuilt/c1c2c3c4/day=2026-01-01/');
});

test('a golden entry that joins objects of lines decodes, encodes to the same bytes, and folds', () => {
  const [file] = goldenFiles('ledger-joined-text');
  const codec = { decode: (bytes: Buffer) => decodeEntry(bytes, at(9)), encode: encodeEntry };
  const entry = decodeGolden(file ?? assert.fail(), codec);
  const fold = emptyFold('claims');
  for (const before of entries()) foldEntry(fold, before);
  foldEntry(fold, entry);
  assert.deepEqual([fold.format, fold.lastRerun], [2, 9]);
  const [object] = (entry.kind === 'swap' && entry.moves[0]?.joined) || [];
  assert.deepEqual(
    [object?.textBytes, object?.parts.map(({ text }) => text?.bytes)],
    [9_000, [7_400, 1_600]],
  );
});

test('an entry that joins objects is of format 2, and one that does not is of format 1', () => {
  const [file] = goldenFiles('ledger-joined');
  const joins = JSON.parse(String(file?.bytes)) as Record<string, unknown>;
  const plain = JSON.parse(String(files[8]?.bytes)) as Record<string, unknown>;
  for (const [sequence, entry] of [
    [9, { ...joins, format: 1 }],
    [8, { ...plain, format: 2 }],
  ] as const)
    assert.throws(() => decodeEntry(Buffer.from(JSON.stringify(entry)), at(sequence)), {
      code: 'LEDGER_ENTRY_INVALID',
    });
});

test('a kind that this version does not know is refused, and stops the fold', () => {
  const entry = { ...JSON.parse(String(files[8]?.bytes)), kind: 'merge' };
  assert.throws(() => decodeEntry(Buffer.from(JSON.stringify(entry)), at(8)), {
    code: 'LEDGER_ENTRY_INVALID',
  });
});

test('an entry of a newer format is told from one that is wrong: the collector must be upgraded again', () => {
  const entry = JSON.parse(String(files[0]?.bytes)) as Record<string, unknown>;
  const newer = Buffer.from(JSON.stringify({ ...entry, format: 3, surprise: 1 }));
  assert.throws(() => decodeEntry(newer, at(0)), {
    code: 'LEDGER_FORMAT_NEWER',
    message: 'it has format 3, this collector knows 2',
    remedy: /^Upgrade this collector again/,
  });
});

test('an entry that cannot be understood wholly is refused', () => {
  const entry = JSON.parse(String(files[0]?.bytes)) as Record<string, unknown>;
  const refused = (change: object, message: RegExp) =>
    assert.throws(() => decodeEntry(Buffer.from(JSON.stringify({ ...entry, ...change })), at(0)), {
      code: 'LEDGER_ENTRY_INVALID',
      message,
    });
  refused({ surprise: 1 }, /surprise/);
  refused({ kind: 'surprise' }, /kind/);
  refused({ previous: undefined }, /previous/);
  refused({ sequence: 1 }, /says/);
  refused({ table: 'orders' }, /says/);
  refused({ partitions: [{}] }, /partitions/);
  for (const text of ['', '{', 'null', '[]', '7'])
    assert.throws(() => decodeEntry(Buffer.from(text), at(0)), { code: 'LEDGER_ENTRY_INVALID' });
});
