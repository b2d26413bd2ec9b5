// What is sent next: in offset order with the gaps between, fair over partitions, and what the disk lost is
// asked for again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UplinkItem } from '@sluice/agent/contracts.ts';
import type { PartitionBook } from '@sluice/agent/positions/partition-book.ts';
import type { PartitionState } from '@sluice/agent/positions/partition-state.ts';
import { SendFeed } from '@sluice/agent/positions/send-feed.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { NO_TOPIC_ID, partitionName } from '@sluice/shared/position.ts';
import { FakeSpool, rangeSegment } from '../../support/fake-spool.ts';
import { manualClock, settle } from '../../support/manual-clock.ts';

/** Only what the feed reads and moves; everything below `durableNext` may be sent. */
function stateOf(partition: number, sendNext: number | undefined, durableNext: number): PartitionState {
  const id = { topic: 'claims', topicId: NO_TOPIC_ID, partition };
  return {
    id,
    sendNext,
    durableNext,
    rewindEpoch: 3,
    gaps: [],
    cuts: [],
    assigned: true,
  } as unknown as PartitionState;
}

function feedOf(states: PartitionState[], spool = new FakeSpool()) {
  const lost: number[] = [];
  const book = { states: () => states, declared: () => [] } as unknown as PartitionBook;
  const clock = manualClock();
  const onLost = (_whose: unknown, offset: number) => void lost.push(offset);
  const feed = new SendFeed(book, { spool, clock, onLost });
  return { feed, spool, lost, clock };
}

function rangeOf(item: UplinkItem | undefined): string {
  if (item === undefined || item.kind === 'history waits') return 'nothing';
  const { startOffset, nextOffset, ...id } = item.kind === 'gap' ? item.gap : item.segment;
  return `${item.kind} ${partitionName(id)} [${startOffset}, ${nextOffset})`;
}

async function allOf(feed: SendFeed): Promise<string[]> {
  const sent: string[] = [];
  for (let item = await feed.next(); item !== undefined; item = await feed.next()) sent.push(rangeOf(item));
  return sent;
}

const gapOf = (startOffset: number, nextOffset: number) => ({
  ...stateOf(0, 0, 0).id,
  leaderEpoch: 0,
  startOffset,
  nextOffset,
  reason: 'retention',
});

test('segments and the gaps between them leave in offset order, with the epoch that was asked for', async () => {
  const state = stateOf(0, 2, 30);
  state.gaps.push(gapOf(10, 20));
  const { feed, spool, lost } = feedOf([state]);
  spool.append([rangeSegment(0, 5), rangeSegment(5, 10), rangeSegment(20, 30)]);
  assert.equal((await feed.next())?.rewindEpoch, 3);
  assert.deepEqual(await allOf(feed), [
    'segment claims-0 [5, 10)',
    'gap claims-0 [10, 20)',
    'segment claims-0 [20, 30)',
  ]);
  assert.equal(state.sendNext, 30);
  assert.deepEqual(lost, []);
});

test('nothing is sent of a partition that was not welcomed, nor what is not on disk', async () => {
  const { feed, spool } = feedOf([stateOf(0, undefined, 10), stateOf(1, 10, 10)]);
  spool.append([rangeSegment(0, 10), rangeSegment(10, 20, { partition: 1 })]);
  assert.equal(await feed.next(), undefined);
});

test('partitions take turns: a busy one does not starve the others', async () => {
  const states = [stateOf(0, 0, 40), stateOf(1, 0, 10), stateOf(2, 0, 20)];
  const { feed, spool } = feedOf(states);
  for (let at = 0; at < 40; at += 10)
    for (const partition of [0, 1, 2]) spool.append([rangeSegment(at, at + 10, { partition })]);
  const partitions = (await allOf(feed)).map((sent) => Number(/claims-(\d)/.exec(sent)?.[1]));
  assert.deepEqual(partitions, [0, 1, 2, 0, 2, 0, 0]);
});

test('a run is read from the disk once, and read anew after a rewind', async () => {
  const state = stateOf(0, 0, 50);
  const { feed, spool } = feedOf([state]);
  for (let at = 0; at < 50; at += 10) spool.append([rangeSegment(at, at + 10)]);
  await feed.next();
  await feed.next();
  assert.equal(spool.reads, 1);
  state.sendNext = 5;
  state.rewindEpoch = 4;
  const item = await feed.next();
  assert.equal(rangeOf(item), 'segment claims-0 [0, 10)');
  assert.equal(item?.rewindEpoch, 4);
  assert.deepEqual((await allOf(feed)).length, 4);
});

test('what was read while the collector asked for another place is not sent', async () => {
  const state = stateOf(0, 20, 30);
  const { feed, spool } = feedOf([state]);
  spool.append([rangeSegment(0, 10), rangeSegment(10, 20), rangeSegment(20, 30)]);
  const reading = feed.next();
  state.sendNext = 0;
  state.rewindEpoch = 4;
  assert.equal(await reading, undefined);
  assert.equal(rangeOf(await feed.next()), 'segment claims-0 [0, 10)');
});

test('what was read for a stream that is over is sent on the next one, though it begins at the same place', async () => {
  const state = stateOf(0, 0, 20);
  const other = stateOf(1, 0, 10);
  other.gaps.push({ ...gapOf(0, 10), partition: 1 });
  const { feed, spool } = feedOf([state, other]);
  spool.append([rangeSegment(0, 10), rangeSegment(10, 20)]);
  const reading = feed.next();
  feed.declared();
  assert.equal(await reading, undefined);
  assert.deepEqual(await allOf(feed), [
    'segment claims-0 [0, 10)',
    'gap claims-1 [0, 10)',
    'segment claims-0 [10, 20)',
  ]);
});

