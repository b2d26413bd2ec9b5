// What `verify` says of a table that reads its history beside what comes live: each offset of it has one
// fate, and what is not read yet is told from what is lost and from what was before the table's time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatVerification } from '@sluice/collector/ops/verify/report.ts';
import { verify, verifyOffset } from '@sluice/collector/ops/verify/verify.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { fakeObjectStore } from '../../../support/fake-object-store.ts';
import { columns, keysOf, transformer } from '../../../support/verified-lake.ts';
import { createWrittenLake, plainTable, type WrittenLake } from '../../../support/written-lake.ts';

const id = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };
const numbers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => JSON.stringify({ n: from + i }));

/** Opened at 10, live up to 13; of its history [2, 10) three offsets are read and two are lost. */
async function withHistory() {
  const store = fakeObjectStore();
  const lake = await createWrittenLake(transformer, store, [{ ...plainTable, columns }]);
  const writer = lake.writerOf('claims');
  await writer.open([{ ...id, leaderEpoch: 0, start: 10, why: 'a new table on a live topic' }]);
  await writer.beginBackfill([{ ...id, from: 2 }]);
  await lake.write('claims', numbers(10, 13));
  await lake.writeHistory('claims', numbers(2, 5));
  await writer.loseHistory({ ...id, leaderEpoch: -1, start: 5, next: 7, reason: 'retention' });
  return { lake, writer, store };
}

async function fateOf(lake: WrittenLake, offset: number): Promise<string> {
  const { fates } = await verifyOffset(lake.options, { topic: 'claims', partition: 0, offset });
  return fates.map(({ fate, entry, message }) => `${fate} ${entry ?? '-'} ${message}`).join();
}

test('history that is read counts once, in ranges of its own, and is no fill of a gap', async () => {
  const { lake, writer } = await withHistory();
  const found = await verify(lake.options, 'deep');
  assert.deepEqual(found.findings, []);
  const [table] = found.tables;
  assert.deepEqual([table?.in, table?.offsetsRead, table?.fills], [6, 6, []]);
  assert.deepEqual(table?.backfills, ['claims-0 [2, 10): read up to 7, 3 offsets are not']);
  const text = formatVerification(found);
  assert.match(text, /claims-0: \[10, 13\).*\n {2}history claims-0 \[2, 10\): read up to 7/);
  assert.match(text, /gap claims-0 \[5, 7\): retention/);
  await lake.writeHistory('claims', numbers(7, 10));
  assert.deepEqual((await verify(lake.options, 'deep')).tables[0]?.backfills, ['claims-0 [2, 10): read']);
  assert.equal(writer.backfill(id)?.next, 10);
});

test('an offset of the history is told by its entry, as lost, as not read yet, or as before its time', async () => {
  const { lake } = await withHistory();
  assert.match(await fateOf(lake, 3), /^emitted 3 /);
  assert.match(await fateOf(lake, 6), /^gap 4 .*\[5, 7\): retention/);
  assert.equal(
    await fateOf(lake, 8),
    'uncommitted - not yet committed: entry 1 begins to read this history, which is there up to 7',
  );
  assert.match(await fateOf(lake, 1), /^outside 0 /);
  assert.match(await fateOf(lake, 11), /^emitted 2 /);
  assert.equal(await fateOf(lake, 13), 'uncommitted - not yet committed: committed up to 13');
});

test('a row of history that is gone is found as any other', async () => {
  const { lake, store } = await withHistory();
  const key = keysOf(store, 'claims/').at(-1) ?? '';
  store.objects.delete(key);
  const { findings } = await verify(lake.options);
  assert.deepEqual(
    findings.map(({ code, place }) => [code, place]),
    [['OBJECT_DELETED', key]],
  );
});
