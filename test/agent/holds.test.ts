// What holds every topic holds also those that are assigned later, and lets go of those that are not assigned
// now: the agent in front of a source that only keeps its partition table.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAgent } from '@sluice/agent/agent.ts';
import type {
  Source,
  SourceHandler,
  Spool,
  SpoolPressure,
  Uplink,
  UplinkFeed,
  UplinkHandler,
} from '@sluice/agent/contracts.ts';
import { createEvents } from '@sluice/agent/events.ts';
import { PartitionTable } from '@sluice/agent/source/partition-table.ts';
import { NO_PRESSURE } from '@sluice/agent/spool/pressure.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { NO_TOPIC_ID, type PartitionId } from '@sluice/shared/position.ts';
import { FakeSpool, rangeSegment } from '../support/fake-spool.ts';
import { manualClock, settle } from '../support/manual-clock.ts';
import { noHistory } from '../support/no-history.ts';
import { recordingLogger } from '../support/recording-logger.ts';

const FREE = NO_PRESSURE;
const FULL: SpoolPressure = { ...FREE, full: 'spool.bytesMax is reached', isFullForAll: true };

const id = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };
const log = { leaderEpoch: 0, logStart: 0, logEnd: 99, groupOffset: 0, startAt: undefined };
/** What the collector has of it: nothing. */
const nothingThere = {
  ...id,
  leaderEpoch: -1,
  nextOffset: 0,
  received: 0,
  rewindEpoch: 0,
  openGaps: [],
  stands: [],
};

async function startAgent(pressure: SpoolPressure) {
  const table = new PartitionTable();
  let handler: SourceHandler | undefined;
  let press: (pressure: SpoolPressure) => void = () => {};
  const landed: (() => void)[] = [];
  const failed: ((error: Error) => void)[] = [];
  const source = {
    hold: (topic: string, why: string) => table.hold(topic, why),
    release: (topic: string, why: string) => table.release(topic, why),
    holdAll: (why: string) => table.holdAll(why),
    releaseAll: (why: string) => table.releaseAll(why),
    pass: (slot: { topic: string; partition: number }, reasons: readonly string[]) => {
      const row = table.row(slot);
      if (row !== undefined) row.passes = new Set(reasons);
    },
    seek: () => {},
    commit: () => {},
    isStill: async () => true,
    status: () => ({ state: 'running', reason: undefined, lastFetchMs: 0, partitions: table.status() }),
    start: async (told: SourceHandler) => {
      handler = told;
    },
  } as unknown as Source;
  const disk = new FakeSpool();
  const spool = {
    status: () => disk.status(),
    read: (id: PartitionId, from: number) => disk.read(id, from, 1),
    append: () =>
      new Promise<void>((resolve, reject) => {
        landed.push(resolve);
        failed.push(reject);
      }),
    onPressure: (listener: typeof press) => {
      press = listener;
      listener(pressure);
    },
    onLoss: () => {},
    committed: async () => {},
    askedAgain: (id: PartitionId, offset: number) => Promise.resolve().then(() => disk.askAgain(id, offset)),
  } as unknown as Spool;
  let link: UplinkHandler | undefined;
  let feed: UplinkFeed | undefined;
  const uplink = {
    start: (told: UplinkHandler, given: UplinkFeed) => {
      link = told;
      feed = given;
    },
    assigned: () => {},
    revoked: () => {},
    status: () => ({ state: 'connected', sinceMs: 0, collectorId: 'collector-1' }),
  } as unknown as Uplink;
  const clock = manualClock();
  const events = createEvents(recordingLogger(), createMetrics());
  const config = { topics: [], spool: { segmentBytesMax: 2 ** 20, linger: 200, compression: 'none' } };
  const agent = createAgent({
    config: config as never,
    source,
    logReader: noHistory,
    spool,
    uplink,
    clock,
    events,
  });
  await agent.start();
  assert.ok(handler);
  const assign = (...topics: string[]) => {
    const slots = topics.map((topic) => ({ topic, partition: 0 }));
    table.assign(slots, []);
    handler?.assigned(slots);
  };
  const held = () =>
    table
      .status()
      .filter(({ paused }) => paused.length > 0)
      .map(({ topic }) => topic);
  const parts = { agent, assign, held, handler, landed, failed, disk, link, feed };
  return { ...parts, press: (now: SpoolPressure) => press(now) };
}

test('what is spooled behind a missing range goes at once when another agent’s data have filled it', async () => {
  const { assign, handler, link, feed, disk } = await startAgent(FREE);
  disk.append([rangeSegment(10, 20)]);
  assign('claims');
  handler.described([{ ...id, ...log }]);
  link?.welcomed([nothingThere]);
  assert.equal(await feed?.next(), undefined);
  let isReady = false;
  void feed?.ready(new AbortController().signal).then(() => {
    isReady = true;
  });
  await settle();
  assert.equal(isReady, false);
  link?.committed([{ partition: id, nextOffset: 10, openGaps: [], leaderEpoch: 0 }]);
  await settle();
  assert.equal(isReady, true);
  const item = await feed?.next();
  assert.equal(item?.kind === 'segment' && item.segment.startOffset, 10);
});

