// One table's way from staged segments to acknowledged rows: an open window, and the closed ones behind it,
// transformed side by side, committed in order and published behind that. A lane never loses a segment: what
// fails waits and is tried again, and the stages before it feel that through the staging budget.
import { rm } from 'node:fs/promises';
import { assert, describeError, SluiceError } from '@sluice/shared/errors.ts';
import { type PartitionId, partitionKey } from '@sluice/shared/position.ts';
import type {
  GapNotice,
  StagedSegment,
  TableConfig,
  TransformResult,
  TruncationNotice,
} from '../contracts.ts';
import { partitionScheme } from '../partition-scheme.ts';
import { FillLane } from './fill-lane.ts';
import { HistoryLane } from './history-lane.ts';
import type { CloseReason, LaneOptions, LaneStatus, TableLane } from './lane.ts';
import { LaneTopics } from './lane-topics.ts';
import {
  addToWindow,
  EARLY_TRANSFORM_BYTES,
  endWindow,
  type OpenWindow,
  releaseWindow,
  trimWindow,
  windowNow,
} from './open-window.ts';
import { PatientTransform } from './patient-transform.ts';
import type { StagedBytes } from './staging-budget.ts';
import { UnpublishedWindows } from './unpublished-windows.ts';
import { isDivisible, splitWindow, unlessTooManyPartitions } from './window-parts.ts';
import { commitOfWindow, tellCommitted } from './window-work.ts';

/** Closed windows of one table that may wait for transform or commit before its topic is held. */
export const WINDOWS_IN_FLIGHT_MAX = 4;
/** Coverage without records (control batches, compacted ranges) is written alone at most this often. */
const COVERAGE_INTERVAL_MS = 15 * 60_000;
/** Each window closes up to this share of its length early, so that tables do not all close in one second. */
const CLOSE_JITTER = 0.05;

