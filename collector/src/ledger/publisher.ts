// Brings committed entries to their final place, and says which positions that acknowledges. Own entries at
// once; those of other collectors are left to them for a while and then published by whoever knows of them,
// so that nobody's crash holds up the others. Publishing twice does no harm; a position is acknowledged only
// when every entry up to it stands. Who was asleep meanwhile may look for what is not needed any more, since
// others have published it, a swap moved it on and a prune deleted it: the ledger says so.
import type { Clock } from '@sluice/shared/clock.ts';
import { describeError, SluiceError } from '@sluice/shared/errors.ts';
import type { PartitionId } from '@sluice/shared/position.ts';
import type { LedgerEntry, PublishedFirst, SwapEntry } from '../contracts.ts';
import type { Events } from '../events.ts';
import type { TableCondition } from './condition.ts';
import { ackedOf, type Fold, keptGapsOf, markStanding, mustPublish, settle } from './fold.ts';
import { isToldPublished } from './ledger-reader.ts';
import { putBackMoved } from './moved-partitions.ts';
import { type PublishTarget, publishEntry } from './publish.ts';
import { publishSwap } from './publish-swap.ts';

/** How long another's entry is left to its writer. Politeness: no promise rests on it. */
const COURTESY_MS = 5_000;

export interface PublisherOptions {
  readonly target: PublishTarget;
  readonly fold: Fold;
  readonly condition: TableCondition;
  readonly clock: Clock;
  readonly events: Events;
  readonly signal: AbortSignal;
  /** Partitions whose acknowledged position, or what is wanted below it, has changed. */
  readonly onAcked: (partitions: readonly PartitionId[]) => void;
}

