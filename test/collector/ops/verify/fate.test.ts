// `verify --offset` says what became of one record: the entry, window and object that hold it, or why none
// does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { main } from '@sluice/collector/main.ts';
import { parseOffset } from '@sluice/collector/ops/verify/ledger-word.ts';
import { formatVerification } from '@sluice/collector/ops/verify/report.ts';
import { verifyOffset } from '@sluice/collector/ops/verify/verify.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { parquetOf } from '../../../support/parquet.ts';
import { keysOf, written } from '../../../support/verified-lake.ts';
import type { WrittenLake } from '../../../support/written-lake.ts';

const id = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };
const ask = (lake: WrittenLake, offset: number, partition = 0) =>
  verifyOffset(lake.options, { topic: 'claims', partition, offset });

async function fateOf(lake: WrittenLake, offset: number, partition = 0) {
  const { fates, findings } = await ask(lake, offset, partition);
  assert.equal(fates.length, 1);
  const [fate] = fates;
  assert.ok(fate !== undefined);
  return { ...fate, findings: findings.map(({ code }) => code) };
}

test('a record that is in the table is found with its entry, window and object', async () => {
  const { lake, store } = await written();
  for (const [offset, entry] of [
    [0, 1],
    [2, 1],
    [4, 2],
  ] as const) {
    const { fate, objects, ...rest } = await fateOf(lake, offset);
    const key = keysOf(store, 'claims/')[entry - 1] ?? '';
    assert.deepEqual([fate, rest.entry, objects, rest.findings], ['emitted', entry, [key], []]);
    assert.ok(key.includes(rest.window ?? 'none'));
  }
});

test('a quarantined record is found with its code', async () => {
  const { lake, store } = await written();
  const { fate, code, objects, entry } = await fateOf(lake, 1);
  assert.deepEqual(
    [fate, code, objects, entry],
    ['quarantined', 'CAST_FAILED', keysOf(store, 'claims_quarantine/'), 1],
  );
  const text = formatVerification(await ask(lake, 1));
  assert.match(
    text,
    /^claims: claims-0 offset 1: quarantined: a row of the quarantine: \w+\n {2}entry 1, window w\w+/,
  );
});

test('what is not committed yet says how far the table is, and what was never opened says so', async () => {
  const { lake } = await written();
  const later = await fateOf(lake, 5);
  assert.deepEqual(
    [later.fate, later.message, later.entry],
    ['uncommitted', 'not yet committed: committed up to 5', undefined],
  );
  const other = await fateOf(lake, 0, 3);
  assert.equal(other.fate, 'outside');
  assert.match(other.message, /never opened this partition/);
});

test('a record from before the table’s beginning is told from one that is missing', async () => {
  const { lake } = await written();
  await lake
    .writerOf('claims')
    .open([{ ...id, partition: 1, leaderEpoch: 0, start: 100, why: 'startAt latest' }]);
  const before = await fateOf(lake, 99, 1);
  assert.deepEqual([before.fate, before.entry, before.findings], ['outside', 3, []]);
  assert.match(before.message, /entry 3 opened the partition at 100 \(startAt latest\)/);
  assert.equal((await fateOf(lake, 100, 1)).message, 'not yet committed: committed up to 100');
});

test('a gap is named by its entry until a truncation makes it come again', async () => {
  const { lake } = await written();
  const writer = lake.writerOf('claims');
  await writer.gap([{ ...id, leaderEpoch: 0, start: 5, next: 9, reason: 'retention' }]);
  const lost = await fateOf(lake, 7);
  assert.deepEqual([lost.fate, lost.entry], ['gap', 3]);
  assert.match(lost.message, /entry 3 records the gap \[5, 9\): retention/);
  await writer.fork([{ ...id, leaderEpoch: 1, offset: 4, reason: 'unclean election' }]);
  const again = await fateOf(lake, 7);
  assert.equal(again.fate, 'uncommitted');
  assert.match(
    again.message,
    /^not yet committed: committed up to 4; entry 4 says that Kafka truncated its log at 4/,
  );
  await lake.write('claims', ['{"n":4}']);
  const [first, second] = [await fateOf(lake, 3), await fateOf(lake, 4)];
  assert.deepEqual([first.entry, second.entry, second.fate], [2, 5, 'emitted']);
});

