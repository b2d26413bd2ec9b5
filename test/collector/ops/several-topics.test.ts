// A lake whose table has several topics: records at the same partition and offset of two topics are two
// records for whoever looks at them - verify, one record's fate, Kafka's own logs, a replay, a rebuild.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReplayEntry, TableConfig } from '@sluice/collector/contracts.ts';
import { ensureTables, tableDefinitions } from '@sluice/collector/ledger/publish.ts';
import { verify, verifyOffset, withKafka } from '@sluice/collector/ops/verify/verify.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { fakeObjectStore } from '../../support/fake-object-store.ts';
import { parquetOf } from '../../support/parquet.ts';
import { rawTable, rebuildOn, rightDay, seenBy, value, wrongDay } from '../../support/rebuilt-lake.ts';
import { corrected, everything, replayOn, rowsOf, wrong } from '../../support/replayed-lake.ts';
import { columns, findings, keysOf, transformer } from '../../support/verified-lake.ts';
import { createWrittenLake, plainTable } from '../../support/written-lake.ts';

const topics = ['orders', 'returns'];
const union: TableConfig = { ...plainTable, name: 'sales', location: 'sales', columns, topics };

/** One window with offsets 0 to 2 of orders-0 and 0 to 1 of returns-0; returns-0@1 is in quarantine. */
async function writtenUnion(change: Partial<TableConfig> = {}) {
  const store = fakeObjectStore();
  const lake = await createWrittenLake(transformer, store, [{ ...union, ...change }]);
  await lake.writeAll('sales', [
    { topic: 'orders', values: ['{"n":0}', '{"n":1}', '{"n":2}'] },
    { topic: 'returns', values: ['{"n":10}', '{"n":"x"}'] },
  ]);
  return { lake, store };
}

/** What the only object of rows holds, as topic:offset. */
const holding = (...places: readonly string[]) =>
  parquetOf(
    places
      .map((place) => place.split(':'))
      .map(([topic, offset]) => `SELECT 0 n, '${topic}' _topic, 0 _partition, ${offset}::BIGINT _offset`)
      .join(' UNION ALL '),
  );

async function foundWith(...places: readonly string[]): Promise<string> {
  const { lake, store } = await writtenUnion();
  store.objects.set(keysOf(store, 'sales/')[0] ?? '', await holding(...places));
  return (await findings(lake)).filter((one) => !one.startsWith('OBJECT_REPLACED')).join('\n');
}

test('the same offset of two topics is two records, each with a fate of its own', async () => {
  const { lake } = await writtenUnion();
  assert.deepEqual(await findings(lake), []);
  const { tables } = await verify(lake.options, 'deep');
  assert.equal(tables[0]?.offsetsRead, 5);
  for (const [topic, offset, expected] of [
    ['orders', 1, 'emitted'],
    ['returns', 1, 'quarantined'],
    ['returns', 2, 'uncommitted'],
  ] as const) {
    const { fates, findings: found } = await verifyOffset(lake.options, { topic, partition: 0, offset });
    assert.deepEqual(
      fates.map(({ fate, partition }) => [fate, partition]),
      [[expected, `${topic}-0`]],
    );
    assert.deepEqual(found, []);
  }
});

test('a record of a topic that was taken from the table is still told', async () => {
  const { lake } = await writtenUnion();
  const config = { tables: [{ ...union, topics: ['orders'] }] } as never;
  const options = { ...lake.options, config };
  assert.deepEqual((await verify(options, 'deep')).findings, []);
  const asked = { topic: 'returns', partition: 0, offset: 0 };
  assert.equal((await verifyOffset(options, asked)).fates[0]?.fate, 'emitted');
  await assert.rejects(
    verifyOffset(options, { ...asked, topic: 'refunds' }),
    /those of the config read orders/,
  );
});

test('a record of one topic that is there twice does not make up for one of the other', async () => {
  const found = await foundWith('orders:0', 'orders:0', 'orders:1', 'orders:2');
  assert.match(found, /OFFSET_DUPLICATED entry 2: .*orders-0 offset 0 2 times/);
  assert.match(found, /OFFSET_MISSING entry 2: 1 record has no row, .*returns-0 offset 0/);
});

test('a row under the wrong topic is found on both sides', async () => {
  const found = await foundWith('orders:0', 'orders:1', 'returns:2', 'returns:0');
  assert.match(found, /OFFSET_MISSING entry 2: 1 record has no row, .*orders-0 offset 2/);
  assert.match(found, /OFFSET_OUT_OF_RANGE sales\/.*1 row of returns-0, offsets 2 to 2, outside/);
  assert.match(await foundWith('orders:0', 'orders:1', 'orders:2', 'refunds:0'), /1 row of no partition/);
});

test('what was written while the table had one topic is verified as ever once it has several', async () => {
  const store = fakeObjectStore();
  const single: TableConfig = { ...plainTable, name: 'sales', location: 'sales', columns, topic: 'orders' };
  const lake = await createWrittenLake(transformer, store, [single]);
  await lake.write('sales', ['{"n":0}', '{"n":"x"}', '{"n":2}']);
  const options = { ...lake.options, config: { tables: [union] } as never };
  assert.deepEqual((await verify(options, 'deep')).findings, []);
  const asked = { topic: 'orders', partition: 0, offset: 2 };
  assert.equal((await verifyOffset(options, asked)).fates[0]?.fate, 'emitted');
});

