// What `compact` says to people: before it begins, what it will join and what it leaves as it is; in the end,
// what became of it.
import { type Amount, amountText as amount } from '../amount.ts';
import { counted, entriesText, formatStep, NAMED_MAX } from '../report-lines.ts';
import type { SkippedPlace } from './plan.ts';

/** What `--json` prints: docs/verify.md. */
export interface Compacted {
  readonly table: string;
  /** Partitions with small objects enough. */
  readonly partitions: number;
  /** In these. */
  readonly small: Amount;
  /** Objects beside them that go along. */
  readonly carried: Amount;
  /** Partitions that stay as they are although they have small objects enough. */
  readonly skipped: readonly SkippedPlace[];
  /** Numbers of the ledger entries; none where nothing was written. */
  readonly entries: readonly number[];
  /** Those that stand and were not published in the end: whoever writes the table next does it. */
  readonly unpublished: readonly number[];
  /** Partitions that moved, what was joined in them, and to what. */
  readonly moved: number;
  readonly joined: Amount;
  readonly made: Amount;
}

export function formatCompactPlan(so: Compacted): string {
  const { table, partitions, small, carried } = so;
  const first =
    partitions === 0
      ? `${table}: no partition has small objects enough: nothing to join`
      : `${table}: ${counted(partitions, 'partition')} with ${amount(small, 'small object')}; ${amount(carried)} go along`;
  return `${[first, ...skippedLines(so)].join('\n')}\n`;
}

function skippedLines({ skipped }: Compacted): string[] {
  return [
    ...skipped
      .slice(0, NAMED_MAX)
      .map(({ place, objects, why }) => `  leaves ${place}, ${counted(objects, 'small object')}: ${why}`),
    ...(skipped.length > NAMED_MAX ? [`  and ${skipped.length - NAMED_MAX} more`] : []),
  ];
}

export function formatJoined(table: string, done: number, of: number): string {
  return formatStep(table, { done, of, what: 'partition', did: 'done' });
}

export function formatCompacted(so: Compacted): string {
  const { table, entries, unpublished, moved, joined, made } = so;
  const lines = unpublished.length === 0 ? [] : [unpublishedText(so)];
  if (entries.length > 0)
    lines.unshift(
      `${table}: ${counted(moved, 'partition')} moved by ${entriesText(entries)}: ` +
        `${amount(joined)} became ${amount(made)}; what was there before stays: \`prune\` deletes it`,
    );
  return `${lines.length === 0 ? `${table}: nothing was written` : lines.join('\n')}\n`;
}

function unpublishedText({ table, unpublished }: Compacted): string {
  const [stands, its] = unpublished.length === 1 ? ['stands', 'its'] : ['stand', 'their'];
  return (
    `${table}: ${entriesText(unpublished)} ${stands} and could not be published: readers see ${its} partitions ` +
    'as before, all rows once, until whoever writes the table next publishes it: a running collector, or this ' +
    'command when it is called again'
  );
}
