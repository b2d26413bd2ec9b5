// S3 in memory: what one request does to one bucket, at one instant. Who asks, when it arrives and whether
// the reply comes back is the client's side (store.ts). Tells of every object that appears or goes.
import { createHash } from 'node:crypto';

export interface StoredObject {
  readonly bytes: Buffer;
  readonly sha256: string;
}

export interface BucketListener {
  created(key: string, object: StoredObject, replaced: StoredObject | undefined): void;
  removed(key: string, object: StoredObject): void;
}

export class SimBucket {
  readonly objects = new Map<string, StoredObject>();
  readonly #listener: BucketListener;
  /** A store that does not honour If-None-Match. */
  unconditional = false;

  constructor(listener: BucketListener) {
    this.#listener = listener;
  }

  putIfAbsent(key: string, bytes: Uint8Array): 'created' | 'exists' {
    if (this.objects.has(key) && !this.unconditional) return 'exists';
    this.put(key, bytes);
    return 'created';
  }

  put(key: string, bytes: Uint8Array): void {
    const copy = Buffer.from(bytes);
    this.#set(key, { bytes: copy, sha256: createHash('sha256').update(copy).digest('hex') });
  }

  #set(key: string, object: StoredObject): void {
    const replaced = this.objects.get(key);
    this.objects.set(key, object);
    this.#listener.created(key, object, replaced);
  }

  copyIfAbsent(from: string, to: string): 'created' | 'exists' | 'missing' {
    const source = this.objects.get(from);
    if (source === undefined) return 'missing';
    if (this.objects.has(to)) return 'exists';
    this.#set(to, source);
    return 'created';
  }

  remove(keys: readonly string[]): void {
    for (const key of keys) {
      const object = this.objects.get(key);
      if (object === undefined) continue;
      this.objects.delete(key);
      this.#listener.removed(key, object);
    }
  }

  list(prefix: string, startAfter: string): { key: string; bytes: number }[] {
    return [...this.objects]
      .filter(([key]) => key.startsWith(prefix) && key > startAfter)
      .map(([key, { bytes }]) => ({ key, bytes: bytes.length }))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  }
}
