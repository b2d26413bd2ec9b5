// The text of an object of lines, JSON or CSV: its bytes, unpacked where its name says that they are packed.
// Read in pieces, however large it is.
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';

/** Unpacked at a time. */
const PIECE_BYTES = 64 * 1024;

export const isPacked = (name: string): boolean => name.endsWith('.gz');

/** zlib's own errors are of what was read; all others are of the machine that reads it. */
export function isDamaged(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('Z_');
}

/** Rejects with zlib's own error where it cannot be unpacked. */
export async function* textOf(path: string): AsyncGenerator<Buffer> {
  const file = createReadStream(path);
  const text = isPacked(path) ? file.pipe(createGunzip({ chunkSize: PIECE_BYTES })) : file;
  file.on('error', (error) => text.destroy(error));
  try {
    for await (const piece of text) yield piece as Buffer;
  } finally {
    file.destroy();
    text.destroy();
  }
}
