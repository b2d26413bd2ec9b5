// What lies where no partition is: keys and bytes, told by the folder as they are listed, page after page.
// What lies where a partition is is looked at and never kept, however much that is.
import type { ObjectStore } from '../../contracts.ts';
import { folderOf } from '../../lake/object-keys.ts';

/** Objects of one listing that are in memory, some 250 bytes each; a later prune meets those beyond. */
export const LYING_MAX = 500_000;

export interface Lying {
  /** By key. */
  readonly bytes: ReadonlyMap<string, number>;
  /** Whether there are more than may be kept. */
  readonly more: boolean;
}

interface Listing {
  readonly prefixes: readonly string[];
  /** Whether what lies there is kept. */
  isAsked(folder: string): boolean;
  readonly most: number;
}

export async function lyingIn(store: ObjectStore, { prefixes, isAsked, most }: Listing): Promise<Lying> {
  const found = new Map<string, number>();
  for (const prefix of prefixes)
    for await (const { key, bytes } of store.list(prefix)) {
      if (!isAsked(folderOf(key))) continue;
      if (found.size === most && !found.has(key)) return { bytes: found, more: true };
      found.set(key, bytes);
    }
  return { bytes: found, more: false };
}
