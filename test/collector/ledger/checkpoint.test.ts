// A start reads few objects however long the ledger is, from checkpoints that say what the entries say;
// without them, or with an old hint, it only reads more.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkpointKey, checkpointPrefix, hintKey, ledgerKey } from '@sluice/collector/lake/object-keys.ts';
import {
  checkpointBehind,
  decodeCheckpoint,
  encodeCheckpoint,
  foldAt,
} from '@sluice/collector/ledger/checkpoint.ts';
import { decodeEntry } from '@sluice/collector/ledger/entry.ts';
import { emptyFold, foldEntry } from '@sluice/collector/ledger/fold.ts';
import { openLedger } from '@sluice/collector/ledger/ledger.ts';
import { type FakeObjectStore, fakeObjectStore } from '../../support/fake-object-store.ts';
import { goldenFiles } from '../../support/golden.ts';
import { claims, windowOf, writerOn } from '../../support/lake-fixture.ts';
import { manualClock } from '../../support/manual-clock.ts';
import { seededRandom } from '../../support/seeded-random.ts';

const WINDOWS = 1_000;

async function longLedger(windows = WINDOWS, options = {}): Promise<FakeObjectStore> {
  const store = fakeObjectStore();
  const writer = writerOn(store, undefined, undefined, options);
  await writer.load();
  await writer.open([{ ...claims, leaderEpoch: 0, start: 0, why: 'test' }]);
  for (let i = 0; i < windows; i++) await writer.commitWindow(windowOf(i, i + 1));
  return store;
}

const foldOf = async (store: FakeObjectStore, from: 'checkpoint' | 'first') => {
  const options = { table: 'claims', store, writerId: 'w', clock: manualClock(), random: seededRandom(1) };
  return (await openLedger(options, from)).fold;
};

/** Objects read and names listed while a ledger is opened. */
async function costOf(store: FakeObjectStore): Promise<number> {
  let cost = 0;
  const { read, list } = store;
  store.read = (key) => {
    cost++;
    return read(key);
  };
  store.list = async function* (prefix, startAfter) {
    cost++;
    for await (const item of list(prefix, startAfter)) {
      cost++;
      yield item;
    }
  };
  await foldOf(store, 'checkpoint');
  Object.assign(store, { read, list });
  return cost;
}

const whole = await longLedger();
const copy = () => fakeObjectStore(new Map(whole.objects));

test('the start costs the same after a thousand windows as after a hundred', async () => {
  const short = await costOf(await longLedger(100));
  const long = await costOf(copy());
  assert.ok(long <= 220, `${long} objects were read or listed`);
  assert.ok(long <= short + 120, `${long} after ${WINDOWS} windows, ${short} after a hundred`);
});

test('a checkpoint says what the entries say', async () => {
  const store = copy();
  const [short, long] = [await foldOf(store, 'checkpoint'), await foldOf(store, 'first')];
  assert.deepEqual(short, long);
  assert.equal(long.totals.windows, WINDOWS);
});

test('an old hint, a lost one, and checkpoints that are gone only cost requests', async () => {
  const expected = await foldOf(copy(), 'first');
  const hints = [
    undefined,
    '{}',
    'x',
    JSON.stringify({ last: 250, checkpoint: 200 }),
    '{"last":0,"checkpoint":-1}',
  ];
  for (const hint of hints) {
    const store = copy();
    if (hint === undefined) store.objects.delete(hintKey('claims'));
    else store.objects.set(hintKey('claims'), Buffer.from(hint));
    assert.deepEqual(await foldOf(store, 'checkpoint'), expected, hint);
    for (const key of [...store.objects.keys()])
      if (key.startsWith(checkpointPrefix('claims'))) store.objects.delete(key);
    assert.deepEqual(await foldOf(store, 'checkpoint'), expected, `${hint}, without checkpoints`);
  }
});

test('entries that were committed and not published at the checkpoint are published by who starts from it', async () => {
  const store = fakeObjectStore();
  const options = { checkpointEvery: 2 };
  const writer = writerOn(store, undefined, undefined, options);
  await writer.load();
  await writer.open([{ ...claims, leaderEpoch: 0, start: 0, why: 'test' }]);
  store.faults = (op) => (op === 'publish' ? 'crash' : undefined);
  await assert.rejects(writer.commitWindow(windowOf(0, 5)));
  store.faults = () => undefined;
  assert.ok(store.objects.has(checkpointKey('claims', 1)));
  const next = writerOn(store, undefined, undefined, options);
  await next.load();
  assert.equal(next.acked(claims), 5);
});

