// The objects of a table as verify reads them: each is asked for and fetched once for its entry, and a joined
// one once for all that have rows in it, since they come in the order of its rows. Of lines each entry gets
// its own as a file.
import { join } from 'node:path';
import { sha256OfFile } from '@sluice/shared/file-hash.ts';
import type { StandingOutput } from '../../ledger/standing-objects.ts';
import type { LakeReader } from '../lake-reader.ts';
import { TextCuts, type WholeText } from './text-cuts.ts';

/** Of local copies of joined objects; one that is given up and needed again is fetched again. */
const KEPT_BYTES_MAX = 4 * 2 ** 30;

export interface LocalCopy {
  readonly path: string;
  /** Of its bytes; undefined where `head` has read them. */
  readonly sha256: string | undefined;
  /** Why these are not the lines that were joined, of an object with the right bytes. */
  readonly wrong?: string | undefined;
}

type Head = ReturnType<LakeReader['head']>;
type Asked = Pick<StandingOutput, 'finalKey' | 'bytes' | 'joined'>;

interface Kept {
  readonly copy: LocalCopy;
  readonly bytes: number;
  /** Of lines. */
  readonly text: WholeText | undefined;
}

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
  readonly #kept = new Map<string, Kept>();
  readonly #texts: TextCuts;
  /** Files with lines of one entry, by cutKey. */
  readonly #cuts = new Map<string, string>();
  #keptBytes = 0;

  constructor(reader: LakeReader, keptBytesMax = KEPT_BYTES_MAX) {
    this.#reader = reader;
    this.#keptBytesMax = keptBytesMax;
    this.#texts = new TextCuts(join(reader.scratch, 'texts'));
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
  async local(asked: Asked): Promise<LocalCopy | undefined> {
    const { finalKey, joined } = asked;
    if (joined === undefined) return await this.#fetch(finalKey);
    const kept = this.#kept.get(finalKey) ?? (await this.#keep(asked));
    if (kept === undefined) return undefined;
    this.#kept.delete(finalKey);
    this.#kept.set(finalKey, kept);
    if (kept.text === undefined || joined.text === undefined) return kept.copy;
    const cut = await this.#texts.cut(kept.text, joined.text);
    this.#cuts.set(cutKey(asked), cut.path);
    return { ...kept.copy, ...cut };
  }

  async #keep({ finalKey, bytes, joined }: Asked): Promise<Kept | undefined> {
    const copy = await this.#fetch(finalKey);
    if (copy === undefined) return undefined;
    const lines = joined?.text;
    const text = lines === undefined ? undefined : await this.#texts.whole(copy.path, lines.of);
    const unpacked = text === undefined || text.path === copy.path ? 0 : text.bytes;
    this.#keptBytes += bytes + unpacked;
    return { copy, bytes: bytes + unpacked, text };
  }

  async #fetch(key: string): Promise<LocalCopy | undefined> {
    const path = await this.#reader.local(key);
    if (path === undefined) return undefined;
    return { path, sha256: this.#reader.isLocal ? undefined : await sha256OfFile(path) };
  }

  /** An entry needs it no more; the next one may. */
  async release(asked: Asked): Promise<void> {
    const { finalKey, joined } = asked;
    if (joined === undefined) return await this.#reader.release(finalKey);
    const cut = this.#cuts.get(cutKey(asked));
    if (cut !== undefined) await this.#texts.release(cut);
    this.#cuts.delete(cutKey(asked));
    await this.#releaseTo(this.#keptBytesMax);
  }

  releaseAll(): Promise<void> {
    return this.#releaseTo(-1);
  }

  async #releaseTo(bytesMax: number): Promise<void> {
    for (const [key, { bytes, text }] of this.#kept) {
      if (this.#keptBytes <= bytesMax) return;
      this.#keptBytes -= bytes;
      this.#kept.delete(key);
      if (text !== undefined) await this.#texts.release(text.path);
      await this.#reader.release(key);
    }
  }
}

const cutKey = ({ finalKey, joined }: Asked) => `${finalKey}\u0000${joined?.text?.first}`;
