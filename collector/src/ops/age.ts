// An age as the command line says it. Pure.
import { UsageError } from '@sluice/shared/command-line.ts';
import { duration } from '@sluice/shared/units.ts';

/** In ms, of `--older-than`. UsageError where it is no duration. */
export function parseAge(olderThan: string): number {
  const parsed = duration().safeParse(olderThan);
  if (!parsed.success) throw new UsageError(`--older-than: ${parsed.error.issues[0]?.message}`);
  return parsed.data;
}
