// What `rebuild` says to people: before it begins, what it reads and what it will replace; in the end, what
// became of it.
import { formatCount } from '@sluice/shared/units.ts';
import type { Classes, TableConfig } from '../../contracts.ts';
import { outputTable } from '../../lake/object-keys.ts';
import { counted, formatStep, NAMED_MAX } from '../report-lines.ts';
import type { RebuildPlan } from './plan.ts';

/** What `--json` prints: docs/verify.md. */
export interface Rebuilt {
  readonly table: string;
  readonly source: string;
  readonly configVersion: string;
  /** Those that made what is replaced. */
  readonly configVersions: readonly string[];
  readonly windows: number;
  /** Of these, windows that a replay or a joined object brings in beside those of the time. */
  readonly widenedBy: number;
  /** Windows of the time that stay as they are: the source does not have their records yet. */
  readonly notYet: number;
  /** Replays whose rows are taken back into the windows. */
  readonly replays: readonly number[];
  /** When the first and the last of the windows were opened. */
  readonly openedAt: readonly [string, string] | undefined;
  readonly before: Classes;
  readonly replaced: { readonly objects: number; readonly rows: number };
  /** Partitions that move, with their tables; rows may come to others beside these. */
  readonly moves: readonly string[];
  readonly partitions: number;
  /** Objects of other windows that go along. */
  readonly carried: number;
  /** Number of the ledger entry, and what it made; undefined where nothing was written. */
  readonly entry: number | undefined;
  readonly after: Classes | undefined;
  readonly made: number;
}

interface Planned {
  readonly table: TableConfig;
  readonly plan: RebuildPlan;
  readonly source: string;
  readonly carried: number;
}

export function rebuiltOf({ table, plan, source, carried }: Planned): Rebuilt {
  const { windows, widenedBy, notYet, replays, before, replaced, configVersions, places } = plan;
  const times = windows.map(({ entry }) => entry.openedAt).toSorted();
  const moves = [...places.values()].map(({ output, partition }) => {
    const values = partition.map(({ column, value }) => `${column}=${value ?? 'NULL'}`);
    return `${outputTable(table, output)} ${values.join('/')}`;
  });
  return {
    ...{ table: table.name, source, configVersion: table.configVersion, configVersions },
    ...{ windows: windows.length, widenedBy, notYet, replays, before, replaced, carried },
    openedAt: times[0] === undefined ? undefined : [times[0], times.at(-1) ?? times[0]],
    moves: moves.toSorted(),
    ...{ partitions: places.size, entry: undefined, after: undefined, made: 0 },
  };
}

export function formatPlan(so: Rebuilt): string {
  const { table, windows, openedAt, before, source, replaced, configVersion, configVersions } = so;
  const later =
    so.notYet === 0 ? [] : [`  leaves ${counted(so.notYet, 'window')} that the ${source} does not have yet`];
  if (openedAt === undefined)
    return `${[`${table}: no window was opened then: nothing to rebuild`, ...later].join('\n')}\n`;
  const [first, last] = openedAt;
  const lines = [
    `${table}: ${counted(windows, 'window')} opened ${first} to ${last}, ${counted(before.in, 'record')}, from the ${source}`,
    `  with config version ${configVersion}; until now ${configVersions.join(', ')}`,
    `  replaces ${counted(replaced.objects, 'object')} with ${counted(replaced.rows, 'row')}: ${classesOf(before)}`,
    ...later,
    ...(so.widenedBy === 0
      ? []
      : [
          `  ${counted(so.widenedBy, 'window')} of other times come in: they share a replay or a joined object with one of these`,
        ]),
    ...(so.replays.length === 0 ? [] : [`  takes back replays ${so.replays.join(', ')}`]),
    `  moves ${counted(so.partitions, 'partition')}, and others where rows go now; ${counted(so.carried, 'object')} of other windows go along`,
    ...so.moves.slice(0, NAMED_MAX).map((move) => `    ${move}`),
    ...(so.moves.length > NAMED_MAX ? [`    and ${so.moves.length - NAMED_MAX} more`] : []),
  ];
  return `${lines.join('\n')}\n`;
}

export function formatMade(table: string, done: number, of: number): string {
  return formatStep(table, { done, of, what: 'window', did: 'made' });
}

export function formatRebuilt(so: Rebuilt): string {
  const { table, entry, after, windows, partitions, made, carried } = so;
  if (entry === undefined || after === undefined) return `${table}: nothing was written\n`;
  return (
    `${table}: swapped by ledger entry ${entry}: ${counted(windows, 'window')}, ${classesOf(after)}\n` +
    `  ${counted(partitions, 'partition')} moved, ${counted(made, 'object')} made, ${formatCount(carried)} carried; ` +
    'what was there before stays: `prune` deletes it\n'
  );
}

function classesOf({ in: all, emitted, merged, filtered, quarantined }: Classes): string {
  const fates = Object.entries({ emitted, merged, filtered, quarantined }).filter(
    ([fate, n]) => n > 0 || fate === 'emitted',
  );
  return `in ${formatCount(all)} = ${fates.map(([fate, n]) => `${fate} ${formatCount(n)}`).join(' + ')}`;
}
