// What the bench measures with: process trees, percentages and tables are held to known figures.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { LedgerEntry } from '@sluice/collector/contracts.ts';
import { encodeEntry } from '@sluice/collector/ledger/entry.ts';
import { temporaryDirectory } from '../support/temp.ts';
import { untilCommitted } from './measure/ledger-watch.ts';
import {
  cpuSeconds,
  machineBusySeconds,
  peakRssBytes,
  residentBytes,
  threadCpuSeconds,
  treeCpuSeconds,
} from './measure/process-usage.ts';
import { row, rowsTable } from './measure/row.ts';

const BUSY_SECONDS = 0.15;
const TICK_SECONDS = 0.02;

function beBusy(): void {
  const before = process.cpuUsage();
  for (let used = 0; used < BUSY_SECONDS * 1e6; ) {
    const { user, system } = process.cpuUsage(before);
    used = user + system;
  }
}

test('CPU of a process is counted, and counts as the machine’s', () => {
  const before = { own: cpuSeconds(process.pid), machine: machineBusySeconds() };
  beBusy();
  assert.ok(cpuSeconds(process.pid) - before.own >= BUSY_SECONDS - TICK_SECONDS);
  assert.ok(machineBusySeconds() - before.machine >= BUSY_SECONDS - TICK_SECONDS);
});

test('CPU of a thread is counted under its name, and the others’ is not', () => {
  const before = threadCpuSeconds(process.pid);
  beBusy();
  const after = threadCpuSeconds(process.pid);
  const used = (name: string) => (after[name] ?? 0) - (before[name] ?? 0);
  const own = Object.keys(after).filter((name) => used(name) >= BUSY_SECONDS - TICK_SECONDS);
  assert.equal(own.length, 1, JSON.stringify({ before, after }));
});

test('CPU of a child that has ended is still counted in the tree of its parent', () => {
  const before = { tree: treeCpuSeconds(process.pid), own: cpuSeconds(process.pid) };
  const script = `const end = process.cpuUsage().user + ${BUSY_SECONDS * 1e6}; while (process.cpuUsage().user < end);`;
  assert.equal(spawnSync(process.execPath, ['-e', script]).status, 0);
  const ofChild = treeCpuSeconds(process.pid) - before.tree - (cpuSeconds(process.pid) - before.own);
  assert.ok(ofChild >= BUSY_SECONDS - TICK_SECONDS, `${ofChild} s`);
});

test('memory that was used and given back is in the peak', () => {
  const before = peakRssBytes(process.pid);
  const bytes = 300 * 2 ** 20;
  Buffer.alloc(bytes, 1).buffer.transfer(0);
  assert.ok(process.memoryUsage.rss() < bytes);
  assert.ok(peakRssBytes(process.pid) >= Math.max(before, bytes));
  assert.equal(peakRssBytes(2 ** 30), 0, 'a process that is not there has none');
});

test('memory of a process’s own and pages of its files are told apart', () => {
  const bytes = 300 * 2 ** 20;
  const before = residentBytes(process.pid);
  const held = Buffer.alloc(bytes, 1);
  const after = residentBytes(process.pid);
  assert.ok(after.own - before.own > bytes * 0.9, JSON.stringify({ before, after }));
  assert.ok(after.ofFiles > 10 * 2 ** 20 && after.ofFiles < bytes, `${after.ofFiles} bytes of files`);
  held.buffer.transfer(0);
  assert.deepEqual(residentBytes(2 ** 30), { own: 0, ofFiles: 0 });
});

const base = {
  format: 1 as const,
  ...{ table: 'orders', token: 't', previous: null, writer: 'w', publishedThrough: -1 },
  writtenAt: '2026-01-01T00:00:00Z',
};
const partition = { topic: 'orders', topicId: '0'.repeat(32), partition: 0 };

function commitOf(sequence: number, start: number, next: number): LedgerEntry {
  const counts = { records: next - start, control: 0, aborted: 0, absent: 0 };
  return {
    ...base,
    kind: 'commit',
    sequence,
    windowId: String(sequence),
    configVersion: 'c',
    openedAt: base.writtenAt,
    ranges: [{ ...partition, leaderEpoch: 0, start, next, counts }],
    classes: { in: next - start, emitted: next - start, merged: 0, filtered: 0, quarantined: 0 },
    rows: { rows: next - start, quarantine: 0 },
    outputs: [],
  };
}

function write(directory: string, entry: LedgerEntry): void {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, `${String(entry.sequence).padStart(20, '0')}.json`), encodeEntry(entry));
}

test('a table is watched until its commits, and nothing else, cover the records', async () => {
  const directory = join(temporaryDirectory(), 'ledger');
  const deadline = AbortSignal.timeout(10_000);
  let over = false;
  const watched = untilCommitted(directory, 100, deadline).finally(() => {
    over = true;
  });
  write(directory, {
    ...base,
    kind: 'open',
    sequence: 0,
    partitions: [{ ...partition, leaderEpoch: 0, start: 0, why: 'test' }],
  });
  const before = Date.now();
  write(directory, commitOf(1, 0, 60));
  await untilCommitted(directory, 60, deadline);
  assert.equal(over, false, 'sixty are not a hundred');
  write(directory, commitOf(2, 60, 100));
  const commits = await watched;
  assert.deepEqual(
    commits.map(({ records }) => records),
    [60, 40],
  );
  for (const { atMs } of commits) assert.ok(Math.abs(atMs - before) < 5_000);
});

test('watching ends when it is told to, with the reason', async () => {
  const stop = new AbortController();
  const watched = untilCommitted(join(temporaryDirectory(), 'never'), 1, stop.signal);
  stop.abort(new Error('the agent ended with 1'));
  await assert.rejects(watched, (error: Error) =>
    /the agent ended with 1/.test(String(error.cause ?? error)),
  );
});

test('rates are records by seconds and CPU by a million records', () => {
  const measured = {
    ...{ seconds: 4, cpuSeconds: 6, peakRssBytes: 5e8, foreignCpuShare: 0.25 },
    details: {},
  };
  const made = row('journey', 2_000_000, measured);
  assert.equal(made.recordsPerSecond, 500_000);
  assert.equal(made.cpuSecondsPerMillion, 3);
  assert.match(rowsTable([made]), /journey +500,000 +3\.00 +500 +4\.00 +25 %/);
});