export function createTableLane(options: LaneOptions): TableLane {
  const { writer, clock, random, events } = options;
  /** For the windows that open from now on. */
  let table = options.table;
  const nextOffsets = new Map<string, number>();
  /** Leader epochs of what is staged last. */
  const epochs = new Map<string, number>();
  const inFlight = new Set<OpenWindow>();
  /** Gaps and forks on their way into the ledger. */
  let appendsUnderWay = 0;
  const stopping = new AbortController();
  const totals = { windows: 0, records: 0, quarantined: 0 };
  const transforms = new WeakMap<OpenWindow, Promise<TransformResult>>();
  let open: OpenWindow | undefined;
  let cancelTimer = () => {};
  let chain: Promise<unknown> = Promise.resolve();
  /** An invariant broke: nothing behind that point may be committed, so nothing is, until a restart. */
  let halted: string | undefined;
  let detachedSinceMs = options.joins === true ? clock.wallMs() : undefined;
  let leaving = false;
  /** Over, and another one, with each detachment: what was on its way before counts no more. */
  let attachment = Promise.withResolvers<void>();
  const listeners: (() => void)[] = [];

  function changed(): void {
    for (const listener of listeners) listener();
  }

  const [fills, history] = [new FillLane(options, changed), new HistoryLane(options, changed)];
  const [topics, beside] = [new LaneTopics(table), [fills, history.fills]];
  const patience = new PatientTransform(options, stopping.signal);
  const unpublished = new UnpublishedWindows(writer);

  /** What another collector has committed beyond what is staged here is not asked for again. */
  const next = (partition: PartitionId) => {
    const staged = nextOffsets.get(partitionKey(partition));
    const committed = writer.position(partition);
    return staged === undefined ? committed : Math.max(staged, committed ?? 0);
  };

  const place = (partition: PartitionId) => {
    const [offset, committed] = [next(partition), writer.leaderEpoch(partition) ?? -1];
    if (offset === undefined) return undefined;
    return { offset, leaderEpoch: Math.max(committed, epochs.get(partitionKey(partition)) ?? -1) };
  };

  function armTimer(window: OpenWindow, lengthMs: number): void {
    cancelTimer();
    cancelTimer = clock.after(lengthMs * (1 - CLOSE_JITTER * random.fraction()), () => {
      if (open === window) close('time');
    });
  }

  function stage(staged: StagedSegment, held: StagedBytes): void {
    const { segment, fromOffset } = staged;
    const expected = next(segment);
    assert(detachedSinceMs === undefined && !leaving, `${table.name} is detached`);
    assert(expected === fromOffset, `${table.name} was given ${fromOffset} and expects ${expected}`);
    // A window has no hole: what was staged before is trimmed away when its append is lost.
    if ((nextOffsets.get(partitionKey(segment)) ?? fromOffset) < fromOffset) close('overtaken');
    const isFirst = open === undefined;
    open ??= windowNow(table, clock, random);
    const hadRecords = open.records > 0;
    addToWindow(open, { ...staged, held });
    nextOffsets.set(partitionKey(segment), segment.nextOffset);
    epochs.set(partitionKey(segment), segment.leaderEpoch);
    if (isFirst || (!hadRecords && open.records > 0)) {
      armTimer(
        open,
        open.records > 0
          ? open.table.windowLengthMs
          : Math.max(COVERAGE_INTERVAL_MS, open.table.windowLengthMs),
      );
    }
    if (open.bytes >= open.table.windowBytesMax) close('bytes');
    else if (open.bytes >= EARLY_TRANSFORM_BYTES && options.transformer.hasRoom()) begin(open);
  }

  /** Once per window: while it is open if it is large and there is room, else when it closes. */
  function begin(window: OpenWindow): Promise<TransformResult> {
    const begun = transforms.get(window);
    if (begun !== undefined) return begun;
    const transformed = patience.transform(window);
    transformed.catch(() => {});
    transforms.set(window, transformed);
    return transformed;
  }

  function close(reason: CloseReason): void {
    const window = open;
    if (window === undefined) return;
    open = undefined;
    cancelTimer();
    inFlight.add(window);
    changed();
    events.windowClosed({
      table: table.name,
      window: window.id,
      reason,
      segments: window.segments.length,
      bytes: window.bytes,
    });
    const transformed = begin(window);
    endWindow(window, 'closed');
    chain = chain
      .then(() => commitInOrder(window, transformed))
      .catch((error: unknown) => abandon(window, error));
  }

  async function commitInOrder(window: OpenWindow, first: Promise<TransformResult>): Promise<void> {
    await commitAll(window, first);
    unpublished.follow(window, finish, abandon);
  }

  /** As one entry, or as one for each of its parts. */
  async function commitAll(window: OpenWindow, first: Promise<TransformResult>): Promise<void> {
    for (let transformed = first; ; transformed = patience.transform(window)) {
      const result = await unlessTooManyPartitions(transformed);
      stopping.signal.throwIfAborted();
      assert(halted === undefined, `${table.name} is halted: ${halted}`);
      if (window.segments.length === 0) return;
      if (result === undefined && isDivisible(window)) return await commitParts(window);
      // Begun while it could still grow; now that it is closed it is let through.
      if (result === undefined) continue;
      try {
        return await commit(window, result);
      } catch (error) {
        if (!(error instanceof SluiceError && error.code === 'LEDGER_RANGE_CONFLICT')) throw error;
        if (window.state === 'given up') return;
        for (const id of trimWindow(window, writer)) forgetVoid(id);
      }
    }
  }

  async function commitParts(window: OpenWindow): Promise<void> {
    const { windowPartitionsMax: partitionsMax } = window.table;
    events.windowSplit({ table: table.name, window: window.id, partitionsMax });
    window.parts = splitWindow(window);
    for (const part of window.parts) {
      await commitAll(part, patience.transform(part));
      await removeWork(part);
    }
  }

  async function commit(window: OpenWindow, result: TransformResult): Promise<void> {
    const { classes } = result;
    await unpublished.commit(window, commitOfWindow(window, result));
    tellCommitted(events, window.table, result);
    totals.windows++;
    totals.records += classes.in;
    totals.quarantined += classes.quarantined;
  }

  /** What was staged of a log that another collector has recorded as cut: its new end is asked for. */
  function forgetVoid(id: PartitionId): void {
    const key = partitionKey(id);
    if (open?.segments.some(({ segment }) => partitionKey(segment) === key)) close('overtaken');
    nextOffsets.delete(key);
    epochs.delete(key);
  }

  async function finish(window: OpenWindow): Promise<void> {
    inFlight.delete(window);
    releaseWindow(window);
    forgetSettled();
    changed();
    await removeWork(window);
  }

  /** What stays is in nobody’s way, and the next start takes it: the window is in the ledger. */
  async function removeWork(window: OpenWindow): Promise<void> {
    await rm(patience.directoryOf(window), { recursive: true, force: true }).catch((error: unknown) =>
      events.workNotRemoved({ table: table.name, window: window.id, reason: describeError(error) }),
    );
  }

  /** With nothing on its way the ledger alone says what is expected. */
  function forgetSettled(): void {
    if (!hasNothing()) return;
    nextOffsets.clear();
    epochs.clear();
  }

  const hasNothing = () => open === undefined && inFlight.size === 0 && appendsUnderWay === 0;

  /** Halted, detached or stopped: staged data are dropped here; the agent, or Kafka, still has them. */
  async function abandon(window: OpenWindow, error: unknown): Promise<void> {
    if (!stopping.signal.aborted && window.state !== 'given up') {
      halt(error);
      events.windowAbandoned({ table: table.name, window: window.id, reason: describeError(error) });
    }
    await finish(window);
  }

  function halt(error: unknown): void {
    halted ??= describeError(error);
  }

  /** What is no window is appended in order, too, unless what came before it was given up. */
  function append(task: () => Promise<void>): Promise<void> {
    appendsUnderWay++;
    const attached = attachment;
    const appended = chain
      .then(() => (attached === attachment ? task() : undefined))
      .catch((error: unknown) => {
        if (!stopping.signal.aborted && attached === attachment) halt(error);
      })
      .then(() => {
        appendsUnderWay--;
        forgetSettled();
        changed();
      });
    chain = appended;
    return appended;
  }

  function gap(notice: GapNotice, fromOffset: number): void {
    close('gap');
    const { topic, topicId, partition, leaderEpoch, nextOffset, reason } = notice;
    nextOffsets.set(partitionKey(notice), nextOffset);
    const span = { topic, partition, start: fromOffset, next: nextOffset, reason };
    void append(async () => {
      await writer.gap([{ ...span, topicId, leaderEpoch }]);
      events.gapRecorded({ table: table.name, ...span });
    });
  }

  function cut({ topic, topicId, partition, offset, leaderEpoch, reason }: TruncationNotice): Promise<void> {
    close('truncated');
    const id = { topic, topicId, partition };
    const recorded = append(async () => {
      const before = writer.position(id) ?? 0;
      await writer.fork([{ ...id, leaderEpoch: leaderEpoch + 1, offset, reason }]);
      if ((writer.position(id) ?? 0) < before)
        events.forkRecorded({ table: table.name, topic, partition, from: offset, to: before, reason });
      forgetVoid(id);
    });
    return Promise.race([recorded, attachment.promise]);
  }

  function blocked(): string | undefined {
    if (halted !== undefined) return `table ${table.name} is halted: ${halted}`;
    const { state, reason } = writer.status();
    if (state === 'halted') return `table ${table.name} is halted: ${reason}`;
    if (inFlight.size < WINDOWS_IN_FLIGHT_MAX) return undefined;
    return `${inFlight.size} windows of table ${table.name} wait: ${reason ?? patience.waitsFor ?? 'they are written'}`;
  }

  function stuck(): string | undefined {
    const { state, reason } = writer.status();
    if (halted !== undefined) return halted;
    return state === 'parked' || state === 'halted' ? reason : undefined;
  }

  function detach(): void {
    detachedSinceMs = clock.wallMs();
    attachment.resolve();
    attachment = Promise.withResolvers();
    cancelTimer();
    const unclosed = open;
    open = undefined;
    if (unclosed !== undefined) {
      inFlight.add(unclosed);
      const transformed = transforms.get(unclosed);
      chain = chain.then(() => transformed).catch(() => {});
      chain = chain.then(() => finish(unclosed)).catch(() => {});
    }
    for (const window of inFlight) {
      endWindow(window, 'given up');
      releaseWindow(window);
    }
    for (const lane of beside) lane.giveUp();
    patience.waitsFor = undefined;
    changed();
  }

  function isSettled(): boolean {
    const isIdle = hasNothing() && beside.every((lane) => lane.isIdle);
    return isIdle && halted === undefined && writer.status().state === 'ready';
  }

  function attach(): void {
    assert(isSettled(), `${table.name} is taken back before it can take`);
    detachedSinceMs = undefined;
  }

  function configure(changed: TableConfig): void {
    table = changed;
    topics.configure(changed);
    fills.configure(changed);
    history.configure(changed);
    patience.configure(changed);
  }

  function leave(): void {
    leaving = true;
    close('table removed');
    for (const lane of beside) lane.close();
  }

  function oldestStagedMs(): number | undefined {
    const windows = open === undefined ? [...inFlight] : [...inFlight, open];
    return windows.length === 0 ? undefined : Math.min(...windows.map((w) => w.openedMs));
  }

  function status(): LaneStatus {
    return {
      table: table.name,
      openSegments: open?.segments.length ?? 0,
      openBytes: open?.bytes ?? 0,
      windowsInFlight: inFlight.size,
      configVersion: table.configVersion,
      partitionedBy: partitionScheme(table.partitionBy),
      openConfigVersion: open?.table.configVersion,
      isLeaving: leaving,
      ...topics.status(),
      oldestStagedMs: oldestStagedMs(),
      waitsFor: halted ?? patience.waitsFor ?? fills.waitsFor ?? history.fills.waitsFor,
      detachedSinceMs,
      windowsCommitted: totals.windows,
      recordsCommitted: totals.records,
      recordsQuarantined: totals.quarantined,
    };
  }

  return {
    get table() {
      return table;
    },
    ...{ configure, leave, isLeaving: () => leaving },
    ...{ topics, next, place, stage, gap, cut, fills, history },
    close: (reason) => {
      close(reason);
      for (const lane of beside) lane.close();
    },
    openBytes: () => beside.reduce((sum, lane) => sum + lane.openBytes(), open?.bytes ?? 0),
    isFull: () => inFlight.size >= WINDOWS_IN_FLIGHT_MAX,
    blocked,
    stuck,
    detach,
    detachedSinceMs: () => detachedSinceMs,
    isSettled,
    attach,
    onChange: (listener) => void listeners.push(listener),
    drained: async () => {
      await chain;
      await unpublished.settled();
      for (const lane of beside) await lane.drained();
      await writer.flushPublished().catch(() => {});
    },
    status,
    stop() {
      stopping.abort();
      cancelTimer();
      for (const lane of beside) lane.stop();
      for (const window of open === undefined ? inFlight : [...inFlight, open]) endWindow(window, 'given up');
    },
  };
}
