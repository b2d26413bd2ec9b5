// The SHA-256 of a file: what an object's bytes are compared by, wherever they lie.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** Hex, read in pieces. Rejects with the file system's own error. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
