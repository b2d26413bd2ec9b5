// What the spool says is on disk is there after a kill -9, in order and unaltered; what is committed leaves
// the disk.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import type { Spool, SpoolPressure } from '@sluice/agent/contracts.ts';
import { createEvents } from '@sluice/agent/events.ts';
import { createSqliteSpool } from '@sluice/agent/spool/sqlite-spool.ts';
import { type Clock, systemClock } from '@sluice/shared/clock.ts';
import { type Logger, silentLogger } from '@sluice/shared/log.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import Database from 'better-sqlite3';
import { eventually } from '../../support/eventually.ts';
import { committedAt } from '../../support/fake-spool.ts';
import { recordingLogger } from '../../support/recording-logger.ts';
import { segmentOf } from '../../support/segments.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const claims = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };

interface SpoolOptions {
  readonly bytesMax?: number;
  readonly clock?: Clock;
  readonly log?: Logger;
}

function openSpool(directory: string, options: SpoolOptions = {}) {
  const { bytesMax = 2 ** 30, clock = systemClock, log = silentLogger } = options;
  const events = createEvents(log, createMetrics());
  return createSqliteSpool({ directory, bytesMax, freeSpaceMin: 0, clock, events });
}

function segments(count: number, { topic = 'claims', bytes = 1_000 } = {}): Segment[] {
  return Array.from({ length: count }, (_, i) => segmentOf([randomBytes(bytes)], { topic, baseOffset: i }));
}

async function readAll(spool: Spool, from = 0): Promise<number[]> {
  const offsets: number[] = [];
  for (let next = from; ; ) {
    const found = await spool.read(claims, next, 1);
    if (found.length === 0) return offsets;
    for (const { startOffset, nextOffset } of found) {
      offsets.push(startOffset);
      next = nextOffset;
    }
  }
}

test('segments come back in order, unaltered, after the spool was closed and opened again', async () => {
  const directory = temporaryDirectory();
  const written = segments(20);
  const first = await openSpool(directory);
  await Promise.all(written.map((segment) => first.append([segment])));
  const { instanceId } = first;
  await first.close();
  const second = await openSpool(directory);
  assert.equal(second.instanceId, instanceId);
  assert.deepEqual(await readAll(second), [...written.keys()]);
  const [third] = await second.read(claims, 2, 1);
  assert.deepEqual(Buffer.from(third?.payload ?? []), Buffer.from(written[2]?.payload ?? []));
  assert.deepEqual(
    second.status().partitions.map(({ startOffset, nextOffset }) => [startOffset, nextOffset]),
    [[0, 20]],
  );
  await second.close();
});

