// Reference files on S3: a copy is what S3 had a few seconds ago at most, its bytes come only where they are
// others, and a file that is missing, too large or not to be had is told by its name.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createS3References } from '@sluice/collector/lake/s3-references.ts';
import { manualClock } from '../../support/manual-clock.ts';
import { startS3Files } from '../../support/s3-files.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const SHOPS = 's3://acme/reference/all shops.csv';

async function references(t: TestContext) {
  const s3 = await startS3Files(t);
  const clock = manualClock();
  const directory = join(temporaryDirectory(), 'references');
  const source = createS3References({ region: 'us-east-1', endpoint: s3.endpoint, directory, clock });
  t.after(() => source.close());
  const put = (text: string | Buffer) => s3.objects.set('/acme/reference/all shops.csv', Buffer.from(text));
  const text = async () => readFileSync(await source.copyOf(SHOPS), 'utf8');
  return { s3, clock, directory, source, put, text };
}

const statuses = (s3: { readonly asked: readonly (readonly [string, number])[] }) =>
  s3.asked.map(([, status]) => status);

test('S3 is asked at most every ten seconds, and gives the bytes only where they are others', async (t) => {
  const { s3, clock, put, text } = await references(t);
  put('one');
  assert.deepEqual(await Promise.all([text(), text()]), ['one', 'one']);
  put('two');
  await clock.advance(9_000);
  assert.equal(await text(), 'one');
  assert.deepEqual(statuses(s3), [200]);
  await clock.advance(1_000);
  assert.equal(await text(), 'two');
  await clock.advance(10_000);
  assert.equal(await text(), 'two');
  assert.deepEqual(statuses(s3), [200, 200, 304]);
  assert.equal(s3.asked[0]?.[0], '/acme/reference/all shops.csv');
});

test('a file that is not there is unusable until it is, and one that goes is missed', async (t) => {
  const { s3, clock, put, text } = await references(t);
  const missing = { code: 'REFERENCE_UNUSABLE', place: SHOPS, message: /it is not there/ };
  await assert.rejects(text(), missing);
  put('one');
  assert.equal(await text(), 'one');
  s3.objects.clear();
  await clock.advance(10_000);
  await assert.rejects(text(), missing);
  put('one');
  assert.equal(await text(), 'one');
});

test('a file that is too large is refused before its bytes come, whatever it says of its length', async (t) => {
  const { s3, source, directory } = await references(t);
  const much = 64 * 2 ** 20 + 1;
  s3.fault = (response) => void response.writeHead(200, { 'content-length': much }).flushHeaders();
  await assert.rejects(source.copyOf(SHOPS), {
    code: 'REFERENCE_UNUSABLE',
    place: SHOPS,
    message: /67108865 bytes/,
  });
  s3.fault = (response) => {
    response.writeHead(200);
    for (let sent = 0; sent <= much; sent += 2 ** 20) response.write(Buffer.alloc(2 ** 20));
    response.end();
  };
  await assert.rejects(source.copyOf(SHOPS), {
    code: 'REFERENCE_UNUSABLE',
    message: /more than 67108864 bytes/,
  });
  assert.deepEqual(readdirSync(directory), []);
});

test('what cannot be had is the store’s fault, and what breaks off leaves the copy that was', async (t) => {
  const { s3, clock, source, directory, put, text } = await references(t);
  put('one');
  const path = await source.copyOf(SHOPS);
  await clock.advance(10_000);
  for (const [fault, code] of [
    [(response) => void response.writeHead(403).end(), 'STORE_DENIED'],
    [
      (response) => {
        response.writeHead(200, { 'content-length': 100 });
        response.write('half', () => response.destroy());
      },
      'STORE_UNAVAILABLE',
    ],
  ] as readonly [NonNullable<typeof s3.fault>, string][]) {
    s3.fault = fault;
    await assert.rejects(text(), { code, place: SHOPS });
  }
  assert.equal(readFileSync(path, 'utf8'), 'one');
  assert.equal(readdirSync(directory).length, 1);
  s3.fault = undefined;
  rmSync(path);
  assert.equal(await text(), 'one');
});

test('a store that does not answer is given up in time', async (t) => {
  const { s3, clock, source } = await references(t);
  let heard = () => {};
  const asked = new Promise<void>((resolve) => {
    heard = resolve;
  });
  s3.fault = () => heard();
  const failed = assert.rejects(source.copyOf(SHOPS), {
    code: 'STORE_UNAVAILABLE',
    place: SHOPS,
    message: /no answer in 30 s/,
  });
  await asked;
  await clock.advance(30_000);
  await failed;
});

test('copies of an earlier run are gone', async (t) => {
  const s3 = await startS3Files(t);
  const directory = join(temporaryDirectory(), 'references');
  mkdirSync(directory);
  writeFileSync(join(directory, 'old.csv'), 'old');
  s3.objects.set('/acme/a.csv', Buffer.from('a'));
  const source = createS3References({
    region: 'us-east-1',
    endpoint: s3.endpoint,
    directory,
    clock: manualClock(),
  });
  t.after(() => source.close());
  assert.match(await source.copyOf('s3://acme/a.csv'), /\.csv$/);
  assert.ok(!existsSync(join(directory, 'old.csv')));
});
