// Whoever goes back a version meets what a newer one wrote: each format that outlives a process is refused by
// its own code, which says how to go on, and what is refused is left as it was.
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertFormats } from '@sluice/agent/spool/inspect-spool.ts';
import { openSpoolFile, SPOOL_FORMAT } from '@sluice/agent/spool/sqlite-file.ts';
import { createFileCatalog } from '@sluice/collector/catalog/file-catalog.ts';
import { checkpointKey, hintKey, ledgerKey, schemaKey } from '@sluice/collector/lake/object-keys.ts';
import { openLedger } from '@sluice/collector/ledger/ledger.ts';
import { openSchemaLog } from '@sluice/collector/schema/schema-log.ts';
import { type ErrorCode, SluiceError } from '@sluice/shared/errors.ts';
import { assertKnownFormat } from '@sluice/shared/stored-format.ts';
import Database from 'better-sqlite3';
import { goldenTopic } from '../agent/spool/golden-segments.ts';
import { goldenDefinition, goldenPartition, goldenSchema } from '../collector/golden-lake.ts';
import { type FakeObjectStore, fakeObjectStore } from '../support/fake-object-store.ts';
import { claims, windowOf, writerOn } from '../support/lake-fixture.ts';
import { manualClock } from '../support/manual-clock.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { temporaryDirectory } from '../support/temp.ts';

interface LakeForm {
  readonly what: string;
  readonly key: string;
  readonly code: ErrorCode;
  readonly remedy: RegExp;
  /** The newest that this version knows; 1 where it is not said. */
  readonly known?: number;
  /** By whoever reads it first, which then goes on to write. */
  read(store: FakeObjectStore): Promise<unknown>;
}

/** Beside the one of the writer. */
const CATALOG = '_sluice/catalog/other/';
const ledgerOn = (store: FakeObjectStore) =>
  openLedger({ table: 'claims', store, writerId: 'w', clock: manualClock(), random: seededRandom(1) });
const upgrade = /^Upgrade this collector again.*Nothing was changed/;

const LAKE_FORMS: readonly LakeForm[] = [
  {
    ...{ what: 'an entry of the ledger', key: ledgerKey('claims', 1), code: 'LEDGER_FORMAT_NEWER', known: 2 },
    ...{ remedy: upgrade, read: (store) => writerOn(store).load() },
  },
  {
    ...{ what: 'a checkpoint', key: checkpointKey('claims', 1), code: 'LEDGER_FORMAT_NEWER', known: 2 },
    ...{
      remedy: upgrade,
      read: (store) => writerOn(store, undefined, undefined, { checkpointEvery: 2 }).load(),
    },
  },
  {
    ...{ what: 'a detected schema', key: schemaKey('claims', 1), code: 'DETECTED_SCHEMA_NEWER' },
    ...{ remedy: upgrade, read: (store) => openSchemaLog('claims', store).newest() },
  },
  {
    ...{
      what: 'a table of the catalog in files',
      key: `${CATALOG}claims.json`,
      code: 'CATALOG_FORMAT_NEWER',
    },
    ...{ remedy: upgrade, read: (store) => createFileCatalog('other', store).ensureTable(goldenDefinition) },
  },
  {
    ...{
      what: 'a partition of it',
      key: `${CATALOG}claims/MjAyNi0wNy0wMQ.json`,
      code: 'CATALOG_FORMAT_NEWER',
    },
    ...{ remedy: upgrade, read: (store) => createFileCatalog('other', store).partitions('claims') },
  },
];

async function wholeLake(): Promise<FakeObjectStore> {
  const store = fakeObjectStore();
  const writer = writerOn(store, undefined, undefined, { checkpointEvery: 2 });
  await writer.load();
  await writer.open([{ ...claims, leaderEpoch: 0, start: 0, why: 'test' }]);
  await writer.commitWindow(windowOf(0, 5));
  await openSchemaLog('claims', store).create(goldenSchema, { writer: 'w', atMs: 0 });
  const catalog = createFileCatalog('other', store);
  await catalog.ensureTable(goldenDefinition);
  await catalog.registerPartitions(goldenDefinition, [goldenPartition]);
  return store;
}

function madeNewer(store: FakeObjectStore, key: string, format: number): void {
  const document = JSON.parse(String(store.objects.get(key) ?? assert.fail(key))) as { format: number };
  assert.equal(document.format, 1);
  store.objects.set(key, Buffer.from(JSON.stringify({ ...document, format, more: 'than is known' })));
}

for (const { what, key, code, remedy, known = 1, read } of LAKE_FORMS)
  test(`${what} of a newer format is refused by its code, and nothing is changed`, async () => {
    const store = await wholeLake();
    madeNewer(store, key, known + 1);
    const before = new Map(store.objects);
    await assert.rejects(read(store), (error) => {
      assert.ok(error instanceof SluiceError, String(error));
      assert.equal(error.code, code);
      assert.ok(error.message.endsWith(`format ${known + 1}, this collector knows ${known}`), error.message);
      assert.match(error.remedy, remedy);
      assert.equal(error.place, key);
      return true;
    });
    assert.deepEqual(store.objects, before);
  });

test('a hint of a newer format hints at nothing: the ledger is read without it', async () => {
  const store = await wholeLake();
  const expected = (await ledgerOn(store)).fold;
  store.objects.set(
    hintKey('claims'),
    Buffer.from('{"format":2,"table":"claims","last":900,"checkpoint":899}'),
  );
  const before = new Map(store.objects);
  assert.deepEqual((await ledgerOn(store)).fold, expected);
  assert.deepEqual(store.objects, before);
});

test('a spool file of a newer format is refused by its code, with both ways on, and not a byte of it is changed', () => {
  const directory = temporaryDirectory();
  const home = join(directory, 'spool', encodeURIComponent(goldenTopic));
  mkdirSync(home, { recursive: true });
  const path = join(home, '00000000000000000007.db');
  copyFileSync(new URL('../golden/spool/format-1.db', import.meta.url), path);
  const database = new Database(path);
  database.pragma('journal_mode = DELETE');
  database.pragma(`user_version = ${SPOOL_FORMAT + 1}`);
  database.close();
  const before = readFileSync(path);
  const refused = (error: unknown) => {
    assert.ok(error instanceof SluiceError);
    assert.deepEqual([error.code, error.place], ['SPOOL_FORMAT_NEWER', path]);
    assert.match(error.message, /format 2, this agent knows 1/);
    assert.match(error.remedy, /^Upgrade the agent again, or run `sluice-agent spool reset`/);
    return true;
  };
  assert.throws(() => assertFormats(directory), refused);
  assert.throws(() => openSpoolFile(path, goldenTopic), refused);
  assert.deepEqual(readFileSync(path), before);
});

test('what says no format is of the first, and of a known one nothing is said', () => {
  const known = { format: 2, code: 'LEDGER_FORMAT_NEWER', what: 'it', reader: 'this collector' } as const;
  for (const found of [undefined, 1, 2, 'two', null]) assertKnownFormat(found, known, 'here');
  assert.throws(() => assertKnownFormat(3, known, 'here'), { code: 'LEDGER_FORMAT_NEWER', place: 'here' });
});
