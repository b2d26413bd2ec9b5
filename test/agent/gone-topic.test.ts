// What is spooled of a topic that was created again since is sent, whatever is missing before it: nobody
// reads that any more, so it is a gap by name, and room comes back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UplinkFeed } from '@sluice/agent/contracts.ts';
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
