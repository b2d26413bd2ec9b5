// A compaction of JSON lines and CSV changes which objects hold lines, and no line: each is seen once, is
// still its entry's, and what is wrong with one, or with the entry that joined it, is found.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { OutputFormat, SwapEntry, TableConfig } from '@sluice/collector/contracts.ts';
import { createDirectoryObjectStore } from '@sluice/collector/lake/directory-object-store.ts';
import { LakeReader } from '@sluice/collector/ops/lake-reader.ts';
import { ObjectCopies } from '@sluice/collector/ops/verify/object-copies.ts';
import { verify } from '@sluice/collector/ops/verify/verify.ts';
import {
  assertFates,
  compactOn,
  dailyRaw,
  manyWindows,
  rowsOf,
  writeWindow,
} from '../../../support/compacted-lake.ts';
import type { FakeObjectStore } from '../../../support/fake-object-store.ts';
import type { ManualClock } from '../../../support/manual-clock.ts';
import {
  findingsOf,
  type RebuiltLake,
  rebuildOn,
  rightDay,
  seenBy,
  swapsOf,
} from '../../../support/rebuilt-lake.ts';
import { temporaryDirectory } from '../../../support/temp.ts';

const OUTPUTS: readonly OutputFormat[] = [
  { kind: 'json', compression: 'gzip' },
  { kind: 'json', compression: 'none' },
  { kind: 'csv', compression: 'gzip' },
  { kind: 'csv', compression: 'none' },
];
const as = (output: OutputFormat): TableConfig => ({ ...rightDay, output });
const [packed = rightDay] = OUTPUTS.map(as);
const select = 'SELECT _offset, day FROM claims ORDER BY _offset::BIGINT, day';
const seen = (lake: RebuiltLake, table: TableConfig) => seenBy(lake, select, table);
const joinedKeys = ({ store }: RebuiltLake) =>
  [...store.objects.keys()].filter((key) => key.startsWith('claims.rebuilt/'));

async function goOn({ lake }: RebuiltLake): Promise<void> {
  const writer = lake.writerOf('claims');
  await writer.refresh();
  await writer.flushPublished();
}

for (const output of OUTPUTS)
  test(`small objects of ${output.kind}, ${output.compression}, become one in each partition, and again`, async () => {
    const table = as(output);
    const lake = await manyWindows(6, table);
    const { joined, made, skipped } = await compactOn(lake, table);
    assert.deepEqual([joined.objects, made.objects, skipped], [12, 2, []]);
    const extension = `.${output.kind}${output.compression === 'gzip' ? '.gz' : ''}`;
    assert.ok(joinedKeys(lake).every((key) => key.endsWith(extension)));
    assert.deepEqual(await seen(lake, table), rowsOf(6));
    assert.deepEqual(await findingsOf(lake, 'deep', table), []);
    await goOn(lake);
    for (const n of [6, 7, 8]) await writeWindow(lake, n);
    assert.equal((await compactOn(lake, table)).joined.objects, 8);
    assert.deepEqual(await seen(lake, table), rowsOf(9));
    const config = { tables: [table, dailyRaw] } as never;
    const { findings, tables } = await verify({ ...lake.lake.options, config }, 'deep');
    assert.deepEqual([findings, tables[0]?.offsetsRead, tables[0]?.objects], [[], 27, 11]);
  });

for (const output of OUTPUTS.slice(0, 2))
  test(`in a lake that is a directory ${output.compression} is joined the same, and all of it stays there`, async () => {
    const table = as(output);
    const root = temporaryDirectory();
    const lake = await manyWindows(5, table, createDirectoryObjectStore(root) as FakeObjectStore);
    await compactOn(lake, table);
    assert.deepEqual(await seen(lake, table), rowsOf(5));
    const files = readdirSync(root, { recursive: true });
    assert.deepEqual(await findingsOf(lake, 'deep', table), []);
    assert.deepEqual(readdirSync(root, { recursive: true }), files);
  });

