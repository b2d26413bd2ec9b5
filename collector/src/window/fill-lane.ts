// What one table gets beside its windows, of its open gaps or of its history: segments, cut to what is
// lacking, in windows of their own that are committed as fills. What another collector brings first is given
// up here without harm; what may pass is tried again, what somebody has to correct is tried ever more rarely
// and named, or is let go where Kafka has it still. A segment is held until its window ends.
import { rm } from 'node:fs/promises';
import { assert, describeError, isKind, SluiceError } from '@sluice/shared/errors.ts';
import { commonRanges, type OffsetRange, withoutRanges } from '@sluice/shared/offset-range.ts';
import { type PartitionId, partitionKey, partitionName } from '@sluice/shared/position.ts';
import { clipSegment, type Segment } from '@sluice/shared/segment.ts';
import type { LedgerRange, TableConfig } from '../contracts.ts';
import type { LaneOptions } from './lane.ts';
import {
  addToWindow,
  endWindow,
  isOfCutLog,
  type OpenWindow,
  releaseWindow,
  segmentsOf,
  windowNow,
} from './open-window.ts';
import type { StagedBytes } from './staging-budget.ts';
import { hasTooManyPartitions, splitWindow } from './window-parts.ts';
import {
  commitOfWindow,
  RETRY_MS_MAX,
  RETRY_MS_MIN,
  tableOfAttempt,
  tellCommitted,
  workDirectory,
} from './window-work.ts';

/** A fill waits so long for more of its gap. */
const FILL_LINGER_MS = 2_000;
/** Closed fills that may wait for transform or commit before no more is asked for. */
const FILLS_IN_FLIGHT_MAX = 2;
/** For what somebody has to correct: as long as a parked table waits. */
export const REST_MS_MIN = 5_000;
const REST_MS_MAX = 120_000;

/** Which of what its ledger lacks a lane brings, and how long it waits for more. */
export interface FillTask {
  /** By the ledger; each range of a fill lies in one of these. */
  open(id: PartitionId): readonly OffsetRange[];
  lingerMs(): number;
  /** What nothing can be made of before somebody helps is let go, and asked for again after a rest. */
  readonly isReadAgain: boolean;
  filled(range: LedgerRange): void;
}

/** What Kafka lost and a spool has. */
function gapsOf({ writer, table, events }: LaneOptions): FillTask {
  return {
    open: (id) => writer.openGaps(id),
    lingerMs: () => FILL_LINGER_MS,
    isReadAgain: false,
    filled: ({ topic, partition, start, next }) =>
      events.gapFilled({ table: table.name, topic, partition, start, next }),
  };
}

/** A fill has one range of each partition. */
function rangesOf({ segments }: OpenWindow): string {
  const [first = [], ...more] = Map.groupBy(segments, ({ segment }) => partitionKey(segment)).values();
  const [from, to] = [first[0], first.at(-1)?.segment];
  if (from === undefined || to === undefined) return 'nothing';
  const others = more.length === 0 ? '' : ` and ${more.length} other partitions`;
  return `${partitionName(to)} [${from.fromOffset}, ${to.nextOffset})${others}`;
}

export class FillLane {
  readonly #options: LaneOptions;
  readonly #task: FillTask;
  readonly #changed: () => void;
  #table: TableConfig;
  readonly #stopping = new AbortController();
  readonly #inFlight = new Set<OpenWindow>();
  #open: OpenWindow | undefined;
  #chain: Promise<void> = Promise.resolve();
  #cancelTimer = () => {};
  waitsFor: string | undefined;
  #failed = false;
  #isResting = false;
  #restMs = REST_MS_MIN;
  #cancelRest = () => {};
  /** Resolves when what is parked is told to try. */
  #told: Promise<void> | undefined;
  #endPark = () => {};

  constructor(options: LaneOptions, changed: () => void, task: FillTask = gapsOf(options)) {
    this.#options = options;
    this.#task = task;
    this.#changed = changed;
    this.#table = options.table;
  }

  /** For the fills that begin from now on, and those of which nothing could be made. */
  configure(table: TableConfig): void {
    this.#table = table;
    this.#restMs = REST_MS_MIN;
    this.#endRest();
  }

  get isIdle(): boolean {
    return this.#open === undefined && this.#inFlight.size === 0;
  }

