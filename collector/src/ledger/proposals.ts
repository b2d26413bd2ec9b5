// What a writer proposes to the ledger, given the present fold. Pure: asked again whenever another collector
// was first, each says what is still to be said, or that another has committed what it would.
import { SluiceError } from '@sluice/shared/errors.ts';
import { type PartitionId, partitionKey, partitionName } from '@sluice/shared/position.ts';
import type { LedgerOutput, Proposal, ReplayCommit, SwapCommit, WindowCommit } from '../contracts.ts';
import { partitionScheme } from '../partition-scheme.ts';
import { isLacking, rowsOf } from './entry-check.ts';
import { type Fold, hasObjects } from './fold.ts';
import { overtaken, placed, swapProposal } from './swaps.ts';

export type Opening = PartitionId & { leaderEpoch: number; start: number; why: string };
export type GapRange = PartitionId & { leaderEpoch: number; start: number; next: number; reason: string };
export type Forking = PartitionId & { leaderEpoch: number; offset: number; reason: string };

/**
 * What a window proposes, fixed when it opened: a retry after a lost append keeps config version and opening
 * time.
 */
function windowProposal(
  kind: 'commit' | 'fill',
  window: WindowCommit,
  outputs: readonly LedgerOutput[],
): Proposal {
  const ranges = window.ranges.map(({ topic, topicId, partition, leaderEpoch, start, next, counts }) => {
    return { topic, topicId, partition, leaderEpoch, start, next, counts };
  });
  return {
    kind,
    windowId: window.windowId,
    configVersion: window.configVersion ?? window.table.configVersion,
    partitionedBy: partitionScheme(window.table.partitionBy),
    openedAt: new Date(window.openedMs).toISOString(),
    ranges,
    classes: window.classes,
    rows: rowsOf(outputs),
    outputs,
  };
}

/** What is proposed of objects that are staged, each time the fold has moved. Says no by throwing. */
export type ProposeObjects = (fold: Fold, outputs: readonly LedgerOutput[]) => Proposal;

export function committing(window: WindowCommit): ProposeObjects {
  return (fold, outputs) => {
    assertNext(fold, window);
    return windowProposal('commit', window, placed(fold, outputs));
  };
}

export function filling(window: WindowCommit): ProposeObjects {
  return (fold, outputs) => {
    assertInGaps(fold, window);
    return windowProposal('fill', window, placed(fold, outputs));
  };
}

/** REPLAY_OVERTAKEN where a replay or a swap was appended since this one looked at what is taken. */
export function replaying(replay: ReplayCommit): ProposeObjects {
  const { windowId, openedMs, after, replayed, classes, table } = replay;
  const { configVersion = table.configVersion } = replay;
  const made = { configVersion, partitionedBy: partitionScheme(table.partitionBy) };
  const openedAt = new Date(openedMs).toISOString();
  return (fold, outputs) => {
    if (fold.lastRerun !== after) {
      const message = `entry ${fold.lastRerun} ran records again, and this one knows of those up to ${after}`;
      throw new SluiceError('REPLAY_OVERTAKEN', message, { place: fold.table });
    }
    const rows = rowsOf(outputs);
    const of = { windowId, ...made, openedAt, after, replayed, classes, rows };
    return { kind: 'replay', ...of, outputs: placed(fold, outputs) };
  };
}

/** REBUILD_OVERTAKEN where a replay or another rebuild was appended since this one looked. */
export function swapping({ after, propose }: SwapCommit): (fold: Fold) => Proposal {
  return (fold) => {
    if (fold.lastRerun === after) return swapProposal(propose());
    throw overtaken(fold, after);
  };
}

/**
 * LEDGER_RANGE_CONFLICT where another collector has committed part of the window, or of another log in its
 * place, or recorded a cut.
 */
