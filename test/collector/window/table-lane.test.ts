// A lane never loses a segment: windows close by time, bytes or drain, are transformed side by side and
// committed in order, and what fails waits and is tried again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { createEvents } from '@sluice/collector/events.ts';
import { createTableLane, WINDOWS_IN_FLIGHT_MAX } from '@sluice/collector/window/table-lane.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { type Logger, silentLogger } from '@sluice/shared/log.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import { eventually } from '../../support/eventually.ts';
import { rangeSegment } from '../../support/fake-spool.ts';
import { transformDouble, type WriterDouble, writerDouble } from '../../support/lane-doubles.ts';
import { manualClock, settle } from '../../support/manual-clock.ts';
import { recordingLogger } from '../../support/recording-logger.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const WINDOW_MS = 100_000;
const home = temporaryDirectory();
const silent: Logger = silentLogger;
const claims = rangeSegment(0, 1);

function laneOf({ start = 0, fraction = 0.5, bytesMax = 2 ** 30, log = silent, workDir = home } = {}) {
  const clock = manualClock();
  const transformer = transformDouble();
  const writer = writerDouble();
  const table = {
    ...{ name: 'claims', topic: 'claims' },
    ...{ windowLengthMs: WINDOW_MS, windowBytesMax: bytesMax },
    partitionBy: [] as TableConfig['partitionBy'],
  } as TableConfig;
  const lane = createTableLane({
    table,
    writer,
    transformer,
    workDir,
    clock,
    random: { ...seededRandom(1), fraction: () => fraction },
    events: createEvents(log, createMetrics()),
  });
  writer.place(claims, start);
  const released: number[] = [];
  const stage = (segment: Segment, from = segment.startOffset) =>
    lane.stage({ segment, fromOffset: from }, { release: () => void released.push(segment.startOffset) });
  return { clock, transformer, writer, lane, released, stage };
}

/** What the disk is asked for takes real time; what is waited for is always a condition. */
const until = (what: string, holds: () => boolean) =>
  eventually(what, holds, { deadlineMs: 5_000, everyMs: 1 });
const committed = ({ log }: WriterDouble, ranges: readonly string[]) =>
  until(ranges.join(), () => log.length >= ranges.length).then(() => assert.deepEqual(log, ranges));

test('a window closes after its time, at most a twentieth earlier, whatever the dice say', async () => {
  for (const [fraction, closesAt] of [
    [0, 100_000],
    [0.999_999, 95_000],
    [0.5, 97_500],
  ] as const) {
    const { clock, lane, stage } = laneOf({ fraction });
    stage(rangeSegment(0, 10));
    await clock.advance(closesAt - 1);
    assert.equal(lane.status().openSegments, 1, `${fraction}: too early`);
    await clock.advance(2);
    assert.equal(lane.status().openSegments, 0, `${fraction}: too late`);
  }
});

test('a window’s time runs from its first record; coverage without records waits for company', async () => {
  const nothing = rangeSegment(0, 10, { counts: { records: 0, control: 0, aborted: 0, absent: 10 } });
  const { clock, lane, stage } = laneOf();
  stage(nothing);
  await clock.advance(WINDOW_MS * 2);
  assert.equal(lane.status().openSegments, 1);
  stage(rangeSegment(10, 20));
  await clock.advance(WINDOW_MS);
  assert.equal(lane.status().openSegments, 0);
  const alone = laneOf();
  alone.stage(nothing);
  await alone.clock.advance(15 * 60_000);
  assert.equal(alone.lane.status().openSegments, 0);
});

test('a window closes when it is large enough, and the next segment opens another', async () => {
  const { writer, lane, stage } = laneOf({ bytesMax: 25 });
  stage(rangeSegment(0, 10));
  stage(rangeSegment(10, 20));
  assert.equal(lane.openBytes(), 20);
  stage(rangeSegment(20, 30));
  assert.equal(lane.openBytes(), 0);
  stage(rangeSegment(30, 40));
  await committed(writer, ['claims-0 [0, 30)']);
  assert.equal(lane.next(claims), 40);
});

test('windows transformed out of order are committed in order', async () => {
  const { transformer, writer, lane, stage, released } = laneOf({ bytesMax: 10 });
  transformer.immediate = false;
  for (let at = 0; at < 30; at += 10) stage(rangeSegment(at, at + 10));
  await until('they are transformed side by side', () => transformer.waiting.length === 3);
  const at = (start: number) => transformer.waiting.find((w) => w.read[0]?.fromOffset === start);
  at(20)?.finish();
  at(10)?.finish();
  await settle();
  assert.deepEqual(writer.log, []);
  at(0)?.finish();
  await committed(writer, ['claims-0 [0, 10)', 'claims-0 [10, 20)', 'claims-0 [20, 30)']);
  await until('all are finished', () => lane.status().windowsInFlight === 0);
  assert.deepEqual(released, [0, 10, 20]);
  assert.equal(lane.status().recordsCommitted, 30);
});