test('an entry that a checkpoint names as unpublished and that was written anew is not published', async () => {
  const store = fakeObjectStore();
  const options = { checkpointEvery: 2 };
  const writer = writerOn(store, undefined, undefined, options);
  await writer.load();
  await writer.open([{ ...claims, leaderEpoch: 0, start: 0, why: 'test' }]);
  await writer.commitWindow(windowOf(0, 5));
  const key = ledgerKey('claims', 1);
  const entry = JSON.parse(String(store.objects.get(key))) as object;
  store.objects.set(key, Buffer.from(JSON.stringify({ ...entry, token: 'another' })));
  const next = writerOn(store, undefined, undefined, options);
  await assert.rejects(next.load(), { code: 'LEDGER_ENTRY_INVALID', message: /written anew/ });
});

test('an entry that was deleted and written anew while the ledger is opened is not taken for the next one', async () => {
  const options = { checkpointEvery: 3 };
  const store = await longLedger(5, options);
  const key = ledgerKey('claims', 4);
  const impostor = { ...(JSON.parse(String(store.objects.get(key))) as object), token: 'late' };
  const latest = checkpointKey('claims', 5);
  const bytes = store.objects.get(latest);
  assert.ok(bytes);
  for (const gone of [key, ledgerKey('claims', 5), latest, hintKey('claims')]) store.objects.delete(gone);
  const { read } = store;
  store.read = async (asked) => {
    const found = await read(asked);
    if (asked !== latest || found !== undefined) return found;
    // Others went on meanwhile, what they wrote was deleted, and a late request took its number.
    store.objects.set(latest, bytes);
    store.objects.set(key, Buffer.from(JSON.stringify(impostor)));
    return undefined;
  };
  await assert.rejects(writerOn(store, undefined, undefined, options).load(), {
    code: 'LEDGER_MISSING_ENTRY',
  });
});

test('a checkpoint that was altered, or written by a newer collector, stops the reading by its name', async () => {
  const key = [...whole.objects.keys()].filter((k) => k.startsWith(checkpointPrefix('claims'))).at(-1) ?? '';
  const value = JSON.parse(String(whole.objects.get(key))) as object;
  for (const change of [
    { format: 3 },
    { table: 'orders' },
    { through: 1 },
    { surprise: 1 },
    { totals: {} },
  ]) {
    const store = copy();
    store.objects.set(key, Buffer.from(JSON.stringify({ ...value, ...change })));
    await assert.rejects(
      foldOf(store, 'checkpoint'),
      { code: 'format' in change ? 'LEDGER_FORMAT_NEWER' : 'LEDGER_ENTRY_INVALID' },
      JSON.stringify(change),
    );
  }
});

test('an entry that does not follow the checkpoint stops the reading', async () => {
  const store = copy();
  const key = [...whole.objects.keys()].filter((k) => k.startsWith(checkpointPrefix('claims'))).at(-1) ?? '';
  const value = JSON.parse(String(store.objects.get(key))) as object;
  store.objects.set(key, Buffer.from(JSON.stringify({ ...value, token: 'another' })));
  await assert.rejects(foldOf(store, 'checkpoint'), { code: 'LEDGER_ENTRY_INVALID' });
});

test('checkpoints stand at fixed numbers', () => {
  const behind = [0, 98, 99, 100, 199].map((sequence) => checkpointBehind(sequence, 100));
  assert.deepEqual(behind, [99, 99, 99, 199, 199]);
});

test('a checkpoint that its writer did not live to write is written by the next who starts', async () => {
  const store = fakeObjectStore();
  const options = { checkpointEvery: 2 };
  const writer = writerOn(store, undefined, undefined, options);
  await writer.load();
  await writer.open([{ ...claims, leaderEpoch: 0, start: 0, why: 'test' }]);
  store.faults = (op, key) =>
    op === 'createIfAbsent' && key.includes('/checkpoints/') ? 'fails' : undefined;
  await writer.commitWindow(windowOf(0, 5));
  assert.ok(!store.objects.has(checkpointKey('claims', 1)));
  store.faults = () => undefined;
  await writerOn(store, undefined, undefined, options).load();
  assert.ok(store.objects.has(checkpointKey('claims', 1)));
});

