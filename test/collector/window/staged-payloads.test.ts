// Payloads beyond the memory they may have lie in files: they come back as they were, or with an error that
// says so; a disk that takes nothing costs memory and no data.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import type { StoredPayload } from '@sluice/collector/contracts.ts';
import { openPayloadFile, type PayloadFile } from '@sluice/collector/window/payload-file.ts';
import { StagedPayloads } from '@sluice/collector/window/staged-payloads.ts';
import { manualClock } from '../../support/manual-clock.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const MiB = 2 ** 20;
const filled = (byte: number, bytes = MiB) => Buffer.alloc(bytes, byte);

function payloadsOf(
  openFile: (directory: string) => Promise<PayloadFile> = openPayloadFile,
  memoryBytesMax = 2 * MiB,
) {
  const directory = temporaryDirectory();
  const clock = manualClock();
  const told: string[] = [];
  const events = {
    stagedInMemory: ({ reason }: { reason: string }) => void told.push(reason),
    stagingDiskSilent: ({ waitedMs }: { waitedMs: number }) => void told.push(`silent for ${waitedMs} ms`),
  };
  const payloads = new StagedPayloads({ directory, memoryBytesMax, clock, events, openFile });
  return { payloads, directory, clock, told };
}

/** Files in memory, and how many are open. */
function fakeDisk(change: Partial<PayloadFile> = {}) {
  const disk = { open: 0, opened: 0 };
  const openFile = async (): Promise<PayloadFile> => {
    const bytes = Buffer.alloc(32 * MiB);
    disk.open++;
    disk.opened++;
    return {
      write: async (piece, position) => void bytes.set(piece, position),
      read: async (position, length) => Uint8Array.from(bytes.subarray(position, position + length)),
      close: async () => void disk.open--,
      ...change,
    };
  };
  return { disk, openFile };
}

async function read(stored: StoredPayload | undefined): Promise<Buffer> {
  assert.ok(stored, 'it is not stored');
  return Buffer.from(await stored.read());
}

test('what is beyond the memory lies on disk, comes back as it was, as often as it is asked for', async () => {
  const { payloads, told } = payloadsOf();
  const [here, there] = [
    [1, 2],
    [3, 4, 5],
  ].map((bytes) => bytes.map((byte) => filled(byte)));
  for (const bytes of here ?? []) assert.equal(payloads.keep(bytes).stored, undefined);
  const kept = (there ?? []).map((bytes) => payloads.keep(bytes));
  for (const round of [1, 2])
    for (const [i, { stored }] of kept.entries())
      assert.ok((await read(stored)).equals(filled(i + 3)), `round ${round}`);
  assert.equal(payloads.memoryBytes, 2 * MiB);
  assert.deepEqual(
    [...(here ?? []), ...(there ?? [])].map((bytes) => bytes.length / MiB),
    [1, 1, 0, 0, 0],
  );
  assert.deepEqual(told, []);
  for (const { drop } of kept) drop();
});

test('memory that was let go is used again before the disk is', () => {
  const { payloads } = payloadsOf(fakeDisk().openFile);
  const [first] = [payloads.keep(filled(1)), payloads.keep(filled(2))];
  first?.drop();
  assert.equal(payloads.keep(filled(3)).stored, undefined);
  assert.notEqual(payloads.keep(filled(4)).stored, undefined);
});

test('nothing with a name stands in the directory, and what was read is the reader’s own', async () => {
  const { payloads, directory } = payloadsOf(openPayloadFile, 0);
  const kept = payloads.keep(filled(1));
  const first = await read(kept.stored);
  assert.deepEqual(readdirSync(directory), []);
  first.fill(0);
  assert.ok((await read(kept.stored)).equals(filled(1)));
  kept.drop();
});

test('a file ends at its limit, and is closed when the last of what it holds was let go', async () => {
  const { disk, openFile } = fakeDisk();
  const { payloads } = payloadsOf(openFile, 0);
  const kept = Array.from({ length: 40 }, (_, i) => payloads.keep(filled(i)));
  for (const [i, { stored }] of kept.entries()) assert.ok((await read(stored)).equals(filled(i)));
  assert.deepEqual(disk, { open: 3, opened: 3 });
  for (const { drop } of kept.slice(1)) drop();
  await read(kept[0]?.stored);
  assert.equal(disk.open, 1);
  kept[0]?.drop();
  await read(payloads.keep(filled(1)).stored);
  assert.deepEqual(disk, { open: 1, opened: 4 });
});

