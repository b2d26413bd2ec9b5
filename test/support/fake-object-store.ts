// An object store in memory, with the faults that no emulator makes: a call that fails before its effect,
// after it (the reply is lost), or that never comes back because the process died there.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ObjectStore } from '@sluice/collector/contracts.ts';
import { SluiceError } from '@sluice/shared/errors.ts';

export type Operation = 'createIfAbsent' | 'put' | 'read' | 'head' | 'list' | 'stage' | 'publish' | 'remove';
export type Fault = 'fails' | 'reply lost' | 'crash' | 'crash after' | undefined;

export interface FakeObjectStore extends ObjectStore {
  readonly objects: Map<string, Buffer>;
  /** Every key that ever became visible, in order: what a listener of ObjectCreated would see. */
  readonly created: string[];
  faults: (operation: Operation, key: string) => Fault;
}

/** The process is gone: whoever waits for this call waits for ever. */
export class CrashError extends Error {}

export function fakeObjectStore(
  objects = new Map<string, Buffer>(),
  created: string[] = [],
): FakeObjectStore {
  const store = {
    objects,
    created,
    faults: (() => undefined) as FakeObjectStore['faults'],
  };
  async function call<T>(operation: Operation, key: string, effect: () => T): Promise<T> {
    const fault = store.faults(operation, key);
    if (fault === 'fails') throw new SluiceError('STORE_UNAVAILABLE', 'injected', { place: key });
    if (fault === 'crash') throw new CrashError(`${operation} ${key}`);
    const result = effect();
    if (fault === 'reply lost') throw new SluiceError('STORE_UNAVAILABLE', 'reply lost', { place: key });
    if (fault === 'crash after') throw new CrashError(`after ${operation} ${key}`);
    return result;
  }
  const set = (key: string, bytes: Buffer) => {
    if (!objects.has(key)) created.push(key);
    objects.set(key, bytes);
  };
  return Object.assign(store, {
    url: (key: string) => `memory://${key}`,
    createIfAbsent: (key: string, body: Uint8Array) =>
      call('createIfAbsent', key, () => {
        if (objects.has(key)) return 'exists' as const;
        set(key, Buffer.from(body));
        return 'created' as const;
      }),
    put: (key: string, body: Uint8Array) => call('put', key, () => set(key, Buffer.from(body))),
    read: (key: string) => call('read', key, () => objects.get(key)),
    head: (key: string) =>
      call('head', key, () => {
        const bytes = objects.get(key);
        return bytes === undefined ? undefined : { bytes: bytes.length, sha256: sha256(bytes) };
      }),
    async *list(prefix: string, startAfter = '') {
      await call('list', prefix, () => {});
      for (const key of [...objects.keys()].filter((k) => k.startsWith(prefix) && k > startAfter).sort())
        yield { key, bytes: objects.get(key)?.length ?? 0 };
    },
    stage: (path: string, key: string) => call('stage', key, () => set(key, readFileSync(path))),
    publish: (stagedKey: string, finalKey: string, expected: { bytes: number; sha256: string }) =>
      call('publish', finalKey, () => {
        const standing = objects.get(finalKey);
        if (standing !== undefined) {
          if (sha256(standing) !== expected.sha256)
            throw new SluiceError('STORE_OBJECT_CONFLICT', 'other bytes', { place: finalKey });
          return;
        }
        const staged = objects.get(stagedKey);
        if (staged === undefined)
          throw new SluiceError('STORE_STAGED_MISSING', stagedKey, { place: finalKey });
        set(finalKey, staged);
      }),
    remove: (keys: readonly string[]) =>
      call('remove', keys[0] ?? '', () => {
        for (const key of keys) objects.delete(key);
      }),
    probe: () => Promise.resolve(),
    expiring: () => Promise.resolve([]),
    close() {},
  });
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
