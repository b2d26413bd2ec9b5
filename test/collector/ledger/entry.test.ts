// Ledger entries outlive every process: the bytes of each released version must read the same for ever.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeEntry, encodeEntry } from '@sluice/collector/ledger/entry.ts';
import { emptyFold, foldEntry } from '@sluice/collector/ledger/fold.ts';
import { partitionKey } from '@sluice/shared/position.ts';
import { decodeGolden, goldenFiles } from '../../support/golden.ts';

const files = goldenFiles('ledger');
const at = (sequence: number) => ({ key: `golden ${sequence}`, table: 'claims', sequence });
const entries = () =>
  files.map((file, sequence) =>
    decodeGolden(file, { decode: (bytes) => decodeEntry(bytes, at(sequence)), encode: encodeEntry }),
  );

test('golden entries decode, and encode to the same bytes', () => {
  assert.equal(entries().length, 4);
});

test('the golden ledger folds to the positions it always folded to', () => {
  const fold = emptyFold('claims');
  for (const entry of entries()) foldEntry(fold, entry);
  const id = { topic: 'claims', topicId: '00112233445566778899aabbccddeeff', partition: 3 };
  const partition = fold.partitions.get(partitionKey(id));
  assert.deepEqual([partition?.start, partition?.next, partition?.acked], [100, 140, 140]);
  assert.deepEqual(partition?.gaps, [{ start: 120, next: 140, reason: 'retention' }]);
  assert.deepEqual(fold.totals, { in: 15, emitted: 12, merged: 0, filtered: 1, quarantined: 2, windows: 1 });
  assert.equal(fold.publishedThrough, 2);
});

test('an entry that cannot be understood wholly is refused', () => {
  const entry = JSON.parse(String(files[0]?.bytes)) as Record<string, unknown>;
  const refused = (change: object, message: RegExp) =>
    assert.throws(() => decodeEntry(Buffer.from(JSON.stringify({ ...entry, ...change })), at(0)), {
      code: 'LEDGER_ENTRY_INVALID',
      message,
    });
  refused({ format: 2 }, /upgrade/);
  refused({ surprise: 1 }, /surprise/);
  refused({ kind: 'sweep' }, /kind/);
  refused({ sequence: 1 }, /says/);
  refused({ table: 'orders' }, /says/);
  refused({ partitions: [{}] }, /partitions/);
  for (const text of ['', '{', 'null', '[]', '7'])
    assert.throws(() => decodeEntry(Buffer.from(text), at(0)), { code: 'LEDGER_ENTRY_INVALID' });
});
