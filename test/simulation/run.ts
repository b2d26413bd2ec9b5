// npm run simulate -- [--seeds N] [--from S] [--without 'fault,fault'] [--trace]: the simulation for as many
// seeds as one likes; with --trace each seed's steps in words, in this process.
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { FAULT_EVERY_MS, type FaultKind } from './profile.ts';
import { describeSeeds, repeatCommand, runSeeds, type SeedReport } from './seeds.ts';
import { simulate } from './simulation.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    without: { type: 'string', default: '' },
    trace: { type: 'boolean', default: false },
  },
});
const count = wholeNumber('seeds', values.seeds);
const from = wholeNumber('from', values.from);
const without = faultKinds(values.without);

if (values.trace) await traceSeeds();
else {
  let heard = 0;
  const result = await runSeeds(
    { from, count, processes: availableParallelism(), without },
    (report: SeedReport) => {
      heard++;
      if (report.violations.length > 0)
        process.stderr.write(`seed ${report.seed} failed: ${repeatCommand(report.seed, without)}\n`);
      if (heard % 1_000 === 0) process.stderr.write(`${heard} of ${count}\n`);
    },
  );
  process.stdout.write(describeSeeds(result));
  if (result.failed.length > 0) process.exitCode = 1;
}

async function traceSeeds(): Promise<void> {
  for (let seed = from; seed < from + count; seed++) {
    const result = await simulate({ seed, without, write: (line) => process.stdout.write(`${line}\n`) });
    process.stdout.write(`seed ${seed}: trace ${result.hash}, ${result.steps} steps\n`);
    for (const what of result.violations) process.stdout.write(`✖ ${what}\n`);
    if (result.violations.length > 0) process.exitCode = 1;
  }
}

function faultKinds(text: string): FaultKind[] {
  const kinds = text === '' ? [] : text.split(',');
  const unknown = kinds.filter((kind) => !(kind in FAULT_EVERY_MS));
  if (unknown.length === 0) return kinds as FaultKind[];
  process.stderr.write(
    `--without takes ${Object.keys(FAULT_EVERY_MS).join(', ')}; not ${unknown.join(', ')}\n`,
  );
  process.exit(64);
}

function wholeNumber(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  process.stderr.write(`--${name} takes a whole number, not '${text}'\n`);
  process.exit(64);
}
