// Each way in which a disk may fail has its name in status, the agent goes on and says it, and what was in
// hand is on disk once the cause is gone. Faults are put between the spool's thread and a real disk; room and
// inodes run out on a real file system of its own.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Spool } from '@sluice/agent/contracts.ts';
import { createEvents } from '@sluice/agent/events.ts';
import { nameFault } from '@sluice/agent/spool/disk-fault.ts';
import { type SpoolDisk, sqliteDisk } from '@sluice/agent/spool/spool-disk.ts';
import { createSpoolService } from '@sluice/agent/spool/spool-service.ts';
import type { openSpoolThread } from '@sluice/agent/spool/spool-thread.ts';
import { createSqliteSpool } from '@sluice/agent/spool/sqlite-spool.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { eventually } from '../../support/eventually.ts';
import { committedAt, rangeSegment } from '../../support/fake-spool.ts';
import { manualClock, settle } from '../../support/manual-clock.ts';
import { recordingLogger } from '../../support/recording-logger.ts';
import { segmentOf } from '../../support/segments.ts';
import { mountSmall } from '../../support/small-disk.ts';
import { temporaryDirectory } from '../../support/temp.ts';

/** The thread's work in this one, over a disk that may be made to fail. */
function threadOver(disk: SpoolDisk): typeof openSpoolThread {
  return (data, listener) => {
    const lock = () => ({ release() {} });
    const answer = createSpoolService({ ...data, disk, nowMs: () => 1_000, lock });
    return {
      instanceId: 'i',
      post: (call) => setImmediate(() => listener.replied(answer(call))),
      terminate: async () => undefined,
    };
  };
}

interface Fault {
  readonly code?: string;
  readonly room?: { freeBytes?: number; freeInodes?: number; isReadOnly?: boolean };
}

/** A disk of which writes, reads, or the making of files fail while `fault` says so. */
function faultyDisk() {
  const now: { write?: Fault | undefined; read?: Fault | undefined; create?: Fault | undefined } = {};
  const fail = (fault: Fault | undefined) => {
    if (fault?.code !== undefined)
      throw Object.assign(new Error(`disk: ${fault.code}`), { code: fault.code });
  };
  const room = () => now.write?.room ?? now.create?.room ?? {};
  const disk: SpoolDisk = {
    ...sqliteDisk,
    makeDirectory(path) {
      if (!path.endsWith('spool')) fail(now.create);
      sqliteDisk.makeDirectory(path);
    },
    open(path, topic) {
      fail(now.create);
      const file = sqliteDisk.open(path, topic);
      return {
        ...file,
        append(segments, spooledMs) {
          fail(now.write);
          file.append(segments, spooledMs);
        },
        read(id, startOffset) {
          fail(now.read);
          return file.read(id, startOffset);
        },
        writeCommitted(id, prefix) {
          fail(now.write);
          file.writeCommitted(id, prefix);
        },
      };
    },
    freeBytes: (path) => room().freeBytes ?? sqliteDisk.freeBytes(path),
    freeInodes: (path) => room().freeInodes ?? sqliteDisk.freeInodes(path),
    isReadOnly: (path) => room().isReadOnly ?? sqliteDisk.isReadOnly(path),
  };
  return { now, disk };
}

async function spoolOver(disk: SpoolDisk, directory = temporaryDirectory()) {
  const clock = manualClock();
  const log = recordingLogger();
  const events = createEvents(log, createMetrics());
  const openThread = threadOver(disk);
  const limits = { bytesMax: 2 ** 30, freeSpaceMin: 0 };
  const spool = await createSqliteSpool({ directory, ...limits, clock, events, openThread });
  return { spool, clock, log };
}

const STATES: readonly (readonly [string, 'write' | 'create', Fault, string, string])[] = [
  ['EIO', 'write', { code: 'SQLITE_IOERR_WRITE' }, 'failing', 'SPOOL_IO'],
  ['EIO of the fsync', 'write', { code: 'SQLITE_IOERR_FSYNC' }, 'failing', 'SPOOL_IO'],
  [
    'a remount for reading only',
    'write',
    { code: 'SQLITE_IOERR_WRITE', room: { isReadOnly: true } },
    'read-only',
    'SPOOL_READ_ONLY',
  ],
  ['the same as SQLite says it', 'write', { code: 'SQLITE_READONLY' }, 'read-only', 'SPOOL_READ_ONLY'],
  ['the same for a new file', 'create', { code: 'EROFS' }, 'read-only', 'SPOOL_READ_ONLY'],
  ['a full disk', 'write', { code: 'SQLITE_FULL' }, 'full', 'SPOOL_FULL'],
  [
    'no inodes for a new file',
    'create',
    { code: 'ENOSPC', room: { freeBytes: 1e9, freeInodes: 0 } },
    'no inodes',
    'SPOOL_NO_INODES',
  ],
  [
    'no inodes as SQLite says it',
    'create',
    { code: 'SQLITE_CANTOPEN', room: { freeBytes: 1e9, freeInodes: 0 } },
    'no inodes',
    'SPOOL_NO_INODES',
  ],
];

