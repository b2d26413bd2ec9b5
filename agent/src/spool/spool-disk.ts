// The file system under the spool: directories of SQLite files, and how much room is left.
import { accessSync, constants, mkdirSync, readdirSync, renameSync, rmSync, statfsSync } from 'node:fs';
import { openSpoolFile, type SpoolFile } from './sqlite-file.ts';

export interface SpoolDisk {
  /** Also what is missing above it. */
  makeDirectory(path: string): void;
  /** Names of the directories in one. */
  directories(path: string): readonly string[];
  /** Names of what lies in a directory. */
  files(path: string): readonly string[];
  /** Opens or makes a file of the spool. */
  open(path: string, topic: string): SpoolFile;
  /** Renames a file that is closed and broken; what belongs to it goes. */
  setAside(path: string, aside: string): void;
  /** A file that is closed, and what belongs to it. */
  remove(path: string): void;
  freeBytes(path: string): number;
  /** Infinity where the file system has no such limit. */
  freeInodes(path: string): number;
  /** Whether the file system may not be written at all. */
  isReadOnly(path: string): boolean;
}

const LOG_SUFFIXES = ['-wal', '-shm'];

export const sqliteDisk: SpoolDisk = {
  makeDirectory: (path) => void mkdirSync(path, { recursive: true, mode: 0o700 }),
  directories: (path) =>
    readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name),
  files: (path) => readdirSync(path),
  open: openSpoolFile,
  setAside(path, aside) {
    renameSync(path, aside);
    for (const suffix of LOG_SUFFIXES) rmSync(`${path}${suffix}`, { force: true });
  },
  remove(path) {
    for (const suffix of ['', ...LOG_SUFFIXES]) rmSync(`${path}${suffix}`, { force: true });
  },
  freeBytes(path) {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  },
  freeInodes(path) {
    const { files, ffree } = statfsSync(path);
    return files === 0 ? Number.POSITIVE_INFINITY : ffree;
  },
  isReadOnly(path) {
    try {
      accessSync(path, constants.W_OK);
      return false;
    } catch (error) {
      return (error as { code?: unknown }).code === 'EROFS';
    }
  },
};