test('what was read ahead of a cut is not sent behind it', async () => {
  const state = stateOf(0, 0, 30);
  const { feed, spool } = feedOf([state]);
  spool.append([rangeSegment(0, 10), rangeSegment(10, 20), rangeSegment(20, 30)]);
  await feed.next();
  state.cuts = [{ offset: 10, leaderEpoch: 0 }];
  spool.segments = [rangeSegment(10, 25, { leaderEpoch: 1 })];
  assert.equal(rangeOf(await feed.next()), 'segment claims-0 [10, 25)');
});

test('what the disk should hold and does not is lost by its offset, and its neighbours flow', async () => {
  const { feed, spool, lost } = feedOf([stateOf(0, 7, 10), stateOf(1, 0, 10)]);
  spool.append([rangeSegment(0, 10, { partition: 1 })]);
  assert.equal(rangeOf(await feed.next()), 'segment claims-1 [0, 10)');
  assert.deepEqual(lost, [7]);
  spool.read = () => Promise.reject(new Error('SPOOL_CORRUPT'));
  const broken = feedOf([stateOf(0, 7, 10)], spool);
  assert.equal(await broken.feed.next(), undefined);
  assert.deepEqual(broken.lost, [7]);
});

test('whoever waits hears of what came, and is let go when the stream ends', async () => {
  const state = stateOf(0, 0, 0);
  const { feed, spool } = feedOf([state]);
  const ended = new AbortController();
  let heard = 0;
  const wait = () =>
    feed.ready(ended.signal).then(() => {
      heard++;
    });
  void wait();
  await settle();
  assert.equal(heard, 0);
  spool.append([rangeSegment(0, 10)]);
  state.durableNext = 10;
  feed.wake();
  await settle();
  assert.equal(heard, 1);
  await wait();
  assert.equal(heard, 2, 'there is something: no reason to wait');
  state.sendNext = 10;
  void wait();
  await settle();
  assert.equal(heard, 2);
  ended.abort();
  await settle();
  assert.equal(heard, 3);
});

test('of a topic that is held nothing is sent, its neighbours flow, and it goes on where it was', async () => {
  const orders = { ...stateOf(0, 0, 10), id: { topic: 'orders', topicId: NO_TOPIC_ID, partition: 0 } };
  const { feed, spool } = feedOf([stateOf(0, 0, 20), orders]);
  spool.append([rangeSegment(0, 10), rangeSegment(10, 20), rangeSegment(0, 10, { topic: 'orders' })]);
  assert.equal(rangeOf(await feed.next()), 'segment claims-0 [0, 10)');
  feed.hold('claims');
  assert.deepEqual(await allOf(feed), ['segment orders-0 [0, 10)']);
  let heard = false;
  const waits = feed.ready(new AbortController().signal).then(() => {
    heard = true;
  });
  await settle();
  assert.equal(heard, false, 'there is nothing that may be sent');
  feed.release('claims');
  await waits;
  assert.deepEqual(await allOf(feed), ['segment claims-0 [10, 20)']);
});

test('a read that may succeed later is repeated, loses nothing and keeps nobody busy', async () => {
  const { feed, spool, lost, clock } = feedOf([stateOf(0, 0, 10)]);
  spool.append([rangeSegment(0, 10)]);
  const read = spool.read.bind(spool);
  let asked = 0;
  spool.read = () => {
    asked++;
    return Promise.reject(new SluiceError('SPOOL_IO', 'disk I/O error'));
  };
  assert.equal(await feed.next(), undefined);
  assert.equal(await feed.next(), undefined);
  assert.equal(asked, 1, 'not again at once');
  await clock.advance(200);
  assert.equal(await feed.next(), undefined);
  assert.equal(asked, 2);
  spool.read = read;
  let heard = false;
  void feed.ready(new AbortController().signal).then(() => {
    heard = true;
  });
  await clock.advance(399);
  assert.equal(heard, false, 'it waits twice as long');
  await clock.advance(1);
  assert.equal(heard, true);
  assert.deepEqual(await allOf(feed), ['segment claims-0 [0, 10)']);
  assert.deepEqual(lost, []);
});

test('what is read ahead is bounded over all partitions, and that of a held topic makes room', async () => {
  const topicOf = (partition: number) => (partition < 20 ? 'claims' : 'orders');
  const states = Array.from({ length: 22 }, (_, partition) => {
    const id = { topic: topicOf(partition), topicId: NO_TOPIC_ID, partition };
    return { ...stateOf(partition, 0, 5), id };
  });
  const { feed, spool } = feedOf(states);
  const payload = new Uint8Array(2 ** 20);
  for (const { id } of states)
    for (let at = 0; at < 5; at++) spool.append([rangeSegment(at, at + 1, { ...id, payload })]);
  const read = spool.read.bind(spool);
  const asked: number[] = [];
  spool.read = (id, from, bytesMax) => {
    asked.push(bytesMax);
    return read(id, from, bytesMax);
  };
  for (let i = 0; i < 21; i++) await feed.next();
  assert.equal(asked[0], 2 * 2 ** 20);
  assert.equal(asked[20], 2 ** 20, 'one segment at a time when the room is used');
  feed.hold('claims');
  await feed.next();
  assert.equal(asked[21], 2 * 2 ** 20);
});

test('what was committed while the disk was read is not lost', async () => {
  const state = stateOf(0, 0, 10);
  const { feed, spool, lost } = feedOf([state]);
  spool.append([rangeSegment(0, 10)]);
  const read = spool.read.bind(spool);
  spool.read = async (...asked) => {
    spool.commit(10);
    state.sendNext = 10;
    return await read(...asked);
  };
  assert.equal(await feed.next(), undefined);
  assert.deepEqual(lost, []);
});
