// A spool that cannot be used is not a dead end: what it holds and Kafka does not is said before anything is
// changed, and a reset takes nothing away.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createEvents } from '@sluice/agent/events.ts';
import { runSpoolCommand } from '@sluice/agent/ops/spool-command.ts';
import type { LogBounds } from '@sluice/agent/source/log-bounds.ts';
import { createSqliteSpool } from '@sluice/agent/spool/sqlite-spool.ts';
import { systemClock } from '@sluice/shared/clock.ts';
import { UsageError } from '@sluice/shared/command-line.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { silentLogger } from '@sluice/shared/log.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import Database from 'better-sqlite3';
import { manualClock } from '../../support/manual-clock.ts';
import { segmentOf } from '../../support/segments.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const claims = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };
const clock = manualClock(Date.UTC(2026, 10, 27, 9, 30));

const openSpool = (directory: string) =>
  createSqliteSpool({
    directory,
    bytesMax: 2 ** 30,
    freeSpaceMin: 0,
    clock: systemClock,
    events: createEvents(silentLogger, createMetrics()),
  });

/**
 * A stopped agent's: claims-0 holds [10, 20) and, behind a hole, [30, 35), of which up to 12 is committed.
 */
async function spoolAtRest(): Promise<string> {
  const directory = temporaryDirectory();
  const spool = await openSpool(directory);
  const values = (count: number) => Array.from({ length: count }, () => 'value');
  await spool.append([segmentOf(values(10), { baseOffset: 10 }), segmentOf(values(5), { baseOffset: 30 })]);
  const committed = { partition: claims, nextOffset: 12, openGaps: [], setsBack: false };
  await spool.committed([committed]);
  await spool.close();
  return directory;
}

/** But for empty logs, which SQLite lays beside a file that it only reads. */
function filesOf(directory: string): Record<string, string> {
  const all = globSync('spool*/**/*.{db,db-wal}', { cwd: directory }).sort();
  const files = all.filter((file) => statSync(join(directory, file)).size > 0);
  const digest = (file: string) =>
    createHash('sha256')
      .update(readFileSync(join(directory, file)))
      .digest('hex');
  return Object.fromEntries(files.map((file) => [file, digest(file)]));
}

interface Call {
  readonly directory: string;
  readonly verb?: string;
  readonly yes?: boolean;
  readonly logs?: readonly LogBounds[] | SluiceError;
}

const whole = { ...claims, logStart: 0, logEnd: 40, groupOffset: 12 };

async function call({ directory, verb = 'reset', yes = false, logs = [whole] }: Call) {
  let output = '';
  const asked: string[] = [];
  const code = await runSpoolCommand([verb], {
    directory,
    kafka: {} as never,
    yes,
    clock,
    write: (text) => {
      output += text;
    },
    async askKafka(topics) {
      asked.push(...topics);
      if (logs instanceof SluiceError) throw logs;
      return logs;
    },
  });
  return { code, output, asked };
}

const HELD = 'claims-0 [12, 20) [30, 35) not acknowledged: 15 records, 2 segments';

test('a spool whose data Kafka has is told so, and nothing is changed without --yes', async () => {
  const directory = await spoolAtRest();
  const before = filesOf(directory);
  const { code, output, asked } = await call({ directory });
  assert.deepEqual(asked, ['claims']);
  assert.match(output, new RegExp(`${HELD.replace(/[[\])(]/g, '\\$&')}, .* B; Kafka still holds all of it`));
  assert.match(output, /nothing is here alone/);
  assert.match(output, /nothing was changed; to go on: sluice-agent spool reset --yes/);
  assert.equal(code, 1);
  assert.deepEqual(filesOf(directory), before);
});

test('what Kafka no longer has is named by its range before anything is done', async () => {
  const directory = await spoolAtRest();
  const logs = [{ ...whole, logStart: 15, logEnd: 33 }];
  const { output } = await call({ directory, logs });
  assert.match(output, /Kafka holds \[15, 33\), AND NO LONGER \[12, 15\) \[33, 35\)/);
  assert.match(
    output,
    /5 offsets are nowhere but here: after a reset they are a gap, by name, in the ledger/,
  );
});

