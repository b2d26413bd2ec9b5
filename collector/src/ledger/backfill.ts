// A table's history in its ledger: where its cursor stands, which entries may move it, and what a writer
// proposes of it. Pure. History lies below where the table began, so that no range of it is ever one that the
// table's position passes.
import { SluiceError } from '@sluice/shared/errors.ts';
import { idOf, type PartitionId, partitionKey, partitionName } from '@sluice/shared/position.ts';
import type { Backfill, LostHistory } from '../backfills.ts';
import type { BackfillEntry, Proposal } from '../entries.ts';

type Range = { readonly start: number; readonly next: number };

/** What a fold keeps of a partition's history. */
export interface WithHistory {
  backfill?: Backfill | undefined;
}

interface FoldedHistory {
  readonly table: string;
  readonly partitions: ReadonlyMap<string, WithHistory & { readonly start: number; readonly next: number }>;
}

/** Whether a range goes on where the history stands. */
export function isHistory({ backfill }: WithHistory, { start, next }: Range): boolean {
  return backfill !== undefined && start === backfill.next && start < next && next <= backfill.to;
}

/** The history is there up to `next`. */
export function moveHistory(partition: WithHistory, next: number): void {
  if (partition.backfill !== undefined) partition.backfill = { ...partition.backfill, next };
}

/** Kafka cut its log: what lies behind comes again as it comes live. */
export function cutHistory(partition: WithHistory, offset: number): void {
  const { backfill } = partition;
  if (backfill === undefined) return;
  const { from, next, to } = backfill;
  const below = (n: number) => Math.min(n, offset);
  partition.backfill = { from: below(from), next: below(next), to: below(to) };
}

/** Why an entry may not begin these, or undefined. */
export function wrongBackfill(fold: FoldedHistory, entry: BackfillEntry): string | undefined {
  const seen = new Set<string>();
  for (const { from, to, ...id } of entry.backfills) {
    const partition = fold.partitions.get(partitionKey(id));
    const name = partitionName(id);
    if (partition === undefined) return `${name} was never opened`;
    if (partition.backfill !== undefined || seen.has(partitionKey(id)))
      return `${name} has a backfill already`;
    if (from >= to || to > Math.min(partition.start, partition.next))
      return `${name} [${from}, ${to}) is no history of a table that began at ${partition.start}`;
    seen.add(partitionKey(id));
  }
  return undefined;
}

export function applyBackfill(fold: FoldedHistory, { backfills }: BackfillEntry): void {
  for (const { from, to, ...id } of backfills) {
    const partition = fold.partitions.get(partitionKey(id));
    if (partition !== undefined) partition.backfill = { from, next: from, to };
  }
}

/** Those that nobody has begun, and that are not empty. */
export function backfillProposal(
  fold: FoldedHistory,
  wanted: readonly (PartitionId & { readonly from: number })[],
): Proposal | undefined {
  const backfills = wanted.flatMap(({ from, ...wanting }) => {
    const id = idOf(wanting);
    const known = fold.partitions.get(partitionKey(id));
    if (known === undefined || known.backfill !== undefined) return [];
    const to = Math.min(known.start, known.next);
    return from < to ? [{ ...id, from, to }] : [];
  });
  return backfills.length === 0 ? undefined : { kind: 'backfill', backfills };
}

/** The part of it that is still to be said. LEDGER_RANGE_CONFLICT where what comes before it is not there. */
export function lostProposal(fold: FoldedHistory, lost: LostHistory): Proposal | undefined {
  const { topic, topicId, partition, leaderEpoch, reason } = lost;
  const { backfill } = fold.partitions.get(partitionKey(lost)) ?? {};
  if (backfill === undefined || backfill.next < lost.start) {
    const message = `the history of ${partitionName(lost)} is at ${backfill?.next} and the gap starts at ${lost.start}`;
    throw new SluiceError('LEDGER_RANGE_CONFLICT', message, { place: fold.table });
  }
  const [start, next] = [backfill.next, Math.min(lost.next, backfill.to)];
  if (start >= next) return undefined;
  return { kind: 'gap', gaps: [{ topic, topicId, partition, leaderEpoch, start, next, reason }] };
}
