// One window of one table: segments in arrival order, contiguous per partition. Pure state; when to close it
// is the lane's decision and what its ranges are is derived from the segments.
import type { Clock } from '@sluice/shared/clock.ts';
import { assert, SluiceError } from '@sluice/shared/errors.ts';
import { type PartitionId, partitionKey, partitionName } from '@sluice/shared/position.ts';
import type { Random } from '@sluice/shared/random.ts';
import { type Segment, skippedFrom } from '@sluice/shared/segment.ts';
import type { LedgerRange, StagedSegment, TableConfig, TableWriter } from '../contracts.ts';
import type { StagedBytes } from './staging-budget.ts';

export interface WindowSegment extends StagedSegment {
  readonly held: StagedBytes;
}

export interface OpenWindow {
  readonly id: string;
  /** As the config was when it opened; another only where nothing could be made of it with that one. */
  table: TableConfig;
  /** Wall ms: the ingest-time partition of all its rows. */
  readonly openedMs: number;
  /** Monotonic ms of the first segment. */
  readonly openedMonotonicMs: number;
  segments: WindowSegment[];
  bytes: number;
  records: number;
  state: 'open' | 'closed' | 'given up';
  /** Windows that stand for it, where it is committed in parts. */
  parts: readonly OpenWindow[];
  /** Of such a part: the config by which the window as a whole was within its error budget. */
  withinBudgetOf: string | undefined;
  /** Told whenever segments or state change. */
  readonly changed: Set<() => void>;
}

/** Bytes of segments from which on an open window may be transformed as it grows. */
export const EARLY_TRANSFORM_BYTES = 4 * 2 ** 20;

/** A window with a name of its own, as of now. */
export function windowNow(table: TableConfig, clock: Clock, random: Random): OpenWindow {
  const wallMs = clock.wallMs();
  const id = `${new Date(wallMs).toISOString().replace(/[-:]|\.\d+/g, '')}-${random.hex(8)}`;
  return newWindow(id, { wallMs, monotonicMs: clock.monotonicMs() }, table);
}

export function newWindow(
  id: string,
  at: { wallMs: number; monotonicMs: number },
  table: TableConfig,
): OpenWindow {
  return {
    id,
    table,
    openedMs: at.wallMs,
    openedMonotonicMs: at.monotonicMs,
    segments: [],
    bytes: 0,
    records: 0,
    state: 'open',
    parts: [],
    withinBudgetOf: undefined,
    changed: new Set(),
  };
}

function tellChanged(window: OpenWindow): void {
  const told = [...window.changed];
  window.changed.clear();
  for (const tell of told) tell();
}

/** Nothing is added any more: whoever reads the window to its end gets there. */
export function endWindow(window: OpenWindow, state: 'closed' | 'given up'): void {
  window.state = state;
  for (const part of window.parts) endWindow(part, state);
  tellChanged(window);
}

export async function untilEnded(window: OpenWindow): Promise<void> {
  while (window.state === 'open') await new Promise<void>((resolve) => window.changed.add(resolve));
}

/**
 * Its segments from the first on, also while they still arrive; ends when the window is closed, throws if
 * given up.
 */
export async function* segmentsOf(window: OpenWindow): AsyncGenerator<WindowSegment> {
  for (let i = 0; ; ) {
    const segment = window.segments[i];
    if (window.state === 'given up')
      throw new SluiceError('TRANSFORM_FAILED', `window ${window.id} was given up`);
    if (segment !== undefined) {
      i++;
      yield segment;
    } else if (window.state === 'closed') return;
    else await new Promise<void>((resolve) => window.changed.add(resolve));
  }
}

const NO_BYTES = new Uint8Array();

export function addToWindow(window: OpenWindow, staged: WindowSegment): void {
  const { segment, stored = staged.held.stored } = staged;
  window.segments.push(stored === undefined ? staged : { ...staged, stored, segment: withoutBytes(segment) });
  window.bytes += stored?.byteLength ?? segment.payload.byteLength;
  window.records += segment.counts.records;
  tellChanged(window);
}

/** The others are not in memory: what keeps them there would undo that. */
function withoutBytes(segment: Segment): Segment {
  return { ...segment, payload: NO_BYTES };
}

/**
 * What lies below the committed positions is dropped: another collector was first with it. So is what was
 * read from a log that another collector has recorded as cut, or behind which it has committed what is of a
 * newer one: the partitions of which that is all, or behind the cut, are returned.
 */
