// The object store on an emulated S3: what the ledger and publishing rest on.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { PutBucketLifecycleConfigurationCommand, S3Client } from '@aws-sdk/client-s3';
import type { ObjectStore } from '@sluice/collector/contracts.ts';
import { createObjectStore } from '@sluice/collector/lake/open-store.ts';
import { MINISTACK_REGION, type MinistackServer, startMinistackServer } from '../support/ministack-server.ts';
import { temporaryDirectory } from '../support/temp.ts';

let server: MinistackServer;
let store: ObjectStore;
const directory = temporaryDirectory();

before(async () => {
  server = await startMinistackServer();
  await server.createBucket('lake');
  store = createObjectStore({
    store: 's3://lake/acme/',
    region: MINISTACK_REGION,
    endpoint: server.endpoint,
  });
});

after(async () => {
  store.close();
  await server.stop();
});

function localFile(name: string, body: Uint8Array) {
  const path = join(directory, name);
  writeFileSync(path, body);
  return { path, bytes: body.length, sha256: createHash('sha256').update(body).digest('hex') };
}

test('of 16 creators of one key exactly one wins, and its bytes stand', async () => {
  for (let round = 0; round < 20; round++) {
    const key = `race/${round}`;
    const replies = await Promise.all(
      Array.from({ length: 16 }, (_, i) => store.createIfAbsent(key, Buffer.from(`w${i}`))),
    );
    const winners = replies.flatMap((reply, i) => (reply === 'created' ? [`w${i}`] : []));
    assert.equal(winners.length, 1);
    assert.equal(Buffer.from((await store.read(key)) ?? []).toString(), winners[0]);
  }
});

test('publishing is repeatable, survives the loss of the staged copy, and never replaces other bytes', async () => {
  const { path, ...expected } = localFile('rows', randomBytes(100_000));
  await store.stage(path, '_sluice/staged/t/w/0.parquet', expected.sha256);
  const finalKey = 't/city=a%2Fb ü+c/w-0.parquet';
  await store.publish('_sluice/staged/t/w/0.parquet', finalKey, expected);
  await store.publish('_sluice/staged/t/w/0.parquet', finalKey, expected);
  await store.remove(['_sluice/staged/t/w/0.parquet', 'never/there']);
  await store.publish('_sluice/staged/t/w/0.parquet', finalKey, expected);
  assert.deepEqual(await store.head(finalKey), expected);
  const found = Buffer.from((await store.read(finalKey)) ?? []);
  assert.equal(createHash('sha256').update(found).digest('hex'), expected.sha256);
  await assert.rejects(store.publish('_sluice/staged/t/w/0.parquet', finalKey, { ...expected, bytes: 1 }), {
    code: 'STORE_OBJECT_CONFLICT',
  });
  await assert.rejects(store.publish('_sluice/staged/t/w/1.parquet', 't/other', expected), {
    code: 'STORE_STAGED_MISSING',
  });
});

test('a file of many megabytes arrives whole', async () => {
  const { path, ...expected } = localFile('large', randomBytes(24 * 2 ** 20));
  await store.stage(path, 'large', expected.sha256);
  assert.deepEqual(await store.head('large'), expected);
});

test('listing pages in order, without the root prefix, from where it is told', async () => {
  const keys = Array.from({ length: 1_050 }, (_, i) => `l/${String(i).padStart(6, '0')}`);
  for (let from = 0; from < keys.length; from += 50)
    await Promise.all(keys.slice(from, from + 50).map((key) => store.put(key, Buffer.from('x'))));
  const listed = async (startAfter?: string) => {
    const found: string[] = [];
    for await (const { key } of store.list('l/', startAfter)) found.push(key);
    return found;
  };
  assert.deepEqual(await listed(), keys);
  assert.deepEqual(await listed('l/001000'), keys.slice(1_001));
  await store.remove(keys);
  assert.deepEqual(await listed(), []);
});

test('what is not there is undefined, and the address is the bucket’s', async () => {
  assert.equal(await store.read('nothing'), undefined);
  assert.equal(await store.head('nothing'), undefined);
  assert.equal(store.url('claims/'), 's3://lake/acme/claims/');
  await store.probe();
});

test('lifecycle rules of the bucket are read as S3 tells them, under the lake’s own prefix', async () => {
  const kept = ['_sluice/ledger/', '_sluice/staged/'];
  assert.deepEqual(await store.expiring(kept), []);
  const remote = { region: MINISTACK_REGION, endpoint: server.endpoint, forcePathStyle: true };
  const client = new S3Client(remote);
  const expireAfter = (ID: string, Prefix: string) =>
    ({ ID, Status: 'Enabled', Filter: { Prefix }, Expiration: { Days: 1 } }) as const;
  const put = (Rules: ReturnType<typeof expireAfter>[]) =>
    client.send(
      new PutBucketLifecycleConfigurationCommand({ Bucket: 'lake', LifecycleConfiguration: { Rules } }),
    );
  await put([expireAfter('tmp', 'acme/_sluice/tmp/'), expireAfter('old', 'other/')]);
  assert.deepEqual(await store.expiring(kept), []);
  await put([expireAfter('tmp', 'acme/_sluice/tmp/'), expireAfter('all', 'acme/')]);
  assert.deepEqual(await store.expiring(kept), [
    "rule 'all' on acme/ deletes from acme/_sluice/ledger/ and acme/_sluice/staged/",
  ]);
  client.destroy();
});

test('a bucket that is missing, or an endpoint that is gone, is no empty ledger', async () => {
  const region = MINISTACK_REGION;
  const other = createObjectStore({ store: 's3://elsewhere/x', region, endpoint: server.endpoint });
  const gone = createObjectStore({ store: 's3://lake/x', region, endpoint: 'http://127.0.0.1:1' });
  for (const wrong of [other, gone]) {
    await assert.rejects(wrong.read('k'), { code: 'STORE_UNAVAILABLE' });
    await assert.rejects(wrong.list('k')[Symbol.asyncIterator]().next(), { code: 'STORE_UNAVAILABLE' });
    await assert.rejects(wrong.createIfAbsent('k', Buffer.from('x')), { code: 'STORE_UNAVAILABLE' });
    wrong.close();
  }
});
