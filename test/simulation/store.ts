// The object store on the bucket in memory, as the S3 adapter does it: creation is conditional, publishing is
// a copy, and what stands at a key is proved by its length and hash.
import type { ObjectStore } from '@sluice/collector/contracts.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { AwsClient } from './aws-requests.ts';
import type { SimBucket } from './bucket.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

export interface SimStoreOptions {
  readonly world: World;
  readonly process: SimProcess;
  readonly bucket: SimBucket;
  /** Local files that the transform wrote, by path. */
  readonly files: ReadonlyMap<string, Buffer>;
  /** How often reads fail, of how often other requests do. */
  readonly readsFail?: number;
}

/** An acknowledgement that comes before the copy: a fault that tests must see caught. */
const SABOTAGE_MS = 15_000;

export function simObjectStore(options: SimStoreOptions): ObjectStore {
  const { world, process, bucket, files, readsFail } = options;
  const client = new AwsClient(world, process, readsFail);
  const ask = <T>(what: string, effect: () => T, conditional = false) =>
    client.ask({
      service: 's3',
      what,
      unavailable: 'STORE_UNAVAILABLE',
      denied: 'STORE_DENIED',
      conditional,
      effect,
    });

  const head = (key: string) =>
    ask(`head ${key}`, () => {
      const found = bucket.objects.get(key);
      return found === undefined ? undefined : { bytes: found.bytes.length, sha256: found.sha256 };
    });

  function checkSame(key: string, found: { bytes: number; sha256: string }, expected: typeof found): void {
    if (found.bytes === expected.bytes && found.sha256 === expected.sha256) return;
    throw new SluiceError('STORE_OBJECT_CONFLICT', 'other bytes stand there', { place: key });
  }

  async function publish(from: string, to: string, expected: { bytes: number; sha256: string }) {
    if (world.sabotage === 'acknowledged before published') {
      world.time.after(SABOTAGE_MS, () => bucket.copyIfAbsent(from, to));
      return;
    }
    const standing = await head(to);
    if (standing !== undefined) return checkSame(to, standing, expected);
    let missing = false;
    try {
      const copied = await ask(`copy ${to}`, () => bucket.copyIfAbsent(from, to), true);
      if (copied === 'created') return;
      missing = copied === 'missing';
      throw new Error(copied);
    } catch (error) {
      const now = await head(to);
      if (now !== undefined) return checkSame(to, now, expected);
      if (missing) throw new SluiceError('STORE_STAGED_MISSING', `${from} is gone`, { place: to });
      if (error instanceof SluiceError) throw error;
      throw new SluiceError('STORE_UNAVAILABLE', String(error), { place: to });
    }
  }

  return {
    url: (key) => `s3://lake/${key}`,
    createIfAbsent: (key, body) => ask(`create ${key}`, () => bucket.putIfAbsent(key, body), true),
    put: (key, body) => ask(`put ${key}`, () => bucket.put(key, body)),
    read: (key) => ask(`read ${key}`, () => bucket.objects.get(key)?.bytes),
    head,
    async *list(prefix, startAfter = '') {
      yield* await ask(`list ${prefix}`, () => bucket.list(prefix, startAfter));
    },
    stage: (path, key) => {
      const bytes = files.get(path);
      if (bytes === undefined) return Promise.reject(new SluiceError('STORE_UNAVAILABLE', `no file ${path}`));
      return ask(`put ${key}`, () => bucket.put(key, bytes));
    },
    publish,
    remove: (keys) =>
      keys.length === 0 ? Promise.resolve() : ask(`delete ${keys.length} staged`, () => deleted(keys)),
    probe: () => Promise.resolve(),
    expiring: () => Promise.resolve([]),
    close() {},
  };

  function deleted(keys: readonly string[]): void {
    // A fault that tests must see caught: what is staged goes before it is published, or what is published
    // goes.
    bucket.remove(keys);
    if (world.sabotage !== 'published objects are deleted') return;
    bucket.remove([...bucket.objects.keys()].filter((key) => !key.startsWith('_sluice/')).slice(0, 1));
  }
}