  openBytes(): number {
    return this.#open?.bytes ?? 0;
  }

  /** What it lacks and would take now; each range lies in one open gap. */
  wanted(id: PartitionId): readonly OffsetRange[] {
    if (this.#failed || this.#isResting || this.#stopping.signal.aborted) return [];
    if (this.#inFlight.size >= FILLS_IN_FLIGHT_MAX) return [];
    return this.lacking(id);
  }

  /** What is neither in the ledger nor staged here. */
  lacking(id: PartitionId): readonly OffsetRange[] {
    const open = this.#task.open(id);
    return open.length === 0 ? open : withoutRanges(open, this.#stagedOf(id));
  }

  #stagedOf(id: PartitionId): OffsetRange[] {
    const key = partitionKey(id);
    return this.#windows().flatMap(({ segments }) =>
      segments
        .filter(({ segment }) => partitionKey(segment) === key)
        .map(({ segment, fromOffset }) => ({ startOffset: fromOffset, nextOffset: segment.nextOffset })),
    );
  }

  #windows(): OpenWindow[] {
    return this.#open === undefined ? [...this.#inFlight] : [...this.#inFlight, this.#open];
  }

  /** The parts of a segment that it takes. Nothing of a log that was cut since. */
  partsOf(segment: Segment): readonly OffsetRange[] {
    if (this.#failed || this.#isResting) return [];
    const isKept = ({ nextOffset }: OffsetRange) =>
      !isOfCutLog(clipSegment(segment, nextOffset), this.#options.writer);
    return commonRanges(this.lacking(segment), [segment]).filter(isKept);
  }

  stage(segment: Segment, part: OffsetRange, held: StagedBytes): void {
    if (!this.#continues(segment, part)) this.close();
    const { clock, random } = this.#options;
    const table = this.#table;
    this.#open ??= windowNow(table, clock, random);
    const clipped = clipSegment(segment, part.nextOffset);
    const cut = clipped === segment ? {} : { isClipped: true as const };
    addToWindow(this.#open, { segment: clipped, fromOffset: part.startOffset, held, ...cut });
    if (this.#open.bytes >= table.windowBytesMax) this.close();
    else if (this.#open.segments.length === 1)
      this.#cancelTimer = clock.after(this.#task.lingerMs(), () => this.close());
  }

  /** An entry names a partition once, with one range in one gap. */
  #continues(segment: Segment, { startOffset }: OffsetRange): boolean {
    const key = partitionKey(segment);
    const last = this.#open?.segments.findLast((s) => partitionKey(s.segment) === key);
    if (last === undefined) return true;
    if (last.segment.nextOffset !== startOffset) return false;
    const open = this.#task.open(segment);
    return open.some((gap) => gap.startOffset < startOffset && startOffset < gap.nextOffset);
  }

  close(): void {
    const window = this.#open;
    if (window === undefined) return;
    this.#open = undefined;
    this.#cancelTimer();
    endWindow(window, 'closed');
    this.#inFlight.add(window);
    this.#chain = this.#chain.then(() => this.#fill(window)).catch((error: unknown) => this.#fail(error));
    this.#changed();
  }

  async #fill(window: OpenWindow): Promise<void> {
    try {
      await this.#commit(window);
    } finally {
      this.#inFlight.delete(window);
      releaseWindow(window);
      await this.#removeWork(window);
      this.#changed();
    }
  }

  async #commit(window: OpenWindow): Promise<void> {
    const { writer, transformer, clock, events } = this.#options;
    const [{ id: windowId, openedMs }, { signal }] = [window, this.#stopping];
    for (let delayMs = RETRY_MS_MIN; ; delayMs = Math.min(delayMs * 2, RETRY_MS_MAX)) {
      const { table } = window;
      signal.throwIfAborted();
      assert(!this.#failed, `fills of ${table.name} are given up: ${this.waitsFor}`);
      try {
        const [segments, directory] = [segmentsOf(window), this.#directory(window)];
        const made = tableOfAttempt(window);
        const result = await transformer.run({ table: made, windowId, segments, openedMs, directory });
        if (window.state === 'given up') return;
        const committed = commitOfWindow(window, result);
        await writer.fillWindow(committed);
        this.waitsFor = undefined;
        this.#restMs = REST_MS_MIN;
        tellCommitted(events, table, result);
        for (const range of committed.ranges) this.#task.filled(range);
        return;
      } catch (error) {
        // Another collector was first with some of it: what it left is wanted again.
        if (error instanceof SluiceError && error.code === 'LEDGER_RANGE_CONFLICT') return;
        if (window.state === 'given up' && !signal.aborted) return;
        if (signal.aborted || isKind(error, 'halt')) throw error;
        if (hasTooManyPartitions(error)) return await this.#commitParts(window);
        const reason = describeError(error);
        this.waitsFor = `fill: ${reason}`;
        const isRefused = isKind(error, 'reject');
        const rests = this.#task.isReadAgain && isRefused;
        if (isRefused && !rests) await this.#park(window, reason);
        else {
          const retryMs = rests ? this.#restMs : delayMs;
          events.transformWaits({ table: table.name, window: windowId, reason, retryMs });
          if (rests) return this.#rest();
          await clock.sleep(delayMs, signal);
        }
        window.table = this.#table;
      }
    }
  }

  /**
   * For what somebody has to correct: as long as a parked table waits, and no longer than until it is told to
   * try, or given up. The table itself is not parked: its windows and its history go on.
   */
  async #park(window: OpenWindow, reason: string): Promise<void> {
    const { clock, events, writer } = this.#options;
    const [retryMs, over] = [this.#restMs, new AbortController()];
    this.waitsFor = `fill: ${reason}; it is of ${rangesOf(window)}`;
    this.#restMs = Math.min(retryMs * 2, REST_MS_MAX);
    events.tableWaits({ table: window.table.name, state: 'parked', reason: this.waitsFor, retryMs });
    const end = () => over.abort();
    this.#endPark = end;
    this.#told ??= writer
      .park()
      .untilTold()
      .then(() => {
        this.#told = undefined;
        this.#endPark();
      });
    window.changed.add(end);
    await clock.sleep(retryMs, AbortSignal.any([this.#stopping.signal, over.signal]));
    window.changed.delete(end);
  }

  #rest(): void {
    if (this.#isResting) return;
    this.#isResting = true;
    this.#cancelRest = this.#options.clock.after(this.#restMs, () => this.#endRest());
    this.#restMs = Math.min(this.#restMs * 2, REST_MS_MAX);
  }

  #endRest(): void {
    this.#cancelRest();
    if (!this.#isResting) return;
    this.#isResting = false;
    this.#changed();
  }

  /** One after the other: each goes on where the one before ended, or what is left is wanted again. */
  async #commitParts(window: OpenWindow): Promise<void> {
    const { name, windowPartitionsMax: partitionsMax } = window.table;
    this.#options.events.windowSplit({ table: name, window: window.id, partitionsMax });
    window.parts = splitWindow(window);
    for (const part of window.parts) {
      await this.#commit(part);
      await this.#removeWork(part);
    }
  }

  async #removeWork(window: OpenWindow): Promise<void> {
    await rm(this.#directory(window), { recursive: true, force: true }).catch(() => {});
  }

  /** Nothing more is filled here until a restart; whoever holds the rest of the gaps keeps it. */
  #fail(error: unknown): void {
    if (this.#stopping.signal.aborted || this.#failed) return;
    this.#failed = true;
    this.waitsFor = `fills are given up: ${describeError(error)}`;
    const reason = this.waitsFor;
    this.#options.events.windowAbandoned({ table: this.#options.table.name, window: 'fill', reason });
    this.#changed();
  }

  /** Behind what is staged now and before what comes later. */
  inOrder(task: () => Promise<void>): void {
    this.close();
    this.#chain = this.#chain.then(task).catch((error: unknown) => this.#fail(error));
  }

  #directory(window: OpenWindow): string {
    return workDirectory(this.#options.workDir, window);
  }

  /** What is staged is let go; the fill that is being written stays with the writer, without its memory. */
  giveUp(): void {
    this.close();
    for (const window of this.#inFlight) {
      endWindow(window, 'given up');
      releaseWindow(window);
    }
    if (!this.#failed) this.waitsFor = undefined;
  }

  drained(): Promise<void> {
    return this.#chain;
  }

  stop(): void {
    this.#stopping.abort();
    this.#cancelTimer();
    this.#cancelRest();
    for (const window of this.#windows()) endWindow(window, 'given up');
  }
}
