// What Kafka holds, and has held, of one partition, as the oracle of a lake knows it: records by offset, and
// the elections that cut the log. Pure.
import type { LedgerEntry } from '@sluice/collector/contracts.ts';
import type { PartitionId } from '@sluice/shared/position.ts';

export type ProducedKind = 'good' | 'void' | 'malformed';

export interface ProducedRecord {
  readonly kind: ProducedKind;
  readonly n: number;
  readonly outcome: 'open' | 'committed' | 'aborted';
}

/** What Kafka holds and has held of one partition. */
export interface OraclePartition extends PartitionId {
  /** First offset that Kafka still has. */
  readonly start: number;
  /** Every first offset that it has had since. */
  readonly starts?: readonly number[];
  readonly produced: ReadonlyMap<number, ProducedRecord>;
  /** In the order in which they happened; `produced` is what stands after the last. */
  readonly cuts?: readonly OracleCut[];
}

/** A leader was elected that had nothing at or above `at`; it writes under `epoch`. */
export interface OracleCut {
  readonly at: number;
  readonly epoch: number;
  readonly removed: ReadonlyMap<number, ProducedRecord>;
}

/** What stood under an offset while `epoch` was the leader's. */
export function recordAt(partition: OraclePartition | undefined, offset: number, epoch: number) {
  const cut = partition?.cuts?.find((c) => c.epoch > epoch && offset >= c.at);
  return cut === undefined ? partition?.produced.get(offset) : cut.removed.get(offset);
}

/** The record under an offset of a range. */
export type RecordOf = (offset: number) => ProducedRecord | undefined;

/**
 * What may stand in a range: the truth first. Where Kafka has lost what the new leader wrote behind a cut, it
 * says that the log before ended where its own log begins now. Nobody can tell any more, and what was read of
 * the log before may go on up to there: to a beginning that Kafka had, and nowhere else.
 */
export function possibleRecords(
  partition: OraclePartition | undefined,
  range: { readonly start: number; readonly next: number; readonly leaderEpoch: number },
): RecordOf[] {
  const { start, next, leaderEpoch } = range;
  const { cuts = [], starts = [] } = partition ?? {};
  const truth: RecordOf = (offset) => recordAt(partition, offset, leaderEpoch);
  const upTo = (end: number, epoch: number): RecordOf => {
    return (offset) => (offset < end ? recordAt(partition, offset, epoch) : truth(offset));
  };
  const heard = cuts.filter(({ at, epoch }) => epoch <= leaderEpoch && at < next);
  const others = heard.flatMap(({ at, epoch }) =>
    starts.filter((end) => end > Math.max(at, start)).map((end) => upTo(end, epoch - 1)),
  );
  return [truth, ...others];
}

export function lastCommitted({ produced }: OraclePartition): number {
  let last = -1;
  for (const [offset, { outcome }] of produced) if (outcome === 'committed') last = Math.max(last, offset);
  return last;
}

/** What ends at `next` was read of the log of that leader epoch. */
export interface LogPart {
  readonly next: number;
  readonly epoch: number;
}

/**
 * A cut under what stands, up to an epoch that is known, and the epoch of what stands: Kafka has other
 * records there now. Where it has lost those as well, nobody can tell any more.
 */
export function unheard(
  partition: OraclePartition | undefined,
  parts: readonly LogPart[],
  upTo: number,
): { readonly at: number; readonly of: number } | undefined {
  for (const { next, epoch } of parts) {
    const cut = partition?.cuts?.find(
      (c) => epoch < c.epoch && c.epoch <= upTo && Math.max(c.at, partition.start) < next,
    );
    if (cut !== undefined) return { at: cut.at, of: epoch };
  }
  return undefined;
}

/** How far an entry brings each partition, once it is published. */
export function advances(entry: LedgerEntry): { slot: PartitionId; next: number; start?: number }[] {
  switch (entry.kind) {
    case 'commit':
      return entry.ranges.map((slot) => ({ slot, next: slot.next }));
    case 'gap':
      return entry.gaps.map((slot) => ({ slot, next: slot.next, start: slot.start }));
    case 'fork':
      return entry.forks.map((slot) => ({ slot, next: slot.offset }));
    default:
      return [];
  }
}
