// What stands around a lane: a transform that ends when the test says so, and a ledger in memory that holds
// each table to its own order.
import type {
  Backfill,
  Classes,
  LedgerRange,
  OutputFile,
  QuarantinedBatch,
  StagedSegment,
  TableWriter,
  TableWriterStatus,
  Transformer,
  TransformRequest,
  TransformResult,
  WindowCommit,
} from '@sluice/collector/contracts.ts';
import type { Parking } from '@sluice/collector/table-upkeep.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { type OffsetRange, withoutRanges } from '@sluice/shared/offset-range.ts';
import { type LogPlace, type PartitionId, partitionKey } from '@sluice/shared/position.ts';

export interface TransformDouble extends Transformer {
  /** Windows whose transform has not been let go yet. */
  readonly waiting: { readonly read: readonly StagedSegment[]; finish(error?: Error): void }[];
  /** What each attempt has read so far. */
  readonly reads: (readonly StagedSegment[])[];
  /** Each window is transformed at once. */
  immediate: boolean;
  /** Whether large windows may begin while they are open. */
  room: boolean;
  /** Added to the records of each partition, as by a decoder that is wrong. */
  miscount: number;
  /** Batches that no attempt can read. */
  corrupt: readonly QuarantinedBatch[];
}

/** Counts the records of each segment as the agent did; no files. */
export function transformDouble(): TransformDouble {
  const double: TransformDouble = {
    reads: [],
    waiting: [],
    immediate: true,
    room: false,
    miscount: 0,
    corrupt: [],
    run(request) {
      const read: StagedSegment[] = [];
      double.reads.push(read);
      const all = readAll(request, read);
      all.catch(() => {});
      const { promise, resolve, reject } = Promise.withResolvers<TransformResult>();
      const finish = (error?: Error) => {
        const { miscount, corrupt } = double;
        if (error === undefined) all.then(() => resolve({ ...resultOf(read, miscount), corrupt }), reject);
        else reject(error);
      };
      if (double.immediate) finish();
      else double.waiting.push({ read, finish });
      return promise;
    },
    survey: () => Promise.reject(new Error('the double detects no columns')),
    hasRoom: () => double.room,
    explain: () => '',
    schema: () => ({ rows: [], quarantine: [], partitionColumns: [], quarantinePartitionColumns: [] }),
    close: () => Promise.resolve(),
  };
  return double;
}

async function readAll({ segments }: TransformRequest, read: StagedSegment[]): Promise<void> {
  for await (const segment of segments) read.push(segment);
}

function resultOf(read: readonly StagedSegment[], miscount: number): TransformResult {
  const recordsPerPartition = new Map<string, number>();
  for (const { segment, fromOffset } of read) {
    const key = partitionKey(segment);
    const cut = fromOffset - segment.startOffset;
    recordsPerPartition.set(key, (recordsPerPartition.get(key) ?? 0) + segment.counts.records - cut);
  }
  for (const [key, records] of recordsPerPartition) recordsPerPartition.set(key, records + miscount);
  const total = [...recordsPerPartition.values()].reduce((a, b) => a + b, 0);
  const classes: Classes = { in: total, emitted: total, merged: 0, filtered: 0, quarantined: 0 };
  const files: OutputFile[] = [];
  return {
    files,
    classes,
    recordsPerPartition,
    nulled: [],
    brokenRules: [],
    corrupt: [],
    decodeMs: 0,
    sqlMs: 0,
    waitMs: 0,
  };
}

interface Place {
  readonly id: PartitionId;
  position: number;
  acked: number;
}

export interface WriterDouble extends TableWriter {
  readonly commits: WindowCommit[];
  /** Ranges as text, in the order committed: `claims-0 [0, 10)`, a gap with `gap` in front. */
  readonly log: string[];
  readonly opened: { readonly partition: PartitionId; readonly start: number; readonly why: string }[];
  /** Throws or waits before a window is committed. */
  before: (window: WindowCommit) => Promise<void>;
  /** Commits do not acknowledge by themselves. */
  acksLater: boolean;
  flushes: number;
  /** What is open in every partition; filled parts leave it. */
  gaps: readonly OffsetRange[];
  /** Of every partition: the highest that was committed. */
  epoch: number;
  readonly cuts: LogPlace[];
  /** Of every partition; moved by fills that go on there, and by what is lost. */
  history: Backfill | undefined;
  /** Whether agents wait for the table. */
  followed: boolean;
  /** Another collector, or this one's past, has committed up to `next`. */
  place(partition: PartitionId, next: number): void;
  ackAll(): void;
  /** How long a parked table waits; for ever unless the test says so. */
  parkedWait: () => Promise<void>;
  /** Ends all waits of now. */
  told: PromiseWithResolvers<void>;
  state: TableWriterStatus['state'];
  reason: string | undefined;
  /** It is in this state from now on, and says so. */
  enter(state: TableWriterStatus['state'], reason?: string): void;
}

/** Parked from the first wait to its end; `retryNow` or `parkedWait` end a wait. */
function parkingDouble(double: WriterDouble): Parking {
  let parked = false;
  return {
    async wait(reason) {
      parked = true;
      double.enter('parked', reason);
      await Promise.race([double.told.promise, double.parkedWait()]);
    },
    untilTold: () => double.told.promise,
    end() {
      if (parked) double.enter('ready');
    },
  };
}