test('a Parquet table of one topic goes on as one of several: no row of before is lost, doubled or of another topic', async () => {
  const store = fakeObjectStore();
  const single: TableConfig = { ...plainTable, name: 'sales', location: 'sales', columns, topic: 'orders' };
  const before = await createWrittenLake(transformer, store, [single]);
  await before.write('sales', ['{"n":0}', '{"n":"x"}', '{"n":2}']);
  const fits = () => ensureTables(before.catalog, tableDefinitions(union, transformer.schema(union)));
  await assert.rejects(fits(), /has no column '_topic'/);
  const [key = ''] = keysOf(store, '_sluice/catalog/').filter((one) => one.endsWith('/sales.json'));
  const standing = JSON.parse(store.objects.get(key)?.toString() ?? '') as { columns: object[] };
  standing.columns.push({ name: '_topic', type: 'string' });
  store.objects.set(key, Buffer.from(JSON.stringify(standing)));
  await fits();
  const after = await createWrittenLake(transformer, store, [union]);
  await after.writeAll('sales', [
    { topic: 'orders', values: ['{"n":3}', '{"n":4}'] },
    { topic: 'returns', values: ['{"n":30}'] },
  ]);
  assert.deepEqual((await verify(after.options, 'deep')).findings, []);
  const select = 'SELECT _topic, _partition, _offset, n FROM sales ORDER BY _topic NULLS FIRST, _offset';
  assert.deepEqual(await rowsOf({ lake: after, store }, union, select), [
    [null, '0', '0', '0'],
    [null, '0', '2', '2'],
    ['orders', '0', '3', '3'],
    ['orders', '0', '4', '4'],
    ['returns', '0', '0', '30'],
  ]);
});

test('each topic stands beside its own log in Kafka, and one that no agent reads is said to be unseen', async () => {
  const { lake } = await writtenUnion();
  const verified = await verify(lake.options, 'shallow');
  const log = (topic: string, logEnd: number) => {
    return { topic, topicId: NO_TOPIC_ID, partition: 0, logStart: 0, logEnd };
  };
  const compared = async (...partitions: ReturnType<typeof log>[]) => {
    const ask = async () => [{ agentId: 'plant-7', partitions }];
    const { kafka } = await withKafka(lake.options.config, verified, ask);
    return kafka.map(({ partition, standing, offsets }) => `${partition} ${standing} ${offsets ?? '-'}`);
  };
  assert.deepEqual(await compared(log('orders', 3), log('returns', 7)), [
    'orders-0 equal 0',
    'returns-0 behind 5',
  ]);
  assert.deepEqual(await compared(log('orders', 3)), ['orders-0 equal 0', 'returns-0 unseen -']);
  const config = { ...lake.options.config, tables: [{ ...union, topics: [...topics, 'swaps'] }] };
  const { kafka } = await withKafka(config, verified, async () => []);
  assert.deepEqual(
    kafka.map(({ partition, standing }) => `${partition} ${standing}`),
    ['orders-0 unseen', 'returns-0 unseen', 'swaps unseen'],
    'one of which nothing is known yet',
  );
});

test('a replay takes a record of the topic that it is of, once, and leaves its twin in the other', async () => {
  const store = fakeObjectStore();
  const table: TableConfig = { ...wrong, topics };
  const lake = await createWrittenLake(transformer, store, [table]);
  await lake.writeAll('claims', [
    { topic: 'orders', values: ['{"n":1.5}', '{"n":1}', '{"n":2.5}'] },
    { topic: 'returns', values: ['{"n":3.5}', 'not JSON', '{"n":4.5}'] },
  ]);
  const now: TableConfig = { ...corrected, topics };
  const offsets = { topic: 'returns', partition: 0, first: 0, last: 1 };
  const one = await replayOn({ lake, store }, now, { selection: { ...everything, offsets } });
  assert.deepEqual([one.run, one.taken.emitted, one.failed], [2, 1, { JSON_INVALID: 1 }]);
  const all = await replayOn({ lake, store }, now);
  assert.deepEqual([all.run, all.taken.emitted, all.earlier, all.impossible], [4, 3, 1, {}]);
  assert.deepEqual(await rowsOf({ lake, store }, now, 'SELECT _topic, _offset, n FROM claims ORDER BY ALL'), [
    ['orders', '0', '1.5'],
    ['orders', '1', '1'],
    ['orders', '2', '2.5'],
    ['returns', '0', '3.5'],
    ['returns', '2', '4.5'],
  ]);
  const entries = [...store.objects]
    .filter(([key]) => key.startsWith('_sluice/ledger/'))
    .map(([, bytes]) => JSON.parse(bytes.toString()) as ReplayEntry)
    .filter(({ kind }) => kind === 'replay');
  const taken = entries.map(({ replayed }) =>
    replayed.flatMap(({ ranges }) => ranges.map((r) => `${r.topic} [${r.start}, ${r.next})`)),
  );
  assert.deepEqual(taken, [['returns [0, 1)'], ['orders [0, 3)', 'returns [2, 3)']]);
  const options = { ...lake.options, config: { tables: [now] } as never };
  assert.deepEqual((await verify(options, 'deep')).findings, []);
});