function assertNext(fold: Fold, { ranges }: WindowCommit): void {
  for (const range of ranges) {
    const { next, leaderEpoch: epoch = -1, forks = [] } = fold.partitions.get(partitionKey(range)) ?? {};
    if (next !== range.start)
      throw conflict(
        fold,
        range,
        `is committed to ${next ?? 'nothing'} and the window starts at ${range.start}`,
      );
    const cut = forks.find(({ to, leaderEpoch }) => range.next > to && range.leaderEpoch < leaderEpoch);
    if (cut !== undefined)
      throw conflict(fold, range, `was cut at ${cut.to} and the window is of epoch ${range.leaderEpoch}`);
    // Epochs never fall in a log: what the window holds is of one that was cut below what is committed.
    if (range.leaderEpoch >= 0 && range.leaderEpoch < epoch)
      throw conflict(fold, range, `is at epoch ${epoch} and the window is of epoch ${range.leaderEpoch}`);
  }
}

/** LEDGER_RANGE_CONFLICT where a range lies in no gap that is still open, nor goes on in the history. */
function assertInGaps(fold: Fold, { ranges }: WindowCommit): void {
  for (const range of ranges) {
    const partition = fold.partitions.get(partitionKey(range));
    if (partition === undefined || !isLacking(partition, range))
      throw conflict(fold, range, `[${range.start}, ${range.next}) lies in no open gap`);
  }
}

/** Those that nobody has opened yet. */
export function openProposal(fold: Fold, openings: readonly Opening[]): Proposal | undefined {
  const missing = openings.filter((p) => !fold.partitions.has(partitionKey(p)));
  if (missing.length === 0) return undefined;
  const partitions = missing.map(({ topic, topicId, partition, leaderEpoch, start, why }) => {
    return { topic, topicId, partition, leaderEpoch, start, why };
  });
  return { kind: 'open', partitions };
}

/**
 * The parts that are still to be said. LEDGER_RANGE_CONFLICT where records before them are not committed yet.
 */
export function gapProposal(fold: Fold, gaps: readonly GapRange[]): Proposal | undefined {
  const left = gaps.flatMap((gap) => {
    const { topic, topicId, partition, leaderEpoch, next, reason } = gap;
    const start = fold.partitions.get(partitionKey(gap))?.next;
    if (start === undefined || start < gap.start)
      throw conflict(fold, gap, `is committed to ${start ?? 'nothing'} and the gap starts at ${gap.start}`);
    return start >= next ? [] : [{ topic, topicId, partition, leaderEpoch, start, next, reason }];
  });
  return left.length === 0 ? undefined : { kind: 'gap', gaps: left };
}

/** Those that cut into what is committed, under an epoch that the ledger has not heard of. */
export function forkProposal(fold: Fold, forks: readonly Forking[]): Proposal | undefined {
  const news = forks.flatMap(({ topic, topicId, partition, leaderEpoch, offset, reason }) => {
    const known = fold.partitions.get(partitionKey({ topic, topicId, partition }));
    const isNew = known !== undefined && leaderEpoch > known.leaderEpoch && offset < known.next;
    return isNew ? [{ topic, topicId, partition, leaderEpoch, offset, reason }] : [];
  });
  return news.length === 0 ? undefined : { kind: 'fork', forks: news };
}

/** Of the keys, those that no committed window still needs for publishing. */
export function sweepProposal(fold: Fold, keys: readonly string[]): Proposal | undefined {
  const needed = new Set(
    fold.unpublished.filter(hasObjects).flatMap(({ outputs }) => outputs.map((o) => o.stagedKey)),
  );
  const unneeded = keys.filter((key) => !needed.has(key));
  return unneeded.length === 0 ? undefined : { kind: 'sweep', keys: unneeded };
}

/** Said alone only where a window's publishing is known here and not in the ledger. */
export function publishedProposal({
  publishedThrough,
  toldThrough,
  lastTelling,
}: Fold): Proposal | undefined {
  return toldThrough < Math.min(lastTelling, publishedThrough) ? { kind: 'published' } : undefined;
}

function conflict(fold: Fold, partition: PartitionId, message: string): SluiceError {
  return new SluiceError('LEDGER_RANGE_CONFLICT', `${partitionName(partition)} ${message}`, {
    place: fold.table,
  });
}
