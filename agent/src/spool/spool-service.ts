// What the spool's thread does with each call: one answer, in order, and never an exception. Synchronous.
import { messageOf, SluiceError } from '@sluice/shared/errors.ts';
import { type DiskRoom, nameFault } from './disk-fault.ts';
import type { SpoolDisk } from './spool-disk.ts';
import { SpoolFiles } from './spool-files.ts';
import type { SpoolCall, SpoolReply, SpoolWorkerData } from './worker-protocol.ts';

export interface SpoolServiceOptions extends SpoolWorkerData {
  readonly disk: SpoolDisk;
  readonly nowMs: () => number;
  /** SPOOL_LOCKED where another process has the directory. */
  lock(): { release(): void };
}

export function createSpoolService(options: SpoolServiceOptions): (call: SpoolCall) => SpoolReply {
  let files: SpoolFiles | undefined;
  let lock: { release(): void } | undefined;

  function handle(call: SpoolCall) {
    switch (call.kind) {
      case 'open':
        lock = options.lock();
        files = new SpoolFiles(options);
        return [];
      case 'append':
        files?.append(call.segments);
        return [];
      case 'read':
        return files?.read(call.partition, call.fromOffset, call.bytesMax) ?? [];
      case 'committed':
        forEach(call.positions, (position) => files?.committed(position));
        return [];
      case 'cut':
        files?.cut(call.partition, call.cut);
        return [];
      case 'asked-again':
        files?.askedAgain(call.partition, call.offset);
        return [];
      case 'look':
        return [];
      case 'close':
        files?.close();
        files = undefined;
        lock?.release();
        return [];
    }
  }

  return (call) => {
    try {
      const segments = handle(call);
      return { kind: 'done', segments, state: stateOf(files) };
    } catch (error) {
      return { kind: 'failed', ...failureOf(error, options), state: stateIfKnown(files) };
    }
  };
}

function failureOf(error: unknown, { directory, disk }: SpoolServiceOptions) {
  const place = error instanceof SluiceError ? error.place : directory;
  if (error instanceof SluiceError && error.code !== 'SPOOL_IO')
    return { code: error.code, message: error.message, place };
  const code = nameFault(error instanceof SluiceError ? error.cause : error, roomOf(disk, directory));
  return { code, message: messageOf(error), place };
}

/** What a disk that fails cannot even say is not known. */
function roomOf(disk: SpoolDisk, path: string): DiskRoom | undefined {
  try {
    return {
      freeBytes: disk.freeBytes(path),
      freeInodes: disk.freeInodes(path),
      isReadOnly: disk.isReadOnly(path),
    };
  } catch {
    return undefined;
  }
}

/** Where the disk does not even say that, the next answer does. */
function stateIfKnown(open: SpoolFiles | undefined) {
  try {
    return stateOf(open);
  } catch {
    return undefined;
  }
}

/** All of them, whatever fails on the way: what is committed leaves the spool, or a full one stays full. */
function forEach<T>(items: readonly T[], task: (item: T) => void): void {
  const errors: unknown[] = [];
  for (const item of items) {
    try {
      task(item);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}

/** What was lost is told once: taken when nothing else can fail. */
function stateOf(open: SpoolFiles | undefined) {
  if (open === undefined) return undefined;
  const state = { ...open.totals(), partitions: open.partitions() };
  return {
    ...state,
    setAside: open.setAside.splice(0),
    dropped: open.dropped.splice(0),
    cutOff: open.cutOff.splice(0),
  };
}