for (const [what, where, fault, state, code] of STATES) {
  test(`${what} is the state '${state}', said since when, and waited through with the data in hand`, async () => {
    const { now, disk } = faultyDisk();
    const { spool, clock, log } = await spoolOver(disk);
    now[where] = fault;
    let isOnDisk = false;
    const appended = spool.append([rangeSegment(0, 10)]).then(() => {
      isOnDisk = true;
    });
    const sinceMs = clock.wallMs();
    await clock.advance(60_000);
    const status = spool.status();
    assert.deepEqual([status.disk, status.faultSinceMs], [state, sinceMs]);
    assert.match(status.fault ?? '', new RegExp(`^${code}: `));
    assert.equal(status.silentMs, 0, 'its thread answers: no watchdog ends the agent');
    assert.equal(isOnDisk, false);
    now[where] = undefined;
    await clock.advance(10_000);
    await appended;
    assert.deepEqual([spool.status().disk, spool.status().fault], ['sound', undefined]);
    assert.equal(log.said(/can be written again/).length, 1);
    assert.equal(spool.status().partitions[0]?.nextOffset, 10);
    await spool.close();
  });
}

test('a disk that cannot be read is said as well, until it is read again', async () => {
  const { now, disk } = faultyDisk();
  const directory = temporaryDirectory();
  const first = await spoolOver(disk, directory);
  const segment = segmentOf(['a', 'b']);
  await first.spool.append([segment]);
  await first.spool.close();
  const { spool } = await spoolOver(disk, directory);
  now.read = { code: 'SQLITE_IOERR_READ' };
  await assert.rejects(spool.read(segment, 0, 1), { code: 'SPOOL_IO' });
  assert.equal(spool.status().disk, 'failing');
  now.read = undefined;
  assert.equal((await spool.read(segment, 0, 1)).length, 1);
  assert.equal(spool.status().disk, 'sound');
  await spool.close();
});

test('a corrupt file is the state ‘corrupt’ until the next append succeeds, and stays counted', async () => {
  const { now, disk } = faultyDisk();
  const { spool } = await spoolOver(disk);
  await spool.append([rangeSegment(0, 10)]);
  now.write = { code: 'SQLITE_CORRUPT' };
  await assert.rejects(spool.append([rangeSegment(10, 20)]), { code: 'SPOOL_CORRUPT' });
  assert.equal(spool.status().disk, 'corrupt');
  now.write = undefined;
  await spool.append([rangeSegment(0, 10)]);
  assert.deepEqual([spool.status().disk, spool.status().filesSetAside], ['sound', 1]);
  await spool.close();
});

test('a corrupt file on a disk that may not be written is set aside when it may', async () => {
  const { now, disk } = faultyDisk();
  let renames = false;
  const setAside: SpoolDisk['setAside'] = (path, aside) => {
    if (!renames) throw Object.assign(new Error('rename'), { code: 'EROFS' });
    sqliteDisk.setAside(path, aside);
  };
  const directory = temporaryDirectory();
  const { spool, clock } = await spoolOver({ ...disk, setAside }, directory);
  await spool.append([rangeSegment(0, 10)]);
  now.write = { code: 'SQLITE_CORRUPT' };
  const files = () =>
    readdirSync(join(directory, 'spool', 'claims')).filter((name) => !/-(wal|shm)$/.test(name));
  const [broken = ''] = files();
  const appended = spool.append([rangeSegment(10, 20)]).catch((error: unknown) => error);
  await settle();
  assert.equal(spool.status().disk, 'read-only');
  writeFileSync(
    join(directory, 'spool', 'claims', broken),
    'not a database at all, and longer than a header is',
  );
  for (const suffix of ['-wal', '-shm'])
    rmSync(join(directory, 'spool', 'claims', `${broken}${suffix}`), { force: true });
  [renames, now.write] = [true, undefined];
  await clock.advance(10_000);
  assert.match(String(await appended), /SPOOL_CORRUPT|SluiceError/);
  await spool.append([rangeSegment(0, 20)]);
  assert.equal(files().filter((name) => name.includes('.corrupt-')).length, 1, files().join());
  assert.equal(spool.status().disk, 'sound');
  await spool.close();
});

