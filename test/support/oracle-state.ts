// What the oracle of a lake has heard of one table so far.
import type { LedgerEntry } from '@sluice/collector/contracts.ts';
import { type OffsetRange, withoutRanges } from '@sluice/shared/offset-range.ts';
import type { PartitionId } from '@sluice/shared/position.ts';
import { OracleHistory } from './oracle-history.ts';
import { type LogPart, type OraclePartition, unheard } from './oracle-log.ts';
import { OraclePlaces } from './oracle-places.ts';
import { slotOf } from './oracle-rows.ts';
import { names, type OracleTable, readsHistory } from './oracle-table.ts';

export type Slot = PartitionId;
export type Range = Slot & { readonly start: number; readonly next: number; readonly leaderEpoch: number };
interface Tip extends LogPart {
  /** Nothing but its opening stands there: what was cut below it is in its history. */
  readonly isBegun?: boolean;
}
export interface TableState {
  readonly table: OracleTable;
  /** Next offset by the entries, by partition. */
  readonly next: Map<string, number>;
  /** Next offset of the published prefix. */
  readonly queryable: Map<string, number>;
  /** The highest that it ever was: a fork sets it back, and takes no row away. */
  readonly reached: Map<string, number>;
  /** Where the entries stand, and the leader epoch below. */
  readonly tips: Map<string, Tip>;
  /** What fills have brought that is not published yet. */
  filling: (Range & { readonly sequence: number })[];
  /** Gaps that may still be filled. */
  gaps: Range[];
  readonly history: OracleHistory;
  readonly places: OraclePlaces;
  readonly entries: LedgerEntry[];
  /** Entries of the published prefix. */
  published: number;
}

export function nothingHeard(table: OracleTable): TableState {
  const maps = { next: new Map(), queryable: new Map(), reached: new Map(), tips: new Map() };
  const [history, places] = [new OracleHistory(), new OraclePlaces()];
  return { table, ...maps, gaps: [], filling: [], history, places, entries: [], published: 0 };
}

/** In words: an open gap of which whoever keeps nothing else below `nextOffset` lets go. */
export function lostGap(
  { table, gaps, filling }: TableState,
  slot: Slot,
  { nextOffset, openGaps }: { readonly nextOffset: number; readonly openGaps: readonly OffsetRange[] },
): string | undefined {
  const wanted = [...gaps, ...filling]
    .filter((gap) => slotOf(gap) === slotOf(slot))
    .map(({ start, next }) => ({ startOffset: start, nextOffset: Math.min(next, nextOffset) }));
  const [lost] = withoutRanges(wanted, openGaps);
  if (lost === undefined || lost.startOffset >= lost.nextOffset) return undefined;
  return `${slotOf(slot)} [${lost.startOffset}, ${lost.nextOffset}), an open gap of ${table.name}`;
}

interface Heard {
  readonly slot: Slot;
  readonly partition: OraclePartition | undefined;
}

/** A cut under what the table has, and the epoch of that. Where it has only begun it has its history. */
export function unheardBy({ tips, history }: TableState, { slot, partition }: Heard, upTo: number) {
  const { next = 0, epoch = -1, isBegun = false } = tips.get(slotOf(slot)) ?? {};
  const parts = isBegun ? history.brought(slotOf(slot)) : [{ next, epoch }];
  return unheard(partition, parts, upTo);
}

/** What a table has not of a partition, in words. */
export function lacking(state: TableState, partition: OraclePartition): string | undefined {
  const { table, history, next: committed, queryable } = state;
  const key = slotOf(partition);
  const isShown = (queryable.get(key) ?? 0) >= (committed.get(key) ?? 0);
  if (!names(table, partition.topic))
    // Of a table that is gone as a whole nobody publishes what a crash has left.
    return isShown || table.named?.now().length === 0
      ? undefined
      : `${table.name}: not all that came of ${key} is queryable`;
  const unread = readsHistory(table) ? history.missing(key, partition) : undefined;
  if (unread !== undefined) return `${table.name}: ${unread}`;
  const cut = unheardBy(state, { slot: partition, partition }, Number.POSITIVE_INFINITY);
  return cut === undefined ? undefined : `${table.name}: ${key} stands behind a cut at ${cut.at}`;
}
