// For one command: what cannot change while it runs is read once, however often it is walked.
import type { Catalog, ObjectStore } from '../contracts.ts';
import { sequenceOf } from '../lake/object-keys.ts';

/** Ledger entries that are kept, in bytes: a ledger beyond that is read again from its first entry on. */
const ENTRIES_KEPT_BYTES_MAX = 64 * 2 ** 20;

/** Entries and checkpoints are never replaced: those that fit are kept. */
export function entriesOnce(store: ObjectStore, bytesMax = ENTRIES_KEPT_BYTES_MAX): ObjectStore {
  const reading = new Map<string, Promise<Uint8Array | undefined>>();
  let bytes = 0;
  const read = async (key: string) => {
    const found = await store.read(key);
    const room = bytesMax - bytes - (found?.byteLength ?? Number.POSITIVE_INFINITY);
    if (found === undefined || room < 0) reading.delete(key);
    else bytes += found.byteLength;
    return found;
  };
  return {
    ...store,
    read(key) {
      if (sequenceOf(key) === undefined) return store.read(key);
      const known = reading.get(key);
      if (known !== undefined) return known;
      const begun = read(key).catch((error: unknown) => {
        reading.delete(key);
        throw error;
      });
      reading.set(key, begun);
      return begun;
    },
  };
}

/** The list of tables is asked for once, and again where that failed. */
export function tablesOnce(catalog: Catalog): Catalog {
  let asked: ReturnType<Catalog['tables']> | undefined;
  return {
    ...catalog,
    tables() {
      asked ??= catalog.tables().catch((error: unknown) => {
        asked = undefined;
        throw error;
      });
      return asked;
    },
  };
}