export function trimWindow(
  window: OpenWindow,
  ledger: Pick<TableWriter, 'position' | 'leaderEpoch' | 'forks'>,
): readonly PartitionId[] {
  const kept: WindowSegment[] = [];
  const reached = new Map<string, number>();
  const isVoid = new Map<string, PartitionId>();
  for (const staged of window.segments) {
    const { segment, fromOffset, held } = staged;
    const key = partitionKey(segment);
    const committed = ledger.position(segment) ?? 0;
    const at = reached.get(key) ?? committed;
    const epoch = ledger.leaderEpoch(segment) ?? -1;
    const isNewer = epoch >= 0 && epoch < segment.leaderEpoch;
    const isOlder = segment.leaderEpoch >= 0 && segment.leaderEpoch < epoch;
    const isCut = segment.nextOffset > at && (isOlder || isOfCutLog(segment, ledger));
    // Another collector has committed what lies here under an older epoch, of a log that was cut: who sends
    // is shown that place, and asks Kafka.
    const contradicts = isNewer && fromOffset < at && at === committed;
    assert(
      fromOffset <= at || isCut || isVoid.has(key) || isNewer || ledger.forks(segment).length > 0,
      `window ${window.id} begins ${partitionName(segment)} at ${fromOffset}, behind ${at}`,
    );
    if (isCut || contradicts || fromOffset > at) isVoid.set(key, segment);
    if (isVoid.has(key) || segment.nextOffset <= at) held.release();
    else kept.push({ ...staged, fromOffset: Math.max(fromOffset, at) });
    reached.set(key, Math.max(at, segment.nextOffset));
  }
  window.segments = kept;
  return [...isVoid.values()];
}

/** Read from a log that the ledger has left: its offsets behind the cut stand for other records now. */
export function isOfCutLog(segment: Segment, ledger: Pick<TableWriter, 'forks'>): boolean {
  const { leaderEpoch: epoch, nextOffset } = segment;
  return ledger.forks(segment).some(({ offset, leaderEpoch }) => nextOffset > offset && epoch < leaderEpoch);
}

/**
 * The ledger ranges of a window, given how many records were decoded per partition. SEGMENT_COUNTS_DISAGREE.
 */
export function windowRanges(window: OpenWindow, records: ReadonlyMap<string, number>): LedgerRange[] {
  const ranges = new Map<
    string,
    { first: StagedSegment; last: StagedSegment; control: number; aborted: number; told: number | undefined }
  >();
  for (const staged of window.segments) {
    const { segment, fromOffset } = staged;
    const key = partitionKey(segment);
    const range = ranges.get(key) ?? { first: staged, last: staged, control: 0, aborted: 0, told: 0 };
    assert(
      range.first === staged || range.last.segment.nextOffset === fromOffset,
      `window ${window.id} has a hole in ${partitionName(segment)} before ${fromOffset}`,
    );
    const skipped = skippedFrom(segment.skipped, fromOffset);
    const whole = fromOffset === segment.startOffset && !staged.isClipped && range.told !== undefined;
    ranges.set(key, {
      first: range.first,
      last: staged,
      control: range.control + skipped.control,
      aborted: range.aborted + skipped.aborted,
      told: whole ? (range.told ?? 0) + segment.counts.records : undefined,
    });
  }
  return [...ranges].map(([key, range]) => {
    const { segment } = range.last;
    const start = range.first.fromOffset;
    const decoded = records.get(key) ?? 0;
    const absent = segment.nextOffset - start - decoded - range.control - range.aborted;
    if (absent < 0 || (range.told !== undefined && range.told !== decoded)) {
      const message = `the agent counted ${range.told ?? 'other'} records where ${decoded} were decoded`;
      throw new SluiceError('SEGMENT_COUNTS_DISAGREE', message, {
        place: `${partitionName(segment)}@${start}`,
      });
    }
    const { topic, topicId, partition, leaderEpoch, nextOffset } = segment;
    const counts = { records: decoded, control: range.control, aborted: range.aborted, absent };
    return { topic, topicId, partition, leaderEpoch, start, next: nextOffset, counts };
  });
}

export function releaseWindow(window: OpenWindow): void {
  for (const staged of window.segments) staged.held.release();
  window.segments = [];
}
