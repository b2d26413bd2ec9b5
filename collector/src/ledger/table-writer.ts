// One table's way into the lake, exactly once. The steps, and what a crash right after each leaves behind:
//   1 stage    objects under _sluice/staged/ that no entry names: garbage until a sweep names and removes it
//   2 append   the window is committed; whoever knows of the entry publishes it
//   3 publish  rows are visible; the next writer finds them in place and goes on
//   4 ack      the agent drops its copy; a lost ack is told again on reconnect
//   5 tidy     staged copies are removed; those that stay are garbage
import type { Cancel, Clock } from '@sluice/shared/clock.ts';
import { assert, isKind } from '@sluice/shared/errors.ts';
import type { OffsetRange } from '@sluice/shared/offset-range.ts';
import { type LogPlace, type PartitionId, partitionKey } from '@sluice/shared/position.ts';
import type { Random } from '@sluice/shared/random.ts';
import type {
  Catalog,
  ChangingSchemas,
  LedgerEntry,
  ObjectStore,
  Proposal,
  ReplayCommit,
  ReplayingWriter,
  SwapCommit,
  TableConfig,
  TableSchemas,
  TableWriter,
  TableWriterStatus,
  WindowCommit,
} from '../contracts.ts';
import type { Events } from '../events.ts';
import { stagedPrefix } from '../lake/object-keys.ts';
import { backfillProposal, lostProposal } from './backfill.ts';
import { TableCondition } from './condition.ts';
import { ackedOf, type Fold, keptGapsOf, openGapsOf } from './fold.ts';
import { type Ledger, openLedger } from './ledger.ts';
import {
  committing,
  type Forking,
  filling,
  forkProposal,
  gapProposal,
  openProposal,
  type ProposeObjects,
  publishedProposal,
  replaying,
  swapping,
  sweepProposal,
} from './proposals.ts';
import { DefinitionsByVersion, type PublishTarget } from './publish.ts';
import { Publisher } from './publisher.ts';
import { type MadeWindow, Staging } from './staging.ts';

/** How often the entries of others are read: while agents wait for the table, and otherwise. */
export const FOLLOW_MS = 2_000;
const LOOK_MS = 60_000;
/**
 * A staged object that no entry names is removed when it is seen in two sweeps: the second comes this much
 * later.
 */
const SWEEP_EVERY_MS = 30 * 60_000;
/** After so long without an entry of this process, what is published is said in one of its own. */
const IDLE_MS = 60_000;
/** Keys that one sweep removes at most. */
const SWEEP_KEYS_MAX = 1_000;

export interface TableWriterOptions {
  readonly table: TableConfig;
  readonly schemas: TableSchemas | ChangingSchemas;
  readonly store: ObjectStore;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Events;
  /** Named in each entry, for people. */
  readonly writerId: string;
  /** Entries between two checkpoints; as the ledger has it where it is not given. */
  readonly checkpointEvery?: number;
  /** Told of every entry that is folded after `load`. */
  readonly onFolded?: (entry: LedgerEntry) => void;
}

export function createTableWriter(options: TableWriterOptions): ReplayingWriter {
  return new LedgerTableWriter(options);
}

class LedgerTableWriter implements ReplayingWriter {
  readonly #options: TableWriterOptions;
  readonly #target: PublishTarget;
  readonly #stopping = new AbortController();
  readonly #condition: TableCondition;
  readonly #staging: Staging;
  readonly #ackedListeners: ((partitions: readonly PartitionId[]) => void)[] = [];
  readonly #stateListeners: (() => void)[] = [];
  #ledger: Ledger | undefined;
  #publisher: Publisher | undefined;
  /** Whoever reads or appends entries does so one after the other, in call order. */
  #turn: Promise<unknown> = Promise.resolve();
  #lastCommitMs: number | undefined;
  #lastAppendMs = 0;
  #followed = false;
  #cancelLook: Cancel = () => {};
  #cancelSweep: Cancel = () => {};
  /** Staged keys of the last sweep that no window of this process held. */
  #unclaimed = new Set<string>();

