// History on its way to the link: in order, within what was asked for, one piece in memory, and never before
// what comes live.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogPiece, SourceBatch, UplinkItem } from '@sluice/agent/contracts.ts';
import { createEvents } from '@sluice/agent/events.ts';
import { HistoryFeed } from '@sluice/agent/positions/history-feed.ts';
import type { PartitionBook } from '@sluice/agent/positions/partition-book.ts';
import type { PartitionState } from '@sluice/agent/positions/partition-state.ts';
import { HISTORY_BEHIND_BYTES, SendFeed } from '@sluice/agent/positions/send-feed.ts';
import { historySegmenter } from '@sluice/agent/spool/segmenter.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { encodeRecordBatch } from '@sluice/shared/records.ts';
import { FakeSpool, rangeSegment } from '../../support/fake-spool.ts';
import { manualClock, settle } from '../../support/manual-clock.ts';
import { recordingLogger } from '../../support/recording-logger.ts';

const id = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };
const EPOCH = 7;

/** Ten records from `baseOffset` on. */
function batchAt(baseOffset: number): SourceBatch {
  const record = { timestamp: 1, key: null, value: Buffer.alloc(50), headers: [] };
  const records = Array.from({ length: 10 }, (_, i) => ({ ...record, offset: baseOffset + i }));
  const bytes = encodeRecordBatch({ baseOffset }, records);
  const known = { kind: 'data', count: 10, timestampMax: 1, leaderEpoch: 3, compressed: false } as const;
  return { ...known, baseOffset, lastOffset: baseOffset + 9, bytes };
}

const pieceOf = (...offsets: number[]): LogPiece => ({ kind: 'batches', batches: offsets.map(batchAt) });
const BATCH_BYTES = batchAt(0).bytes.length;

/** `pieces`: what Kafka answers, by the offset that it is asked for; an error is thrown once. */
function feedOf(pieces: Record<number, LogPiece | Error>) {
  const clock = manualClock();
  const log = recordingLogger();
  const asked: number[] = [];
  const history: HistoryFeed = new HistoryFeed({
    reader: {
      read: async (_id, offset) => {
        asked.push(offset);
        const piece = pieces[offset];
        if (piece instanceof Error) {
          delete pieces[offset];
          throw piece;
        }
        return piece ?? pieceOf();
      },
    },
    clock,
    events: createEvents(log, createMetrics()),
    segments: historySegmenter({ segmentBytesMax: 1, compression: 'none', clock }),
    wake: () => feed.wake(),
  });
  const live: PartitionState[] = [];
  const book = { states: () => live, declared: () => [] } as unknown as PartitionBook;
  const spool = new FakeSpool();
  const feed = new SendFeed(book, { spool, clock, onLost: () => assert.fail('nothing is lost'), history });
  const next = async () => {
    await settle();
    return said(await feed.next());
  };
  const ask = (startOffset: number, nextOffset: number, bytesMax = 2 ** 20) =>
    history.ask({ id, range: { startOffset, nextOffset }, epoch: EPOCH, bytesMax });
  return { feed, history, clock, asked, log, next, ask, live, spool, pieces };
}

function said(item: UplinkItem | undefined): string {
  if (item === undefined) return 'nothing';
  if (item.kind === 'history waits') return `waits epoch ${item.rewindEpoch}`;
  const { startOffset, nextOffset } = item.kind === 'gap' ? item.gap : item.segment;
  return `${item.kind} [${startOffset}, ${nextOffset}) epoch ${item.rewindEpoch}`;
}

test('the range that was asked for goes under its epoch, from its first offset on, and nothing behind it', async () => {
  const { next, ask, asked } = feedOf({ 3: pieceOf(0, 10), 20: pieceOf(20, 30) });
  ask(3, 25);
  assert.equal(await next(), 'segment [3, 10) epoch 7');
  assert.deepEqual(asked, [3], 'one piece is in memory at a time');
  assert.equal(await next(), 'segment [10, 20) epoch 7');
  assert.equal(await next(), 'segment [20, 30) epoch 7');
  assert.equal(await next(), 'nothing');
  assert.deepEqual(asked, [3, 20]);
});

test('offsets that compaction has taken before the end of the range are said to hold nothing', async () => {
  const { next, ask, asked } = feedOf({ 0: pieceOf(0, 40), 20: pieceOf(40) });
  ask(0, 25);
  assert.equal(await next(), 'segment [0, 10) epoch 7');
  assert.equal(await next(), 'segment [10, 25) epoch 7');
  assert.equal(await next(), 'nothing');
  ask(20, 25);
  assert.equal(await next(), 'segment [20, 25) epoch 7');
  assert.deepEqual(asked, [0, 20]);
});

