// What is only spooled is declared with where the config says that its topic begins, and with nothing of
// Kafka's log that nobody has asked for: whoever opens it on that word passes over nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agentSchema } from '@sluice/agent/config.ts';
import type { DeclaredPartition } from '@sluice/agent/contracts.ts';
import { NO_PRESSURE } from '@sluice/agent/spool/pressure.ts';
import { rangeSegment } from '../support/fake-spool.ts';
import { startedAgent } from '../support/started-agent.ts';

const { topics } = agentSchema.shape;
const CONFIGURED = topics.parse([
  { name: 'fresh', startAt: 'latest' },
  { pattern: 'plant-.*', startAt: 'earliest' },
  'plain',
]);

const said = ({ topic, startAt, logStart, logEnd, readsLog }: DeclaredPartition) =>
  `${topic}: ${startAt ?? 'nothing'}, log [${logStart}, ${logEnd}), ${readsLog ? 'read' : 'spooled'}`;

/** It is assigned `claims`, and holds [50, 60) of the others. */
async function holding(...spooled: readonly string[]) {
  const agent = await startedAgent({ topics: CONFIGURED });
  agent.disk.append(spooled.map((topic) => rangeSegment(50, 60, { topic })));
  return agent;
}

test('to a new stream it is said where each begins, also of what the config takes no more', async () => {
  const { feed } = await holding('fresh', 'plant-7', 'plain', 'before');
  assert.deepEqual(feed.declared().map(said), [
    'claims: nothing, log [0, 99), read',
    'fresh: latest, log [0, 50), spooled',
    'plant-7: earliest, log [0, 50), spooled',
    'plain: nothing, log [0, 50), spooled',
    'before: nothing, log [0, 50), spooled',
  ]);
});

test('the same is said of it while the stream stands', async () => {
  const { disk, link, declared, press } = await holding('fresh');
  press({ ...NO_PRESSURE, full: 'no room', isFullForAll: true });
  assert.deepEqual(declared.slice(-1).map(said), ['fresh: latest, log [0, 50), spooled'], 'it is offered');
  const segment = rangeSegment(60, 70, { topic: 'fresh' });
  const openGaps = [{ startOffset: 65, nextOffset: 70 }];
  disk.append([segment]);
  link.committed([{ partition: segment, nextOffset: 20, openGaps, leaderEpoch: 0 }]);
  const told = declared.at(-1);
  assert.deepEqual(told?.spoolRuns, [{ startOffset: 50, nextOffset: 70 }], 'some of a gap came to it');
  assert.equal(told?.startAt, 'latest');
});

test('once others read it, what Kafka said before is not said any more, and where it begins is', async () => {
  const { kafka, disk, feed, fetch, answer } = await startedAgent({
    topics: topics.parse([{ name: 'claims', startAt: 'latest' }]),
  });
  await fetch(0);
  await answer(true);
  assert.equal(disk.segments.length, 1);
  kafka.assigned([]);
  assert.deepEqual(feed.declared().map(said), ['claims: latest, log [0, 0), spooled']);
});