test('what append acknowledged survives a kill -9', async () => {
  const directory = temporaryDirectory();
  const child = spawn(process.execPath, [join(import.meta.dirname, 'append-for-ever.ts'), directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let acknowledged = 0;
  child.stdout.on('data', (data: Buffer) => {
    acknowledged = Number(data.toString().trim().split('\n').at(-1));
  });
  await eventually('fifty appends', () => acknowledged >= 50);
  child.kill('SIGKILL');
  await once(child, 'exit');
  const spool = await openSpool(directory);
  const offsets = await readAll(spool);
  assert.ok(offsets.length >= acknowledged, `${offsets.length} of ${acknowledged} are there`);
  assert.deepEqual(offsets, [...offsets.keys()]);
  await spool.close();
});

test('files that hold nothing uncommitted are unlinked, and a restart does not bring them back', async () => {
  const directory = temporaryDirectory();
  const spool = await openSpool(directory, { bytesMax: 16 * 2 ** 20 });
  const written = segments(40, { bytes: 200_000 });
  for (const segment of written) await spool.append([segment]);
  const files = () => readdirSync(join(directory, 'spool', 'claims')).filter((name) => name.endsWith('.db'));
  assert.ok(files().length >= 3, `${files().length} files`);
  await spool.committed([committedAt(claims, 40)]);
  assert.ok(files().length <= 1, `${files().length} files are left`);
  await spool.close();
  const again = await openSpool(directory);
  assert.deepEqual(again.status().partitions, []);
  await again.close();
});

test('what is asked for again while it is being dropped is said not to be here any more', async () => {
  const spool = await openSpool(temporaryDirectory());
  let losses = 0;
  spool.onLoss(() => losses++);
  await spool.append(segments(10));
  await Promise.all([spool.committed([committedAt(claims, 4)]), spool.askedAgain(claims, 4)]);
  assert.equal(losses, 0, 'nothing below that was asked for');
  await Promise.all([spool.committed([committedAt(claims, 8)]), spool.askedAgain(claims, 2)]);
  assert.equal(losses, 1);
  const back = { ...committedAt(claims, 1), setsBack: true };
  await Promise.all([spool.committed([committedAt(claims, 9)]), spool.committed([back])]);
  assert.equal(losses, 2, 'a Welcome says it as well');
  await spool.committed([committedAt(claims, 10)]);
  await spool.askedAgain(claims, 1);
  assert.equal(losses, 2, 'who asks later knows what is here');
  await spool.close();
});

test('what was committed before it came to the disk is not sent from memory either', async () => {
  const spool = await openSpool(temporaryDirectory());
  await spool.append(segments(4));
  await spool.committed([committedAt(claims, 3)]);
  await spool.append(segments(4));
  assert.deepEqual(await readAll(spool), []);
  assert.deepEqual(await readAll(spool, 3), [3]);
  await spool.askedAgain(claims, 1);
  await spool.append(segments(2));
  assert.deepEqual(await readAll(spool, 1), [1], 'what is asked for again is there again');
  await spool.close();
});

test('the cap stops the source and lets it go on when enough was committed', async () => {
  const spool = await openSpool(temporaryDirectory(), { bytesMax: 64 * 2 ** 10 });
  const told: SpoolPressure[] = [];
  spool.onPressure((pressure) => told.push(pressure));
  for (const segment of segments(70)) await spool.append([segment]);
  assert.match(told.at(-1)?.full ?? '', /spool.bytesMax/);
  await spool.committed([committedAt(claims, 2)]);
  assert.notEqual(told.at(-1)?.full, undefined, 'a little room is not enough');
  await spool.committed([committedAt(claims, 30)]);
  assert.equal(told.at(-1)?.full, undefined);
  await spool.close();
});

test('a topic beyond its share is held while its neighbour flows', async () => {
  const spool = await openSpool(temporaryDirectory(), { bytesMax: 64 * 2 ** 10 });
  let pressure: SpoolPressure | undefined;
  spool.onPressure((now) => {
    pressure = now;
  });
  await spool.append(segments(1, { topic: 'quiet' }));
  for (const segment of segments(55)) await spool.append([segment]);
  assert.deepEqual([...(pressure?.heldTopics.keys() ?? [])], ['claims']);
  assert.equal(pressure?.full, undefined);
  await spool.close();
});

test('a broken segment is dropped alone and by name, and its neighbours in the file are still there', async () => {
  const directory = temporaryDirectory();
  const first = await openSpool(directory);
  for (const segment of segments(3)) await first.append([segment]);
  await first.close();
  const topic = join(directory, 'spool', 'claims');
  const [name = ''] = readdirSync(topic);
  const database = new Database(join(topic, name));
  database.prepare('UPDATE segments SET payload = ? WHERE start_offset = 1').run(Buffer.from('other'));
  database.close();
  const log = recordingLogger();
  const second = await openSpool(directory, { log });
  await assert.rejects(second.read(claims, 0, 2 ** 20), { code: 'SEGMENT_CORRUPT' });
  assert.deepEqual(log.said(/was dropped/), [
    {
      topic: 'claims',
      partition: 0,
      startOffset: 1,
      nextOffset: 2,
      path: join(topic, name),
      reason: 'its CRC-32C is wrong',
    },
  ]);
  assert.deepEqual(second.status().partitions[0]?.runs, [
    { startOffset: 0, nextOffset: 1 },
    { startOffset: 2, nextOffset: 3 },
  ]);
  assert.deepEqual(await readAll(second), [0]);
  assert.deepEqual(await readAll(second, 2), [2]);
  assert.deepEqual(
    readdirSync(topic).filter((file) => file.includes('corrupt')),
    [],
    'the file stays',
  );
  await second.close();
  const third = await openSpool(directory);
  assert.equal(third.status().partitions[0]?.segments, 2, 'it is gone from the disk as well');
  await third.append([segments(2)[1] as Segment]);
  assert.deepEqual(await readAll(third), [0, 1, 2]);
  await third.close();
});

test('a spool of a newer format is refused with every byte of it as it was, also what no checkpoint has reached', async () => {
  const directory = temporaryDirectory();
  const first = await openSpool(directory);
  await first.append([...segments(1), ...segments(1, { topic: 'orders' })]);
  await first.close();
  const file = (topic: string) => join(directory, 'spool', topic, '00000000000000000001.db');
  // As an agent that was killed leaves it: the newer format stands in the write-ahead log alone.
  const database = new Database(file('orders'));
  database.pragma('wal_checkpoint(TRUNCATE)');
  database.pragma('user_version = 9');
  const killed = temporaryDirectory();
  cpSync(directory, killed, { recursive: true });
  database.close();
  const bytes = () =>
    [
      'claims/00000000000000000001.db',
      ...['', '-wal'].map((end) => `orders/00000000000000000001.db${end}`),
    ].map((path) => readFileSync(join(killed, 'spool', path)).toString('base64'));
  const before = bytes();
  await assert.rejects(openSpool(killed), { code: 'SPOOL_FORMAT_NEWER' });
  assert.deepEqual(bytes(), before);
  await assert.rejects(openSpool(killed), { code: 'SPOOL_FORMAT_NEWER' }, 'the lock was let go');
});

test('a second process on one data directory is refused', async () => {
  const directory = temporaryDirectory();
  const first = await openSpool(directory);
  await assert.rejects(openSpool(directory), { code: 'SPOOL_LOCKED' });
  await first.close();
  await (await openSpool(directory)).close();
});

test('a thread that owes an answer is silent for as long as the oldest call waits', async () => {
  let nowMs = 0;
  const clock = { ...systemClock, monotonicMs: () => nowMs };
  const spool = await openSpool(temporaryDirectory(), { clock });
  assert.equal(spool.status().silentMs, 0);
  const first = spool.append(segments(1));
  nowMs = 90_000;
  const second = spool.committed([committedAt(claims, 0)]);
  assert.equal(spool.status().silentMs, 90_000);
  await Promise.all([first, second]);
  assert.equal(spool.status().silentMs, 0);
  await spool.close();
});

test('a thread that ended is silent for ever, and nobody waits for it', async () => {
  const threads: Worker[] = [];
  const seen = (message: unknown) => threads.push((message as { worker: Worker }).worker);
  subscribe('worker_threads', seen);
  const spool = await openSpool(temporaryDirectory());
  unsubscribe('worker_threads', seen);
  await threads[0]?.terminate();
  assert.equal(spool.status().silentMs, Infinity);
  await assert.rejects(spool.read(claims, 0, 1), { code: 'SPOOL_IO' });
  await spool.close();
});
