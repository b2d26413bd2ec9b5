// Words that the reports of commands which rework a table have in common.
import { formatCount } from '@sluice/shared/units.ts';

/** Partitions that a report names; the others are counted. */
export const NAMED_MAX = 20;

/** `1 window`, `2,000 windows`. */
export const counted = (n: number, what: string) => `${formatCount(n)} ${what}${n === 1 ? '' : 's'}`;

export const entriesText = (entries: readonly number[]) =>
  `ledger ${entries.length === 1 ? 'entry' : 'entries'} ${entries.join(', ')}`;

interface Step {
  readonly done: number;
  readonly of: number;
  /** What is counted, and what has become of it. */
  readonly what: string;
  readonly did: string;
  /** How many are done at a time; else one. */
  readonly each?: number;
}

/** Some twenty lines of a command, however long it is; else none. */
export function formatStep(table: string, { done, of, what, did, each = 1 }: Step): string {
  const every = Math.ceil(of / 20 / each) * each;
  return done % every === 0 || done === of
    ? `${table}: ${formatCount(done)} of ${counted(of, what)} ${did}\n`
    : '';
}
