// What waits on the link to be sent holds its payload once, as the spool has it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outgoing } from '@sluice/agent/uplink/link-client.ts';
import { LinkSession } from '@sluice/agent/uplink/link-session.ts';
import { partitionToWire } from '@sluice/proto/wire.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { feedDouble } from '../../support/feed-double.ts';
import { manualClock, settle } from '../../support/manual-clock.ts';
import { opaqueSegment } from '../../support/segments.ts';
import { AgentStreamDouble } from '../../support/stream-doubles.ts';

const claims = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };

test('a segment is encoded as it leaves: what waits in the stream holds no copy of its payload', async () => {
  const segment = opaqueSegment(0, 10, { ...claims, payloadBytes: 100 });
  const feed = feedDouble([{ id: claims, at: () => segment }]);
  const stream = new AgentStreamDouble();
  const waiting: Outgoing[] = [];
  const write = stream.write.bind(stream);
  stream.write = (message) => {
    waiting.push(message);
    return true;
  };
  const session = new LinkSession({
    ...{ call: stream.call, handler: feed.handler, feed: feed.feed, clock: manualClock() },
    ...{ agentId: 'site-1', instanceId: 'i', version: '0', maxBitsPerSecond: undefined },
    segmentBytesMax: 2 ** 20,
    welcomed: () => {},
  });
  const ended = session.run();
  const stands = { committed: 0, received: 0, rewindEpoch: 0, openGaps: [], stands: [], current: false };
  const positions = [{ ...partitionToWire(claims), ...stands }];
  const value = { protocol: 1, collectorId: 'c', version: '0', creditTotal: 100, positions };
  stream.say({ $case: 'welcome', value });
  await settle();
  segment.payload.fill(7);
  for (const message of waiting) write(message);
  assert.deepEqual(stream.all('segment')[0]?.payload, Buffer.alloc(100, 7));
  session.cancel();
  await ended;
});
