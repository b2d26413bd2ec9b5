// What `replay` says to people: each part on stderr as it goes, and in the end what became of whom.
import { formatCount } from '@sluice/shared/units.ts';
import { outputTable } from '../../lake/object-keys.ts';
import { counted, entriesText } from '../report-lines.ts';
import { IMPOSSIBLE, type ImpossibleReason } from './quarantined-rows.ts';
import type { Replayed } from './replay.ts';

const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((a, b) => a + b, 0);

export function formatProgress({ table, run, failed, entries }: Replayed): string {
  const last = entries.at(-1);
  const at = last === undefined ? '' : `, entry ${last}`;
  return `${table}: ${counted(run, 'record')} run, ${formatCount(sum(failed))} failed again${at}\n`;
}

export function formatReplayed(replayed: Replayed): string {
  const { table, dryRun, run, taken, rows, nulled, brokenRules, failed, earlier, impossible } = replayed;
  const { entries } = replayed;
  const inEntries = entries.length === 0 ? '' : `, ${entriesText(entries)}`;
  const fates = Object.entries(taken).filter(([fate, n]) => n > 0 || fate === 'emitted');
  const lines = [
    `${table}: ${counted(run, 'record')} run again${dryRun ? ' and nothing written (--dry-run)' : inEntries}`,
    ...fates.map(([fate, n]) => `  ${fate} ${formatCount(n)}`),
    ...Object.entries(rows).map(
      ([output, n]) => `    ${formatCount(n)} rows in ${outputTable({ name: table }, output)}`,
    ),
    ...Object.entries(nulled).map(
      ([column, n]) => `    ${formatCount(n)} values of ${column} failed and are NULL, as the column says`,
    ),
    ...brokenRules.map(
      ({ output, rule, rows: n }) =>
        `    ${formatCount(n)} rows in ${outputTable({ name: table }, output)} break the rule: ${rule}`,
    ),
    ...Object.entries(failed).map(([code, n]) => `  stays in quarantine ${formatCount(n)}: ${code}`),
    ...(earlier === 0 ? [] : [`  left out ${formatCount(earlier)}: an earlier replay took them`]),
    ...Object.entries(impossible).map(
      ([reason, n]) =>
        `  cannot be run ${formatCount(n)}: ${reason}: ${IMPOSSIBLE[reason as ImpossibleReason]}`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}

/** Something that was chosen could not be run: what is named needs a human. */
export function isIncomplete({ impossible }: Replayed): boolean {
  return Object.keys(impossible).length > 0;
}
