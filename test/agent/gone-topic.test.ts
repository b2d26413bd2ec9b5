// What is spooled of a topic that was created again since is sent, whatever is missing before it: nobody
// reads that any more, so it is a gap by name, and room comes back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UplinkFeed } from '@sluice/agent/contracts.ts';
import { ASK_EVERY_MS } from '@sluice/agent/positions/waiting-spools.ts';
import type { PartitionId } from '@sluice/shared/position.ts';
import { rangeSegment } from '../support/fake-spool.ts';
import { id, startedAgent } from '../support/started-agent.ts';

const gone = { ...id, topicId: 'a'.repeat(32) };
const log = { leaderEpoch: 0, logStart: 0, logEnd: 99, groupOffset: 0, startAt: undefined };

const standsAt = (partition: PartitionId, received: number) => [
  {
    ...{ ...partition, leaderEpoch: -1, nextOffset: received, received, rewindEpoch: 0 },
    ...{ openGaps: [], stands: [], current: true },
  },
];

async function all(feed: UplinkFeed): Promise<string[]> {
  const sent: string[] = [];
  for (let item = await feed.next(); item !== undefined; item = await feed.next()) {
    if (item.kind === 'history waits') continue;
    const { startOffset, nextOffset } = item.kind === 'gap' ? item.gap : item.segment;
    sent.push(`${item.kind} ${startOffset}-${nextOffset}`);
  }
  return sent;
}

test('what is missing before spooled data of a topic that is gone is a gap, and they are sent', async () => {
  const { feed, link, disk } = await startedAgent();
  disk.append([rangeSegment(30, 40, gone)]);
  feed.declared();
  link.welcomed(standsAt(gone, 10));
  assert.deepEqual(await all(feed), ['gap 10-30', 'segment 30-40']);
  link.rewind(gone, 5, 1, 'another table lacks more');
  assert.deepEqual(await all(feed), ['gap 5-10', 'gap 10-30', 'segment 30-40']);
});

test('a topic whose other partitions nobody has described is not taken to be gone', async () => {
  const { feed, link, disk, kafka } = await startedAgent();
  const [slot, spooled] = [id, gone].map((partition) => ({ ...partition, partition: 1 }));
  assert.ok(slot && spooled);
  kafka.assigned([id, slot]);
  disk.append([rangeSegment(30, 40, spooled)]);
  feed.declared();
  link.welcomed(standsAt(spooled, 10));
  assert.deepEqual(await all(feed), []);
  kafka.described([{ ...slot, ...log }]);
  assert.deepEqual(await all(feed), ['gap 10-30', 'segment 30-40'], 'and is, when it is');
});

/** It has spooled some of a partition that another agent reads, behind a hole. */
async function behindHole() {
  const started = await startedAgent();
  const other = { ...gone, partition: 1 };
  started.disk.append([rangeSegment(30, 40, other)]);
  started.feed.declared();
  started.link.welcomed(standsAt(other, 10));
  return { ...started, other };
}

test('where another agent reads the topic that has the name now, Kafka’s word lets the spool go on', async () => {
  const { feed, clock, other, gone: named, log: lines } = await behindHole();
  assert.deepEqual(await all(feed), []);
  await clock.advance(2 * ASK_EVERY_MS);
  assert.deepEqual(await all(feed), [], 'it may still be read');
  named.add(other.topicId);
  await clock.advance(ASK_EVERY_MS);
  assert.deepEqual(await all(feed), ['gap 10-30', 'segment 30-40']);
  assert.match(JSON.stringify(lines.lines), /the topic was deleted and created again/);
  assert.equal(lines.said(/wait for these offsets/).length, 1);
});

test('whoever holds what is missing has time to bring it before it is said to be lost', async () => {
  const { feed, clock, link, other, gone: named } = await behindHole();
  named.add(other.topicId);
  await clock.advance(ASK_EVERY_MS - 1);
  link.committed([{ partition: other, nextOffset: 30, openGaps: [], leaderEpoch: 0 }]);
  await clock.advance(10 * ASK_EVERY_MS);
  assert.deepEqual(await all(feed), ['segment 30-40']);
});

test('each partition has that time, whenever its wait began', async () => {
  const { feed, clock, link, disk, other, gone: named } = await behindHole();
  const late = { ...other, partition: 2 };
  named.add(other.topicId);
  await clock.advance(ASK_EVERY_MS / 2);
  disk.append([rangeSegment(70, 80, late)]);
  feed.declared();
  link.welcomed([...standsAt(other, 10), ...standsAt(late, 50)]);
  await clock.advance(ASK_EVERY_MS / 2);
  assert.deepEqual(await all(feed), ['gap 10-30', 'segment 30-40']);
  await clock.advance(ASK_EVERY_MS);
  assert.deepEqual(await all(feed), ['gap 50-70', 'segment 70-80']);
});

test('a topic that is read here is not gone, whatever was said of it before', async () => {
  const { feed, clock, kafka, link, seeks, other, gone: named } = await behindHole();
  named.add(other.topicId);
  await clock.advance(2 * ASK_EVERY_MS);
  kafka.assigned([id, other]);
  kafka.described([{ ...other, ...log }]);
  link.rewind(other, 5, 1, 'another table lacks more');
  assert.deepEqual(await all(feed), [], 'what is missing is read, and no gap');
  assert.equal(seeks.at(-1), 5);
});