export function writerDouble(): WriterDouble {
  const places = new Map<string, Place>();
  const listeners: ((partitions: readonly PartitionId[]) => void)[] = [];
  const stateListeners: (() => void)[] = [];
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(task: () => Promise<T>) => {
    const run = turn.then(task);
    turn = run.catch(() => {});
    return run;
  };

  function move(
    { topic, partition, ...range }: LedgerRange | (PartitionId & { start: number; next: number }),
    kind: string,
  ) {
    const place = places.get(partitionKey({ topic, partition, topicId: range.topicId }));
    if (place === undefined || place.position !== range.start)
      throw new SluiceError(
        'LEDGER_RANGE_CONFLICT',
        `${topic}-${partition} is at ${place?.position} and not at ${range.start}`,
      );
    place.position = range.next;
    double.log.push(`${kind}${topic}-${partition} [${range.start}, ${range.next})`);
  }

  const double: WriterDouble = {
    commits: [],
    log: [],
    opened: [],
    before: () => Promise.resolve(),
    acksLater: false,
    flushes: 0,
    followed: false,
    place(partition, next) {
      const { topic, topicId, partition: number } = partition;
      const id = { topic, topicId, partition: number };
      places.set(partitionKey(partition), { id, position: next, acked: next });
    },
    ackAll() {
      for (const place of places.values()) place.acked = place.position;
      for (const listener of listeners) listener([...places.values()].map(({ id }) => id));
    },
    load: () => Promise.resolve(),
    configure: () => {},
    park: () => parkingDouble(double),
    follow(on) {
      double.followed = on;
    },
    refresh: () => Promise.resolve(),
    fillWindow: (window) =>
      inTurn(async () => {
        await double.before(window);
        for (const { topic, partition, start, next } of window.ranges) {
          const { history } = double;
          if (history !== undefined && start === history.next && next <= history.to) {
            double.history = { ...history, next };
            double.log.push(`history ${topic}-${partition} [${start}, ${next})`);
            continue;
          }
          const gap = double.gaps.find((g) => g.startOffset <= start && next <= g.nextOffset);
          if (gap === undefined) throw new SluiceError('LEDGER_RANGE_CONFLICT', 'no open gap');
          double.gaps = withoutRanges(double.gaps, [{ startOffset: start, nextOffset: next }]);
          double.log.push(`fill ${topic}-${partition} [${start}, ${next})`);
        }
        if (!double.acksLater) double.ackAll();
      }),
    fork: (forks) =>
      inTurn(async () => {
        for (const { leaderEpoch, offset, ...id } of forks) {
          const place = places.get(partitionKey(id));
          if (place === undefined || place.position <= offset || leaderEpoch <= double.epoch) continue;
          Object.assign(place, { position: offset, acked: Math.min(place.acked, offset) });
          double.epoch = leaderEpoch;
          double.cuts.push({ offset, leaderEpoch });
          double.log.push(`fork ${id.topic}-${id.partition} ${offset} epoch ${leaderEpoch}`);
        }
      }),
    history: undefined,
    backfill: () => double.history,
    beginBackfill: (wanted) =>
      inTurn(async () => {
        const [first] = wanted;
        const to = first === undefined ? 0 : (places.get(partitionKey(first))?.position ?? 0);
        if (first !== undefined && first.from < to)
          double.history ??= { from: first.from, next: first.from, to };
      }),
    loseHistory: ({ topic, partition, start, next }) =>
      inTurn(async () => {
        const { history } = double;
        if (history?.next !== start) throw new SluiceError('LEDGER_RANGE_CONFLICT', 'not there yet');
        double.history = { ...history, next };
        double.log.push(`lost ${topic}-${partition} [${start}, ${next})`);
      }),
    gaps: [],
    epoch: 0,
    cuts: [],
    openGaps: () => double.gaps,
    keptGaps: () => double.gaps,
    leaderEpoch: (partition) => (places.has(partitionKey(partition)) ? double.epoch : undefined),
    forks: () => double.cuts,
    sweep: () => Promise.resolve(),
    position: (partition) => places.get(partitionKey(partition))?.position,
    acked: (partition) => places.get(partitionKey(partition))?.acked,
    partitions: () => [...places.values()].map(({ id }) => id),
    open: (partitions) =>
      inTurn(async () => {
        for (const { start, why, ...partition } of partitions) {
          double.opened.push({ partition, start, why });
          double.place(partition, start);
        }
      }),
    commitWindow: (window) =>
      inTurn(async () => {
        await double.before(window);
        for (const range of window.ranges) {
          const next = places.get(partitionKey(range))?.position;
          if (next !== range.start)
            throw new SluiceError('LEDGER_RANGE_CONFLICT', `at ${next}, not at ${range.start}`);
        }
        for (const range of window.ranges) {
          move(range, '');
          double.epoch = Math.max(double.epoch, range.leaderEpoch);
        }
        double.commits.push(window);
        if (!double.acksLater) double.ackAll();
      }),
    gap: (gaps) =>
      inTurn(async () => {
        for (const gap of gaps) {
          move(gap, 'gap ');
          double.gaps = [...double.gaps, { startOffset: gap.start, nextOffset: gap.next }];
        }
        if (!double.acksLater) double.ackAll();
      }),
    flushPublished: () =>
      inTurn(async () => {
        double.flushes++;
      }),
    onAcked: (listener) => void listeners.push(listener),
    onStateMoved: (listener) => void stateListeners.push(listener),
    parkedWait: () => new Promise(() => {}),
    told: Promise.withResolvers<void>(),
    retryNow() {
      const { told } = double;
      double.told = Promise.withResolvers();
      told.resolve();
    },
    enter(state, reason) {
      [double.state, double.reason] = [state, reason];
      for (const listener of stateListeners) listener();
    },
    state: 'ready',
    reason: undefined,
    status: () => ({
      state: double.state,
      reason: double.reason,
      sinceMs: 0,
      lastSequence: double.commits.length - 1,
      publishedThrough: double.commits.length - 1,
      lastCommitMs: undefined,
    }),
    close() {},
  };
  return double;
}
