// One table's way into the lake, exactly once. The steps, and what a crash right after each leaves behind:
//   1 stage    objects under _sluice/staged/ that no entry names: garbage, no reader sees it
//   2 append   the window is committed; whoever loads the ledger next publishes it
//   3 publish  rows are visible; the next writer finds them in place and goes on
//   4 ack      the agent drops its copy; a lost ack is told again on reconnect
//   5 tidy     staged copies are removed; those that stay are garbage
import type { Clock } from '@sluice/shared/clock.ts';
import { assert, describeError, isKind, SluiceError } from '@sluice/shared/errors.ts';
import { type PartitionId, partitionKey, partitionName } from '@sluice/shared/position.ts';
import type { Random } from '@sluice/shared/random.ts';
import type {
  Catalog,
  CommitEntry,
  LedgerEntry,
  LedgerOutput,
  ObjectStore,
  Proposal,
  TableConfig,
  TableSchemas,
  TableWriter,
  TableWriterStatus,
  WindowCommit,
} from '../contracts.ts';
import type { Events } from '../events.ts';
import { finalKey, outputLocation, stagedKey } from '../lake/object-keys.ts';
import { type Fold, markPublished } from './fold.ts';
import { type Ledger, openLedger } from './ledger.ts';
import { type PublishTarget, publishEntry, tableDefinitions } from './publish.ts';

const RETRY_MS_MIN = 200;
const RETRY_MS_MAX = 30_000;
const UPLOADS_MAX = 8;

export interface TableWriterOptions {
  readonly table: TableConfig;
  readonly schemas: TableSchemas;
  readonly store: ObjectStore;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Events;
  /** Named in each entry, for people. */
  readonly writerId: string;
}

export function createTableWriter(options: TableWriterOptions): TableWriter {
  return new LedgerTableWriter(options);
}

class LedgerTableWriter implements TableWriter {
  readonly #options: TableWriterOptions;
  readonly #target: PublishTarget;
  readonly #stopping = new AbortController();
  readonly #ackedListeners: ((partitions: readonly PartitionId[]) => void)[] = [];
  #ledger: Ledger | undefined;
  /** Appends and publishing happen one after the other, in call order. */
  #turn: Promise<unknown> = Promise.resolve();
  #state: TableWriterStatus['state'] = 'loading';
  #reason: string | undefined;
  #sinceMs: number;
  #lastCommitMs: number | undefined;
  #haltedBy: unknown;
  /** What the listeners have heard, by partition key. */
  readonly #announced = new Map<string, number>();
  /** Calls that wait for the store or the catalog now. */
  #waiting = 0;
  #loaded = false;

  constructor(options: TableWriterOptions) {
    this.#options = options;
    const { table, schemas, store, catalog } = options;
    this.#target = { table, store, catalog, definitions: tableDefinitions(table, schemas) };
    this.#sinceMs = options.clock.wallMs();
  }

