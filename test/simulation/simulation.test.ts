// What the simulation itself must hold: a seed repeats, to the letter, and each bug that is put in on purpose
// is seen.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SABOTAGES, type Sabotage } from './sabotage.ts';
import { simulate } from './simulation.ts';

for (const seed of [3, 11, 77]) {
  test(`seed ${seed} gives the same trace twice, whatever ran before it`, async () => {
    const first = await simulate({ seed });
    await simulate({ seed: seed + 1 });
    const again: string[] = [];
    const second = await simulate({ seed, write: (line) => again.push(line) });
    assert.equal(second.hash, first.hash);
    assert.equal(second.steps, first.steps);
    assert.ok(again.length > 100, `${again.length} lines`);
    assert.notEqual((await simulate({ seed: seed + 1 })).hash, first.hash);
  });
}

/**
 * What the oracle says of each, and how many seeds it may take until the fault meets a moment in which it
 * shows.
 */
const SAYS: Readonly<Record<Sabotage, RegExp>> = {
  'acknowledged before published': /is acknowledged and \d+ is queryable/,
  'spool drops what was sent': /the spool: .* is acknowledged and \d+ is queryable/,
  'no dedupe by offset': /stands there twice|does not belong there/,
  'aborted records leak': /does not belong there|counts \d+ records of \d+/,
  'conditional writes are not': /was written twice/,
  'published objects are deleted': /was seen, and then taken back/,
  'group offset runs ahead': /the group offset: .* is acknowledged and \d+ is queryable/,
  'a swap forgets what came meanwhile': /leaves .* behind/,
  'joined objects lack a row': /joins other rows/,
};
const SEEDS_MAX = 25;
/** Seen only where commands run, which are few lives. */
const OF_COMMANDS: ReadonlySet<Sabotage> = new Set([
  'a swap forgets what came meanwhile',
  'joined objects lack a row',
]);
const OPERATED = { operatorEveryMs: 3_000, objectBytes: 1_000_000, windowLengthMs: 500, writeEveryMs: 800 };

for (const sabotage of SABOTAGES) {
  test(`a bug is seen by the oracle: ${sabotage}`, async () => {
    const found: string[] = [];
    for (let seed = 1; seed <= SEEDS_MAX; seed++) {
      const change = OF_COMMANDS.has(sabotage) ? OPERATED : {};
      const { violations } = await simulate({ seed, sabotage, change });
      found.push(...violations);
      if (violations.some((what) => SAYS[sabotage].test(what))) return;
    }
    assert.fail(`${SEEDS_MAX} seeds found only: ${found.join('\n')}`);
  });
}
