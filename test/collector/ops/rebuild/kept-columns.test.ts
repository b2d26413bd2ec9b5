// What a rebuild takes for a record is all of it: what a raw table did not keep at a time is refused by name,
// and never read as nothing. And what it could not publish it does not begin.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TableConfig, TransformRequest } from '@sluice/collector/contracts.ts';
import { tableDefinitions } from '@sluice/collector/ledger/publish.ts';
import { stepSchema } from '@sluice/collector/step-config.ts';
import { type FakeObjectStore, fakeObjectStore } from '../../../support/fake-object-store.ts';
import {
  findingsOf,
  rawTable,
  rebuildOn,
  rightDay,
  seenBy,
  swapsOf,
  value,
  writeBoth,
  wrongDay,
  wronglyWritten,
} from '../../../support/rebuilt-lake.ts';
import { segmentOfRecords } from '../../../support/segments.ts';
import { transformer } from '../../../support/verified-lake.ts';
import { createWrittenLake } from '../../../support/written-lake.ts';

const AFTER = ['0 a', '1 c', '2 b', '3 a', '4 b'];

for (const [what, before, lacking, last] of [
  ['keys and times', { provenance: 'position' }, '_topic, _timestamp, _key, _headers', value(1, 'b')],
  ['the bytes of what it quarantined', { quarantineRaw: 'hash' }, '_key, _headers, raw', null],
] as const)
  test(`records of a raw table that did not keep ${what} then are refused, not read without`, async () => {
    const store = fakeObjectStore();
    const then = await createWrittenLake(transformer, store, [wrongDay, { ...rawTable, ...before }]);
    await then.write('claims_raw', [value(0, 'a'), last]);
    for (const definition of Object.values(tableDefinitions(rawTable, transformer.schema(rawTable))))
      await then.catalog.growTable(definition);
    const lake = { lake: await createWrittenLake(transformer, store, [wrongDay, rawTable]), store };
    await lake.lake.write('claims_raw', [value(2, 'a'), null]);
    await lake.lake.write('claims', [value(0, 'a'), last, value(2, 'a'), null]);
    await assert.rejects(rebuildOn(lake), {
      code: 'REBUILD_SOURCE_INCOMPLETE',
      message: new RegExp(`has no ${lacking}: it was written when the table did not keep that`),
    });
    assert.equal(swapsOf(lake).length, 0);
  });

test('a raw table with headers as a map serves a table that reads none', async () => {
  const store = fakeObjectStore();
  const raw: TableConfig = { ...rawTable, record: { ...rawTable.record, headers: 'map' } };
  const headers: [string, Buffer][] = [['trace', Buffer.from('a=b, c')]];
  const record = { offset: 0, timestamp: 1, key: null, value: Buffer.from(value(0, 'a', 'c')), headers };
  const segments = [{ segment: segmentOfRecords([record]), fromOffset: 0 }];
  const withHeaders = {
    ...transformer,
    run: (request: TransformRequest) => transformer.run({ ...request, segments }),
  };
  const lake = { lake: await createWrittenLake(withHeaders, store, [wrongDay, raw]), store };
  await writeBoth(lake, value(0, 'a', 'c'));
  await rebuildOn(lake, rightDay, { tables: [rightDay, raw] });
  assert.deepEqual(await seenBy(lake), ['0 c']);
});

test('windows with rows of an output that the steps do not make any more are refused before anything is made', async () => {
  const steps = [...wrongDay.steps, stepSchema.parse({ split_rows: [{ output: 'big', when: 'n > 3' }] })];
  const lake = await wronglyWritten({ steps });
  await lake.lake.writerOf('claims').flushPublished();
  await assert.rejects(rebuildOn(lake), {
    code: 'REBUILD_REFUSED',
    message: /windows have rows of 'big', which the steps do not make any more/,
  });
  assert.deepEqual([swapsOf(lake).length, await seenBy(lake)], [0, ['0 a', '1 a', '3 a']]);
});