test('what is on disk is sent when the disk has heard that it is asked for again, though no broker answers', async () => {
  const { assign, handler, link, feed, disk } = await startAgent(FREE);
  disk.append([rangeSegment(0, 20)]);
  disk.commit(15);
  assign('claims');
  handler.described([{ ...id, ...log }]);
  link?.welcomed([{ ...nothingThere, nextOffset: 10, received: 10, current: true }]);
  let isReady = false;
  void feed?.ready(new AbortController().signal).then(() => {
    isReady = true;
  });
  await settle();
  assert.equal(isReady, true);
  const item = await feed?.next();
  assert.equal(item?.kind === 'segment' && item.segment.startOffset, 0);
});

test('what is missing in front of a full spool is read through the reserve, and nothing else is', async () => {
  const { assign, held, handler, link, disk, press } = await startAgent(FULL);
  disk.append([rangeSegment(10, 20)]);
  assign('claims', 'orders');
  handler.described([{ ...id, ...log }]);
  assert.deepEqual(held(), ['claims', 'orders']);
  link?.welcomed([nothingThere]);
  assert.deepEqual(held(), ['orders'], '[0, 10) is missing, and without it nothing can be sent');
  press({ ...FULL, sharedReserveUsed: true });
  assert.deepEqual(held(), ['orders'], 'that others have used theirs does not stop it');
  press({ ...FULL, reserveUsed: true });
  assert.deepEqual(held(), ['claims', 'orders']);
  press(FULL);
  assert.deepEqual(held(), ['orders']);
  const batch = { kind: 'empty' as const, baseOffset: 0, lastOffset: 9, count: 0, timestampMax: 0 };
  const batches = [{ ...batch, leaderEpoch: 0, compressed: false, bytes: Buffer.alloc(0) }];
  handler.batches(id, batches, { logStart: 0, lastStableOffset: 99, highWatermark: 99 });
  assert.deepEqual(held(), ['claims', 'orders'], 'it is there');
});

test('what a disk lost under way is read through the reserve where what was read behind it has come to disk', async () => {
  const { assign, held, handler, landed, failed, disk, press } = await startAgent(FREE);
  assign('claims');
  handler.described([{ ...id, ...log }]);
  const batch = { kind: 'data' as const, count: 10, timestampMax: 0, leaderEpoch: 0, compressed: true };
  const bounds = { logStart: 0, lastStableOffset: 99, highWatermark: 99 };
  for (const baseOffset of [0, 10]) {
    const batches = [{ ...batch, baseOffset, lastOffset: baseOffset + 9, bytes: Buffer.alloc(2 ** 20) }];
    handler.batches(id, batches, bounds);
  }
  await settle();
  failed[0]?.(new Error('its file is broken'));
  await settle();
  press(FULL);
  assert.deepEqual(held(), ['claims']);
  disk.append([rangeSegment(10, 20)]);
  landed[1]?.();
  await settle();
  assert.deepEqual(held(), [], '[0, 10) is missing, and without it nothing can be sent');
});

test('while what is spooled waits for another agent, that one’s may be read here, through the reserve', async () => {
  const { assign, held, handler, link, feed, disk, press } = await startAgent(FULL);
  disk.append([rangeSegment(10, 20)]);
  assign('orders');
  handler.described([{ ...id, topic: 'orders', ...log }]);
  feed?.declared();
  assert.deepEqual(held(), ['orders'], 'nobody has asked for it yet');
  link?.welcomed([nothingThere]);
  assert.deepEqual(held(), [], 'another agent reads [0, 10), and may be as full');
  assign('orders', 'payments');
  handler.described([{ ...id, topic: 'payments', ...log }]);
  assert.deepEqual(held(), [], 'also what is assigned since');
  press({ ...FULL, sharedReserveUsed: true });
  assert.deepEqual(held(), ['orders', 'payments']);
  press(FULL);
  assert.deepEqual(held(), []);
  link?.committed([{ partition: id, nextOffset: 10, openGaps: [], leaderEpoch: 0 }]);
  link?.welcomed([]);
  assert.deepEqual(held(), ['orders', 'payments'], 'it can be sent, and makes room');
});

test('who has filled the spool is read on while what is spooled waits for another agent, which may be as full', async () => {
  const { assign, held, handler, link, feed, disk, press } = await startAgent(FREE);
  disk.append([rangeSegment(10, 20)]);
  assign('orders');
  handler.described([{ ...id, topic: 'orders', ...log }]);
  feed?.declared();
  press({ ...FULL, isFullForAll: false, filling: new Set(['claims', 'orders']) });
  assert.deepEqual(held(), ['orders']);
  link?.welcomed([nothingThere]);
  assert.deepEqual(held(), []);
});