  constructor(options: TableWriterOptions) {
    this.#options = options;
    const { table, schemas, store, catalog, clock, random, events } = options;
    this.#target = { table, store, catalog, definitions: new DefinitionsByVersion(table, schemas) };
    const { signal } = this.#stopping;
    this.#condition = new TableCondition({
      ...{ table: table.name, clock, random, events, signal },
      onStateMoved: () => {
        for (const listener of this.#stateListeners) listener();
      },
    });
    this.#staging = new Staging({ store, random, condition: this.#condition });
  }

  load(): Promise<void> {
    return this.#inTurn(async () => {
      const { catalog, clock, events } = this.#options;
      const ledger = await this.#condition.retrying('reading the ledger', () => this.#readLedger());
      const { definitions } = this.#target;
      await this.#condition.retrying('creating the tables', () => definitions.prepare(catalog));
      this.#publisher = new Publisher({
        ...{ target: this.#target, fold: ledger.fold, condition: this.#condition, clock, events },
        signal: this.#stopping.signal,
        onAcked: (moved) => {
          for (const listener of this.#ackedListeners) listener(moved);
        },
      });
      await this.#publisher.all();
      await ledger.checkpoint().catch(() => {});
      this.#condition.loaded();
      this.#lookLater();
      this.#sweepLater();
    });
  }

  async #readLedger(): Promise<Ledger> {
    const { table, store, clock, random, writerId, checkpointEvery } = this.#options;
    const ledger = await openLedger({
      ...{ table: table.name, store, clock, random, writerId },
      ...(checkpointEvery === undefined ? {} : { checkpointEvery }),
      onFolded: (entry) => {
        this.#staging.entryFolded(entry);
        this.#options.onFolded?.(entry);
      },
      onConfirmed: (entry, own) => this.#publisher?.entryConfirmed(entry, own),
    });
    this.#ledger = ledger;
    return ledger;
  }

  readonly configure: TableWriter['configure'] = (...config) => this.#target.definitions.add(...config);
  readonly park: TableWriter['park'] = () => this.#condition.park();

  follow(on: boolean): void {
    const begins = on && !this.#followed;
    this.#followed = on;
    if (begins && this.#publisher !== undefined) this.#lookLater();
  }

  refresh(): Promise<void> {
    return this.#inTurn(() => this.#readOn());
  }

  position(partition: PartitionId): number | undefined {
    return this.#ledger?.fold.partitions.get(partitionKey(partition))?.next;
  }

  acked(partition: PartitionId): number | undefined {
    return ackedOf(this.#ledger?.fold, partition);
  }

  partitions(): readonly PartitionId[] {
    return [...(this.#ledger?.fold.partitions.values() ?? [])];
  }

  openGaps(partition: PartitionId): readonly OffsetRange[] {
    return openGapsOf(this.#ledger?.fold, partition);
  }

  keptGaps(partition: PartitionId): readonly OffsetRange[] {
    return keptGapsOf(this.#ledger?.fold, partition);
  }

  leaderEpoch(partition: PartitionId): number | undefined {
    return this.#ledger?.fold.partitions.get(partitionKey(partition))?.leaderEpoch;
  }

  forks(partition: PartitionId): readonly LogPlace[] {
    const forks = this.#ledger?.fold.partitions.get(partitionKey(partition))?.forks ?? [];
    return forks.map(({ to: offset, leaderEpoch }) => ({ offset, leaderEpoch }));
  }

  readonly backfill: TableWriter['backfill'] = (id) =>
    this.#ledger?.fold.partitions.get(partitionKey(id))?.backfill;
  readonly beginBackfill: TableWriter['beginBackfill'] = async (wanted) =>
    void (await this.#inTurn(() => this.#append((fold) => backfillProposal(fold, wanted))));
  readonly loseHistory: TableWriter['loseHistory'] = async (lost) =>
    void (await this.#inTurn(() => this.#append((fold) => lostProposal(fold, lost))));

  readonly open: TableWriter['open'] = async (openings) =>
    void (await this.#inTurn(() => this.#append((fold) => openProposal(fold, openings))));
  readonly gap: TableWriter['gap'] = async (gaps) =>
    void (await this.#inTurn(() => this.#append((fold) => gapProposal(fold, gaps))));

  async fork(forks: readonly Forking[]): Promise<void> {
    await this.#inTurn(async () => {
      // A fold that is behind would take the fork for one that cuts nothing.
      await this.#readOn();
      await this.#append((fold) => forkProposal(fold, forks));
    });
  }

  async commitWindow(window: WindowCommit): Promise<void> {
    await this.#write(window, committing(window));
  }

  async fillWindow(window: WindowCommit): Promise<void> {
    // A fold that is behind does not know of every gap.
    await this.#write(window, filling(window), 'read on');
  }

  replay(replay: ReplayCommit): Promise<number> {
    return this.#write(replay, replaying(replay), 'read on');
  }

  async swap(swap: SwapCommit): Promise<number> {
    const appended = await this.#inTurn(() => this.#readOn().then(() => this.#append(swapping(swap))));
    await this.#opened().publisher.until(appended?.sequence ?? -1);
    return appended?.sequence ?? -1;
  }

  /** Resolves with the number of the entry when its objects stand. */
  async #write(
    window: MadeWindow & Pick<WindowCommit, 'classes' | 'onCommitted'>,
    propose: ProposeObjects,
    first?: 'read on',
  ): Promise<number> {
    const { clock, events, table } = this.#options;
    // Uploads of several windows overlap; the turn is taken now, so that a later window cannot pass this one.
    let staged = this.#staging.stage(window);
    const entry = await this.#inTurn(async () => {
      if (first === 'read on') await this.#readOn();
      for (;;) {
        try {
          await staged.uploaded;
          const appended = await this.#append((fold) => {
            const proposal = propose(fold, staged.outputs);
            return staged.isSwept() ? undefined : proposal;
          });
          if (appended !== undefined) return appended;
          events.windowStagedAgain({ table: table.name, window: window.windowId });
        } catch (error) {
          // A fence is proof that no entry names these objects: the append was lost to entries that were
          // read.
          if (isKind(error, 'fence'))
            await this.#opened().publisher.removeStaged(staged.outputs.map((o) => o.stagedKey));
          throw error;
        } finally {
          staged.end();
        }
        staged = this.#staging.stage(window);
      }
    });
    this.#lastCommitMs = clock.wallMs();
    events.windowCommitted({
      table: table.name,
      window: window.windowId,
      records: window.classes.in,
      quarantined: window.classes.quarantined,
      files: window.files.length,
    });
    window.onCommitted?.();
    await this.#opened().publisher.until(entry.sequence);
    return entry.sequence;
  }

  sweep(): Promise<void> {
    return this.#inTurn(async () => {
      const { store, table, events } = this.#options;
      const listed: string[] = [];
      await this.#condition.retrying('listing staged objects', async () => {
        listed.length = 0;
        for await (const { key } of store.list(stagedPrefix(table.name))) listed.push(key);
      });
      const unclaimed = listed.filter((key) => !this.#staging.holds(key));
      const seenTwice = unclaimed.filter((key) => this.#unclaimed.has(key)).slice(0, SWEEP_KEYS_MAX);
      this.#unclaimed = new Set(unclaimed);
      if (seenTwice.length === 0) return;
      const entry = await this.#append((fold) => sweepProposal(fold, seenTwice));
      if (entry?.kind !== 'sweep') return;
      await this.#opened().publisher.removeStaged(entry.keys);
      events.stagedSwept({ table: table.name, objects: entry.keys.length });
    });
  }

  async flushPublished(): Promise<void> {
    // What was called before has its turn first: its entries are published, too.
    await this.#inTurn(() => Promise.resolve());
    const { ledger, publisher } = this.#opened();
    await publisher.all();
    await this.#inTurn(() => this.#append(publishedProposal));
    await this.#inTurn(() => this.#condition.retrying('writing the hint', () => ledger.writeHint()));
  }

  onAcked(listener: (partitions: readonly PartitionId[]) => void): void {
    this.#ackedListeners.push(listener);
  }

  onStateMoved(listener: () => void): void {
    this.#stateListeners.push(listener);
  }

  retryNow(): void {
    this.#condition.retryNow();
    void this.#publisher?.putBackMoved(() => this.refresh());
  }

  status(): TableWriterStatus {
    const fold = this.#ledger?.fold;
    return {
      ...this.#condition.status(),
      lastSequence: (fold?.nextSequence ?? 0) - 1,
      publishedThrough: fold?.publishedThrough ?? -1,
      lastCommitMs: this.#lastCommitMs,
    };
  }

  close(): void {
    this.#stopping.abort();
    this.#cancelLook();
    this.#cancelSweep();
  }

  #opened(): { ledger: Ledger; publisher: Publisher } {
    const [{ reason }, { table }] = [this.#condition.status(), this.#options];
    assert(this.#ledger !== undefined, `table ${table.name}: ${reason ?? 'the ledger is not loaded'}`);
    assert(this.#publisher !== undefined, `table ${table.name}: ${reason ?? 'it is not loaded'}`);
    return { ledger: this.#ledger, publisher: this.#publisher };
  }

  async #readOn(): Promise<void> {
    const { ledger, publisher } = this.#opened();
    await this.#condition.retrying('reading the ledger', () => ledger.refresh());
    publisher.advance();
  }

  async #append(propose: (fold: Fold) => Proposal | undefined): Promise<LedgerEntry | undefined> {
    const { ledger, publisher } = this.#opened();
    const token = ledger.newToken();
    try {
      return await this.#condition.retrying('appending to the ledger', () => ledger.append(token, propose));
    } finally {
      this.#lastAppendMs = this.#options.clock.monotonicMs();
      publisher.advance();
    }
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const run = this.#turn.then(() => {
      this.#condition.check();
      return task();
    });
    this.#turn = run.catch(() => {});
    return run;
  }

  /** Jittered, so that many tables of many collectors do not ask in one moment. */
  #lookLater(): void {
    const { clock, random } = this.#options;
    this.#cancelLook();
    const everyMs = this.#followed ? FOLLOW_MS : LOOK_MS;
    this.#cancelLook = clock.after(everyMs * (0.75 + random.fraction() / 2), () => {
      void this.refresh()
        .then(() => this.#tellWhenIdle())
        .catch(() => {})
        .then(() => {
          if (!this.#stopping.signal.aborted) this.#lookLater();
        });
    });
  }

  async #tellWhenIdle(): Promise<void> {
    if (this.#options.clock.monotonicMs() - this.#lastAppendMs < IDLE_MS) return;
    await this.#inTurn(() => this.#append(publishedProposal));
  }

  #sweepLater(): void {
    const { clock, random } = this.#options;
    this.#cancelSweep = clock.after(SWEEP_EVERY_MS * (1 + random.fraction() / 2), () => {
      void this.sweep()
        .catch(() => {})
        .then(() => this.#publisher?.putBackMoved(() => this.refresh()))
        .then(() => {
          if (!this.#stopping.signal.aborted) this.#sweepLater();
        });
    });
  }
}
