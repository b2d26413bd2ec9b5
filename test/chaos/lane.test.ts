// What a seed of `npm run chaos` decides, it decides again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '@sluice/shared/clock.ts';
import { systemClock } from '@sluice/shared/clock.ts';
import { Chance } from '../simulation/chance.ts';
import { temporaryDirectory } from '../support/temp.ts';
import { Journal } from './journal.ts';
import { type Fault, runLane } from './lane.ts';

const KINDS = ['killed', 'stopped', 'cut'];

/** The faults of a lane with what each drew, and the pauses between, until `turns` have happened. */
async function happened(seed: number, turns: number, wholeRound = false) {
  const over = new AbortController();
  const seen: string[] = [];
  const clock: Clock = {
    ...systemClock,
    async sleep(delayMs) {
      seen.push(`pause ${delayMs}`);
    },
  };
  const faults = KINDS.map(
    (name): Fault => ({
      name,
      async run(chance) {
        seen.push(`${name} ${chance.between(0, 1e6)}`);
        if (seen.length >= 2 * turns) over.abort();
        if (name === 'cut') throw new Error('it did not heal');
      },
    }),
  );
  const journal = new Journal(temporaryDirectory(), clock);
  const options = {
    name: 'links',
    faults,
    pauseMs: [1, 5_000],
    wholeRound,
    chance: new Chance(seed),
    clock,
    journal,
  } as const;
  await runLane(options, over.signal);
  return { seen, violations: journal.violations };
}

test('a seed draws the same faults, pauses and targets again, and another seed others', async () => {
  const first = await happened(7, 9);
  assert.deepEqual((await happened(7, 9)).seen, first.seen);
  assert.notDeepEqual((await happened(8, 9)).seen, first.seen);
});

test('each kind of fault happens once before any happens again', async () => {
  const { seen } = await happened(7, 9);
  const names = seen.filter((s) => !s.startsWith('pause')).map((s) => s.split(' ')[0]);
  for (let from = 0; from < 9; from += 3)
    assert.deepEqual(names.slice(from, from + 3).toSorted(), KINDS.toSorted());
});

test('a lane whose time is over finishes its first round where each kind must happen, and only then', async () => {
  const faultsIn = ({ seen }: { seen: string[] }) => seen.filter((s) => !s.startsWith('pause')).length;
  assert.equal(faultsIn(await happened(7, 1, true)), KINDS.length);
  assert.equal(faultsIn(await happened(7, 1, false)), 1);
  assert.equal(faultsIn(await happened(7, 5, true)), 5);
});

test('a fault that fails is a violation, and the lane goes on', async () => {
  const { violations } = await happened(7, 9);
  assert.deepEqual(
    violations,
    Array.from({ length: 3 }, () => 'links: cut: it did not heal'),
  );
});
