// What a failure of the disk under the spool is called. Pure. SQLite and the kernel each have their own words
// for it, and some of them only say that writing failed: then what the file system says of itself decides.
import type { DiskState } from '../contracts.ts';
import { isCorrupt } from './sqlite-file.ts';

export interface DiskRoom {
  readonly freeBytes: number;
  /** Infinity where the file system has no such limit. */
  readonly freeInodes: number;
  readonly isReadOnly: boolean;
}

export type DiskFaultCode =
  | 'SPOOL_FULL'
  | 'SPOOL_NO_INODES'
  | 'SPOOL_READ_ONLY'
  | 'SPOOL_IO'
  | 'SPOOL_CORRUPT';

/** A page of SQLite and its frame in the log: with less nothing can be written. */
const WRITE_BYTES_MIN = 64 * 1024;

export function nameFault(error: unknown, room: DiskRoom | undefined): DiskFaultCode {
  if (isCorrupt(error)) return 'SPOOL_CORRUPT';
  const code = String((error as { code?: unknown }).code);
  if (/^(EROFS|SQLITE_READONLY)/.test(code) || room?.isReadOnly === true) return 'SPOOL_READ_ONLY';
  const saysFull = /^(ENOSPC|EDQUOT|SQLITE_FULL)/.test(code);
  if (!saysFull && !/^(SQLITE_CANTOPEN|SQLITE_IOERR)/.test(code)) return 'SPOOL_IO';
  if (room !== undefined && room.freeBytes < WRITE_BYTES_MIN) return 'SPOOL_FULL';
  if (room?.freeInodes === 0) return 'SPOOL_NO_INODES';
  return saysFull ? 'SPOOL_FULL' : 'SPOOL_IO';
}

const STATES: Readonly<Record<DiskFaultCode, DiskState>> = {
  SPOOL_FULL: 'full',
  SPOOL_NO_INODES: 'no inodes',
  SPOOL_READ_ONLY: 'read-only',
  SPOOL_IO: 'failing',
  SPOOL_CORRUPT: 'corrupt',
};

/** The state that a failure shows; undefined for one that says nothing about the disk. */
export function stateOfFault(code: string): DiskState | undefined {
  return Object.hasOwn(STATES, code) ? STATES[code as DiskFaultCode] : undefined;
}
