// A file system of its own, small enough to be filled, for one program's data: a tmpfs where this process may
// mount one.
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

export interface SmallDisk {
  /** Until not one byte is free. */
  fill(): void;
  /** Gives the room back. */
  free(): void;
  unmount(): void;
}

const FILLER = 'filler.chaos';

/** Undefined where mounting is not allowed. */
export function mountSmallDisk(directory: string, mebibytes: number): SmallDisk | undefined {
  if (process.getuid?.() !== 0) return undefined;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const options = `size=${mebibytes}m,mode=0700`;
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'sluice-chaos', directory]);
  if (mounted.status !== 0) return undefined;
  const filler = join(directory, FILLER);
  let isMounted = true;
  const unmount = () => {
    // Lazily: who still has a file open there was killed, but may not be gone yet.
    if (isMounted) spawnSync('umount', ['-l', directory]);
    isMounted = false;
  };
  process.on('exit', unmount);
  return {
    fill: () => fill(filler),
    free: () => rmSync(filler, { force: true }),
    unmount,
  };
}

function fill(path: string): void {
  const file = openSync(path, 'a');
  try {
    for (let bytes = 2 ** 20; bytes >= 1; ) {
      try {
        writeSync(file, Buffer.alloc(bytes));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        bytes = bytes >> 1;
      }
    }
  } finally {
    closeSync(file);
  }
}
