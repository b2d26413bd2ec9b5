// `verify` knows joined objects: each is asked for and fetched once, however many windows have rows in it,
// and what is wrong with one, or with the entry that joined it, is found.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { SwapEntry } from '@sluice/collector/contracts.ts';
import { StandingObjects } from '@sluice/collector/ledger/standing-objects.ts';
import { LakeReader } from '@sluice/collector/ops/lake-reader.ts';
import { ObjectCopies } from '@sluice/collector/ops/verify/object-copies.ts';
import { ReplayAudit } from '@sluice/collector/ops/verify/replays.ts';
import { verify, verifyOffset } from '@sluice/collector/ops/verify/verify.ts';
import { copyToFiles } from '@sluice/collector/transform/copy-to-files.ts';
import { openDatabase } from '@sluice/collector/transform/duckdb.ts';
import { compactOn, dailyRaw, manyWindows } from '../../../support/compacted-lake.ts';
import { findingsOf, type RebuiltLake, rightDay } from '../../../support/rebuilt-lake.ts';
import { temporaryDirectory } from '../../../support/temp.ts';

const joinedKeys = ({ store }: RebuiltLake) =>
  [...store.objects.keys()].filter((key) => key.startsWith('claims.rebuilt/'));

async function compacted(windows = 6): Promise<RebuiltLake> {
  const lake = await manyWindows(windows);
  await compactOn(lake);
  return lake;
}

test('a joined object is asked for once and fetched once, however many windows have rows in it', async () => {
  const lake = await compacted(12);
  const asked: string[] = [];
  lake.store.faults = (op, key) => {
    if ((op === 'head' || op === 'read') && key.startsWith('claims.rebuilt/')) asked.push(`${op} ${key}`);
    return undefined;
  };
  const config = { tables: [rightDay, dailyRaw] } as never;
  const { findings } = await verify({ ...lake.lake.options, config }, 'deep');
  assert.deepEqual(findings, []);
  const once = joinedKeys(lake).flatMap((key) => [`head ${key}`, `read ${key}`]);
  assert.deepEqual(asked.toSorted(), once.toSorted());
});

test('local copies of joined objects are given up where they are more than is kept, and fetched again', async () => {
  const lake = await compacted();
  const scratch = temporaryDirectory();
  const reader = new LakeReader({ ...lake.lake.readerOptions, store: lake.store, scratch });
  const reads: string[] = [];
  lake.store.faults = (op, key) => {
    if (op === 'read') reads.push(key);
    return undefined;
  };
  const [one = '', two = ''] = joinedKeys(lake);
  const copies = new ObjectCopies(reader, 150);
  const asked = (finalKey: string) => ({ finalKey, bytes: 100, joined: { first: 0, rows: 1 } });
  for (const key of [one, two, two, one]) {
    assert.ok((await copies.local(asked(key))) !== undefined);
    await copies.release(asked(key));
  }
  assert.deepEqual(reads, [one, two, one]);
});

test('no local copy of a table is left when the next one is judged, or an offset was found', async () => {
  const lake = await compacted();
  const scratch = temporaryDirectory();
  const reader = new LakeReader({ ...lake.lake.readerOptions, store: lake.store, scratch });
  const options = {
    ...{ ...lake.lake.options, reader, config: { tables: [rightDay, dailyRaw] } as never },
    directories: [...lake.lake.options.directories, scratch],
  };
  const left = () =>
    readdirSync(scratch, { recursive: true }).filter((at) => String(at).endsWith('.parquet'));
  assert.deepEqual((await verify(options, 'deep')).findings, []);
  assert.deepEqual(left(), []);
  await verifyOffset(options, { topic: 'claims', partition: 0, offset: 0 });
  assert.deepEqual(left(), []);
});