test('a topic beyond its share is read through the reserve while some of it waits for another agent', async () => {
  const { assign, held, handler, link, feed, disk, press } = await startAgent(FREE);
  disk.append([rangeSegment(10, 20, { topic: 'orders', partition: 1 })]);
  assign('claims', 'orders');
  for (const topic of ['claims', 'orders']) handler.described([{ ...id, topic, ...log }]);
  feed?.declared();
  press({ ...FREE, heldTopics: new Map(['claims', 'orders'].map((topic) => [topic, 'its share is used'])) });
  assert.deepEqual(held(), ['claims', 'orders']);
  link?.welcomed([{ ...nothingThere, topic: 'orders', partition: 1 }]);
  assert.deepEqual(held(), ['claims'], 'what there is of claims can be sent');
});

test('while the link is down nothing is read beyond its share, or in a full spool, for what waits for another agent', async () => {
  const { assign, held, handler, link, feed, disk, press } = await startAgent(FREE);
  disk.append([rangeSegment(10, 20, { topic: 'orders', partition: 1 })]);
  assign('claims', 'orders');
  for (const topic of ['claims', 'orders']) handler.described([{ ...id, topic, ...log }]);
  feed?.declared();
  const heldTopics = new Map([['orders', 'its share is used']]);
  const waiting = { ...nothingThere, topic: 'orders', partition: 1 };
  link?.welcomed([waiting]);
  press({ ...FREE, heldTopics });
  assert.deepEqual(held(), []);
  link?.disconnected('cut');
  assert.deepEqual(held(), ['orders'], 'none of it could be sent, and it would take what is claims’ own');
  press({ ...FULL, heldTopics });
  assert.deepEqual(held(), ['claims', 'orders']);
  feed?.declared();
  link?.welcomed([waiting]);
  assert.deepEqual(held(), [], 'now it can');
});

test('a topic created again while it is read through the reserve waits like any other', async () => {
  const { assign, held, handler, link, disk } = await startAgent(FULL);
  disk.append([rangeSegment(10, 20)]);
  assign('claims');
  handler.described([{ ...id, ...log }]);
  link?.welcomed([nothingThere]);
  assert.deepEqual(held(), []);
  handler.described([{ ...id, topicId: 'a'.repeat(32), ...log }]);
  assert.deepEqual(held(), ['claims']);
});

test('an agent that starts with a full spool reads nothing until there is room', async () => {
  const { agent, assign, held, press } = await startAgent(FULL);
  assign('claims');
  assert.deepEqual(held(), ['claims']);
  assert.match(agent.report().reasons.join(), /claims waits: spool.bytesMax is reached/);
  assign('claims', 'orders');
  assert.deepEqual(held(), ['claims', 'orders']);
  press(FREE);
  assert.deepEqual(held(), []);
});

test('a topic of which little is spooled is read on in a spool that others have filled, by name', async () => {
  const { agent, assign, held, press } = await startAgent(FREE);
  assign('claims', 'orders');
  const filling = new Set(['claims']);
  press({ ...FULL, isFullForAll: false, filling });
  assert.deepEqual(held(), ['claims']);
  const { reasons } = agent.report();
  assert.deepEqual(reasons, ['topic claims waits: spool.bytesMax is reached']);
  press({ ...FULL, filling });
  assert.deepEqual(held(), ['claims', 'orders']);
  press({ ...FULL, isFullForAll: false, filling });
  assert.deepEqual(held(), ['claims']);
  press({ ...FULL, isFullForAll: false });
  assert.deepEqual(held(), []);
});

test('a topic beyond its share stays held when the spool is full no more', async () => {
  const { assign, held, press } = await startAgent(FULL);
  assign('claims', 'orders');
  const heldTopics = new Map([['claims', 'its share is used']]);
  press({ ...FULL, heldTopics });
  press({ ...FREE, heldTopics });
  assert.deepEqual(held(), ['claims']);
  press(FREE);
  assert.deepEqual(held(), []);
});

test('while the disk is slower than Kafka newcomers wait too, and whoever left meanwhile flows when it returns', async () => {
  const { assign, held, handler, landed } = await startAgent(FREE);
  assign('claims');
  const at = { topicId: NO_TOPIC_ID, leaderEpoch: 0, logStart: 0, logEnd: 99, groupOffset: 0 };
  handler.described([{ topic: 'claims', partition: 0, startAt: undefined, ...at }]);
  const bytes = Buffer.alloc(33 * 2 ** 20);
  const batch = { kind: 'data' as const, baseOffset: 0, lastOffset: 9, count: 10, timestampMax: 0 };
  const bounds = { logStart: 0, lastStableOffset: 99, highWatermark: 99 };
  const batches = [{ ...batch, leaderEpoch: 0, compressed: true, bytes }];
  handler.batches({ topic: 'claims', partition: 0 }, batches, bounds);
  assert.deepEqual(held(), ['claims']);
  assign('orders');
  assert.deepEqual(held(), ['orders']);
  await settle();
  for (const land of landed) land();
  await settle();
  assert.deepEqual(held(), []);
  assign('claims', 'orders');
  assert.deepEqual(held(), []);
});
