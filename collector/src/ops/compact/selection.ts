// What a compaction shall join, as the command line says it. Pure.
import { parseAge } from '../age.ts';
import type { ChosenTime } from '../rebuild/plan.ts';
import { parseChosenTime } from '../rebuild/selection.ts';

/** A window's objects are left alone while the window may still be read by whoever follows the table. */
const OLDER_THAN = '1h';

export interface CompactSelection {
  readonly time: ChosenTime;
  readonly olderThanMs: number;
}

/** UsageError where a time is none. */
export function parseCompactChoice(
  from: string | undefined,
  to: string | undefined,
  olderThan = OLDER_THAN,
): CompactSelection {
  const olderThanMs = parseAge(olderThan);
  const time = parseChosenTime(from, to, from === undefined && to === undefined);
  return { time, olderThanMs };
}