/** Rows of `wrongDay`, of both topics. */
const parts = [
  { topic: 'orders', values: [value(0, 'a'), value(1, 'a', 'c')] },
  { topic: 'returns', values: [value(2.5, 'b'), value(3, 'a', 'c')] },
];

/** They are as `rightDay` makes them, and the lake is sound. */
async function assertBothRight(
  { lake, store }: Parameters<typeof seenBy>[0],
  [now, ...raws]: readonly [TableConfig, ...TableConfig[]],
): Promise<void> {
  const select = 'SELECT _topic, _offset, n, day FROM claims ORDER BY ALL';
  assert.deepEqual(await seenBy({ lake, store }, select, now), [
    'orders 0 0 a',
    'orders 1 1 c',
    'returns 0 2.5 b',
    'returns 1 3 c',
  ]);
  const config = { tables: [now, ...raws] } as never;
  assert.deepEqual((await verify({ ...lake.options, config }, 'deep')).findings, []);
}

test('a rebuild makes the records of both topics again from a raw table of both', async () => {
  const store = fakeObjectStore();
  const [before, raw] = [
    { ...wrongDay, topics },
    { ...rawTable, topics },
  ];
  const lake = await createWrittenLake(transformer, store, [before, raw]);
  for (const name of ['claims', 'claims_raw']) await lake.writeAll(name, parts);
  const now: TableConfig = { ...rightDay, topics };
  await assert.rejects(rebuildOn({ lake, store }, now, { tables: [now, { ...rawTable, topic: 'orders' }] }), {
    code: 'REBUILD_NO_SOURCE',
    place: 'claims',
    message: 'the config has no table of format bytes for the topic returns',
    remedy: /Give each topic that is named a raw table in this lake/,
  });
  const rebuilt = await rebuildOn({ lake, store }, now, { tables: [now, raw] });
  assert.deepEqual(rebuilt.after, { in: 4, emitted: 4, merged: 0, filtered: 0, quarantined: 0 });
  await assertBothRight({ lake, store }, [now, raw]);
});

test('a rebuild makes the records of both topics again from two raw tables, of one topic each', async () => {
  const store = fakeObjectStore();
  const raws = topics.map((topic) => {
    const { topics: _, ...plain } = { topics: [], ...rawTable };
    return { ...plain, name: `${topic}_raw`, location: `${topic}_raw`, topic } as TableConfig;
  });
  const lake = await createWrittenLake(transformer, store, [{ ...wrongDay, topics }, ...raws]);
  await lake.writeAll('claims', parts);
  const now: TableConfig = { ...rightDay, topics };
  const again = (tables: readonly TableConfig[] = raws, change: object = {}) =>
    rebuildOn({ lake, store }, now, { tables: [now, ...tables], ...change });
  for (const part of parts)
    await lake.writeAll(`${part.topic}_raw`, [{ ...part, values: [part.values[0] ?? ''] }]);
  assert.equal((await again()).notYet, 1, 'while one of them is not as far');
  for (const part of parts)
    await lake.writeAll(`${part.topic}_raw`, [{ ...part, values: [part.values[1] ?? ''] }]);
  await assert.rejects(again(raws, { source: 'orders_raw' }), {
    code: 'REBUILD_NO_SOURCE',
    message: 'the config has no table orders_raw of format bytes for the topic returns',
  });
  const [one, other] = raws;
  assert.ok(one && other);
  await assert.rejects(again([one, { ...other, provenance: 'position' }]), {
    message: /for the topic returns; returns_raw has not provenance full/,
  });
  const rebuilt = await again();
  assert.equal(rebuilt.source, 'raw tables orders_raw, returns_raw');
  assert.deepEqual(rebuilt.after, { in: 4, emitted: 4, merged: 0, filtered: 0, quarantined: 0 });
  await assertBothRight({ lake, store }, [now, ...raws]);
});

test('what came of another topic is not run again as if it were of the only one that a table has now', async () => {
  const store = fakeObjectStore();
  const raw = { ...rawTable, topics };
  const lake = await createWrittenLake(transformer, store, [{ ...wrongDay, topics }, raw]);
  const parts = topics.map((topic) => ({ topic, values: [value(0.5, 'a')] }));
  for (const name of ['claims', 'claims_raw']) await lake.writeAll(name, parts);
  const now: TableConfig = { ...rightDay, topic: 'orders' };
  await assert.rejects(rebuildOn({ lake, store }, now, { tables: [now, raw] }), {
    code: 'REBUILD_REFUSED',
    message: /windows have records of topic returns, and the table is of topic orders/,
  });
  const replayed = await replayOn({ lake, store }, now);
  assert.deepEqual([replayed.run, replayed.impossible], [1, { TOPIC_OTHER: 1 }]);
});
