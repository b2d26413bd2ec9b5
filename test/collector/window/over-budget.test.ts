// A table over its error budget is parked like any other that somebody has to help: it says so, is tried ever
// more rarely, holds its topic or steps aside as its config says, and goes on when it is told another budget.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { createEvents } from '@sluice/collector/events.ts';
import { PARKED_RETRY_MS_MAX, PARKED_RETRY_MS_MIN } from '@sluice/collector/ledger/condition.ts';
import { judgeHealth } from '@sluice/collector/ops/health.ts';
import { registerMetrics } from '@sluice/collector/ops/metrics.ts';
import { createTableLane, WINDOWS_IN_FLIGHT_MAX } from '@sluice/collector/window/table-lane.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { eventually } from '../../support/eventually.ts';
import { fakeObjectStore } from '../../support/fake-object-store.ts';
import { rangeSegment } from '../../support/fake-spool.ts';
import { claims, writerOn } from '../../support/lake-fixture.ts';
import { transformDouble, type WriterDouble } from '../../support/lane-doubles.ts';
import { manualClock, settle } from '../../support/manual-clock.ts';
import { recordingLogger } from '../../support/recording-logger.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { declared, declaredOf, rest, sequencerOf } from '../../support/sequencer-harness.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const over = () => new SluiceError('QUARANTINE_BUDGET_EXCEEDED', '80 of 100 records of a window');

/** A lane over a real ledger, whose windows are over budget under config v1 and fine under any other. */
async function overBudget() {
  const clock = manualClock();
  const writer = writerOn(fakeObjectStore(), clock);
  await writer.load();
  await writer.open([{ ...claims, leaderEpoch: 0, start: 0, why: 'test' }]);
  const double = transformDouble();
  const attempts: string[] = [];
  const transformer: typeof double = {
    ...double,
    run(request) {
      attempts.push(request.table.configVersion);
      return request.table.configVersion === 'v1' ? Promise.reject(over()) : double.run(request);
    },
  };
  const table = {
    ...{ name: 'claims', topic: 'claims', configVersion: 'v1', partitionBy: [] as readonly never[] },
    ...{ windowLengthMs: 100_000, windowBytesMax: 2 ** 30, whenParked: 'hold' },
  } as unknown as TableConfig;
  const log = recordingLogger();
  const lane = createTableLane({
    ...{ table, writer, transformer, clock, workDir: temporaryDirectory(), random: seededRandom(1) },
    events: createEvents(log, createMetrics()),
  });
  const segment = { ...rangeSegment(0, 10), topicId: claims.topicId };
  lane.stage({ segment, fromOffset: 0 }, { stored: undefined, release: () => {} });
  lane.close('time');
  await settle();
  const facts = () => ({
    tables: [{ lane: lane.status(), writer: writer.status(), windowLengthMs: 100_000, partitions: [] }],
    ingest: { listening: true, agents: [], daysToExpiry: 300 },
    ...{ stagedBytes: 0, stagedBytesMax: 1_000, draining: false, wallMs: clock.wallMs() },
  });
  return { clock, writer, lane, table, attempts, facts };
}

test('a table over its budget is parked in status, health and metrics, and says why', async () => {
  const { clock, writer, lane, facts } = await overBudget();
  await clock.advance(60_000);
  assert.equal(writer.status().state, 'parked');
  assert.match(lane.stuck() ?? '', /QUARANTINE_BUDGET_EXCEEDED: 80 of 100/);
  const { verdict, reasons } = judgeHealth(facts());
  assert.equal(verdict, 'stopped', 'its only table is parked');
  assert.match(reasons[0] ?? '', /^table claims is parked for 60 s: transform: QUARANTINE_BUDGET_EXCEEDED/);
  const metrics = createMetrics();
  registerMetrics(metrics, facts);
  assert.match(await metrics.text(), /sluice_table_ready\{table="claims"\} 0/);
  lane.stop();
  writer.close();
});

test('it is tried ever more rarely, between the bounds of every parked table', async () => {
  const { clock, writer, lane, attempts } = await overBudget();
  const waits: number[] = [];
  for (let tries = attempts.length, waited = 0; waits.length < 8; waited += 500) {
    await clock.advance(500);
    if (attempts.length === tries) continue;
    waits.push(waited);
    [tries, waited] = [attempts.length, 0];
  }
  assert.ok((waits[0] ?? 0) >= PARKED_RETRY_MS_MIN / 2 - 500, waits.join());
  assert.ok((waits.at(-1) ?? 0) > PARKED_RETRY_MS_MAX / 2 - 1_000, waits.join());
  assert.ok(Math.max(...waits) <= PARKED_RETRY_MS_MAX);
  lane.stop();
  writer.close();
});

test('told another budget it goes on at once, with the window that waited', async () => {
  const { writer, lane, table, attempts } = await overBudget();
  lane.configure({ ...table, configVersion: 'v2', quarantineRatioMax: 0.9 });
  writer.retryNow();
  await lane.drained();
  assert.deepEqual(attempts, ['v1', 'v2']);
  assert.equal(writer.status().state, 'ready');
  assert.equal(writer.acked(claims), 10);
});

async function pair(whenParked: 'hold' | 'detach') {
  const tables = [{ name: 'fast' }, { name: 'strict', whenParked }];
  const parts = await declared(sequencerOf({ tables, windowBytes: 10 }));
  const strict = parts.lanes[1]?.lane ?? assert.fail();
  const writer = parts.writers['strict'] as WriterDouble;
  writer.parkedWait = () => parts.clock.sleep(PARKED_RETRY_MS_MIN);
  const { run } = parts.transformer;
  const budget = { over: true, attempts: 0 };
  parts.transformer.run = (request) => {
    if (request.table.name !== 'strict') return run(request);
    budget.attempts++;
    return budget.over ? Promise.reject(over()) : run(request);
  };
  for (let i = 0; i < WINDOWS_IN_FLIGHT_MAX + 2; i++) {
    parts.send(i * 10, i * 10 + 10);
    await settle();
  }
  return { ...parts, strict, writer, budget };
}

test('where it holds, its topic waits for it, and nothing of it is acknowledged', async () => {
  const { link, writer, strict } = await pair('hold');
  assert.equal(strict.detachedSinceMs(), undefined);
  assert.equal(writer.status().state, 'parked');
  assert.ok(link.told.includes('hold claims'), link.told.join());
  assert.ok(!link.told.some((word) => /^committed claims-0 [1-9]/.test(word)));
});

test('where it steps aside its topic goes on, and it stays parked until it is told to try', async () => {
  const { lanes, writers, writer, strict, budget, link, clock, send } = await pair('detach');
  assert.notEqual(strict.detachedSinceMs(), undefined);
  await lanes[0]?.lane.drained();
  assert.ok(link.told.includes('committed claims-0 60'), link.told.join());
  const before = budget.attempts;
  await clock.advance(10 * PARKED_RETRY_MS_MAX);
  assert.equal(budget.attempts, before, 'the same records would only be over budget again');
  assert.notEqual(strict.detachedSinceMs(), undefined);
  assert.equal(writer.status().state, 'parked');
  budget.over = false;
  writer.retryNow();
  await eventually('it is taken back', () => strict.detachedSinceMs() === undefined);
  assert.equal(link.told.filter((word) => word.startsWith('rewind')).at(-1), 'rewind claims-0 0 epoch 1');
  send(0, 70, 1);
  await rest({ lanes });
  assert.equal(writer.position(declaredOf()), 70);
  assert.equal(writers['fast']?.position(declaredOf()), 70);
});
