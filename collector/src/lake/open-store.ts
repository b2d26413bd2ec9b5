// The object store that the config names: s3://bucket/prefix, or a directory.
import type { ObjectStore } from '../contracts.ts';
import { createDirectoryObjectStore } from './directory-object-store.ts';
import { createS3ObjectStore } from './s3-object-store.ts';

export interface StoreOptions {
  /** `s3://bucket/prefix` or an absolute directory. */
  readonly store: string;
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
}

export function createObjectStore(options: StoreOptions): ObjectStore {
  const { store, region, endpoint } = options;
  const [, bucket, prefix = ''] = /^s3:\/\/([^/]+)\/?(.*?)\/*$/.exec(store) ?? [];
  if (bucket === undefined) return createDirectoryObjectStore(store);
  return createS3ObjectStore({ bucket, prefix, region, endpoint });
}