test('a large window is transformed while it grows, if there is room, and committed once it is closed', async () => {
  const { transformer, writer, lane, stage } = laneOf();
  const large = (start: number) => rangeSegment(start, start + 10, { payload: Buffer.alloc(3 * 2 ** 20) });
  transformer.room = true;
  stage(large(0));
  await settle();
  assert.equal(transformer.reads.length, 0, 'it is small');
  stage(large(10));
  assert.equal(transformer.reads.length, 1, 'it has its place before another window can ask for one');
  await until('both are read', () => transformer.reads[0]?.length === 2);
  stage(large(20));
  await until('the third as well', () => transformer.reads[0]?.length === 3);
  assert.deepEqual(writer.log, []);
  lane.close('drain');
  await committed(writer, ['claims-0 [0, 30)']);
  transformer.room = false;
  stage(large(30));
  stage(large(40));
  await settle();
  assert.equal(transformer.reads.length, 1, 'there is no room');
  lane.close('drain');
  await committed(writer, ['claims-0 [0, 30)', 'claims-0 [30, 50)']);
});

test('an early transform that fails is tried again from the first segment', async () => {
  const { clock, transformer, writer, lane, stage } = laneOf();
  transformer.room = true;
  transformer.immediate = false;
  stage(rangeSegment(0, 10, { payload: Buffer.alloc(5 * 2 ** 20) }));
  await until('it has begun', () => transformer.waiting.length === 1);
  transformer.waiting.shift()?.finish(new SluiceError('TRANSFORM_OUT_OF_MEMORY', 'too large'));
  await until('it waits', () => clock.timers === 2);
  stage(rangeSegment(10, 20));
  lane.close('drain');
  await clock.advance(500);
  await until('it has begun again', () => transformer.waiting.length === 1);
  transformer.waiting.shift()?.finish();
  await committed(writer, ['claims-0 [0, 20)']);
});

test('a lane that stops gives up what grows: its transform ends', async () => {
  const { transformer, lane, stage } = laneOf();
  transformer.room = true;
  stage(rangeSegment(0, 10, { payload: Buffer.alloc(5 * 2 ** 20) }));
  await until('it has begun', () => transformer.reads[0]?.length === 1);
  lane.stop();
  await lane.drained();
});

test('bytes are held until the window is committed, not before', async () => {
  const { writer, stage, released, lane } = laneOf({ bytesMax: 10 });
  let commit: (() => void) | undefined;
  writer.before = () =>
    new Promise((resolve) => {
      commit = resolve;
    });
  stage(rangeSegment(0, 10));
  await until('it is about to be committed', () => commit !== undefined);
  assert.deepEqual(released, []);
  assert.notEqual(lane.status().oldestStagedMs, undefined);
  commit?.();
  await until('its bytes are let go', () => released.length === 1);
  assert.deepEqual(writer.log, ['claims-0 [0, 10)']);
  assert.equal(lane.status().oldestStagedMs, undefined);
});

