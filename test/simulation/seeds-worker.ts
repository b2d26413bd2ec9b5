// A process of its own for a share of the seeds: `from to step`. Reports each to its parent.
import { simulate } from './simulation.ts';

const [from = 0, to = 0, step = 1] = process.argv.slice(2).map(Number);
for (let seed = from; seed < to; seed += step) {
  const { counts, ...result } = await simulate({ seed });
  process.send?.({ ...result, counts: Object.fromEntries(counts) });
}
process.disconnect?.();
