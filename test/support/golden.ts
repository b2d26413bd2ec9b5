// Golden bytes: what released versions wrote. They are never made anew; a new version adds files beside them.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';

export interface GoldenFile {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Files of test/golden/<directory>, in the order of their names. */
export function goldenFiles(directory: string): readonly GoldenFile[] {
  const at = new URL(`../golden/${directory}/`, import.meta.url);
  return readdirSync(at)
    .sort()
    .map((name) => ({ name, bytes: readFileSync(new URL(name, at)) }));
}

/** Decodes a file, and asserts that what was understood encodes to the same bytes. */
export function decodeGolden<T>(
  { name, bytes }: GoldenFile,
  codec: { decode(bytes: Buffer): T; encode(value: T): Uint8Array },
): T {
  const value = codec.decode(bytes);
  assert.deepEqual(Buffer.from(codec.encode(value)), bytes, `${name} is encoded otherwise now`);
  return value;
}
