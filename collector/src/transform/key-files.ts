// Secret keys of hashes: from their files into variables of one window's DuckDB, padded as HMAC wants them.
// They stand in no statement that is printed, logged or part of an error.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { SluiceError } from '@sluice/shared/errors.ts';
import type { Database } from './duckdb.ts';

/** Shorter ones can be tried out. */
const KEY_BYTES_MIN = 16;
/** SHA-256's block. */
const BLOCK_BYTES = 64;

export async function setKeys(database: Database, files: readonly string[]): Promise<void> {
  for (const [index, file] of files.entries()) {
    const block = Buffer.alloc(BLOCK_BYTES);
    keyOf(file).copy(block);
    await setVariable(
      database,
      `key_${index}_inner`,
      block.map((byte) => byte ^ 0x36),
    );
    await setVariable(
      database,
      `key_${index}_outer`,
      block.map((byte) => byte ^ 0x5c),
    );
  }
}

async function setVariable(database: Database, name: string, value: Uint8Array): Promise<void> {
  try {
    await database.run(`SET VARIABLE ${name} = unhex('${Buffer.from(value).toString('hex')}')`);
  } catch {
    throw new SluiceError('TRANSFORM_FAILED', 'a key could not be handed to DuckDB', { place: name });
  }
}

/** The bytes of the file without a line end behind them. */
function keyOf(file: string): Buffer {
  let key: Buffer;
  try {
    key = readFileSync(file);
  } catch (cause) {
    throw new SluiceError('TRANSFORM_FAILED', 'the file of a key cannot be read', { place: file, cause });
  }
  const end = key.at(-1) === 0x0a ? (key.at(-2) === 0x0d ? -2 : -1) : key.length;
  key = key.subarray(0, end);
  if (key.length < KEY_BYTES_MIN)
    throw new SluiceError('TRANSFORM_FAILED', `a key has at least ${KEY_BYTES_MIN} bytes`, { place: file });
  return key.length <= BLOCK_BYTES ? key : createHash('sha256').update(key).digest();
}