export class Publisher {
  readonly #options: PublisherOptions;
  /** Numbers that are published without waiting for their writer. */
  readonly #due = new Set<number>();
  /** Those that are left to their writer for a while. */
  readonly #courtesies = new Map<number, AbortController>();
  readonly #waiters = new Map<number, PromiseWithResolvers<void>>();
  /** What the listener has heard, by partition key: the position, and what is wanted below it. */
  readonly #announced = new Map<string, string>();
  /** Entries up to here are known to stand for good: nothing is done about later ones. */
  #confirmed: number;
  #running = false;
  #failed: unknown;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#confirmed = options.fold.nextSequence - 1;
  }

  entryConfirmed(entry: LedgerEntry, own: boolean): void {
    this.#confirmed = entry.sequence;
    if (!mustPublish(entry)) return;
    if (own) {
      this.#due.add(entry.sequence);
      return;
    }
    void this.#afterCourtesy(entry.sequence);
  }

  async #afterCourtesy(sequence: number): Promise<void> {
    const { clock, signal } = this.#options;
    const over = new AbortController();
    this.#courtesies.set(sequence, over);
    await clock.sleep(COURTESY_MS, AbortSignal.any([signal, over.signal]));
    this.#courtesies.delete(sequence);
    if (this.#stands(sequence)) return;
    this.#due.add(sequence);
    this.advance();
  }

  /** Acknowledges what can be, and publishes what is due. */
  advance(): void {
    this.#acknowledge();
    this.#wake();
    void this.#run();
  }

  /** Resolves when that entry's objects stand. Rejects when the table is halted or closed. */
  until(sequence: number): Promise<void> {
    if (this.#stands(sequence)) return Promise.resolve();
    if (this.#failed !== undefined) return Promise.reject(this.#failed);
    const waiter = this.#waiters.get(sequence) ?? Promise.withResolvers<void>();
    this.#waiters.set(sequence, waiter);
    return waiter.promise;
  }

  /** Publishes everything that is committed now, whoever wrote it. */
  async all(): Promise<void> {
    const windows = this.#options.fold.unpublished
      .filter(mustPublish)
      .filter(({ sequence }) => sequence <= this.#confirmed);
    for (const { sequence } of windows) this.#due.add(sequence);
    this.advance();
    for (const { sequence } of windows) await this.until(sequence);
  }

  #stands(sequence: number): boolean {
    const { fold } = this.#options;
    return sequence <= fold.publishedThrough || fold.standing.has(sequence);
  }

  /** One entry after the other, the oldest first. */
  async #run(): Promise<void> {
    if (this.#running || this.#failed !== undefined) return;
    this.#running = true;
    const { condition, fold, signal } = this.#options;
    try {
      for (let entry = this.#next(); entry !== undefined; entry = this.#next()) {
        const { sequence } = entry;
        const due = entry;
        await condition.retrying('publishing', async () => {
          // What is denied here, or unknown to this config, its writer may have published meanwhile.
          if (this.#stands(sequence)) return;
          await this.#publish(due);
        });
        markStanding(fold, sequence);
        this.#acknowledge();
        if (due.kind !== 'swap') await this.removeStaged(due.outputs.map((o) => o.stagedKey));
        this.#wake();
      }
    } catch (error) {
      this.#failed = error;
      if (!signal.aborted) condition.halt(error, `publishing: ${describeError(error)}`);
      for (const { promise, reject } of this.#waiters.values()) {
        promise.catch(() => {});
        reject(error);
      }
      this.#waiters.clear();
    } finally {
      this.#running = false;
    }
  }

  /** STORE_STAGED_MISSING where it is not published, and never can be. */
  async #publish(due: PublishedFirst): Promise<void> {
    const { fold, target } = this.#options;
    const { store, table } = target;
    try {
      await (due.kind === 'swap' ? this.#publishSwap(due) : publishEntry(target, due));
    } catch (error) {
      const isGone = error instanceof SluiceError && error.code === 'STORE_STAGED_MISSING';
      if (!isGone || !(await isToldPublished({ store, table: table.name }, fold, due.sequence))) throw error;
    }
  }

  async #publishSwap(swap: SwapEntry): Promise<void> {
    const { events, target } = this.#options;
    const { table, sequence: entry, windows, moves } = swap;
    await publishSwap(target, swap);
    events.partitionsMoved({ table, entry, windows: windows.length, partitions: moves.length });
  }

  #acknowledge(): void {
    const { fold } = this.#options;
    settle(fold, this.#confirmed);
    for (const sequence of this.#due) if (sequence <= fold.publishedThrough) this.#due.delete(sequence);
    for (const [sequence, courtesy] of this.#courtesies) if (this.#stands(sequence)) courtesy.abort();
    this.#announce();
  }

  #wake(): void {
    for (const [sequence, waiter] of this.#waiters)
      if (this.#stands(sequence)) {
        this.#waiters.delete(sequence);
        waiter.resolve();
      }
  }

  /**
   * A swap comes when all before it stands, and nothing behind it comes before: a partition's old place is
   * complete when it is left, and nobody registers the new one too early.
   */
  #next(): PublishedFirst | undefined {
    const left = this.#options.fold.unpublished
      .filter(mustPublish)
      .filter(({ sequence }) => !this.#stands(sequence));
    const swap = left.findIndex(({ kind }) => kind === 'swap');
    const open = swap < 0 ? left : left.slice(0, Math.max(swap, 1));
    return open.find(({ sequence }) => this.#due.has(sequence));
  }

  /**
   * Looks after what swaps have moved; what could not be asked or changed is tried the next time. `readOn`
   * comes first: a fold that is behind has older places. It rejects where the table is halted or closed.
   */
  async putBackMoved(readOn: () => Promise<void>): Promise<void> {
    const { events, fold, target } = this.#options;
    const isCurrent = await readOn().then(
      () => true,
      () => false,
    );
    if (!isCurrent) return;
    const table = target.table.name;
    const { partitions, failures } = await putBackMoved(target, fold);
    if (partitions > 0) events.partitionsPutBack({ table, partitions });
    for (const error of failures) events.partitionsNotPutBack({ table, reason: describeError(error) });
  }

  /** Garbage that stays costs storage and does no other harm: a sweep finds it. */
  async removeStaged(keys: readonly string[]): Promise<void> {
    const { events, target } = this.#options;
    await target.store.remove(keys).catch((error: unknown) => {
      events.stagedNotRemoved({ table: target.table.name, reason: describeError(error) });
    });
  }

  /** Also what other collectors published: their entries say so when they are folded. */
  #announce(): void {
    const { fold } = this.#options;
    const moved: PartitionId[] = [];
    for (const [key, partition] of fold.partitions) {
      const said = `${ackedOf(fold, partition)} ${JSON.stringify(keptGapsOf(fold, partition))}`;
      if (this.#announced.get(key) === said) continue;
      this.#announced.set(key, said);
      moved.push(partition);
    }
    if (moved.length > 0) this.#options.onAcked(moved);
  }
}
