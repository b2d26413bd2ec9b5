// What was fetched goes to disk only when Kafka has said, after it, that its topic is still the one that it
// was read for: the agent in front of a source that is asked.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from '../support/manual-clock.ts';
import { id, startedAgent } from '../support/started-agent.ts';

test('nothing is spooled before Kafka was asked, and then in order', async () => {
  const { fetch, answer, spooled } = await startedAgent();
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
  const { fetch, answer, spooled, seeks } = await startedAgent();
  await fetch(0);
  await answer(true);
  await fetch(10);
  seeks.length = 0;
  await answer(false);
  assert.deepEqual(spooled(), [[0, 10]]);
  assert.deepEqual(seeks, [10]);
});

test('what waits when the log is cut is not spooled behind the cut', async () => {
  const { kafka, fetch, answer, spooled } = await startedAgent();
  await fetch(0);
  kafka.truncated(id, { offset: 5, leaderEpoch: 0 }, 'another leader');
  await settle();
  await answer(true);
  assert.deepEqual(spooled(), []);
});