const tags = { name: 'tags', type: 'array<string>' };
const related = (table: TableConfig): TableConfig => ({
  ...table,
  columns: [...table.columns, tags],
  steps: [stepSchema.parse({ relationalize: ['tags'] })],
  configVersion: 'v3',
});

test('an output without partitions is refused before anything is made, though no window had rows of it', async () => {
  const store = fakeObjectStore();
  const now = related(wrongDay);
  const then = { ...now, steps: [stepSchema.parse({ filter: 'n > 5' }), ...now.steps], configVersion: 'v1' };
  const lake = { lake: await createWrittenLake(transformer, store, [then, rawTable]), store };
  await writeBoth(lake, JSON.stringify({ n: 1, day: 'a', tags: ['t1'] }));
  await assert.rejects(rebuildOn(lake, now), {
    code: 'REBUILD_REFUSED',
    message: /claims_tags has no partitions, .*`partitionBy: \[\{ ingest: day \}\]`/,
  });
  assert.equal(swapsOf(lake).length, 0);
  assert.ok(![...store.objects.keys()].some((key) => key.startsWith('claims.rebuilt')));
});

test('outputs that have some of the partition columns are made again with their table', async () => {
  const store = fakeObjectStore();
  const byDay = { kind: 'ingest', by: 'day', column: 'ingest_day' } as const;
  const both = { ...wrongDay, partitionBy: [byDay, ...wrongDay.partitionBy] };
  const [then, now] = [related(both), { ...related(both), configVersion: 'v4' }];
  const lake = { lake: await createWrittenLake(transformer, store, [then, rawTable]), store };
  const record = (n: number) => JSON.stringify({ n, day: 'a', tags: [`t${n}`] });
  await writeBoth(lake, record(1), record(2));
  const { partitions } = await rebuildOn(lake, now);
  assert.equal(partitions, 2);
  const seen = await seenBy(lake, 'SELECT _offset, value FROM claims_tags ORDER BY 1', now);
  assert.deepEqual(seen, ['0 t1', '1 t2']);
  assert.deepEqual(await seenBy(lake, 'SELECT _offset, day FROM claims ORDER BY 1', now), ['0 a', '1 a']);
});

test('a window with rows in more partitions than one entry may name writes none of them', async () => {
  const store = fakeObjectStore();
  const lake = { lake: await createWrittenLake(transformer, store, [wrongDay, rawTable]), store };
  await writeBoth(lake, value(0, 'a', 'd'), value(1, 'a', 'e'), value(2, 'a', 'f'));
  await assert.rejects(rebuildOn(lake, rightDay, { objectsMax: 2 }), {
    code: 'REBUILD_TOO_LARGE',
    message: /more than 2 partitions of window 1 into one ledger entry/,
  });
  assert.ok(![...store.objects.keys()].some((key) => key.startsWith('claims.rebuilt')));
});

test('what is committed at any look at the ledger before the entry is there once', async () => {
  for (let at = 1; ; at++) {
    const lake = await wronglyWritten();
    const looks = { left: at, isMade: false };
    const watched: FakeObjectStore = {
      ...lake.store,
      async put(...args) {
        looks.isMade = true;
        await lake.store.put(...args);
      },
      async read(key) {
        const found = await lake.store.read(key);
        const isEnd = found === undefined && /_sluice\/ledger\/claims\//.test(key);
        if (!looks.isMade || !isEnd || swapsOf(lake).length > 0 || --looks.left !== 0) return found;
        await writeBoth(lake, value(6, 'a'));
        await lake.lake.writerOf('claims').flushPublished();
        return lake.store.read(key);
      },
    };
    await rebuildOn({ ...lake, store: watched }, rightDay, {
      transformer: {
        run(request) {
          looks.isMade = false;
          return transformer.run(request);
        },
      },
    });
    if (looks.left > 0) return assert.ok(at > 2, `it looked ${at - 1} times`);
    assert.deepEqual(await seenBy(lake), [...AFTER, '6 a'], `look ${at}`);
    assert.deepEqual(await findingsOf(lake), [], `look ${at}`);
  }
});
