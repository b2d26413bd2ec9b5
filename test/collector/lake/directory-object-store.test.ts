// The directory as an object store: one creator per key, objects whole or absent, publishing repeatable.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createDirectoryObjectStore } from '@sluice/collector/lake/directory-object-store.ts';
import { eventually } from '../../support/eventually.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

async function staged(text: string) {
  const root = temporaryDirectory();
  const store = createDirectoryObjectStore(`${root}/lake/`);
  const path = join(root, 'local');
  writeFileSync(path, text);
  await store.stage(path, '_sluice/staged/t/w/0', sha256(text));
  return { store, path, expected: { bytes: text.length, sha256: sha256(text) } };
}

async function keysOf(store: ReturnType<typeof createDirectoryObjectStore>, prefix: string, after?: string) {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix, after)) keys.push(key);
  return keys;
}

test('of 16 creators of one key exactly one wins, and its bytes stand', async () => {
  const store = createDirectoryObjectStore(temporaryDirectory());
  for (let round = 0; round < 20; round++) {
    const replies = await Promise.all(
      Array.from({ length: 16 }, (_, i) => store.createIfAbsent(`a/b/${round}`, Buffer.from(`w${i}`))),
    );
    const winners = replies.flatMap((reply, i) => (reply === 'created' ? [`w${i}`] : []));
    assert.equal(winners.length, 1);
    assert.equal(Buffer.from((await store.read(`a/b/${round}`)) ?? []).toString(), winners[0]);
  }
});

test('listing is ascending, bounded by prefix and start, and empty where nothing is', async () => {
  const store = createDirectoryObjectStore(`${temporaryDirectory()}/`);
  for (const key of ['l/02', 'l/00', 'l/01', 'lx/00']) await store.createIfAbsent(key, Buffer.from('x'));
  assert.deepEqual(await keysOf(store, 'l/'), ['l/00', 'l/01', 'l/02']);
  assert.deepEqual(await keysOf(store, 'l/', 'l/00'), ['l/01', 'l/02']);
  assert.deepEqual(await keysOf(store, 'nothing/here/'), []);
});

test('publishing twice, and once more after the staged copy is gone, is success', async () => {
  const { store, expected } = await staged('rows');
  await store.publish('_sluice/staged/t/w/0', 't/day=1/w-0.parquet', expected);
  await store.publish('_sluice/staged/t/w/0', 't/day=1/w-0.parquet', expected);
  await store.remove(['_sluice/staged/t/w/0']);
  await store.remove(['_sluice/staged/t/w/0']);
  await store.publish('_sluice/staged/t/w/0', 't/day=1/w-0.parquet', expected);
  assert.deepEqual(await store.head('t/day=1/w-0.parquet'), expected);
  assert.deepEqual(await keysOf(store, ''), ['t/day=1/w-0.parquet']);
  assert.deepEqual(readdirSync(join(store.url('_sluice'), 'staged', 't')), [], 'no empty folders stay');
});

test('other bytes at a final key are never taken for ours, nor replaced', async () => {
  const { store, expected } = await staged('rows');
  await store.createIfAbsent('t/w-0.parquet', Buffer.from('sows'));
  await assert.rejects(store.publish('_sluice/staged/t/w/0', 't/w-0.parquet', expected), {
    code: 'STORE_OBJECT_CONFLICT',
  });
  assert.equal(Buffer.from((await store.read('t/w-0.parquet')) ?? []).toString(), 'sows');
});

test('what is neither staged nor published is named, and a staged file that was cut is not published', async () => {
  const { store, expected } = await staged('rows');
  await assert.rejects(store.publish('_sluice/staged/t/w/1', 't/w-1.parquet', expected), {
    code: 'STORE_STAGED_MISSING',
  });
  await assert.rejects(store.publish('_sluice/staged/t/w/0', 't/w-0.parquet', { ...expected, bytes: 5 }), {
    code: 'STORE_STAGED_MISSING',
  });
  assert.equal(await store.head('t/w-0.parquet'), undefined);
});

test('the probe passes and leaves nothing', async () => {
  const store = createDirectoryObjectStore(temporaryDirectory());
  await store.probe();
  assert.deepEqual(await keysOf(store, ''), []);
});

test('kill -9 while creating leaves every object whole and no number skipped', async () => {
  const root = temporaryDirectory();
  const store = createDirectoryObjectStore(root);
  const module = new URL('../../../collector/src/lake/directory-object-store.ts', import.meta.url).href;
  const program = `
    const { createDirectoryObjectStore } = await import(${JSON.stringify(module)});
    const store = createDirectoryObjectStore(${JSON.stringify(root)});
    for (let i = 0; ; i++)
      await store.createIfAbsent('led/' + String(i).padStart(8, '0'), Buffer.alloc(20_000, 65 + (i % 26)));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'ignore' });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  await eventually('twenty objects', async () => (await keysOf(store, 'led/')).length >= 20, { everyMs: 5 });
  child.kill('SIGKILL');
  await gone;
  const keys = await keysOf(store, 'led/');
  for (const [i, key] of keys.entries()) {
    assert.equal(key, `led/${String(i).padStart(8, '0')}`);
    assert.deepEqual(Buffer.from((await store.read(key)) ?? []), Buffer.alloc(20_000, 65 + (i % 26)));
  }
});
