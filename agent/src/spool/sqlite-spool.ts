// The spool as the agent's main thread sees it: appends are grouped while the disk is busy, failures are
// waited through with the data in hand, and pressure (cap, shares, free space) is told as it changes. Newest
// segments stay in memory for the uplink, so that a link that keeps up never reads the disk.
import type { Cancel, Clock } from '@sluice/shared/clock.ts';
import { describeError, isKind, SluiceError } from '@sluice/shared/errors.ts';
import { type LogPlace, type PartitionId, partitionKey } from '@sluice/shared/position.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import type { DiskState, Spool, SpoolCommit, SpoolPressure, SpoolStatus } from '../contracts.ts';
import type { Events } from '../events.ts';
import { stateOfFault } from './disk-fault.ts';
import { HotSegments } from './hot-segments.ts';
import { judgePressure, NO_PRESSURE, sameHolds, samePressure } from './pressure.ts';
import { openSpoolThread, type SpoolThread } from './spool-thread.ts';
import type { SpoolCall, SpoolReply, SpoolState } from './worker-protocol.ts';

const FILE_BYTES_MAX = 64 * 2 ** 20;
const RETRY_MS_MIN = 200;
const RETRY_MS_MAX = 10_000;
const LOOK_INTERVAL_MS = 5_000;

export interface SqliteSpoolOptions {
  /** The agent's data directory. */
  readonly directory: string;
  readonly bytesMax: number;
  readonly freeSpaceMin: number;
  readonly clock: Clock;
  readonly events: Events;
  /** Default: a worker thread with SQLite files. */
  readonly openThread?: typeof openSpoolThread;
}

/** Opens the spool, or rejects: SPOOL_LOCKED, SPOOL_FORMAT_NEWER, SPOOL_IO. */
export async function createSqliteSpool(
  options: SqliteSpoolOptions,
): Promise<Spool & { readonly instanceId: string }> {
  const spool = new SqliteSpool(options);
  await spool.open();
  return spool;
}

interface DiskFault {
  readonly state: DiskState;
  readonly reason: string;
  readonly sinceMs: number;
}

const SOUND = { state: 'sound', reason: undefined, sinceMs: undefined } as const;

interface WaitingCall {
  readonly sinceMs: number;
  resolve(reply: SpoolReply): void;
  reject(error: Error): void;
}

