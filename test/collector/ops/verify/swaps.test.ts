// `verify` knows rebuilds: it holds each window to those who made it last, finds a partition that the catalog
// has elsewhere and a swap that contradicts its ledger, and names what lies around unread.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SwapEntry } from '@sluice/collector/contracts.ts';
import { formatVerification } from '@sluice/collector/ops/verify/report.ts';
import { verify } from '@sluice/collector/ops/verify/verify.ts';
import { CrashError, fakeObjectStore } from '../../../support/fake-object-store.ts';
import type { ManualClock } from '../../../support/manual-clock.ts';
import {
  findingsOf,
  type RebuiltLake,
  rawTable,
  rebuildOn,
  rightDay,
  seenBy,
  value,
  writeBoth,
  wrongDay,
  wronglyWritten,
} from '../../../support/rebuilt-lake.ts';
import { transformer } from '../../../support/verified-lake.ts';
import { createWrittenLake } from '../../../support/written-lake.ts';

const verified = ({ lake }: RebuiltLake, mode: 'shallow' | 'deep') =>
  verify({ ...lake.options, config: { tables: [rightDay, rawTable] } as never }, mode);

async function rebuilt(): Promise<RebuiltLake> {
  const lake = await wronglyWritten();
  await rebuildOn(lake);
  return lake;
}

test('a rebuild is told with its entry, and what it left behind is counted, not found wrong', async () => {
  const lake = await rebuilt();
  const verification = await verified(lake, 'shallow');
  assert.deepEqual(verification.findings, []);
  const text = formatVerification(verification);
  assert.match(
    text,
    /rebuilt by entry 4: 2 windows made again from the raw table claims_raw, 4 partitions moved/,
  );
  assert.match(text, /left behind 5 objects that no partition of the catalog has any more/);
});

test('what a rebuild made that died before its entry is left behind, and nobody sees it', async () => {
  const lake = await wronglyWritten();
  lake.store.faults = (op, key) => (op === 'createIfAbsent' && /claims\/0+4/.test(key) ? 'crash' : undefined);
  await assert.rejects(rebuildOn(lake), CrashError);
  lake.store.faults = () => undefined;
  const { findings, tables } = await verified(lake, 'deep');
  assert.deepEqual([findings, tables[0]?.leftBehind, tables[0]?.swaps], [[], 6, []]);
});

test('a partition that the catalog has at its old place again is found, with objects or registered first by the move', async () => {
  const lake = await rebuilt();
  for (const key of lake.store.objects.keys())
    if (key.includes('.moved/claims/')) lake.store.objects.delete(key);
  const found = await findingsOf(lake, 'shallow');
  assert.equal(found.filter((f) => f.startsWith('PARTITION_MISPLACED claims.rebuilt/')).length, 2);
  assert.equal(found.filter((f) => f.startsWith('PARTITION_NOT_REGISTERED claims.rebuilt/')).length, 1);
});

test('a partition that nothing is left in is found at its old place, where readers see what has moved on', async () => {
  const store = fakeObjectStore();
  const lake = { lake: await createWrittenLake(transformer, store, [wrongDay, rawTable]), store };
  await writeBoth(lake, value(0, 'old', 'new'));
  await rebuildOn(lake);
  assert.deepEqual([await seenBy(lake), await findingsOf(lake)], [['0 new'], []]);
  for (const [key, bytes] of store.objects)
    if (key.includes('.moved/claims/') && bytes.includes('day=old')) store.objects.delete(key);
  assert.deepEqual(await seenBy(lake), ['0 new', '0 old']);
  const [found, ...others] = await findingsOf(lake, 'shallow');
  assert.match(
    found ?? '',
    /^PARTITION_MISPLACED claims\.rebuilt\/.*day=old\/: the catalog has .* at claims\/day=old\/$/,
  );
  assert.deepEqual(others, []);
});

test('an object of a rebuild that is gone, or other bytes, is found as any other', async () => {
  for (const [code, bytes] of [
    ['OBJECT_DELETED', undefined],
    ['OBJECT_REPLACED', Buffer.from('other')],
  ] as const) {
    const lake = await rebuilt();
    const key = [...lake.store.objects.keys()].find((k) => /^claims\.rebuilt.*day=a/.test(k)) ?? '';
    if (bytes === undefined) lake.store.objects.delete(key);
    else lake.store.objects.set(key, bytes);
    assert.ok((await findingsOf(lake, 'shallow')).some((f) => f.startsWith(`${code} ${key}`)));
  }
});

test('an object that nobody named where a partition is now is found: readers see it', async () => {
  const lake = await rebuilt();
  const key = [...lake.store.objects.keys()].find((k) => /^claims\.rebuilt.*day=a/.test(k)) ?? '';
  lake.store.objects.set(`${key}.other`, Buffer.from('x'));
  assert.deepEqual(await findingsOf(lake, 'shallow'), [
    `OBJECT_UNKNOWN ${key}.other: no entry names this object, and readers see it`,
  ]);
});

test('a swap that says other numbers of its windows than the ledger has is found', async () => {
  const lake = await wronglyWritten();
  const clock = lake.lake.readerOptions.clock as ManualClock;
  await clock.advance(1_000);
  await writeBoth(lake, value(6, 'a'));
  await rebuildOn(lake, rightDay, { time: { fromMs: undefined, toMs: clock.wallMs() } });
  const keys = [...lake.store.objects.keys()].filter((key) => key.startsWith('_sluice/ledger/claims/'));
  const entryAt = (key: string) => JSON.parse(String(lake.store.objects.get(key))) as SwapEntry;
  const key = keys.find((at) => entryAt(at).kind === 'swap') ?? assert.fail();
  for (const at of [...keys.filter((other) => other > key), '_sluice/hints/claims.json'])
    lake.store.objects.delete(at);
  assert.deepEqual(await findingsOf(lake, 'shallow'), []);
  const before = { ...entryAt(key).before, emitted: 5, quarantined: 1 };
  lake.store.objects.set(key, Buffer.from(JSON.stringify({ ...entryAt(key), before })));
  const [found, ...others] = await findingsOf(lake, 'shallow');
  assert.match(found ?? '', /^SWAP_UNFOUNDED entry 5: it replaces windows with .*"emitted":5.*"emitted":4/);
  assert.deepEqual(others, []);
});

test('while a swap is on its way the old place is read, and it is no finding', async () => {
  const lake = await wronglyWritten();
  lake.store.faults = (op, key) => (op === 'createIfAbsent' && key.includes('.moved/') ? 'crash' : undefined);
  await assert.rejects(rebuildOn(lake), CrashError);
  lake.store.faults = () => undefined;
  const { findings, tables } = await verified(lake, 'deep');
  assert.deepEqual(findings, []);
  assert.match(tables[0]?.weaker.join() ?? '', /still being published/);
  assert.deepEqual(await seenBy(lake), ['0 a', '1 a', '3 a', '4 b']);
});

test('windows behind a rebuild are held to their new places', async () => {
  const lake = await rebuilt();
  const writer = lake.lake.writerOf('claims');
  await writer.refresh();
  await writer.flushPublished();
  await writeBoth(lake, value(6, 'a'), value(7, 'z'));
  assert.deepEqual(await findingsOf(lake), []);
});
