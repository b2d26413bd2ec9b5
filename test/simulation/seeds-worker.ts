// A process of its own for a share of the seeds: `from to step`, and the faults that none of them gets.
// Reports each to its parent.
import type { FaultKind } from './profile.ts';
import { simulate } from './simulation.ts';

const [from = 0, to = 0, step = 1] = process.argv.slice(2, 5).map(Number);
const without = process.argv.slice(5) as FaultKind[];
for (let seed = from; seed < to; seed += step) {
  const { counts, ...result } = await simulate({ seed, without });
  process.send?.({ ...result, counts: Object.fromEntries(counts) });
}
process.disconnect?.();