test('what only says that writing failed is told apart by what the file system says of itself', () => {
  const room = { freeBytes: 1e9, freeInodes: 1e6, isReadOnly: false };
  const name = (code: string, change: Partial<typeof room> = {}) =>
    nameFault({ code }, { ...room, ...change });
  assert.equal(name('SQLITE_IOERR_WRITE', { freeBytes: 0 }), 'SPOOL_FULL');
  assert.equal(name('SQLITE_CANTOPEN', { freeInodes: 0 }), 'SPOOL_NO_INODES');
  assert.equal(name('SQLITE_FULL', { freeInodes: 0, freeBytes: 0 }), 'SPOOL_FULL');
  assert.equal(name('EIO', { freeInodes: 0 }), 'SPOOL_IO');
  assert.equal(nameFault({ code: 'ENOSPC' }, undefined), 'SPOOL_FULL');
  assert.equal(nameFault(new Error('?'), undefined), 'SPOOL_IO');
});

async function openReal(directory: string, clock = manualClock()) {
  const events = createEvents(recordingLogger(), createMetrics());
  return await createSqliteSpool({ directory, bytesMax: 2 ** 30, freeSpaceMin: 0, clock, events });
}

async function untilDisk(spool: Spool, state: string, move: () => Promise<void>): Promise<void> {
  await eventually(`the disk is ${state}`, async () => {
    await move();
    return spool.status().disk === state;
  });
}

test('a real file system that runs out of inodes while it has bytes is named, and written when some come back', async (t) => {
  const directory = mountSmall(t, 'size=64m,nr_inodes=40');
  if (directory === undefined) return;
  const clock = manualClock();
  const spool = await openReal(directory, clock);
  const many = join(directory, 'many');
  mkdirSync(many);
  for (let i = 0; ; i++) {
    try {
      writeFileSync(join(many, String(i)), '');
    } catch {
      break;
    }
  }
  const appended = spool.append([rangeSegment(0, 10, { topic: 'new' })]);
  await untilDisk(spool, 'no inodes', () => clock.advance(1_000));
  assert.ok(spool.status().freeBytes > 2 ** 20);
  rmSync(many, { recursive: true });
  await untilDisk(spool, 'sound', () => clock.advance(10_000));
  await appended;
  await spool.close();
});

test('a real file system that runs out of bytes is named full, and written when there is room again', async (t) => {
  const directory = mountSmall(t, 'size=8m');
  if (directory === undefined) return;
  const clock = manualClock();
  const spool = await openReal(directory, clock);
  await spool.append([rangeSegment(0, 10)]);
  const filler = join(directory, 'filler');
  for (let bytes = 2 ** 22; bytes >= 4_096; bytes /= 2) {
    try {
      writeFileSync(`${filler}-${bytes}`, Buffer.alloc(bytes));
      writeFileSync(`${filler}-${bytes}-more`, Buffer.alloc(bytes));
    } catch {}
  }
  const appended = spool.append([rangeSegment(10, 2 ** 20)]);
  await untilDisk(spool, 'full', () => clock.advance(1_000));
  for (const name of readdirSync(directory).filter((n) => n.startsWith('filler')))
    rmSync(join(directory, name));
  await untilDisk(spool, 'sound', () => clock.advance(10_000));
  await appended;
  await spool.close();
});

test('what is asked for again while it is dropped is told as lost, also where the disk fails meanwhile', async () => {
  const { now, disk } = faultyDisk();
  const { spool } = await spoolOver(disk);
  let losses = 0;
  spool.onLoss(() => losses++);
  const segment = rangeSegment(0, 10);
  await spool.append([segment]);
  now.write = { code: 'SQLITE_IOERR_WRITE' };
  const dropping = spool.committed([committedAt(segment, 10)]);
  await Promise.all([assert.rejects(dropping), assert.rejects(spool.askedAgain(segment, 2))]);
  assert.deepEqual(spool.status().partitions, [], 'it is gone');
  assert.equal(losses, 1);
  now.write = undefined;
  await spool.close();
});
