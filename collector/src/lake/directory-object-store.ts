// The object store as a directory: objects are files, created whole by a temporary file and link(2), which
// fails where the name exists. Files and the directories that name them are synced before anything is said to
// stand.
import { copyFile, link, mkdir, open, readdir, readFile, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { messageOf, SluiceError } from '@sluice/shared/errors.ts';
import { sha256OfFile } from '@sluice/shared/file-hash.ts';
import { systemRandom } from '@sluice/shared/random.ts';
import type { ObjectStore } from '../contracts.ts';
import { folderOf } from './object-keys.ts';

export function createDirectoryObjectStore(directory: string): ObjectStore {
  const root = resolve(directory);
  const pathOf = (key: string) => join(root, ...key.split('/'));
  const temporary = () => join(root, '_sluice', 'tmp', systemRandom.hex(8));

  async function writeTemporary(body: Uint8Array): Promise<string> {
    const path = temporary();
    await makeDirectory(dirname(path));
    const file = await open(path, 'wx', 0o640);
    try {
      await file.writeFile(body);
      await file.sync();
    } finally {
      await file.close();
    }
    return path;
  }

  /** false where the target exists; its name is durable then too, whoever made it. */
  async function linkDurably(from: string, to: string): Promise<boolean> {
    await makeDirectory(dirname(to));
    let linked = true;
    try {
      await link(from, to);
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error;
      linked = false;
    }
    await syncDirectory(dirname(to));
    return linked;
  }

  return {
    url: (key) => pathOf(key),
    createIfAbsent: (key, body) =>
      named(key, async () => {
        const path = await writeTemporary(body);
        try {
          return (await linkDurably(path, pathOf(key))) ? 'created' : 'exists';
        } finally {
          await rm(path, { force: true });
        }
      }),
    put: (key, body) =>
      named(key, async () => {
        const path = await writeTemporary(body);
        await makeDirectory(dirname(pathOf(key)));
        await rename(path, pathOf(key));
        await syncDirectory(dirname(pathOf(key)));
      }),
    read: (key) => named(key, () => ifPresent(readFile(pathOf(key)))),
    head: (key) =>
      named(key, async () => {
        const found = await ifPresent(stat(pathOf(key)));
        return found === undefined
          ? undefined
          : { bytes: found.size, sha256: await sha256OfFile(pathOf(key)) };
      }),
    list: (prefix, startAfter) => listFiles(root, prefix, startAfter),
    stage: (path, key) =>
      named(key, async () => {
        const target = pathOf(key);
        await makeDirectory(dirname(target));
        await copyFile(path, target);
        const file = await open(target, 'r');
        await file.sync().finally(() => file.close());
        await syncDirectory(dirname(target));
      }),
    publish: (stagedKey, finalKey, expected) =>
      named(finalKey, async () => {
        const target = pathOf(finalKey);
        try {
          const staged = await stat(pathOf(stagedKey));
          if (staged.size !== expected.bytes)
            throw new SluiceError('STORE_STAGED_MISSING', `${stagedKey} has ${staged.size} bytes`, {
              place: finalKey,
            });
          if (await linkDurably(pathOf(stagedKey), target)) return;
        } catch (error) {
          if (!hasCode(error, 'ENOENT')) throw error;
        }
        const found = await ifPresent(stat(target));
        if (found === undefined)
          throw new SluiceError('STORE_STAGED_MISSING', `${stagedKey} is gone`, { place: finalKey });
        if (found.size !== expected.bytes || (await sha256OfFile(target)) !== expected.sha256)
          throw new SluiceError('STORE_OBJECT_CONFLICT', 'other bytes stand there', { place: finalKey });
      }),
    async remove(keys) {
      for (const key of keys) await named(key, () => rm(pathOf(key), { force: true }));
      const directories = new Set(keys.map((key) => dirname(pathOf(key))));
      for (const emptied of directories) if (emptied !== root) await rmdir(emptied).catch(() => {});
    },
    async probe() {
      const key = `_sluice/tmp/probe-${systemRandom.hex(8)}`;
      await this.createIfAbsent(key, Buffer.from('probe'));
      if ((await this.createIfAbsent(key, Buffer.from('again'))) !== 'exists')
        throw new SluiceError('STORE_UNCONDITIONAL', 'link(2) replaced a file that existed', { place: root });
      await this.remove([key]);
    },
    expiring: () => Promise.resolve([]),
    close() {},
  };
}

async function* listFiles(root: string, prefix: string, startAfter = '') {
  const from = folderOf(prefix);
  const keys: string[] = [];
  for (const entry of (await ifPresent(
    readdir(join(root, from), { recursive: true, withFileTypes: true }),
  )) ?? []) {
    if (!entry.isFile()) continue;
    const key = join(entry.parentPath, entry.name)
      .slice(root.length + 1)
      .replaceAll('\\', '/');
    if (key.startsWith(prefix) && key > startAfter) keys.push(key);
  }
  for (const key of keys.sort()) {
    const found = await ifPresent(stat(join(root, key)));
    if (found !== undefined) yield { key, bytes: found.size };
  }
}

/** Makes what is missing of a path, each new name synced in its parent. */
async function makeDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) await syncDirectory(dirname(made));
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  await directory.sync().finally(() => directory.close());
}

async function ifPresent<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** Disk errors as what they mean to the caller. */
async function named<T>(key: string, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    const denied = hasCode(error, 'EACCES') || hasCode(error, 'EPERM') || hasCode(error, 'EROFS');
    const message = messageOf(error);
    throw new SluiceError(denied ? 'STORE_DENIED' : 'STORE_UNAVAILABLE', message, {
      place: key,
      cause: error,
    });
  }
}
