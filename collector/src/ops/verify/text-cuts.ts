// Entries' own lines out of the text of joined objects, as local files: what reads an object reads them as if
// nothing had been joined. An object is unpacked once for all that have lines in it.
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf } from '@sluice/shared/errors.ts';
import type { JoinedText } from '../../ledger/standing-objects.ts';
import { isDamaged, isPacked, textOf } from '../unpacked-text.ts';

/** The text of an object, as a file. */
export interface WholeText {
  readonly path: string;
  /** More than it may have where there are more, and not how many. */
  readonly bytes: number;
  /** Why there is no more of it. */
  readonly failed: string | undefined;
}

export interface TextCut {
  readonly path: string;
  /** Why these are not the lines that were joined. */
  readonly wrong: string | undefined;
}

export class TextCuts {
  readonly #directory: string;
  #made = 0;

  /** Private; made when it is needed. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Of a local copy: itself where it is not packed. Of text of so many bytes no more is unpacked. */
  async whole(path: string, of: number): Promise<WholeText> {
    if (!isPacked(path)) return { path, bytes: (await stat(path)).size, failed: undefined };
    const text = await this.#fresh();
    let failed: string | undefined;
    try {
      await pipeline(Readable.from(upTo(of, path), { objectMode: false }), createWriteStream(text));
    } catch (error) {
      if (!isDamaged(error)) throw error;
      failed = messageOf(error);
    }
    return { path: text, bytes: (await stat(text)).size, failed };
  }

  /** The lines of one entry; those of the last one say also whether anything is behind them. */
  async cut(whole: WholeText, { first, bytes, sha256, of }: JoinedText): Promise<TextCut> {
    const path = await this.#fresh();
    const hash = createHash('sha256');
    const lines = createReadStream(whole.path, { start: first, end: first + bytes - 1 });
    lines.on('data', (piece) => hash.update(piece));
    await pipeline(lines, createWriteStream(path));
    const found = hash.digest('hex');
    const { failed } = whole;
    if (failed !== undefined) return { path, wrong: `its text cannot be unpacked: ${failed}` };
    if (found !== sha256) {
      const where = `from byte ${first} on ${bytes} bytes of its text`;
      return { path, wrong: `${where} have SHA-256 ${found}, and ${sha256} were joined there` };
    }
    const isMore = first + bytes === of && whole.bytes > of;
    return { path, wrong: isMore ? `its text has more than the ${of} bytes that were joined` : undefined };
  }

  /** What was made for a local copy. */
  async release(path: string): Promise<void> {
    if (path.startsWith(this.#directory)) await rm(path, { force: true });
  }

  async #fresh(): Promise<string> {
    await mkdir(this.#directory, { recursive: true });
    return join(this.#directory, `${this.#made++}.txt`);
  }
}

/** As far as the first piece that goes beyond: whatever was put there instead ends somewhere. */
async function* upTo(of: number, path: string): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const piece of textOf(path)) {
    bytes += piece.length;
    yield piece;
    if (bytes > of) return;
  }
}