test('what was written before the compression was another stays apart from what was written since', async () => {
  const [, plain = rightDay] = OUTPUTS.map(as);
  const lake = await manyWindows(4, plain);
  const since: RebuiltLake = { ...lake, lake: (await manyWindows(0, packed, lake.store)).lake };
  for (const n of [4, 5]) await writeWindow(since, n);
  const { joined, made } = await compactOn(since, packed);
  assert.deepEqual([joined.objects, made.objects], [12, 4]);
  assert.deepEqual(await seen(since, packed), rowsOf(6));
  assert.deepEqual(await findingsOf(since, 'deep', packed), []);
});

test('one offset is told with the joined object that holds it, and no copy is left behind', async () => {
  const lake = await manyWindows(5, packed);
  await compactOn(lake, packed);
  const scratch = temporaryDirectory();
  const { store } = lake;
  const options = {
    ...{ ...lake.lake.options, config: { tables: [packed] } as never },
    reader: new LakeReader({ ...lake.lake.readerOptions, store, scratch }),
    directories: [...lake.lake.options.directories, scratch],
  };
  await assertFates(options, /^claims\.rebuilt\/.*\.json\.gz$/);
  await verify(options, 'deep');
  const left = readdirSync(scratch, { recursive: true, withFileTypes: true });
  assert.deepEqual(
    left.filter((entry) => entry.isFile()).map(({ name }) => name),
    [],
  );
});

test('a joined object of lines is asked for once and fetched once, however many windows have lines in it', async () => {
  const lake = await manyWindows(12, packed);
  await compactOn(lake, packed);
  const asked: string[] = [];
  lake.store.faults = (op, key) => {
    if ((op === 'head' || op === 'read') && key.startsWith('claims.rebuilt/')) asked.push(`${op} ${key}`);
    return undefined;
  };
  assert.deepEqual(await findingsOf(lake, 'deep', packed), []);
  const once = joinedKeys(lake).flatMap((key) => [`head ${key}`, `read ${key}`]);
  assert.deepEqual(asked.toSorted(), once.toSorted());
});

test('unpacked text counts as a local copy, which is given up where there is more than is kept', async () => {
  const lake = await manyWindows(5, packed);
  await compactOn(lake, packed);
  const { store } = lake;
  const scratch = temporaryDirectory();
  const reader = new LakeReader({ ...lake.lake.readerOptions, store, scratch });
  const reads: string[] = [];
  store.faults = (op, key) => {
    if (op === 'read') reads.push(key);
    return undefined;
  };
  const [one = '', two = ''] = joinedKeys(lake);
  const of = gunzipSync(store.objects.get(one) ?? assert.fail()).length;
  const copies = new ObjectCopies(reader, 10 + of + 15);
  const text = { first: 0, bytes: of, sha256: '', of };
  const asked = (finalKey: string) => ({ finalKey, bytes: 10, joined: { first: 0, rows: 1, text } });
  for (const key of [one, two, two, one]) {
    assert.ok((await copies.local(asked(key))) !== undefined);
    await copies.release(asked(key));
  }
  assert.deepEqual(reads, [one, two, one]);
});

test('a window that is made again takes its lines out of a joined object, with all that has lines in it', async () => {
  const lake = await manyWindows(5, packed);
  await compactOn(lake, packed);
  const tables = [packed, dailyRaw];
  const { windows } = await rebuildOn(lake, packed, { tables });
  assert.equal(windows, 5);
  assert.deepEqual(await seen(lake, packed), rowsOf(5));
  assert.deepEqual(await findingsOf(lake, 'deep', packed), []);
});

test('a joined object that a rebuild takes along is joined again, and its lines are still those of its windows', async () => {
  const lake = await manyWindows(5, packed);
  await compactOn(lake, packed);
  await goOn(lake);
  const { clock } = lake.lake.readerOptions;
  const fromMs = clock.wallMs() + 1;
  await (clock as ManualClock).advance(1_000);
  for (const n of [5, 6, 7]) await writeWindow(lake, n);
  const { windows, carried } = await rebuildOn(lake, packed, {
    tables: [packed, dailyRaw],
    time: { fromMs, toMs: undefined },
  });
  assert.deepEqual([windows, carried >= 2], [3, true]);
  assert.deepEqual(await findingsOf(lake, 'deep', packed), []);
  await goOn(lake);
  const { joined, made } = await compactOn(lake, packed);
  assert.deepEqual([joined.objects, made.objects], [8, 2]);
  assert.deepEqual(await seen(lake, packed), rowsOf(8));
  assert.deepEqual(await findingsOf(lake, 'deep', packed), []);
});