test('no more is sent than was asked for, but one segment at least', async () => {
  const { next, ask, asked } = feedOf({ 0: pieceOf(0, 10, 20, 30) });
  ask(0, 40, BATCH_BYTES + 1);
  assert.equal(await next(), 'segment [0, 10) epoch 7');
  assert.equal(await next(), 'segment [10, 20) epoch 7');
  assert.equal(await next(), 'nothing');
  assert.deepEqual(asked, [0]);
});

test('what Kafka lost is said in its place, and no more than was asked for', async () => {
  const { next, ask } = feedOf({ 0: pieceOf(0), 10: { kind: 'lost', nextOffset: 60, reason: 'retention' } });
  ask(0, 40);
  assert.equal(await next(), 'segment [0, 10) epoch 7');
  assert.equal(await next(), 'gap [10, 40) epoch 7');
  assert.equal(await next(), 'nothing');
});

test('a cluster that does not answer is named, and the question goes back to the collector', async () => {
  const { next, ask, clock, asked, log } = feedOf({ 0: new Error('no leader') });
  ask(0, 10);
  assert.equal(await next(), 'nothing');
  assert.match(JSON.stringify(log.lines), /no leader/);
  await clock.advance(499);
  assert.equal(await next(), 'nothing');
  await clock.advance(1);
  assert.equal(await next(), 'waits epoch 7');
  assert.equal(await next(), 'nothing');
  assert.deepEqual(asked, [0]);
});

test('behind an open transaction the question is over: what is there goes, and that the rest waits', async () => {
  const { next, ask, clock, asked, pieces } = feedOf({ 0: pieceOf(0) });
  ask(0, 40);
  assert.equal(await next(), 'segment [0, 10) epoch 7');
  await clock.advance(500);
  assert.equal(await next(), 'waits epoch 7');
  await clock.advance(60_000);
  assert.equal(await next(), 'nothing');
  assert.deepEqual(asked, [0, 10]);
  pieces[10] = pieceOf(10);
  ask(10, 20);
  assert.equal(await next(), 'segment [10, 20) epoch 7');
});

test('what comes live goes first, and history only while the link has little under way', async () => {
  const { next, ask, live, spool, feed } = feedOf({ 0: pieceOf(0, 10, 20) });
  ask(0, 30);
  await settle();
  const state = { id, sendNext: 900, durableNext: 902, rewindEpoch: 1, gaps: [], assigned: true };
  live.push(state as unknown as PartitionState);
  spool.append([rangeSegment(900, 901), rangeSegment(901, 902)]);
  assert.equal(await next(), 'segment [900, 901) epoch 1');
  assert.equal(await next(), 'segment [901, 902) epoch 1');
  assert.equal(await next(), 'segment [0, 10) epoch 7');
  feed.inFlight(HISTORY_BEHIND_BYTES);
  assert.equal(await next(), 'nothing');
  let isReady = false;
  void feed.ready(new AbortController().signal).then(() => {
    isReady = true;
  });
  await settle();
  assert.equal(isReady, false);
  feed.inFlight(HISTORY_BEHIND_BYTES - 1);
  await settle();
  assert.equal(isReady, true);
  assert.equal(await next(), 'segment [10, 20) epoch 7');
});

test('of a held topic no history is sent, and it is when the topic flows', async () => {
  const { next, ask, feed } = feedOf({ 0: pieceOf(0) });
  ask(0, 10);
  feed.hold('claims');
  assert.equal(await next(), 'nothing');
  feed.release('claims');
  assert.equal(await next(), 'segment [0, 10) epoch 7');
});

test('a question is over with its partition, with its stream, and with the next question', async () => {
  const { next, ask, history, feed, asked } = feedOf({ 0: pieceOf(0, 10), 100: pieceOf(100) });
  ask(0, 20);
  await settle();
  history.drop([{ ...id, partition: 1 }]);
  assert.equal(await next(), 'segment [0, 10) epoch 7');
  history.drop([id]);
  assert.equal(await next(), 'nothing');
  ask(0, 20);
  await settle();
  feed.declared();
  assert.equal(await next(), 'nothing');
  ask(0, 20);
  await settle();
  ask(100, 110);
  assert.equal(await next(), 'segment [100, 110) epoch 7');
  assert.equal(await next(), 'nothing');
  assert.deepEqual(asked, [0, 0, 0, 100]);
});