test('a topic that is gone, or was created again, has nothing of the spool’s', async () => {
  const directory = await spoolAtRest();
  const gone = await call({ directory, logs: [] });
  assert.match(gone.output, /THE TOPIC IS GONE from Kafka/);
  assert.match(gone.output, /13 offsets are nowhere but here/);
  const again = await call({ directory, logs: [{ ...whole, topicId: 'f'.repeat(32) }] });
  assert.match(again.output, /THE TOPIC WAS CREATED AGAIN/);
  assert.match(again.output, /13 offsets are nowhere but here/);
});

test('a reset renames the spool, byte by byte, and the agent begins a new one', async () => {
  const directory = await spoolAtRest();
  const before = filesOf(directory);
  const { code, output } = await call({ directory, yes: true });
  assert.equal(code, 0);
  const aside = join(directory, 'spool.reset-20261127T093000Z');
  assert.ok(output.includes(`renamed to ${aside}`), output);
  const moved = Object.entries(before).map(([file, digest]) => [
    file.replace('spool/', 'spool.reset-20261127T093000Z/'),
    digest,
  ]);
  assert.deepEqual(filesOf(directory), Object.fromEntries(moved));
  const fresh = await openSpool(directory);
  assert.deepEqual(fresh.status().partitions, []);
  await fresh.append([segmentOf(['new'], { baseOffset: 12 })]);
  await fresh.close();
  await call({ directory, yes: true });
  assert.ok(existsSync(`${aside}-2`), 'a second reset takes a name of its own');
});

test('while the agent runs its spool is neither looked into nor moved', async () => {
  const directory = temporaryDirectory();
  const running = await openSpool(directory);
  for (const verb of ['status', 'reset'])
    await assert.rejects(call({ directory, verb, yes: true }), { code: 'SPOOL_LOCKED' });
  await running.close();
  assert.equal((await call({ directory, verb: 'status' })).code, 0);
});

test('a Kafka that says nothing keeps nobody from a reset, and is not taken for one that has everything', async () => {
  const directory = await spoolAtRest();
  const logs = new SluiceError('KAFKA_UNREACHABLE', 'timed out');
  const { code, output } = await call({ directory, yes: true, logs });
  assert.match(output, /Kafka did not say what it holds: KAFKA_UNREACHABLE: timed out/);
  assert.match(output, /what is here and nowhere else cannot be told/);
  assert.equal(code, 0);
});

test('a spool of a newer version is refused untouched, and the reset says by the group what Kafka still has', async () => {
  const directory = await spoolAtRest();
  const [path = ''] = globSync('spool/claims/*.db', { cwd: directory });
  const database = new Database(join(directory, path));
  database.pragma('user_version = 9');
  database.close();
  const before = filesOf(directory);
  await assert.rejects(openSpool(directory), {
    code: 'SPOOL_FORMAT_NEWER',
    message: 'it has format 9, this agent knows 1',
    remedy: /^Upgrade the agent again, or run `sluice-agent spool reset`/,
  });
  const there = await call({ directory });
  assert.match(there.output, /\.db: format 9, which this version cannot read/);
  assert.match(
    there.output,
    /claims-0 Kafka holds \[0, 40\), acknowledged to 12: all behind that is still there/,
  );
  const lost = await call({ directory, logs: [{ ...whole, logStart: 15 }] });
  assert.match(lost.output, /claims-0 Kafka holds \[15, 40\), acknowledged to 12: AND NO LONGER \[12, 15\)/);
  const unknown = await call({ directory, logs: [{ ...whole, groupOffset: undefined }] });
  assert.match(unknown.output, /the group has no offset/);
  assert.deepEqual(filesOf(directory), before);
});

test('what is not a question, or is asked where there is no spool, is answered without a lock', async () => {
  const directory = temporaryDirectory();
  await assert.rejects(
    runSpoolCommand(['drop'], { directory, kafka: {} as never, yes: true, clock, write() {} }),
    UsageError,
  );
  const { code, output } = await call({ directory, yes: true });
  assert.equal(code, 0);
  assert.match(output, /does not exist: there is nothing to reset/);
  assert.deepEqual(globSync('*', { cwd: directory }), []);
});