type Joined = NonNullable<SwapEntry['moves'][number]['joined']>[number];

/** A lake whose last entry joined, changed by a hand. */
async function altered(change: (object: Joined, key: string) => Joined, before = (_lake: RebuiltLake) => {}) {
  const lake = await manyWindows(6, packed);
  await compactOn(lake, packed);
  before(lake);
  const isSwap = ([key, bytes]: [string, Buffer]) =>
    key.startsWith('_sluice/ledger/claims/') && JSON.parse(String(bytes)).kind === 'swap';
  const [key] = [...lake.store.objects].find(isSwap) ?? assert.fail();
  for (const at of [...lake.store.objects.keys()])
    if (at.startsWith('_sluice/ledger/claims/') && at > key) lake.store.objects.delete(at);
  lake.store.objects.delete('_sluice/hints/claims.json');
  const [swap = assert.fail()] = swapsOf(lake);
  const moves = swap.moves.map(({ joined = [], ...move }) => {
    return { ...move, joined: joined.map((object) => change(object, `${move.to}${object.name}`)) };
  });
  lake.store.objects.set(key, Buffer.from(JSON.stringify({ ...swap, moves })));
  return findingsOf(lake, 'deep', packed);
}

test('an entry that joins lines as it was is no finding', async () => {
  assert.deepEqual(await altered((object) => object), []);
});

test('lines that are not those that were joined there are found, also where the object is as it was', async () => {
  const other = createHash('sha256').update('other').digest('hex');
  const found = await altered((object) => ({
    ...object,
    parts: object.parts.map((part, i) =>
      i === 2 && part.text ? { ...part, text: { ...part.text, sha256: other } } : part,
    ),
  }));
  assert.equal(found.length, 2);
  for (const one of found)
    assert.match(
      one,
      /^SWAP_UNFOUNDED claims\.rebuilt.*: from byte \d+ on \d+ bytes of its text have SHA-256/,
    );
});

test('lines behind those of all parts are found, which readers see as well', async () => {
  const told = { key: '', bytes: 0, sha256: '' };
  const found = await altered(
    (object, key) => (key === told.key ? { ...object, bytes: told.bytes, sha256: told.sha256 } : object),
    ({ store }) => {
      const [key = ''] = [...store.objects.keys()].filter((at) => at.startsWith('claims.rebuilt/'));
      const text = gunzipSync(store.objects.get(key) ?? assert.fail());
      const more = gzipSync(Buffer.concat([text, text.subarray(0, text.indexOf(10) + 1)]));
      store.objects.set(key, more);
      Object.assign(told, {
        key,
        bytes: more.length,
        sha256: createHash('sha256').update(more).digest('hex'),
      });
    },
  );
  assert.ok(
    found.some((one) =>
      /^SWAP_UNFOUNDED .*: its text has more than the \d+ bytes that were joined$/.test(one),
    ),
    found.join('\n'),
  );
});

test('text of a part that no entry has leaves a hole, and is found', async () => {
  const found = await altered((object) => ({
    ...object,
    parts: object.parts.map((part, i) => (i === 0 ? { ...part, from: `${part.from}x` } : part)),
  }));
  const holes = found.filter((one) => /holds \d+ bytes of text, and the entries .* not one behind/.test(one));
  assert.equal(holes.length, 2);
});

test('a joined object that was replaced is found once, and its lines are not held to the entry as well', async () => {
  const lake = await manyWindows(6, packed);
  await compactOn(lake, packed);
  const [key = ''] = joinedKeys(lake);
  lake.store.objects.set(key, gzipSync('{"n":1}\n'));
  const found = await findingsOf(lake, 'deep', packed);
  assert.equal(found.filter((one) => one.startsWith(`OBJECT_REPLACED ${key}`)).length, 1);
  assert.ok(!found.some((one) => one.startsWith('SWAP_UNFOUNDED')), found.join('\n'));
});
