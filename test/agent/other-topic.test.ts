// What was fetched goes to disk only when Kafka has said, after it, that its topic is still the one that it
// was read for: the agent in front of a source that is asked.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAgent } from '@sluice/agent/agent.ts';
import type { Source, SourceHandler, Spool, Uplink, UplinkHandler } from '@sluice/agent/contracts.ts';
import { createEvents } from '@sluice/agent/events.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import { FakeSpool } from '../support/fake-spool.ts';
import { manualClock, settle } from '../support/manual-clock.ts';
import { recordingLogger } from '../support/recording-logger.ts';

const id = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };
const LINGER_MS = 200;

async function reading() {
  const disk = new FakeSpool();
  const seeks: number[] = [];
  const answers: ((isStill: boolean) => void)[] = [];
  let handler: SourceHandler | undefined;
  let link: UplinkHandler | undefined;
  const nothing = () => {};
  const source = {
    start: async (told: SourceHandler) => {
      handler = told;
    },
    seek: (_slot: unknown, offset: number) => void seeks.push(offset),
    isStill: () => new Promise<boolean>((answer) => answers.push(answer)),
    ...{ hold: nothing, release: nothing, holdAll: nothing, releaseAll: nothing, pass: nothing },
    ...{ commit: nothing, prove: nothing },
  } as unknown as Source;
  const spool = {
    append: async (segments: readonly Segment[]) => disk.append(segments),
    status: () => disk.status(),
    ...{ onPressure: nothing, onLoss: nothing, committed: async () => {}, askedAgain: async () => {} },
    cut: async () => {},
  } as unknown as Spool;
  const uplink = {
    start: (told: UplinkHandler) => {
      link = told;
    },
    ...{ assigned: nothing, revoked: nothing, truncated: nothing },
  } as unknown as Uplink;
  const clock = manualClock();
  const config = { spool: { segmentBytesMax: 2 ** 20, linger: LINGER_MS, compression: 'none' } } as never;
  const events = createEvents(recordingLogger(), createMetrics());
  await createAgent({ config, source, spool, uplink, clock, events }).start();
  assert.ok(handler && link);
  const told = handler;
  told.assigned([id]);
  const log = { leaderEpoch: 0, logStart: 0, logEnd: 99, groupOffset: 0, startAt: undefined };
  told.described([{ ...id, ...log }]);
  const fetch = async (baseOffset: number) => {
    const batch = { kind: 'data' as const, baseOffset, lastOffset: baseOffset + 9, count: 10 };
    const rest = { timestampMax: 0, leaderEpoch: 0, compressed: false, bytes: Buffer.alloc(10) };
    told.batches(id, [{ ...batch, ...rest }], { logStart: 0, lastStableOffset: 99, highWatermark: 99 });
    await clock.advance(LINGER_MS);
  };
  const answer = async (isStill: boolean) => {
    answers.shift()?.(isStill);
    await settle();
  };
  const spooled = () => disk.segments.map(({ startOffset, nextOffset }) => [startOffset, nextOffset]);
  return { told, fetch, answer, spooled, seeks };
}

test('nothing is spooled before Kafka was asked, and then in order', async () => {
  const { fetch, answer, spooled } = await reading();
  await fetch(0);
  await fetch(10);
  assert.deepEqual(spooled(), []);
  await answer(true);
  assert.deepEqual(spooled(), [[0, 10]]);
  await answer(true);
  assert.deepEqual(spooled(), [
    [0, 10],
    [10, 20],
  ]);
});

test('what is of another topic of that name is not spooled, and its offsets are read again', async () => {
  const { fetch, answer, spooled, seeks } = await reading();
  await fetch(0);
  await answer(true);
  await fetch(10);
  seeks.length = 0;
  await answer(false);
  assert.deepEqual(spooled(), [[0, 10]]);
  assert.deepEqual(seeks, [10]);
});

test('what waits when the log is cut is not spooled behind the cut', async () => {
  const { told, fetch, answer, spooled } = await reading();
  await fetch(0);
  told.truncated(id, { offset: 5, leaderEpoch: 0 }, 'another leader');
  await settle();
  await answer(true);
  assert.deepEqual(spooled(), []);
});
