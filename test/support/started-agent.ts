// An agent that reads one partition from its beginning, between doubles: what its source, disk and link are
// asked is written down, and answered by hand.
import assert from 'node:assert/strict';
import { createAgent } from '@sluice/agent/agent.ts';
import type { AgentConfig } from '@sluice/agent/config.ts';
import type {
  DeclaredPartition,
  Source,
  SourceHandler,
  Spool,
  SpoolPressure,
  Uplink,
  UplinkFeed,
  UplinkHandler,
} from '@sluice/agent/contracts.ts';
import { createEvents } from '@sluice/agent/events.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { type LogPlace, NO_TOPIC_ID, type PartitionId } from '@sluice/shared/position.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import { FakeSpool } from './fake-spool.ts';
import { manualClock, settle } from './manual-clock.ts';
import { noHistory } from './no-history.ts';
import { recordingLogger } from './recording-logger.ts';

export const id: PartitionId = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };
const LINGER_MS = 200;
const nothing = () => {};
const later = async () => {};

export async function startedAgent({ topics = ['claims'] as AgentConfig['topics'] } = {}) {
  const disk = new FakeSpool();
  const seeks: number[] = [];
  /** What the link was told. */
  const told: string[] = [];
  /** What it was told so of partitions, whole. */
  const declared: DeclaredPartition[] = [];
  const answers: ((isStill: boolean) => void)[] = [];
  const cuts: { cut: string; done: () => void }[] = [];
  /** Ids of topics whose names belong to others now. */
  const gone = new Set<string>();
  let handler: SourceHandler | undefined;
  let heard: UplinkHandler | undefined;
  let feed: UplinkFeed | undefined;
  let press: (pressure: SpoolPressure) => void = nothing;
  const source = {
    start: async (given: SourceHandler) => {
      handler = given;
    },
    seek: (_slot: unknown, offset: number) => void seeks.push(offset),
    isStill: () => new Promise<boolean>((answer) => answers.push(answer)),
    isGone: async ({ topicId }: PartitionId) => gone.has(topicId),
    ...{ hold: nothing, release: nothing, holdAll: nothing, releaseAll: nothing, pass: nothing },
    ...{ commit: nothing, prove: nothing },
  } as unknown as Source;
  const spool = {
    append: async (segments: readonly Segment[]) => disk.append(segments),
    read: (...asked: Parameters<typeof disk.read>) => disk.read(...asked),
    status: () => disk.status(),
    onPressure: (listener: typeof press) => {
      press = listener;
    },
    ...{ onLoss: nothing, committed: later, askedAgain: later },
    cut: (_id: PartitionId, { offset, leaderEpoch }: LogPlace) =>
      new Promise<void>((done) => cuts.push({ cut: `${offset} of ${leaderEpoch}`, done })),
  } as unknown as Spool;
  const uplink = {
    start: (given: UplinkHandler, from: UplinkFeed) => {
      [heard, feed] = [given, from];
    },
    assigned: (partitions: readonly DeclaredPartition[]) => {
      declared.push(...partitions);
      told.push(...partitions.map(({ topic, partition }) => `${topic}-${partition} is here`));
    },
    revoked: nothing,
    truncated: ({ offset, leaderEpoch }: LogPlace) => void told.push(`cut at ${offset} of ${leaderEpoch}`),
  } as unknown as Uplink;
  const clock = manualClock();
  const written = { segmentBytesMax: 2 ** 20, linger: LINGER_MS, compression: 'none' };
  const config = { spool: written, topics } as never;
  const log = recordingLogger();
  const events = createEvents(log, createMetrics());
  await createAgent({ config, source, logReader: noHistory, spool, uplink, clock, events }).start();
  assert.ok(handler && heard && feed);
  const [kafka, link] = [handler, heard];
  kafka.assigned([id]);
  const bounds = { leaderEpoch: 0, logStart: 0, logEnd: 99, groupOffset: 0, startAt: undefined };
  kafka.described([{ ...id, ...bounds }]);
  told.length = 0;
  const fetch = async (baseOffset: number) => {
    const batch = { kind: 'data' as const, baseOffset, lastOffset: baseOffset + 9, count: 10 };
    const rest = { timestampMax: 0, leaderEpoch: 0, compressed: false, bytes: Buffer.alloc(10) };
    kafka.batches(id, [{ ...batch, ...rest }], { logStart: 0, lastStableOffset: 99, highWatermark: 99 });
    await clock.advance(LINGER_MS);
  };
  const answer = async (isStill: boolean) => {
    answers.shift()?.(isStill);
    await settle();
  };
  const spooled = () => disk.segments.map(({ startOffset, nextOffset }) => [startOffset, nextOffset]);
  return {
    clock,
    gone,
    log,
    kafka,
    link,
    feed,
    disk,
    cuts,
    told,
    declared,
    seeks,
    fetch,
    answer,
    spooled,
    press: (p: SpoolPressure) => press(p),
  };
}