test('a filtered record is inside an entry that leaves some out', async () => {
  const { lake } = await written({ steps: [{ kind: 'filter', expression: 'n <> 3' }] });
  const { fate, message, entry, findings } = await fateOf(lake, 3);
  assert.deepEqual([fate, entry, findings], ['absent', 2, []]);
  assert.match(message, /filtered or absent inside entry 2: filtered 1,/);
});

test('without provenance the candidates are named, and a quarantined record is still found', async () => {
  const { lake, store } = await written({ provenance: 'none' });
  const { fate, objects, message } = await fateOf(lake, 0);
  assert.deepEqual([fate, objects], ['unseen', [keysOf(store, 'claims/')[0]]]);
  assert.match(message, /^emitted: with provenance 'none'/);
  assert.equal((await fateOf(lake, 1)).fate, 'quarantined');
});

test('a record that is missing, there twice, or in an object that is gone, is a finding', async () => {
  const damage = async (change: (key: string, objects: Map<string, Buffer>) => Promise<void> | void) => {
    const { lake, store } = await written();
    await change(keysOf(store, 'claims/')[0] ?? '', store.objects);
    return fateOf(lake, 2);
  };
  const rows = (offsets: string) =>
    parquetOf(`SELECT 0 n, 0 _partition, unnest([${offsets}])::BIGINT _offset`);
  const gone = await damage((key, objects) => void objects.delete(key));
  assert.deepEqual([gone.fate, gone.findings], ['broken', ['OBJECT_DELETED']]);
  const twice = await damage(async (key, objects) => void objects.set(key, await rows('2, 2')));
  assert.deepEqual([twice.fate, twice.findings], ['broken', ['OBJECT_REPLACED', 'OFFSET_DUPLICATED']]);
  const missing = await damage(async (key, objects) => void objects.set(key, await rows('0')));
  assert.deepEqual([missing.fate, missing.findings], ['broken', ['OBJECT_REPLACED', 'OFFSET_MISSING']]);
  const unreadable = await damage((key, objects) => void objects.set(key, Buffer.from('no Parquet')));
  assert.deepEqual(
    [unreadable.fate, unreadable.findings],
    ['broken', ['OBJECT_REPLACED', 'OBJECT_UNREADABLE']],
  );
});

test('a committed record whose object is on its way waits, and that is no finding', async () => {
  const { lake, store } = await written();
  const [, key = ''] = keysOf(store, 'claims/');
  const [staged = ''] = store.created.filter((name) => name.startsWith('_sluice/staged/')).slice(-1);
  store.objects.set(staged, store.objects.get(key) ?? Buffer.alloc(0));
  store.objects.delete(key);
  const { fate, findings, objects } = await fateOf(lake, 4);
  assert.deepEqual([fate, findings, objects], ['waiting', [], [key]]);
});

test('of a topic that was created again, both records with the offset are named', async () => {
  const { lake } = await written();
  const topicId = '1'.repeat(32);
  await lake.writerOf('claims').open([{ ...id, topicId, leaderEpoch: 0, start: 0, why: 'a new topic' }]);
  const { fates, findings } = await ask(lake, 2);
  assert.deepEqual(
    fates.map((one) => [one.topicId, one.fate]),
    [
      [NO_TOPIC_ID, 'emitted'],
      [topicId, 'uncommitted'],
    ],
  );
  assert.deepEqual(findings, []);
});

test('a wrong call is exit 64 with the shape that is wanted', async (t) => {
  const printed: string[] = [];
  t.mock.method(process.stderr, 'write', (text: string) => printed.push(text) > 0);
  for (const call of [['claims:0'], ['claims:0:x'], ['claims:0:9007199254740993'], ['claims:0:1', '--deep']])
    assert.equal(await main(['verify', '--offset', ...call]), 64, call.join(' '));
  assert.match(
    printed[0] ?? '',
    /--offset takes topic:partition:offset, as in claims:0:1842, and not 'claims:0'/,
  );
  assert.deepEqual(parseOffset('a.b-c_d:12:34'), { topic: 'a.b-c_d', partition: 12, offset: 34 });
  const { lake } = await written();
  await assert.rejects(
    async () => verifyOffset(lake.options, { topic: 'orders', partition: 0, offset: 0 }),
    /no such table reads the topic 'orders'; those of the config read claims/,
  );
});
