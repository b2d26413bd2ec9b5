// The objects of a table as verify reads them: each is asked for and fetched once for its entry, and a joined
// one once for all that have rows in it, since they come in the order of its rows.
import { sha256OfFile } from '@sluice/shared/file-hash.ts';
import type { StandingOutput } from '../../ledger/standing-objects.ts';
import type { LakeReader } from '../lake-reader.ts';

/** Of local copies of joined objects; one that is given up and needed again is fetched again. */
const KEPT_BYTES_MAX = 4 * 2 ** 30;

export interface LocalCopy {
  readonly path: string;
  /** Of its bytes; undefined where `head` has read them. */
  readonly sha256: string | undefined;
}

type Head = ReturnType<LakeReader['head']>;
type Asked = Pick<StandingOutput, 'finalKey' | 'bytes' | 'joined'>;

/** Of one table: none of its copies stays for the next one. */
export async function withCopies<T>(
  reader: LakeReader,
  task: (copies: ObjectCopies) => Promise<T>,
): Promise<T> {
  const copies = new ObjectCopies(reader);
  try {
    return await task(copies);
  } finally {
    await copies.releaseAll();
  }
}

export class ObjectCopies {
  readonly #reader: LakeReader;
  readonly #keptBytesMax: number;
  /** Of joined objects. */
  readonly #heads = new Map<string, Head>();
  /** Of joined objects, the one that was asked for last at the end. */
  readonly #kept = new Map<string, { readonly copy: LocalCopy; readonly bytes: number }>();
  #keptBytes = 0;

  constructor(reader: LakeReader, keptBytesMax = KEPT_BYTES_MAX) {
    this.#reader = reader;
    this.#keptBytesMax = keptBytesMax;
  }

  head({ finalKey, joined }: Asked): Head {
    if (joined === undefined) return this.#reader.head(finalKey);
    const known = this.#heads.get(finalKey);
    if (known !== undefined) return known;
    const asked = this.#reader.head(finalKey).catch((error: unknown) => {
      this.#heads.delete(finalKey);
      throw error;
    });
    this.#heads.set(finalKey, asked);
    return asked;
  }

  /** undefined where it is gone. */
  async local({ finalKey, bytes, joined }: Asked): Promise<LocalCopy | undefined> {
    const kept = this.#kept.get(finalKey);
    const copy = kept?.copy ?? (await this.#fetch(finalKey));
    if (joined === undefined || copy === undefined) return copy;
    if (kept === undefined) this.#keptBytes += bytes;
    this.#kept.delete(finalKey);
    this.#kept.set(finalKey, { copy, bytes });
    return copy;
  }

  async #fetch(key: string): Promise<LocalCopy | undefined> {
    const path = await this.#reader.local(key);
    if (path === undefined) return undefined;
    return { path, sha256: this.#reader.isLocal ? undefined : await sha256OfFile(path) };
  }

  /** An entry needs it no more; the next one may. */
  async release({ finalKey, joined }: Asked): Promise<void> {
    if (joined === undefined) return await this.#reader.release(finalKey);
    await this.#releaseTo(this.#keptBytesMax);
  }

  releaseAll(): Promise<void> {
    return this.#releaseTo(-1);
  }

  async #releaseTo(bytesMax: number): Promise<void> {
    for (const [key, { bytes }] of this.#kept) {
      if (this.#keptBytes <= bytesMax) return;
      this.#keptBytes -= bytes;
      this.#kept.delete(key);
      await this.#reader.release(key);
    }
  }
}
