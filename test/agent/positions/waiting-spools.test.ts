// What is spooled behind a hole waits for Kafka's word that its topic is gone, and takes none that comes too
// late.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { infoOfSpool, newState } from '@sluice/agent/positions/partition-state.ts';
import { ASK_EVERY_MS, WaitingSpools } from '@sluice/agent/positions/waiting-spools.ts';
import { manualClock } from '../../support/manual-clock.ts';

const run = { startOffset: 30, nextOffset: 40 };
const partition = { topic: 'claims', topicId: 'a'.repeat(32), partition: 0 };
const spool = { ...partition, ...run, runs: [run], bytes: 1, segments: 1, oldestMs: 0 };

test('a partition that is assigned while Kafka is asked is not taken to be gone', async () => {
  const clock = manualClock();
  const state = newState(partition, infoOfSpool(spool as never, undefined));
  state.sendNext = 10;
  const asked: boolean[] = [];
  const isGone = async () => {
    asked.push(state.assigned);
    state.assigned = true;
    return true;
  };
  const found = () => assert.fail('it is read here');
  const moved = () => {};
  const waiting = new WaitingSpools({
    ...{ clock, source: { isGone }, events: { spoolWaits: () => {} }, found, moved },
    ...{ states: () => [state], spoolOf: () => spool as never },
  });
  waiting.look();
  await clock.advance(2 * ASK_EVERY_MS);
  assert.deepEqual(asked, [false]);
  assert.equal(state.gone, false);
});
