// A file without a name: whoever has it open has it alone, and its space is free again when it is closed,
// also by the end of the process, however that came.
import { type FileHandle, mkdir, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { systemRandom } from '@sluice/shared/random.ts';

export interface PayloadFile {
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Exactly `length` bytes, which are the caller's. */
  read(position: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** In a directory that is made where it is missing. */
export async function openPayloadFile(directory: string): Promise<PayloadFile> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, `staged-${systemRandom.hex(8)}`);
  const handle = await open(path, 'wx+', 0o600);
  try {
    await unlink(path);
  } catch (error) {
    await handle.close();
    throw error;
  }
  return {
    async write(bytes, position) {
      for (let at = 0; at < bytes.byteLength; ) {
        const { bytesWritten } = await handle.write(bytes, at, bytes.byteLength - at, position + at);
        at += bytesWritten;
      }
    },
    read: (position, length) => readExactly(handle, position, length),
    close: () => handle.close(),
  };
}

async function readExactly(handle: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(length);
  for (let at = 0; at < length; ) {
    const { bytesRead } = await handle.read(bytes, at, length - at, position + at);
    if (bytesRead === 0) throw new Error(`a file ends after ${position + at} bytes`);
    at += bytesRead;
  }
  return bytes;
}
