// Where a partition is read before any collector has said a word: never at an end of the log that somebody
// guessed. What is spooled goes on, else the group's offset counts, and where there is neither it waits.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claims, newWorld, SimulatedAgent } from './simulated-partition.ts';

interface Known {
  readonly group: number | undefined;
  /** Where the spool ends; it begins ten offsets before. */
  readonly spooledTo: number | undefined;
}

/** An agent without a link, to which the partition is assigned. */
async function unlinked({ group, spooledTo }: Known) {
  const world = newWorld();
  if (spooledTo !== undefined) {
    world.log.end = spooledTo;
    const before = new SimulatedAgent(world);
    world.group = spooledTo - 10;
    before.join();
    for (let i = 0; i < 10; i++) before.fetch();
    await before.linger();
    while (before.flying.length > 0) before.land();
  }
  Object.assign(world.log, { start: 100, end: 900 });
  world.group = group;
  const agent = new SimulatedAgent(world);
  agent.join();
  return { world, agent };
}

const CASES: readonly (readonly [string, Known, number | undefined])[] = [
  ['behind what is spooled, where that goes beyond the group', { group: 240, spooledTo: 250 }, 250],
  ['behind what is spooled, where the group has nothing', { group: undefined, spooledTo: 250 }, 250],
  ['at the group, where others have read beyond what is spooled', { group: 400, spooledTo: 250 }, 400],
  ['at the group, where nothing is spooled', { group: 300, spooledTo: undefined }, 300],
  ['nowhere, where nobody knows', { group: undefined, spooledTo: undefined }, undefined],
];

for (const [where, known, from] of CASES)
  test(`without a word from a collector a partition is read ${where}`, async () => {
    const { agent } = await unlinked(known);
    assert.equal(agent.book.stateOf(claims)?.readNext, from);
  });

test('what nobody knows a place for is not read at all, until a collector names one', async () => {
  const { world, agent } = await unlinked({ group: undefined, spooledTo: undefined });
  for (let i = 0; i < 20; i++) agent.fetch();
  await agent.linger();
  assert.deepEqual(agent.flying, []);
  Object.assign(world.collector, { committed: 420, received: 420 });
  agent.connect();
  assert.equal(agent.book.stateOf(claims)?.readNext, 420);
  for (let i = 0; i < 20; i++) agent.fetch();
  await agent.linger();
  assert.deepEqual(agent.flying.map(({ startOffset }) => startOffset).slice(0, 1), [420]);
});
