// Lines of joined objects are what they were, byte by byte, where the ledger will look for them, in one
// stream; what is not as the ledger has it, or would not stay what it is, is not joined.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { textJoining } from '@sluice/collector/ops/compact/joined-text.ts';
import { type JoinedFile, Joiner } from '@sluice/collector/ops/compact/joiner.ts';
import type { SmallObject } from '@sluice/collector/ops/compact/plan.ts';
import type { LakeReader } from '@sluice/collector/ops/lake-reader.ts';
import { openDatabase } from '@sluice/collector/transform/duckdb.ts';
import { fileFormat } from '@sluice/collector/transform/sql/file-format.ts';
import { eventually } from '../../../support/eventually.ts';
import { temporaryDirectory } from '../../../support/temp.ts';

const directory = temporaryDirectory();
const joinedDirectory = join(directory, 'joined');
const limits = { memoryBytesMax: 256_000_000, threads: 1, spillDirectory: directory };
const database = await openDatabase({ directories: [directory], ...limits });
after(() => database.close());

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const reader = {
  local: (key: string) => Promise.resolve(key),
  release: () => Promise.resolve(),
} as Pick<LakeReader, 'local' | 'release'> as LakeReader;

let written = 0;

/** An object with these bytes; its rows are its lines unless it is said otherwise. */
async function objectOf(bytes: Buffer, extension: string, rows?: number): Promise<SmallObject> {
  const path = join(directory, `part-${written++}.${extension}`);
  await writeFile(path, bytes);
  const lines = extension.endsWith('.gz') ? 0 : bytes.filter((byte) => byte === 10).length;
  return { entry: written, from: path, rows: rows ?? lines, bytes: bytes.length, sha256: sha256(bytes) };
}

async function joined(
  parts: readonly SmallObject[],
  { kind = 'json', objectBytes = 2 ** 20 }: { kind?: 'json' | 'csv'; objectBytes?: number } = {},
): Promise<(JoinedFile & { readonly content: Buffer })[]> {
  const options = { reader, directory: joinedDirectory, objectBytes, format: textJoining(kind) };
  const files: (JoinedFile & { readonly content: Buffer })[] = [];
  for await (const file of new Joiner(options).join(parts))
    files.push({ ...file, content: await readFile(file.path) });
  return files;
}

const text = (file: { readonly path: string; readonly content: Buffer }) =>
  file.path.endsWith('.gz') ? gunzipSync(file.content) : file.content;

const VARIED = "range AS n, NULL::VARCHAR AS nothing, 'a\"b,c\\é' || range AS t, [range, NULL] AS list";

for (const kind of ['json', 'csv'] as const)
  for (const compression of ['none', 'gzip'] as const)
    test(`objects of ${kind}, ${compression}, stand one behind the other, each as it was`, async () => {
      const { extension, options } = fileFormat({ output: { kind, compression } });
      const parts: SmallObject[] = [];
      for (const [from, rows] of [
        [0, 5],
        [5, 20_000],
        [20_005, 1],
      ] as const) {
        const path = join(directory, `made-${written++}.${extension}`);
        const range = `range(${from}, ${from + rows})`;
        await database.run(`COPY (SELECT ${VARIED} FROM ${range}) TO '${path}' (${options})`);
        const bytes = await readFile(path);
        parts.push({ entry: from, from: path, rows, bytes: bytes.length, sha256: sha256(bytes) });
      }
      const [file = assert.fail(), ...others] = await joined(parts, { kind, objectBytes: 2 ** 24 });
      assert.deepEqual([others, file.rows, file.path.endsWith(`.${extension}`)], [[], 20_006, true]);
      assert.deepEqual([file.bytes, file.sha256], [file.content.length, sha256(file.content)]);
      const whole = text(file);
      assert.equal(file.textBytes, whole.length);
      let at = 0;
      for (const [i, part] of file.parts.entries()) {
        const { from = '' } = parts[i] ?? {};
        const before = text({ path: from, content: await readFile(from) });
        const now = whole.subarray(at, at + (part.text?.bytes ?? 0));
        assert.ok(now.equals(before), 'a part is other bytes');
        assert.deepEqual([part.from, part.text?.sha256], [from, sha256(before)]);
        at += now.length;
      }
      assert.deepEqual(readdirSync(joinedDirectory), []);
    });

