// Reading a ledger while others write it: neither a busy neighbour nor a long history looks like damage.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hintKey, ledgerKey, ledgerPrefix } from '@sluice/collector/lake/object-keys.ts';
import { openLedger } from '@sluice/collector/ledger/ledger.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { type FakeObjectStore, fakeObjectStore } from '../../support/fake-object-store.ts';
import { manualClock } from '../../support/manual-clock.ts';
import { seededRandom } from '../../support/seeded-random.ts';

let seed = 0;
const openOn = (store: FakeObjectStore, table = 'claims') =>
  openLedger({ table, store, writerId: 'w', clock: manualClock(), random: seededRandom(seed++) });

async function grow(store: FakeObjectStore, entries: number, table = 'claims'): Promise<void> {
  const ledger = await openOn(store, table);
  for (let i = 0; i < entries; i++) {
    const partition = ledger.fold.nextSequence;
    const opened = { topic: table, topicId: NO_TOPIC_ID, partition, leaderEpoch: 0, start: 0, why: 'test' };
    await ledger.append(ledger.newToken(), () => ({ kind: 'open', partitions: [opened] }));
  }
}

test('a ledger of hundreds of entries is read whole, and tables do not mix', async () => {
  const store = fakeObjectStore();
  await grow(store, 130);
  await grow(store, 3, 'claims_eu');
  assert.equal((await openOn(store)).fold.partitions.size, 130);
  assert.equal((await openOn(store, 'claims_eu')).fold.partitions.size, 3);
});

test('another collector that appends while the ledger is listed is not taken for a missing entry', async () => {
  const store = fakeObjectStore();
  await grow(store, 3);
  const later = fakeObjectStore(new Map(store.objects));
  await grow(later, 60);
  const list = store.list.bind(store);
  store.list = async function* (prefix, startAfter) {
    yield* list(prefix, startAfter);
    if (prefix !== ledgerPrefix('claims')) return;
    for (const [key, bytes] of later.objects) store.objects.set(key, bytes);
  };
  const ledger = await openOn(store);
  assert.equal(ledger.fold.nextSequence, 63);
});

test('the first entry is hinted at once: a ledger that vanished is never taken for a new one', async () => {
  const store = fakeObjectStore();
  await grow(store, 1);
  assert.ok(store.objects.has(hintKey('claims')));
  store.objects.delete(ledgerKey('claims', 0));
  await assert.rejects(openOn(store), { code: 'LEDGER_MISSING_ENTRY' });
});

test('an entry that was altered stops the reading', async () => {
  const store = fakeObjectStore();
  await grow(store, 2);
  const key = ledgerKey('claims', 1);
  const text = store.objects.get(key)?.toString() ?? '';
  for (const altered of [text.slice(0, -5), text.replace('open', 'fork')]) {
    store.objects.set(key, Buffer.from(altered));
    await assert.rejects(openOn(store), { code: 'LEDGER_ENTRY_INVALID' });
  }
});

test('a ledger that a newer collector has written to is left as it is, by its name', async () => {
  const store = fakeObjectStore();
  await grow(store, 2);
  const key = ledgerKey('claims', 1);
  const text = store.objects.get(key)?.toString() ?? '';
  store.objects.set(key, Buffer.from(text.replace('"format":1', '"format":3')));
  const changes: string[] = [];
  store.faults = (operation, at) => {
    if (!['read', 'head', 'list'].includes(operation)) changes.push(`${operation} ${at}`);
    return undefined;
  };
  await assert.rejects(openOn(store), { code: 'LEDGER_FORMAT_NEWER', place: key });
  assert.deepEqual(changes, []);
});

test('two writers that append at the same time both succeed, under different numbers', async () => {
  const store = fakeObjectStore();
  const ledgers = [await openOn(store), await openOn(store)];
  for (let round = 0; round < 20; round++) {
    const entries = await Promise.all(
      ledgers.map((ledger, i) => {
        const opened = { topic: 'claims', topicId: NO_TOPIC_ID, partition: round * 2 + i };
        const partitions = [{ ...opened, leaderEpoch: 0, start: 0, why: 'test' }];
        return ledger.append(ledger.newToken(), () => ({ kind: 'open', partitions }));
      }),
    );
    assert.deepEqual(
      entries.map((entry) => entry?.sequence).sort((a, b) => (a ?? 0) - (b ?? 0)),
      [round * 2, round * 2 + 1],
    );
  }
});
