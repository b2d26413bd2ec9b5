// Which windows a rebuild shall make again, as the command line says it. Pure.
import { UsageError } from '@sluice/shared/command-line.ts';
import { parseTime } from '../replay/selection.ts';
import type { ChosenTime } from './plan.ts';

/** UsageError where nothing is chosen, or `--all` is not all. */
export function parseChosenTime(from: string | undefined, to: string | undefined, all: boolean): ChosenTime {
  const chosen = from !== undefined || to !== undefined;
  if (chosen === all)
    throw new UsageError(
      all ? '--all goes with no other choice' : 'say which windows: --from, --to, or --all',
    );
  const [fromMs, toMs] = [parseTime('--from', from), parseTime('--to', to)];
  if (fromMs !== undefined && toMs !== undefined && toMs <= fromMs)
    throw new UsageError('--to must be after --from');
  return { fromMs, toMs };
}