  load(): Promise<void> {
    return this.#inTurn(async () => {
      const { table, store, clock, random, writerId } = this.#options;
      this.#ledger = await this.#retrying('reading the ledger', () =>
        openLedger({ table: table.name, store, clock, random, writerId }),
      );
      await this.#retrying('creating the tables', async () => {
        for (const definition of Object.values(this.#target.definitions))
          await this.#options.catalog.ensureTable(definition);
      });
      await this.#publishAll();
      this.#loaded = true;
      this.#enter('ready', undefined);
    });
  }

  position(partition: PartitionId): number | undefined {
    return this.#ledger?.fold.partitions.get(partitionKey(partition))?.next;
  }

  acked(partition: PartitionId): number | undefined {
    return this.#ledger?.fold.partitions.get(partitionKey(partition))?.acked;
  }

  partitions(): readonly PartitionId[] {
    return [...(this.#ledger?.fold.partitions.values() ?? [])];
  }

  open(
    partitions: readonly (PartitionId & { leaderEpoch: number; start: number; why: string })[],
  ): Promise<void> {
    return this.#inTurn(async () => {
      await this.#append((fold) => {
        const missing = partitions.filter((p) => !fold.partitions.has(partitionKey(p)));
        if (missing.length === 0) return undefined;
        const opened = missing.map(({ topic, topicId, partition, leaderEpoch, start, why }) => {
          return { topic, topicId, partition, leaderEpoch, start, why };
        });
        return { kind: 'open', partitions: opened };
      });
      await this.#publishAll();
    });
  }

  async commitWindow(window: WindowCommit): Promise<void> {
    const outputs = this.#outputsOf(window);
    // Uploads of several windows overlap; the turn is taken now, so that a later window cannot pass this one.
    const staged = this.#stage(window, outputs);
    staged.catch(() => {});
    await this.#inTurn(async () => {
      await staged;
      const { table } = this.#options;
      const proposal = commitProposal(table, window, outputs);
      try {
        await this.#append((fold) => {
          assertNext(fold, window);
          return proposal;
        });
      } catch (error) {
        // A fence is proof that no entry names these objects: the append was lost to entries that were read.
        if (isKind(error, 'fence')) {
          await this.#removeStaged(outputs);
          await this.#publishAll();
        }
        throw error;
      }
      this.#lastCommitMs = this.#options.clock.wallMs();
      this.#options.events.windowCommitted({
        table: table.name,
        window: window.windowId,
        records: window.classes.in,
        quarantined: window.classes.quarantined,
        files: outputs.length,
      });
      await this.#publishAll();
    });
  }

  gap(
    gaps: readonly (PartitionId & { leaderEpoch: number; start: number; next: number; reason: string })[],
  ): Promise<void> {
    return this.#inTurn(async () => {
      await this.#append((fold) => {
        const open = gaps.flatMap((gap) => gapAfter(fold, gap));
        return open.length === 0 ? undefined : { kind: 'gap', gaps: open };
      });
      await this.#publishAll();
    });
  }

  flushPublished(): Promise<void> {
    return this.#inTurn(async () => {
      const ledger = this.#opened();
      await this.#publishAll();
      await this.#append(({ toldThrough, lastTelling }) =>
        toldThrough < lastTelling ? { kind: 'published' } : undefined,
      );
      await this.#publishAll();
      await this.#retrying('writing the hint', () => ledger.writeHint());
    });
  }

  onAcked(listener: (partitions: readonly PartitionId[]) => void): void {
    this.#ackedListeners.push(listener);
  }

  status(): TableWriterStatus {
    const fold = this.#ledger?.fold;
    return {
      state: this.#state,
      reason: this.#reason,
      sinceMs: this.#sinceMs,
      lastSequence: (fold?.nextSequence ?? 0) - 1,
      publishedThrough: fold?.publishedThrough ?? -1,
      lastCommitMs: this.#lastCommitMs,
    };
  }

  close(): void {
    this.#stopping.abort();
  }

  #opened(): Ledger {
    const { table } = this.#options;
    assert(this.#ledger !== undefined, `table ${table.name}: ${this.#reason ?? 'the ledger is not loaded'}`);
    return this.#ledger;
  }

  #append(propose: (fold: Fold) => Proposal | undefined): Promise<LedgerEntry | undefined> {
    const ledger = this.#opened();
    const token = ledger.newToken();
    return this.#retrying('appending to the ledger', () => ledger.append(token, propose));
  }

  /** Publishes what the fold holds unpublished, oldest first, and acknowledges as far as that goes. */
  async #publishAll(): Promise<void> {
    const { fold } = this.#opened();
    for (const entry of [...fold.unpublished]) {
      if (entry.kind === 'commit')
        await this.#retrying('publishing', () => publishEntry(this.#target, entry));
      markPublished(fold, entry.sequence);
      this.#announceAcked();
      if (entry.kind === 'commit') await this.#removeStaged(entry.outputs);
    }
    this.#announceAcked();
  }

  /** Also what other collectors published: their entries say so when they are folded. */
  #announceAcked(): void {
    const moved: PartitionId[] = [];
    for (const [key, partition] of this.#opened().fold.partitions) {
      if (this.#announced.get(key) === partition.acked) continue;
      this.#announced.set(key, partition.acked);
      moved.push(partition);
    }
    if (moved.length > 0) for (const listener of this.#ackedListeners) listener(moved);
  }

  #outputsOf(window: WindowCommit): LedgerOutput[] {
    const { table } = this.#options;
    const attempt = this.#options.random.hex(4);
    return window.files.map((file) => {
      const { output, index, extension, partition, bytes, rows, sha256 } = file;
      const location = outputLocation(table, output);
      return {
        output,
        stagedKey: stagedKey(table.name, `${window.windowId}-${attempt}`, `${index}.${extension}`),
        finalKey: finalKey(location, partition, { windowId: window.windowId, index, extension }),
        bytes,
        sha256,
        rows,
        partition,
      };
    });
  }

  async #stage(window: WindowCommit, outputs: readonly LedgerOutput[]): Promise<void> {
    for (let from = 0; from < outputs.length; from += UPLOADS_MAX) {
      const batch = outputs.slice(from, from + UPLOADS_MAX);
      await Promise.all(
        batch.map(({ stagedKey: key, sha256 }, i) =>
          this.#retrying('uploading', () =>
            this.#options.store.stage(window.files[from + i]?.path ?? '', key, sha256),
          ),
        ),
      );
    }
  }

  /** Garbage that stays costs storage and does no other harm. */
  async #removeStaged(outputs: CommitEntry['outputs']): Promise<void> {
    await this.#options.store.remove(outputs.map((o) => o.stagedKey)).catch((error: unknown) => {
      this.#options.events.stagedNotRemoved({
        table: this.#options.table.name,
        reason: describeError(error),
      });
    });
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const run = this.#turn.then(async () => {
      this.#stopping.signal.throwIfAborted();
      if (this.#state === 'halted') throw this.#haltedBy;
      return await task();
    });
    this.#turn = run.catch(() => {});
    return run;
  }

  /** Waits through failures that may pass ('retry') and those that a human ends ('reject'); others end the call. */
  async #retrying<T>(doing: string, task: () => Promise<T>): Promise<T> {
    const { clock, random } = this.#options;
    const { signal } = this.#stopping;
    let waits = false;
    try {
      for (let delayMs = RETRY_MS_MIN; ; delayMs = Math.min(delayMs * 2, RETRY_MS_MAX)) {
        signal.throwIfAborted();
        if (this.#state === 'halted') throw this.#haltedBy;
        try {
          return await task();
        } catch (error) {
          const reason = `${doing}: ${describeError(error)}`;
          if (isKind(error, 'halt')) this.#halt(error, reason);
          const parked = isKind(error, 'reject');
          if (!parked && !isKind(error, 'retry')) throw error;
          if (!waits) this.#waiting++;
          waits = true;
          const waitMs = parked ? RETRY_MS_MAX : delayMs * (0.5 + random.fraction() / 2);
          this.#wait(parked ? 'parked' : 'waiting', reason, waitMs);
          await clock.sleep(waitMs, signal);
        }
      }
    } finally {
      if (waits && --this.#waiting === 0 && this.#state !== 'halted')
        this.#enter(this.#loaded ? 'ready' : 'loading', undefined);
    }
  }

  #wait(state: 'waiting' | 'parked', reason: string, waitMs: number): void {
    const { events, table } = this.#options;
    if (this.#state !== 'halted') this.#enter(state, reason);
    events.tableWaits({ table: table.name, state, reason, retryMs: Math.round(waitMs) });
  }

  #halt(error: unknown, reason: string): void {
    if (this.#state === 'halted') return;
    this.#haltedBy = error;
    this.#enter('halted', reason);
    this.#options.events.tableHalted({ table: this.#options.table.name, reason });
  }

  #enter(state: TableWriterStatus['state'], reason: string | undefined): void {
    if (state !== this.#state) this.#sinceMs = this.#options.clock.wallMs();
    this.#state = state;
    this.#reason = reason;
  }
}

