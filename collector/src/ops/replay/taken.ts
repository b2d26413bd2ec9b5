// What the ledger says of a table's quarantine: its objects in the order of their entries, and which of their
// records earlier replays took. Pure but for the entries it is given.
import type { PartitionId } from '@sluice/shared/position.ts';
import type {
  LedgerEntry,
  LedgerOutput,
  LedgerRange,
  ReplayedObject,
  ReplayedRange,
} from '../../contracts.ts';
import { isWindow } from '../../ledger/fold.ts';
import { StandingObjects } from '../../ledger/standing-objects.ts';

export interface QuarantineObject {
  /** Number of the entry that made it: of a window, or of the swap that made the window again. */
  readonly entry: number;
  readonly ranges: readonly LedgerRange[];
  /** As that entry names it. */
  readonly output: LedgerOutput;
  /** Key where it is now. */
  readonly at: string;
}

export interface Quarantine {
  readonly objects: readonly QuarantineObject[];
  /** By the key of the object, whatever order the replays were in. */
  readonly taken: ReadonlyMap<string, readonly ReplayedRange[]>;
  /** -1 for none. */
  readonly lastRerun: number;
}

export async function quarantineOf(entries: () => AsyncIterable<LedgerEntry>): Promise<Quarantine> {
  const standing = await StandingObjects.of(entries());
  const objects: QuarantineObject[] = [];
  const taken = new Map<string, ReplayedRange[]>();
  let lastRerun = -1;
  for await (const entry of entries()) {
    if (entry.kind === 'replay')
      for (const { finalKey, ranges } of entry.replayed)
        taken.set(finalKey, [...(taken.get(finalKey) ?? []), ...ranges]);
    if (entry.kind === 'replay' || entry.kind === 'swap') lastRerun = entry.sequence;
    if (!isWindow(entry)) continue;
    const { ranges, sequence } = entry;
    for (const output of standing.made(entry))
      if (output.output === 'quarantine')
        objects.push({
          entry: standing.madeBy(sequence),
          ranges,
          output,
          at: standing.keyNow(output.finalKey),
        });
  }
  return { objects, taken, lastRerun };
}

/** Whether a replay has taken what stands there. Ranges must be in ascending order: `inOrder`. */
export function isTaken(
  ranges: readonly ReplayedRange[],
  { id, offset }: Pick<ChosenRow, 'id' | 'offset'>,
): boolean {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const range = ranges[middle];
    if (range === undefined) break;
    const order = byPlace(range, id) || range.next - 1 - offset;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  const found = ranges[low];
  return found !== undefined && byPlace(found, id) === 0 && found.start <= offset;
}

export function inOrder(ranges: readonly ReplayedRange[]): readonly ReplayedRange[] {
  return ranges.toSorted((a, b) => byPlace(a, b) || a.start - b.start);
}

type Place = Pick<PartitionId, 'topic' | 'partition'>;

/** As quarantine objects are ordered: by topic, whose names are ASCII, then by partition. */
function byPlace(a: Place, b: Place): number {
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1;
  return a.partition - b.partition;
}

/** A quarantined record; `row` is its place in its object, in the order of (topic, partition, offset). */
export interface ChosenRow {
  readonly row: number;
  readonly id: PartitionId;
  readonly offset: number;
}

export interface Picked {
  readonly object: QuarantineObject;
  readonly rows: readonly ChosenRow[];
}

/**
 * The records as an entry names them. A range spans offsets only where it has every row of the object between
 * them, so that two ranges overlap only if they share a record.
 */
export function replayedOf(picks: readonly Picked[]): ReplayedObject[] {
  return picks.flatMap(({ object, rows }) => {
    if (rows.length === 0) return [];
    const ranges: ReplayedRange[] = [];
    let last: ChosenRow | undefined;
    for (const row of rows) {
      const range = ranges.at(-1);
      const joins = last !== undefined && row.row === last.row + 1 && isSame(row.id, last.id);
      if (range !== undefined && joins)
        ranges.splice(-1, 1, { ...range, next: row.offset + 1, records: range.records + 1 });
      else {
        const { topic, topicId, partition } = row.id;
        ranges.push({ topic, topicId, partition, start: row.offset, next: row.offset + 1, records: 1 });
      }
      last = row;
    }
    return [{ entry: object.entry, finalKey: object.output.finalKey, ranges }];
  });
}

function isSame(a: PartitionId, b: PartitionId): boolean {
  return byPlace(a, b) === 0 && a.topicId === b.topicId;
}
