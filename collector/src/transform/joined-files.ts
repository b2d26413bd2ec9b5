// Parquet files of the same columns become few: their row groups stand behind each other, in the order they
// came, while later ones are still being made. A part is gone once it is copied.
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assert } from '@sluice/shared/errors.ts';
import {
  footerStart,
  joinedTail,
  PARQUET_MAGIC,
  PARQUET_TAIL_BYTES,
  type ParquetFile,
} from './parquet-footer.ts';

/** A part is copied in such pieces: each is two trips to another thread. */
const PIECE_BYTES = 2 ** 20;

export interface WrittenPart {
  readonly path: string;
  readonly rows: number;
}

export interface WrittenFile extends WrittenPart {
  readonly bytes: number;
  /** SHA-256, hex. */
  readonly sha256: string;
}

/** The file that parts are being copied to. */
interface OpenFile {
  readonly path: string;
  readonly hash: Hash;
  bytes: number;
  readonly parts: (ParquetFile & WrittenPart)[];
}

export class JoinedFiles {
  readonly #directory: string;
  readonly #bytesMax: number;
  readonly #files: WrittenFile[] = [];
  #open: OpenFile | undefined;
  /** The end of what was given so far. */
  #copied: Promise<void> = Promise.resolve();

  /** A file that has `bytesMax` is followed by another. */
  constructor(directory: string, bytesMax: number) {
    this.#directory = directory;
    this.#bytesMax = bytesMax;
  }

  /** Begins to copy it, behind those before; `end` says what went wrong. */
  add(part: WrittenPart): void {
    this.#copied = this.#copied.then(() => this.#copy(part));
    this.#copied.catch(() => {});
  }

  /** All that was added; nothing is written any more then, or this rejects. */
  async end(): Promise<readonly WrittenFile[]> {
    await this.#copied;
    await this.#close();
    return this.#files;
  }

  /** Nothing is written any more. */
  async settled(): Promise<void> {
    await this.#copied.catch(() => {});
  }

  async #copy({ path, rows }: WrittenPart): Promise<void> {
    if (rows === 0) return;
    const part = await readPart(path, rows);
    this.#open ??= await this.#begin();
    const start = PARQUET_MAGIC.length;
    const range = { start, end: start + part.bodyBytes - 1, highWaterMark: PIECE_BYTES };
    await append(this.#open, createReadStream(path, range));
    this.#open.parts.push(part);
    await rm(path);
    if (this.#open.bytes >= this.#bytesMax) await this.#close();
  }

  async #begin(): Promise<OpenFile> {
    const path = join(this.#directory, `joined-${this.#files.length}.parquet`);
    await writeFile(path, '', { flag: 'wx' });
    const file = { path, hash: createHash('sha256'), bytes: 0, parts: [] };
    await append(file, [PARQUET_MAGIC]);
    return file;
  }

  async #close(): Promise<void> {
    if (this.#open === undefined) return;
    const { path, hash, parts } = this.#open;
    await append(this.#open, [joinedTail(parts)]);
    const rows = parts.reduce((sum, part) => sum + part.rows, 0);
    this.#files.push({ path, rows, bytes: this.#open.bytes, sha256: hash.digest('hex') });
    this.#open = undefined;
  }
}

/** No descriptor is held from part to part: a window may be slow, and may be given up. */
async function append(file: OpenFile, pieces: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<void> {
  const target = await open(file.path, 'a');
  try {
    for await (const piece of pieces) {
      file.hash.update(piece);
      await target.writeFile(piece);
      file.bytes += piece.length;
    }
  } finally {
    await target.close();
  }
}

async function readPart(path: string, rows: number): Promise<ParquetFile & WrittenPart> {
  return { path, rows, ...(await readParquetFile(path)) };
}

export async function readParquetFile(path: string): Promise<ParquetFile> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const tail = await readAt(file, size - PARQUET_TAIL_BYTES, PARQUET_TAIL_BYTES);
    const start = footerStart(size, tail);
    const footer = await readAt(file, start, size - PARQUET_TAIL_BYTES - start);
    return { footer, bodyBytes: start - PARQUET_MAGIC.length };
  } finally {
    await file.close();
  }
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(length), position });
  assert(bytesRead === length, 'a Parquet file ends early');
  return buffer;
}
