// `verify` knows replays: a record that is in quarantine and was run again is there once, a replay that takes
// a record twice or from nowhere is found, and one record is told with both its fates.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReplayEntry } from '@sluice/collector/contracts.ts';
import { ledgerKey } from '@sluice/collector/lake/object-keys.ts';
import { formatVerification } from '@sluice/collector/ops/verify/report.ts';
import { verify, verifyOffset } from '@sluice/collector/ops/verify/verify.ts';
import {
  corrected,
  everything,
  type QuarantinedLake,
  quarantinedLake,
  replayOn,
} from '../../../support/replayed-lake.ts';

const optionsOf = ({ lake }: QuarantinedLake) => ({
  ...lake.options,
  config: { tables: [corrected] } as never,
});

const found = async (lake: QuarantinedLake, mode: 'shallow' | 'deep') =>
  (await verify(optionsOf(lake), mode)).findings.map(
    ({ code, place, message }) => `${code} ${place}: ${message}`,
  );

async function replayed(): Promise<QuarantinedLake> {
  const lake = await quarantinedLake();
  const offsets = { topic: 'claims', partition: 0, first: 1, last: 1 };
  await replayOn(lake, corrected, { selection: { ...everything, offsets } });
  await replayOn(lake);
  return lake;
}

/** Changes the last replay's entry; it stays the last entry, and nothing is folded behind it. */
function changeLast(lake: QuarantinedLake, change: (entry: ReplayEntry) => object): void {
  const numbers = [...lake.store.objects.keys()].filter((key) => key.startsWith('_sluice/ledger/'));
  for (const key of numbers.toSorted().toReversed()) {
    const entry = JSON.parse(String(lake.store.objects.get(key))) as ReplayEntry;
    if (entry.kind !== 'replay') {
      lake.store.objects.delete(key);
      continue;
    }
    lake.store.objects.set(key, Buffer.from(JSON.stringify({ ...entry, ...change(entry) })));
    lake.store.objects.delete('_sluice/hints/claims.json');
    return;
  }
}

test('a lake with replays has no finding, and its classes stay as the windows left them', async () => {
  const lake = await replayed();
  for (const mode of ['shallow', 'deep'] as const) {
    const verification = await verify(optionsOf(lake), mode);
    assert.deepEqual(verification.findings, []);
    const [table] = verification.tables;
    assert.deepEqual([table?.in, table?.emitted, table?.quarantined, table?.windows], [7, 3, 4, 2]);
    assert.deepEqual(table?.replayed, { entries: 2, records: 3, emitted: 3, merged: 0, filtered: 0 });
    assert.match(formatVerification(verification), /^ {2}replayed 3 of 4 quarantined = emitted 3$/m);
  }
});

test('a lake without replays says nothing of them', async () => {
  const verification = await verify(optionsOf(await quarantinedLake()));
  assert.doesNotMatch(formatVerification(verification), /replayed/);
});

test('a record that two replays took is found from the ledger alone', async () => {
  const lake = await replayed();
  changeLast(lake, ({ replayed: objects }) => ({
    replayed: objects.map((object, i) =>
      i > 0 ? object : { ...object, ranges: object.ranges.map((r) => ({ ...r, start: 1, next: 2 })) },
    ),
  }));
  const [first = '', ...others] = await found(lake, 'shallow');
  assert.match(first, /^OFFSET_DUPLICATED entry \d+: it takes claims-0 \[1, 2\) .* an earlier replay took/);
  assert.deepEqual(others, []);
});

test('a replay of what is no quarantine object, or of records that it does not hold, is found', async () => {
  const nowhere = await replayed();
  changeLast(nowhere, ({ replayed: objects }) => ({
    replayed: objects.slice(0, 1).map((object) => ({
      ...object,
      ranges: object.ranges.map((range) => ({ ...range, start: 2, next: 4, records: 2 })),
    })),
  }));
  assert.match(
    (await found(nowhere, 'deep')).join('\n'),
    /REPLAY_UNFOUNDED entry \d+: it takes 2 records of .*, which holds 1 there/,
  );
  const other = await replayed();
  changeLast(other, ({ replayed: objects }) => ({ replayed: objects.map((o) => ({ ...o, entry: 0 })) }));
  assert.match(
    (await found(other, 'shallow')).join('\n'),
    /REPLAY_UNFOUNDED .* no quarantine object of entry 0/,
  );
});

test('rows of a replay that were deleted, replaced or doubled are found like those of a window', async () => {
  const lake = await replayed();
  const keys = lake.store.created.filter((key) => key.startsWith('claims/'));
  const [one = '', two = ''] = keys.slice(-2);
  lake.store.objects.set(two, lake.store.objects.get(one) ?? Buffer.alloc(0));
  const all = (await found(lake, 'deep')).join('\n');
  assert.match(all, /OBJECT_REPLACED/);
  assert.match(all, /OFFSET_DUPLICATED .* answers for them, and readers see them once more/);
  lake.store.objects.delete(two);
  assert.match((await found(lake, 'shallow')).join('\n'), /OBJECT_DELETED/);
});

test('an object of a replay is known: nothing below the table is without an entry', async () => {
  const lake = await replayed();
  lake.store.objects.set('claims/stray-0.parquet', Buffer.from('x'));
  assert.deepEqual(
    (await found(lake, 'shallow')).map((line) => line.split(':')[0]),
    ['OBJECT_UNKNOWN claims/stray-0.parquet'],
  );
});

test('one record is told with both fates in order', async () => {
  const lake = await replayed();
  const at = { topic: 'claims', partition: 0, offset: 6 };
  const { fates, findings } = await verifyOffset(optionsOf(lake), at);
  assert.deepEqual(findings, []);
  assert.deepEqual(
    fates.map(({ fate, message, code }) => [fate, message, code]),
    [
      ['quarantined', 'a row of the quarantine: CAST_FAILED', 'CAST_FAILED'],
      ['emitted', 'run again: a row of the table', undefined],
    ],
  );
  const entry = fates[1]?.entry ?? 0;
  const kind = JSON.parse(String(lake.store.objects.get(ledgerKey('claims', entry)))) as ReplayEntry;
  assert.equal(kind.kind, 'replay');
  assert.equal((await verifyOffset(optionsOf(lake), { ...at, offset: 4 })).fates.length, 1);
});