/** LEDGER_RANGE_CONFLICT where another collector has committed part of the window. */
function assertNext(fold: Fold, window: WindowCommit): void {
  for (const range of window.ranges) {
    const next = fold.partitions.get(partitionKey(range))?.next;
    if (next === range.start) continue;
    const message = `${partitionName(range)} is committed to ${next ?? 'nothing'} and the window starts at ${range.start}`;
    throw new SluiceError('LEDGER_RANGE_CONFLICT', message, { place: fold.table });
  }
}

function commitProposal(
  table: TableConfig,
  window: WindowCommit,
  outputs: readonly LedgerOutput[],
): Proposal {
  const rows = { rows: 0, quarantine: 0 };
  for (const { output, rows: n } of outputs) rows[output] += n;
  const ranges = window.ranges.map(({ topic, topicId, partition, leaderEpoch, start, next, counts }) => {
    return { topic, topicId, partition, leaderEpoch, start, next, counts };
  });
  return {
    kind: 'commit',
    windowId: window.windowId,
    configVersion: table.configVersion,
    openedAt: new Date(window.openedMs).toISOString(),
    ranges,
    classes: window.classes,
    rows,
    outputs,
  };
}

/** The part of a gap that is still open. LEDGER_RANGE_CONFLICT where records before it are not committed yet. */
function gapAfter(
  fold: Fold,
  gap: PartitionId & { leaderEpoch: number; start: number; next: number; reason: string },
) {
  const { topic, topicId, partition, leaderEpoch, next, reason } = gap;
  const start = fold.partitions.get(partitionKey(gap))?.next;
  if (start === undefined || start < gap.start) {
    const message = `${partitionName(gap)} is committed to ${start ?? 'nothing'} and the gap starts at ${gap.start}`;
    throw new SluiceError('LEDGER_RANGE_CONFLICT', message, { place: fold.table });
  }
  return start >= next ? [] : [{ topic, topicId, partition, leaderEpoch, start, next, reason }];
}
