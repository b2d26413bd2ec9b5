// What `prune` says to people: before it begins, what it will delete and what it leaves; in the end, what is
// gone.
import { formatCount } from '@sluice/shared/units.ts';
import { type Amount, amountText } from '../amount.ts';
import { counted, entriesText, formatStep, NAMED_MAX } from '../report-lines.ts';

/** Keys that one call deletes. */
export const DELETED_MAX = 1_000;

export interface KeptPlace extends Amount {
  /** The catalogued table and the values of its partition. */
  readonly place: string;
  readonly why: string;
}

/** What `--json` prints: docs/verify.md. */
export interface Pruned {
  readonly table: string;
  readonly dryRun: boolean;
  /** What partitions have left, in so many places, and by which entries: it may go. */
  readonly left: Amount;
  readonly places: number;
  readonly entries: readonly number[];
  /** Of rebuilds and compactions that came to nothing: it may go as well. */
  readonly dead: Amount;
  /** Left too short a time ago. */
  readonly younger: Amount;
  /** Left, and not to be deleted yet. */
  readonly kept: readonly KeptPlace[];
  /** Named by no entry, and perhaps of a command that works just now. */
  readonly open: Amount;
  /** Whether more lies there than one prune looks at. */
  readonly more: boolean;
  readonly deleted: Amount;
}

const isSome = ({ objects }: Amount) => objects > 0;

export function formatPrunePlan(so: Pruned): string {
  const { table, left, places, entries, dead } = so;
  const by =
    entries.length > NAMED_MAX ? `${formatCount(entries.length)} ledger entries` : entriesText(entries);
  const lines = [
    ...(isSome(left)
      ? [`${amountText(left)} in ${counted(places, 'place')} that partitions left by ${by}`]
      : []),
    ...(isSome(dead) ? [`${amountText(dead)} of rebuilds or compactions that came to nothing`] : []),
  ];
  const first = lines.length === 0 ? 'nothing to delete' : lines.join('; ');
  return `${[`${table}: ${first}`, ...staying(so)].join('\n')}\n`;
}

/** What is left takes the room that the rest needs: where nothing goes, the next prune sees the same. */
function moreText({ left, dead }: Pruned): string {
  const when = isSome(left) || isSome(dead) ? 'this one has ended' : 'some of what it leaves may go';
  return `  more lies there than one prune looks at: call it again when ${when}`;
}

function staying(so: Pruned): string[] {
  const { kept, younger, open, more } = so;
  return [
    ...kept.slice(0, NAMED_MAX).map((one) => `  leaves ${one.place}, ${amountText(one)}: ${one.why}`),
    ...(kept.length > NAMED_MAX ? [`  and ${kept.length - NAMED_MAX} more`] : []),
    ...(isSome(younger) ? [`  leaves ${amountText(younger)}: left too short a time ago`] : []),
    ...(isSome(open)
      ? [`  leaves ${amountText(open)} that no entry names: a rebuild or compaction may be at work`]
      : []),
    ...(more ? [moreText(so)] : []),
  ];
}

export function formatDeleted(table: string, done: number, of: number): string {
  return formatStep(table, { done, of, what: 'object', did: 'deleted', each: DELETED_MAX });
}

export function formatPruned({ table, deleted, dryRun }: Pruned): string {
  if (dryRun) return `${table}: nothing was deleted: it was only asked\n`;
  return `${table}: ${deleted.objects === 0 ? 'nothing' : amountText(deleted)} deleted\n`;
}