test('golden checkpoints decode to what the golden ledger folds to, and encode to the same bytes', () => {
  const fold = emptyFold('claims');
  const at = (sequence: number) => ({ key: `golden ${sequence}`, table: 'claims', sequence });
  const entries = goldenFiles('ledger').slice(0, 7);
  for (const [sequence, { bytes }] of entries.entries()) foldEntry(fold, decodeEntry(bytes, at(sequence)));
  const files = goldenFiles('checkpoint');
  assert.equal(files.length, 1);
  for (const { bytes } of files) {
    const decoded = decodeCheckpoint(bytes, { key: 'golden', table: 'claims', through: 6 });
    assert.deepEqual(encodeCheckpoint(fold), bytes);
    assert.deepEqual(decoded.unpublished, [{ sequence: 6, token: '6'.repeat(32) }]);
    const { unpublished, toldThrough, ...rest } = fold;
    assert.deepEqual({ ...foldAt(decoded), unpublished, toldThrough }, { ...rest, unpublished, toldThrough });
  }
});

test('a golden checkpoint says where a swap has moved partitions, and encodes to the same bytes', () => {
  const fold = emptyFold('claims');
  const at = (sequence: number) => ({ key: `golden ${sequence}`, table: 'claims', sequence });
  const entries = goldenFiles('ledger').slice(0, 9);
  for (const [sequence, { bytes }] of entries.entries()) foldEntry(fold, decodeEntry(bytes, at(sequence)));
  const [file] = goldenFiles('checkpoint-swapped');
  assert.deepEqual(encodeCheckpoint(fold), file?.bytes);
  const decoded = decodeCheckpoint(file?.bytes ?? assert.fail(), {
    key: 'golden',
    table: 'claims',
    through: 8,
  });
  assert.deepEqual(foldAt(decoded).places, fold.places);
  assert.equal(fold.places.size, 3);
});

test('a golden checkpoint behind joined objects is of their format, and encodes to the same bytes', () => {
  const fold = emptyFold('claims');
  const at = (sequence: number) => ({ key: `golden ${sequence}`, table: 'claims', sequence });
  const entries = [...goldenFiles('ledger').slice(0, 9), ...goldenFiles('ledger-joined')];
  for (const [sequence, { bytes }] of entries.entries()) foldEntry(fold, decodeEntry(bytes, at(sequence)));
  const [file] = goldenFiles('checkpoint-joined');
  assert.deepEqual(encodeCheckpoint(fold), file?.bytes);
  const read = { key: 'golden', table: 'claims', through: 9 };
  const decoded = foldAt(decodeCheckpoint(file?.bytes ?? assert.fail(), read));
  assert.deepEqual([decoded.format, decoded.places], [2, fold.places]);
});

test('a checkpoint that was written before there were replays is read, and says that there was none', () => {
  const fold = emptyFold('claims');
  const [open] = goldenFiles('ledger').filter(({ name }) => name.includes('open'));
  assert.ok(open);
  foldEntry(fold, decodeEntry(open.bytes, { key: open.name, table: 'claims', sequence: 0 }));
  const { lastReplay, ...before } = JSON.parse(encodeCheckpoint(fold).toString());
  assert.equal(lastReplay, -1);
  const at = { key: 'checkpoint', table: 'claims', through: 0 };
  assert.equal(foldAt(decodeCheckpoint(Buffer.from(JSON.stringify(before)), at)).lastRerun, -1);
});

test('a checkpoint of an early build that begins a partition above where its log was cut is read as the entries say', () => {
  const { topic, topicId, partition } = claims;
  const fold = emptyFold('claims');
  const id = { topic, topicId, partition };
  const entry = (sequence: number, rest: object) => {
    const identity = { format: 1, table: 'claims', sequence, token: `${sequence}`, previous: fold.lastToken };
    const body = { ...identity, writer: 'w', writtenAt: '', publishedThrough: -1, ...rest };
    const bytes = Buffer.from(JSON.stringify(body));
    foldEntry(fold, decodeEntry(bytes, { key: 'k', table: 'claims', sequence }));
  };
  entry(0, { kind: 'open', partitions: [{ ...id, leaderEpoch: 0, start: 20, why: 'test' }] });
  entry(1, { kind: 'fork', forks: [{ ...id, leaderEpoch: 1, offset: 12, reason: 'cut' }] });
  const early = JSON.parse(encodeCheckpoint(fold).toString());
  early.partitions[0].start = 20;
  const at = { key: 'checkpoint', table: 'claims', through: 1 };
  const read = foldAt(decodeCheckpoint(Buffer.from(JSON.stringify(early)), at));
  assert.deepEqual(read.partitions, fold.partitions);
  assert.equal([...read.partitions.values()][0]?.start, 12);
});
