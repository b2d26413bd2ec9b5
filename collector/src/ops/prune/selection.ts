// How old a swap must be for what it left to be deleted, as the command line says it. Pure.
import { UsageError } from '@sluice/shared/command-line.ts';
import { parseAge } from '../age.ts';

const OLDER_THAN = '7d';
/** Queries that listed objects before a swap go on to read them. */
const OLDER_THAN_MS_MIN = 3_600_000;

/** UsageError where it is no duration, or too short. */
export function parsePruneAge(olderThan = OLDER_THAN): number {
  const ms = parseAge(olderThan);
  if (ms >= OLDER_THAN_MS_MIN) return ms;
  throw new UsageError(
    '--older-than: at least 1h: queries that began before a swap go on to read what it left',
  );
}