test('what stays for long keeps no more of the disk than its own room', async () => {
  const { disk, openFile } = fakeDisk();
  const { payloads, told } = payloadsOf(openFile, 0);
  const stay = [];
  for (let round = 0; round < 5; round++) {
    const small = payloads.keep(filled(round, 100));
    const passing = Array.from({ length: 16 }, (_, i) => payloads.keep(filled(i)));
    for (const [i, { stored }] of passing.entries()) assert.ok((await read(stored)).equals(filled(i)));
    for (const { drop } of passing) drop();
    stay.push(small);
  }
  for (const [i, { stored }] of stay.entries()) assert.ok((await read(stored)).equals(filled(i, 100)));
  assert.equal(disk.open, 1);
  assert.deepEqual(told, []);
});

test('a file whose last payload is let go while the next is written takes that one', async () => {
  const { payloads, told } = payloadsOf(openPayloadFile, 0);
  const first = payloads.keep(filled(1));
  const second = payloads.keep(filled(2));
  first.drop();
  assert.ok((await read(second.stored)).equals(filled(2)));
  assert.deepEqual(told, []);
  second.drop();
});

test('what the disk does not take stays in memory, and it is left in peace for a while', async () => {
  let full = true;
  const { disk, openFile } = fakeDisk();
  const refusing = async () => {
    if (full) throw new Error('no space left');
    return await openFile();
  };
  const { payloads, clock, told } = payloadsOf(refusing, 0);
  const kept = payloads.keep(filled(1));
  assert.ok((await read(kept.stored)).equals(filled(1)));
  assert.deepEqual(told, ['no space left']);
  const [resting] = [payloads.keep(filled(2))];
  assert.equal(resting.stored, undefined);
  full = false;
  await clock.advance(5_000);
  assert.ok((await read(payloads.keep(filled(3)).stored)).equals(filled(3)));
  assert.deepEqual([disk.opened, told.length], [1, 1]);
});

test('a disk that hangs is told of, by what has waited longest, and no more once it answers', async () => {
  for (const hangs of ['write', 'read'] as const) {
    const answers: PromiseWithResolvers<void>[] = [];
    const hang = async () => {
      const answer = Promise.withResolvers<void>();
      answers.push(answer);
      await answer.promise;
    };
    const { openFile } = fakeDisk();
    const hanging = async () => {
      const file = await openFile();
      const write: PayloadFile['write'] = (piece, at) => hang().then(() => file.write(piece, at));
      const slowRead: PayloadFile['read'] = (at, length) => hang().then(() => file.read(at, length));
      return { ...file, ...(hangs === 'write' ? { write } : { read: slowRead }) };
    };
    const { payloads, clock, told } = payloadsOf(hanging, 0);
    const [first, second] = [payloads.keep(filled(1)), payloads.keep(filled(2))];
    const readings = [read(first.stored), read(second.stored)];
    await clock.advance(9_999);
    assert.equal(payloads.diskSilentMs(), undefined);
    assert.deepEqual(told, []);
    await clock.advance(15_001);
    assert.equal(payloads.diskSilentMs(), 25_000);
    assert.equal(told[0], 'silent for 10000 ms');
    while (answers.length > 0) {
      answers.shift()?.resolve();
      await clock.advance(0);
    }
    await Promise.all(readings);
    assert.equal(payloads.diskSilentMs(), undefined);
    assert.equal(clock.timers, 0);
  }
});

test('a write that failed leaves no file open', async () => {
  const { disk, openFile } = fakeDisk({ write: () => Promise.reject(new Error('broken')) });
  const { payloads } = payloadsOf(openFile, 0);
  assert.ok((await read(payloads.keep(filled(1)).stored)).equals(filled(1)));
  assert.equal(disk.open, 0);
});

test('other bytes than were written are an error, and so is a disk that gives none', async () => {
  const other = fakeDisk({ read: async (_position, length) => filled(9, length) });
  const none = fakeDisk({ read: () => Promise.reject(new Error('input/output error')) });
  for (const { openFile } of [other, none]) {
    const { payloads } = payloadsOf(openFile, 0);
    const { stored } = payloads.keep(filled(1));
    await assert.rejects(read(stored), { code: 'STAGING_UNREADABLE' });
  }
});