class SqliteSpool implements Spool {
  readonly instanceId: string;
  readonly #options: SqliteSpoolOptions;
  readonly #thread: SpoolThread;
  /** In the order asked, which is the order of the answers. */
  readonly #calls: WaitingCall[] = [];
  readonly #hot = new HotSegments();
  readonly #listeners: ((pressure: SpoolPressure) => void)[] = [];
  readonly #lossListeners: (() => void)[] = [];
  /** Commits on their way to the disk, and whether some of what they drop was asked for again since. */
  readonly #drops = new Set<{ readonly positions: readonly SpoolCommit[]; isAskedAgain: boolean }>();
  #waiting: { segments: readonly Segment[]; resolve: () => void; reject: (error: Error) => void }[] = [];
  #flushing = false;
  #closed = false;
  #ended: Error | undefined;
  /** Last failure of a write, and of a read, until the same succeeds again. */
  readonly #faults = new Map<'write' | 'read', DiskFault>();
  #filesSetAside = 0;
  #state: SpoolState = {
    partitions: [],
    files: 0,
    diskBytes: 0,
    freeBytes: Infinity,
    freeInodes: Infinity,
    setAside: [],
    dropped: [],
    cutOff: [],
  };
  #pressure: SpoolPressure = NO_PRESSURE;
  #cancelLook: Cancel = () => {};

  constructor(options: SqliteSpoolOptions) {
    this.#options = options;
    const fileBytesMax = Math.min(FILE_BYTES_MAX, Math.max(2 ** 20, Math.floor(options.bytesMax / 16)));
    const open = options.openThread ?? openSpoolThread;
    this.#thread = open(
      { directory: options.directory, fileBytesMax },
      {
        replied: (reply) => this.#calls.shift()?.resolve(reply),
        ended: (error) => {
          this.#ended ??= error;
          for (const call of this.#calls.splice(0)) call.reject(error);
        },
      },
    );
    this.instanceId = this.#thread.instanceId;
  }

  async open(): Promise<void> {
    try {
      await this.#call({ kind: 'open' });
    } catch (error) {
      await this.#thread.terminate();
      throw error;
    }
    this.#look();
  }

  append(segments: readonly Segment[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ segments, resolve, reject });
      if (!this.#flushing) void this.#flush();
    });
  }

  /** Everything that waited while the disk was busy goes in one transaction. */
  async #flush(): Promise<void> {
    this.#flushing = true;
    while (this.#waiting.length > 0 && !this.#closed) {
      const batch = this.#waiting;
      this.#waiting = [];
      const segments = batch.flatMap((b) => b.segments);
      try {
        await this.#appendUntilDone(segments);
        this.#hot.add(this.#thereOf(segments));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error as Error);
      }
    }
    this.#flushing = false;
  }

  /** Without what was committed while it waited: the files have not taken that. */
  #thereOf(segments: readonly Segment[]): readonly Segment[] {
    const runs = new Map(this.#state.partitions.map((p) => [partitionKey(p), p.runs]));
    return segments.filter((segment) =>
      runs
        .get(partitionKey(segment))
        ?.some((r) => r.startOffset < segment.nextOffset && segment.nextOffset <= r.nextOffset),
    );
  }

  async #appendUntilDone(segments: readonly Segment[]): Promise<void> {
    const { clock, events } = this.#options;
    for (let delayMs = RETRY_MS_MIN; ; delayMs = Math.min(delayMs * 2, RETRY_MS_MAX)) {
      try {
        await this.#call({ kind: 'append', segments });
        if (this.#faults.delete('write')) events.spoolRecovered();
        return;
      } catch (error) {
        if (this.#closed || !isKind(error, 'retry')) throw error;
        this.#note('write', error);
        events.spoolFault({ reason: describeError(error), retryMs: delayMs });
        await clock.sleep(delayMs);
      }
    }
  }

  async read(partition: PartitionId, fromOffset: number, bytesMax: number): Promise<readonly Segment[]> {
    const hot = this.#hot.read(partition, fromOffset, bytesMax);
    if (hot.length > 0) return hot;
    try {
      const reply = await this.#call({ kind: 'read', partition, fromOffset, bytesMax });
      this.#faults.delete('read');
      return reply.segments;
    } catch (error) {
      if (isKind(error, 'retry')) this.#note('read', error);
      throw error;
    }
  }

  #note(what: 'write' | 'read', error: unknown): void {
    const state = error instanceof SluiceError ? stateOfFault(error.code) : undefined;
    const sinceMs = this.#faults.get(what)?.sinceMs ?? this.#options.clock.wallMs();
    this.#faults.set(what, { state: state ?? 'failing', reason: describeError(error), sinceMs });
  }

  async cut(partition: PartitionId, cut: LogPlace): Promise<void> {
    const { clock, events } = this.#options;
    // What was appended before lies behind the cut as well.
    await this.append([]);
    for (let delayMs = RETRY_MS_MIN; ; delayMs = Math.min(delayMs * 2, RETRY_MS_MAX)) {
      this.#hot.forget(partition);
      try {
        await this.#call({ kind: 'cut', partition, cut });
        return;
      } catch (error) {
        if (this.#closed || !isKind(error, 'retry')) throw error;
        events.spoolFault({ reason: describeError(error), retryMs: delayMs });
        await clock.sleep(delayMs);
      }
    }
  }

  async committed(positions: readonly SpoolCommit[]): Promise<void> {
    for (const { partition, nextOffset, setsBack } of positions) {
      this.#hot.committed(partition, nextOffset);
      if (setsBack) this.#noteAsked(partition, nextOffset);
    }
    const drop = { positions, isAskedAgain: false };
    this.#drops.add(drop);
    try {
      await this.#call({ kind: 'committed', positions });
    } finally {
      this.#drops.delete(drop);
      // Until now it was taken for spooled. What a disk that fails does not note is gone all the same.
      if (drop.isAskedAgain && !this.#closed) for (const listener of this.#lossListeners) listener();
    }
  }

  #noteAsked(partition: PartitionId, offset: number): void {
    const key = partitionKey(partition);
    for (const drop of this.#drops)
      drop.isAskedAgain ||= drop.positions.some(
        ({ partition: id, nextOffset }) => partitionKey(id) === key && offset < nextOffset,
      );
  }

  async askedAgain(partition: PartitionId, offset: number): Promise<void> {
    this.#noteAsked(partition, offset);
    await this.#call({ kind: 'asked-again', partition, offset });
  }

  status(): SpoolStatus {
    const { partitions, files, freeBytes } = this.#state;
    const bytes = partitions.reduce((sum, p) => sum + p.bytes, 0);
    const { bytesMax } = this.#options;
    const silentMs = this.#silentMs();
    const { state: disk, reason: fault, sinceMs: faultSinceMs } = this.#worst();
    const filesSetAside = this.#filesSetAside;
    const said = { disk, fault, faultSinceMs, filesSetAside };
    return { bytes, bytesMax, freeBytes, files, partitions, silentMs, ...said };
  }

  /** What cannot be written counts first: then nothing is read from Kafka. */
  #worst(): DiskFault | typeof SOUND {
    return this.#faults.get('write') ?? this.#faults.get('read') ?? SOUND;
  }

  #silentMs(): number {
    if (this.#ended !== undefined) return Infinity;
    const [oldest] = this.#calls;
    return oldest === undefined ? 0 : this.#options.clock.monotonicMs() - oldest.sinceMs;
  }

  onPressure(listener: (pressure: SpoolPressure) => void): void {
    this.#listeners.push(listener);
    listener(this.#pressure);
  }

  onLoss(listener: () => void): void {
    this.#lossListeners.push(listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelLook();
    await this.#call({ kind: 'close' }).catch(() => {});
    await this.#thread.terminate();
  }

  #look(): void {
    this.#cancelLook = this.#options.clock.after(LOOK_INTERVAL_MS, () => {
      if (this.#closed) return;
      this.#call({ kind: 'look' }).catch(() => {});
      this.#look();
    });
  }

  async #call(call: SpoolCall): Promise<Extract<SpoolReply, { kind: 'done' }>> {
    const reply = await new Promise<SpoolReply>((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended);
      this.#calls.push({ sinceMs: this.#options.clock.monotonicMs(), resolve, reject });
      this.#thread.post(call);
    });
    if (reply.state !== undefined) this.#observe(reply.state);
    if (reply.kind === 'done') return reply;
    throw new SluiceError(reply.code, reply.message, reply.place === undefined ? {} : { place: reply.place });
  }

  #observe(state: SpoolState): void {
    this.#state = state;
    // Whoever read it was told so, and reads it again from Kafka.
    for (const segment of state.dropped) this.#options.events.spoolSegmentDropped(segment);
    for (const segment of state.cutOff) this.#options.events.spoolSegmentCutOff(segment);
    for (const { path, reason } of state.setAside) {
      this.#hot.clear();
      this.#filesSetAside++;
      this.#note('write', new SluiceError('SPOOL_CORRUPT', reason, { place: path }));
      this.#options.events.spoolFileSetAside({ path, reason });
    }
    if (state.setAside.length > 0) for (const listener of this.#lossListeners) listener();
    const pressure = judgePressure(state, this.#options, this.#pressure);
    const before = this.#pressure;
    if (samePressure(pressure, before)) return;
    this.#pressure = pressure;
    if (!sameHolds(pressure, before))
      this.#options.events.spoolPressure({
        full: pressure.full,
        isFullForAll: pressure.isFullForAll,
        heldTopics: [...new Set([...pressure.filling, ...pressure.heldTopics.keys()])],
      });
    for (const listener of this.#listeners) listener(pressure);
  }
}