test('a joined object that is gone, or other bytes, is found once', async () => {
  for (const [code, bytes] of [
    ['OBJECT_DELETED', undefined],
    ['OBJECT_REPLACED', Buffer.from('other')],
  ] as const) {
    const lake = await compacted();
    const [key = ''] = joinedKeys(lake);
    if (bytes === undefined) lake.store.objects.delete(key);
    else lake.store.objects.set(key, bytes);
    const found = (await findingsOf(lake, 'shallow')).filter((f) => f.startsWith(`${code} ${key}`));
    assert.equal(found.length, 1);
    if (bytes === undefined) assert.match(found[0] ?? '', /\(6 rows, /);
  }
});

/** The entry that joined, changed by a hand, as the last one of its ledger. */
const altered = async (change: (swap: SwapEntry) => SwapEntry) => alteredIn(await compacted(), change);

async function alteredIn(lake: RebuiltLake, change: (swap: SwapEntry) => SwapEntry): Promise<string[]> {
  const keys = [...lake.store.objects.keys()].filter((key) => key.startsWith('_sluice/ledger/claims/'));
  const entryAt = (key: string) => JSON.parse(String(lake.store.objects.get(key))) as SwapEntry;
  const key = keys.find((at) => entryAt(at).kind === 'swap') ?? assert.fail();
  for (const at of [...keys.filter((other) => other > key), '_sluice/hints/claims.json'])
    lake.store.objects.delete(at);
  lake.store.objects.set(key, Buffer.from(JSON.stringify(change(entryAt(key)))));
  return findingsOf(lake, 'deep');
}

test('an entry that joins as it was is no finding, also while it is the last one', async () => {
  assert.deepEqual(await altered((swap) => swap), []);
});

test('a part that is rows of another entry is found by the offsets that its rows have', async () => {
  const found = await altered((swap) => ({
    ...swap,
    moves: swap.moves.map((move) => ({
      ...move,
      joined: move.joined?.map((object) => ({ ...object, parts: object.parts.toReversed() })),
    })),
  }));
  assert.ok(
    found.some((f) => f.startsWith('OFFSET_')),
    found.join('\n'),
  );
});

test('an object that an entry forgot, and one that it names and nobody has, are found', async () => {
  const found = await altered((swap) => ({
    ...swap,
    moves: swap.moves.map((move) => ({
      ...move,
      joined: move.joined?.map((object) => ({
        ...object,
        parts: object.parts.map((part, i) => (i === 0 ? { ...part, from: `${part.from}x` } : part)),
      })),
    })),
  }));
  const unfounded = found.filter((f) => f.startsWith('SWAP_UNFOUNDED'));
  assert.equal(unfounded.filter((f) => /no swap has taken along claims\/day=/.test(f)).length, 2);
  assert.equal(unfounded.filter((f) => /it holds 6 rows, and the entries .* have 5/.test(f)).length, 2);
});

test('rows behind those of all parts are found, which readers see as well', async () => {
  const lake = await compacted();
  const key = joinedKeys(lake).find((at) => at.includes('day=a')) ?? assert.fail();
  const directory = temporaryDirectory();
  const [from, path] = [join(directory, 'from.parquet'), join(directory, 'more.parquet')];
  await writeFile(from, lake.store.objects.get(key) ?? assert.fail());
  const limits = { memoryBytesMax: 256_000_000, threads: 1, spillDirectory: directory };
  const database = await openDatabase({ directories: [directory], ...limits });
  const select = `SELECT * FROM read_parquet(['${from}', '${from}'])`;
  const [file] = await copyToFiles(database, { select, path, options: 'FORMAT parquet, COMPRESSION zstd' });
  database.close();
  lake.store.objects.set(key, await readFile(path));
  const { bytes = 0, sha256 = '' } = file ?? {};
  const found = await alteredIn(lake, (swap) => ({
    ...swap,
    moves: swap.moves.map((move) => ({
      ...move,
      joined: move.joined?.map((object) =>
        `${move.to}${object.name}` === key ? { ...object, bytes, sha256 } : object,
      ),
    })),
  }));
  assert.ok(
    found.includes(`ROWS_MISCOUNTED ${key}: it holds 7 rows and the ledger says 1`),
    found.join('\n'),
  );
});

test('a compaction asks nothing of the quarantine, however many objects that has', async () => {
  const lake = await compacted();
  const replays = new ReplayAudit();
  const reader = new LakeReader({
    ...lake.lake.readerOptions,
    store: lake.store,
    scratch: temporaryDirectory(),
  });
  const standing = new StandingObjects();
  let asked = 0;
  standing.windowOf = (entry) => {
    asked++;
    return entry;
  };
  let swaps = 0;
  for await (const entry of reader.entries('claims')) {
    if (entry.kind === 'swap' && ++swaps > 0) replays.swapped(entry, standing);
    if (entry.kind === 'commit') replays.add(entry);
  }
  assert.deepEqual([swaps, asked], [1, 0]);
});
