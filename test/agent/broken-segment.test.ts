// A spooled segment whose bytes changed on the disk costs one more read from Kafka: everything before and
// behind it is sent as it was spooled, and nothing but its own range is read again.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createAgent } from '@sluice/agent/agent.ts';
import type { Source, SourceHandler, Uplink, UplinkFeed, UplinkHandler } from '@sluice/agent/contracts.ts';
import { createEvents } from '@sluice/agent/events.ts';
import { createSqliteSpool } from '@sluice/agent/spool/sqlite-spool.ts';
import { systemClock } from '@sluice/shared/clock.ts';
import { decompressPayload } from '@sluice/shared/codecs.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { decodeRecords } from '@sluice/shared/records.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import Database from 'better-sqlite3';
import { noHistory } from '../support/no-history.ts';
import { recordingLogger } from '../support/recording-logger.ts';
import { segmentOf } from '../support/segments.ts';
import { temporaryDirectory } from '../support/temp.ts';

const claims = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };
const LOG_END = 50;
const BATCH = 10;

const batchAt = (baseOffset: number): Segment =>
  segmentOf(
    Array.from({ length: BATCH }, (_, i) => `claim ${baseOffset + i}`),
    { baseOffset },
  );

const plainOf = ({ codec, payload, plainBytes }: Segment) =>
  decompressPayload(codec, Buffer.from(payload), plainBytes);

/** A partition of five batches that is read one batch at a time from wherever it is sought. */
function logSource(readAgain: number[]): { source: Source; handler: () => SourceHandler } {
  let handler: SourceHandler | undefined;
  let position: number | undefined;
  const fetch = (): void => {
    if (position === undefined || position >= LOG_END) return;
    const baseOffset = position - (position % BATCH);
    readAgain.push(baseOffset);
    position = baseOffset + BATCH;
    const batch = { kind: 'data' as const, baseOffset, lastOffset: position - 1, count: BATCH };
    const rest = { timestampMax: 0, leaderEpoch: 0, compressed: false, bytes: plainOf(batchAt(baseOffset)) };
    const bounds = { logStart: 0, lastStableOffset: LOG_END, highWatermark: LOG_END };
    handler?.batches(claims, [{ ...batch, ...rest }], bounds);
    setImmediate(fetch);
  };
  const source = {
    start: async (told: SourceHandler) => {
      handler = told;
    },
    stop: async () => {},
    seek: (_slot: unknown, offset: number) => {
      position = offset;
      setImmediate(fetch);
    },
    hold: () => {},
    release: () => {},
    holdAll: () => {},
    releaseAll: () => {},
    pass: () => {},
    commit: () => {},
    isStill: async () => true,
  } as unknown as Source;
  return { source, handler: () => handler as SourceHandler };
}

async function brokenSpool(directory: string, broken: number, change: string): Promise<void> {
  const events = createEvents(recordingLogger(), createMetrics());
  const limits = { directory, bytesMax: 2 ** 30, freeSpaceMin: 0 };
  const spool = await createSqliteSpool({ ...limits, clock: systemClock, events });
  for (let start = 0; start < LOG_END; start += BATCH) await spool.append([batchAt(start)]);
  await spool.close();
  const [name = ''] = readdirSync(join(directory, 'spool', 'claims'));
  const database = new Database(join(directory, 'spool', 'claims', name));
  database.prepare(`UPDATE segments SET ${change} WHERE start_offset = ?`).run(broken);
  database.close();
}

for (const [broken, change] of [
  [0, 'payload = zeroblob(9)'],
  [20, 'payload = zeroblob(9)'],
  [40, 'payload = zeroblob(9)'],
  [0, "skipped = '[{'"],
  [20, "skipped = '[{'"],
  [40, "skipped = '[{'"],
] as const)
  test(`a segment at ${broken} that the disk broke by ${change} is read again from Kafka, and all others are sent`, async (t) => {
    const directory = temporaryDirectory();
    await brokenSpool(directory, broken, change);
    const log = recordingLogger();
    const events = createEvents(log, createMetrics());
    const limits = { directory, bytesMax: 2 ** 30, freeSpaceMin: 0 };
    const spool = await createSqliteSpool({ ...limits, clock: systemClock, events });
    t.after(() => spool.close());
    const readAgain: number[] = [];
    const { source, handler } = logSource(readAgain);
    let link: { handler: UplinkHandler; feed: UplinkFeed } | undefined;
    const uplink = {
      start: (told: UplinkHandler, feed: UplinkFeed) => {
        link = { handler: told, feed };
      },
      assigned: () => {},
      revoked: () => {},
      stop: async () => {},
    } as unknown as Uplink;
    const packing = { segmentBytesMax: 2 ** 20, linger: 5, compression: 'lz4' };
    const config = { topics: [], spool: packing } as never;
    const agent = createAgent({
      config,
      source,
      logReader: noHistory,
      spool,
      uplink,
      clock: systemClock,
      events,
    });
    await agent.start();
    assert.ok(link);
    handler().assigned([claims]);
    const at = { leaderEpoch: 0, logStart: 0, logEnd: LOG_END, groupOffset: 0, startAt: undefined };
    handler().described([{ ...claims, ...at }]);
    const nowhere = { leaderEpoch: 0, nextOffset: 0, received: 0, rewindEpoch: 0, openGaps: [], stands: [] };
    link.handler.welcomed([{ ...claims, ...nowhere }]);
    const values: string[] = [];
    const { signal } = t;
    while (values.length < LOG_END) {
      const item = await link.feed.next();
      if (item?.kind === 'segment')
        values.push(...decodeRecords(plainOf(item.segment)).map(({ value }) => String(value)));
      else await link.feed.ready(AbortSignal.any([signal, AbortSignal.timeout(20_000)]));
      signal.throwIfAborted();
    }
    assert.deepEqual(
      values,
      Array.from({ length: LOG_END }, (_, i) => `claim ${i}`),
    );
    assert.deepEqual(readAgain, [broken]);
    assert.equal(log.said(/was dropped/).length, 1);
    await agent.stop(0);
  });
