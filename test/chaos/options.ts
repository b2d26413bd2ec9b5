// What `npm run chaos` may be told.
import { parseArgs } from 'node:util';

export interface ChaosOptions {
  /** Of faults; set-up and draining come on top. */
  readonly minutes: number;
  readonly seed: number;
  /** Agents and collectors, as many of each. */
  readonly sites: number;
}

const USAGE = 'usage: npm run chaos -- [--minutes N] [--seed S] [--sites N]';
const SITES_MAX = 4;

/** Throws an Error that says what is wrong and how it is used. */
export function parseOptions(args: readonly string[]): ChaosOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '3' },
      seed: { type: 'string', default: '1' },
      sites: { type: 'string', default: '2' },
    },
  });
  const minutes = Number(values.minutes);
  const [seed, sites] = [Number(values.seed), Number(values.sites)];
  if (!(minutes > 0 && minutes <= 600)) throw new Error(`--minutes: not '${values.minutes}'; ${USAGE}`);
  if (!/^\d{1,9}$/.test(values.seed)) throw new Error(`--seed: not '${values.seed}'; ${USAGE}`);
  if (!(Number.isInteger(sites) && sites >= 1 && sites <= SITES_MAX))
    throw new Error(`--sites: 1 to ${SITES_MAX}, not '${values.sites}'; ${USAGE}`);
  return { minutes, seed, sites };
}

export function repeatCommand({ minutes, seed, sites }: ChaosOptions): string {
  return `npm run chaos -- --minutes ${minutes} --seed ${seed} --sites ${sites}`;
}