test('what is packed becomes one stream, which readers that stop behind the first read wholly', async () => {
  const parts: SmallObject[] = [];
  for (let n = 0; n < 50; n++) parts.push(await objectOf(gzipSync(`{"n":${n}}\n`), 'json.gz', 1));
  const [file = assert.fail()] = await joined(parts);
  const magic = Buffer.from([0x1f, 0x8b, 8]);
  assert.deepEqual([file.content.indexOf(magic), file.content.indexOf(magic, 1)], [0, -1]);
  assert.equal(text(file).toString().split('\n').length, 51);
});

test('an object of several streams is joined with all that is in it', async () => {
  const two = Buffer.concat([gzipSync('{"n":1}\n'), gzipSync('{"n":2}\n')]);
  const parts = [await objectOf(two, 'json.gz', 2), await objectOf(gzipSync('{"n":3}\n'), 'json.gz', 1)];
  const [file = assert.fail()] = await joined(parts);
  assert.equal(text(file).toString(), '{"n":1}\n{"n":2}\n{"n":3}\n');
});

test('objects of another compression, and lines of another number of fields, stay apart', async () => {
  const one = (line: string, extension: string) =>
    objectOf(extension.endsWith('gz') ? gzipSync(line) : Buffer.from(line), extension, 1);
  const files = await joined(
    [
      await one('1,"a,""b"\n', 'csv'),
      await one('1,2,3\n', 'csv'),
      await one('"",\n', 'csv'),
      await one('"1,2",3\n', 'csv.gz'),
      await one('4,5,6\n', 'csv'),
      await one('6,7\n', 'csv.gz'),
    ],
    { kind: 'csv' },
  );
  assert.deepEqual(files.map((file) => text(file).toString()).toSorted(), [
    '"1,2",3\n6,7\n',
    '1,"a,""b"\n"",\n',
    '1,2,3\n4,5,6\n',
  ]);
});

test('no object becomes larger than it may', async () => {
  const parts: SmallObject[] = [];
  for (let n = 0; n < 6; n++) parts.push(await objectOf(Buffer.from(`{"n":${n}}\n`), 'json'));
  const files = await joined(parts, { objectBytes: 17 });
  assert.deepEqual(
    files.map(({ bytes, rows }) => [bytes, rows]),
    [
      [16, 2],
      [16, 2],
      [16, 2],
    ],
  );
});

for (const [what, bytes, extension, rows, message] of [
  ['ends within a line', Buffer.from('{"n":1}\n{"n":2}'), 'json', 2, /ends within a line/],
  [
    'has other lines than rows',
    Buffer.from('{"n":1}\n'),
    'json',
    2,
    /holds 1 lines and the ledger says 2 rows/,
  ],
  ['is no text of its kind', Buffer.from('{"n":1}\n'), 'csv', 1, /is not named as json is/],
  ['cannot be unpacked', Buffer.from('{"n":1}\n'), 'json.gz', 1, /cannot be unpacked/],
  ['is empty', Buffer.from(''), 'json', 0, /has no lines/],
  ['ends early', gzipSync('{"n":1}\n').subarray(0, 20), 'json.gz', 1, /cannot be unpacked/],
] as const)
  test(`an object that ${what} keeps its partition as it is, and is named`, async () => {
    const good = extension === 'json.gz' ? gzipSync('{}\n') : Buffer.from('{}\n');
    const parts = [await objectOf(good, extension === 'csv' ? 'json' : extension, 1)];
    parts.push(await objectOf(bytes, extension, rows));
    const name = new RegExp(`part-${written - 1}.${extension} ${message.source}`);
    await assert.rejects(joined(parts), { message: name });
    assert.deepEqual(readdirSync(joinedDirectory), []);
  });

test('a file that cannot be written leaves none open of those that are read for it', async () => {
  const object = await objectOf(Buffer.from('{"n":1}\n'.repeat(50_000)), 'json');
  const opened = () => readdirSync('/proc/self/fd').length;
  const before = opened();
  const parts = Array.from({ length: 3 }, () => ({ object, path: object.from }));
  await assert.rejects(textJoining('json').joined(parts, join(directory, 'nowhere', '0.json')), {
    code: 'ENOENT',
  });
  await eventually('no more open files than before', () => opened() <= before, { deadlineMs: 5_000 });
});