test('a transform that fails is tried again with growing patience until it succeeds; nothing is lost', async () => {
  const { clock, transformer, writer, lane, stage } = laneOf({ bytesMax: 10 });
  transformer.immediate = false;
  stage(rangeSegment(0, 10));
  for (const delayMs of [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
    await until(`the attempt after ${delayMs} ms`, () => transformer.waiting.length === 1);
    transformer.waiting.shift()?.finish(new SluiceError('TRANSFORM_OUT_OF_MEMORY', 'too large'));
    await until('it waits', () => clock.timers === 1);
    assert.match(lane.status().waitsFor ?? '', /TRANSFORM_OUT_OF_MEMORY/);
    await clock.advance(delayMs - 1);
    assert.equal(clock.timers, 1, `${delayMs}: too early`);
    await clock.advance(1);
    assert.equal(clock.timers, 0, `${delayMs}: too late`);
  }
  await until('the last attempt', () => transformer.waiting.length === 1);
  transformer.waiting.shift()?.finish();
  await committed(writer, ['claims-0 [0, 10)']);
  assert.equal(lane.status().waitsFor, undefined);
});

test('a window that another collector was first with is trimmed to the record, transformed again and committed', async () => {
  const { transformer, writer, stage, released } = laneOf({ bytesMax: 20 });
  writer.before = () => {
    writer.place(claims, 14);
    writer.before = () => Promise.resolve();
    return Promise.resolve();
  };
  stage(rangeSegment(0, 10));
  stage(rangeSegment(10, 20));
  await committed(writer, ['claims-0 [14, 20)']);
  assert.deepEqual(
    transformer.reads.map((read) => read.map(({ fromOffset }) => fromOffset)),
    [[0, 10], [14]],
  );
  await until('all bytes are let go', () => released.length === 2);
});

test('a window that another collector has committed wholly is dropped, and the next goes on behind it', async () => {
  const { writer, lane, stage, released } = laneOf({ bytesMax: 10 });
  writer.before = () => {
    writer.place(claims, 10);
    writer.before = () => Promise.resolve();
    return Promise.resolve();
  };
  stage(rangeSegment(0, 10));
  stage(rangeSegment(10, 20));
  await committed(writer, ['claims-0 [10, 20)']);
  await until('all bytes are let go', () => released.length === 2);
  assert.equal(lane.next(claims), 20);
});

test('what another collector committed beyond an open window is not asked for again, and leaves no hole', async () => {
  const { writer, lane, stage, released } = laneOf();
  stage(rangeSegment(0, 10));
  writer.place(claims, 30);
  assert.equal(lane.next(claims), 30);
  stage(rangeSegment(30, 40));
  lane.close('drain');
  await committed(writer, ['claims-0 [30, 40)']);
  await until('all bytes are let go', () => released.length === 2);
});

test('with nothing on its way the ledger alone says what is expected', async () => {
  const { writer, lane, stage } = laneOf({ bytesMax: 10 });
  stage(rangeSegment(0, 10));
  assert.equal(lane.next(claims), 10);
  await until('nothing is on its way', () => lane.status().windowsInFlight === 0);
  writer.place(claims, 50);
  assert.equal(lane.next(claims), 50);
});

test('a lane with as many closed windows as it may have is full, and not full again after a commit', async () => {
  const { transformer, lane, stage } = laneOf({ bytesMax: 10 });
  transformer.immediate = false;
  let told: string | undefined;
  lane.onChange(() => {
    told = lane.blocked();
  });
  for (let i = 0; i < WINDOWS_IN_FLIGHT_MAX; i++) {
    assert.equal(lane.isFull(), false);
    stage(rangeSegment(i * 10, i * 10 + 10));
  }
  assert.equal(lane.isFull(), true);
  await until('the first is transformed', () => transformer.waiting.length === WINDOWS_IN_FLIGHT_MAX);
  for (const { finish } of transformer.waiting) finish();
  await until('there is room again', () => !lane.isFull());
  assert.equal(told, undefined, 'who listens has heard of it');
});

test('a drain commits what is staged, tells the ledger what is published, and resolves then', async () => {
  const { writer, lane, stage, clock } = laneOf();
  stage(rangeSegment(0, 10));
  lane.close('drain');
  await lane.drained();
  assert.deepEqual(writer.log, ['claims-0 [0, 10)']);
  assert.equal(writer.flushes, 1);
  assert.equal(clock.timers, 0, 'no timer of a closed window is left');
});

test('a gap closes the window before it and stands between its neighbours in the ledger', async () => {
  const { writer, lane, stage } = laneOf();
  stage(rangeSegment(0, 10));
  lane.gap({ ...claims, startOffset: 10, nextOffset: 30, reason: 'retention' }, 10);
  assert.equal(lane.next(claims), 30);
  stage(rangeSegment(30, 40));
  lane.close('drain');
  await lane.drained();
  assert.deepEqual(writer.log, ['claims-0 [0, 10)', 'gap claims-0 [10, 30)', 'claims-0 [30, 40)']);
});

test('behind a gap that waits for the ledger nothing is asked for again', async () => {
  const { writer, lane, stage } = laneOf();
  const { gap } = writer;
  const { promise, resolve } = Promise.withResolvers<void>();
  writer.gap = (gaps) => promise.then(() => gap(gaps));
  stage(rangeSegment(0, 10));
  lane.gap({ ...claims, startOffset: 10, nextOffset: 30, reason: 'retention' }, 10);
  await until('the window before it is committed', () => lane.status().windowsInFlight === 0);
  assert.equal(lane.next(claims), 30);
  resolve();
  await lane.drained();
  writer.place(claims, 50);
  assert.equal(lane.next(claims), 50, 'with nothing on its way the ledger alone says what is expected');
});

test('a gap that the ledger does not take is not said to be recorded', async () => {
  const log = recordingLogger();
  const { writer, lane } = laneOf({ log });
  lane.gap({ ...claims, startOffset: 0, nextOffset: 30, reason: 'retention' }, 0);
  await lane.drained();
  assert.equal(log.said(/^gap:/).length, 1);
  writer.gap = () => Promise.reject(new SluiceError('LEDGER_MISSING_ENTRY', 'gone'));
  lane.gap({ ...claims, startOffset: 30, nextOffset: 40, reason: 'retention' }, 30);
  await lane.drained();
  assert.equal(log.said(/^gap:/).length, 1);
  assert.match(lane.blocked() ?? '', /gone/);
});

test('a segment that is not the next one is never staged', () => {
  const { stage, lane } = laneOf({ start: 5 });
  assert.throws(() => stage(rangeSegment(6, 10)), { code: 'ASSERTION_FAILED' });
  assert.throws(() => stage(rangeSegment(0, 10)), { code: 'ASSERTION_FAILED' });
  stage(rangeSegment(0, 10), 5);
  assert.equal(lane.next(claims), 10);
});

test('a stopped lane commits nothing more and lets its bytes go', async () => {
  const { transformer, writer, lane, stage, released } = laneOf({ bytesMax: 10 });
  transformer.immediate = false;
  stage(rangeSegment(0, 10));
  await until('it is transformed', () => transformer.waiting.length === 1);
  lane.stop();
  transformer.waiting.shift()?.finish();
  await lane.drained();
  assert.deepEqual(writer.log, []);
  assert.deepEqual(released, [0]);
});

test('a lane whose invariant broke commits nothing behind it, says so and takes no more', async () => {
  const { transformer, writer, lane, stage, released } = laneOf({ bytesMax: 10 });
  transformer.immediate = false;
  let changes = 0;
  lane.onChange(() => changes++);
  writer.place(rangeSegment(0, 1, { partition: 1 }), 0);
  stage(rangeSegment(0, 10));
  stage(rangeSegment(0, 10, { partition: 1 }));
  await until('both are transformed', () => transformer.waiting.length === 2);
  assert.equal(lane.blocked(), undefined);
  transformer.miscount = 1;
  transformer.waiting.find(({ read }) => read[0]?.segment.partition === 0)?.finish();
  transformer.miscount = 0;
  transformer.waiting.find(({ read }) => read[0]?.segment.partition === 1)?.finish();
  await until('both are given up', () => released.length === 2);
  assert.deepEqual(writer.log, []);
  assert.match(lane.status().waitsFor ?? '', /SEGMENT_COUNTS_DISAGREE/);
  assert.match(lane.blocked() ?? '', /table claims is halted: SEGMENT_COUNTS_DISAGREE/);
  assert.ok(changes >= 4);
  assert.equal(lane.next(claims), 0, 'the ledger alone says what is expected');
});

test('a lane says why it is blocked: its ledger is halted, or its windows wait for something', async () => {
  const { transformer, writer, lane, stage } = laneOf({ bytesMax: 10 });
  transformer.immediate = false;
  const status = writer.status();
  for (let i = 0; i < WINDOWS_IN_FLIGHT_MAX; i++) stage(rangeSegment(i * 10, i * 10 + 10));
  assert.match(lane.blocked() ?? '', /4 windows of table claims wait/);
  writer.status = () => ({ ...status, state: 'parked', reason: 'STORE_DENIED' });
  assert.match(lane.blocked() ?? '', /4 windows of table claims wait: STORE_DENIED/);
  writer.status = () => ({ ...status, state: 'halted', reason: 'LEDGER_MISSING_ENTRY' });
  assert.match(lane.blocked() ?? '', /table claims is halted: LEDGER_MISSING_ENTRY/);
});

test('a record batch that nobody can read is said by name, once, when its window is committed', async () => {
  const log = recordingLogger();
  const { lane, stage, transformer, writer } = laneOf({ log });
  const where = { topic: 'claims', partition: 0, startOffset: 3, records: 2 };
  const batch = { ...where, code: 'RECORD_BATCH_CORRUPT', reason: 'CRC-32C is 1 and should be 2' };
  transformer.corrupt = [batch];
  let tries = 0;
  writer.before = async () => {
    assert.deepEqual(log.said(/record batch/), [], 'it may be read again');
    if (++tries === 1) throw new SluiceError('LEDGER_RANGE_CONFLICT', 'another was first');
  };
  stage(rangeSegment(0, 10));
  lane.close('drain');
  await lane.drained();
  assert.equal(tries, 2);
  assert.deepEqual(log.said(/record batch cannot be read/), [{ table: 'claims', ...batch }]);
});

test('work files that cannot be removed are said, and the lane commits on', async () => {
  const log = recordingLogger();
  const { lane, stage, writer } = laneOf({ log, bytesMax: 10, workDir: '/dev/null' });
  for (const start of [0, 10]) stage(rangeSegment(start, start + 10));
  await lane.drained();
  assert.deepEqual([writer.log.length, lane.blocked()], [2, undefined]);
  assert.equal(log.said(/were not removed/).length, 2);
});
