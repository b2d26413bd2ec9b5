// The oracle of a whole lake, entry by entry and object by object as they appear: every record that a
// producer was promised has one fate by name, nothing is seen before its commit, twice, or taken back, and
// acknowledged means queryable. It knows nothing of the product's code but the bytes that it leaves behind.
// Pure; its own tests show that each rule can fail.
import type { LedgerEntry, LedgerOutput, SwapEntry, WindowEntry } from '@sluice/collector/contracts.ts';
import type { OffsetRange } from '@sluice/shared/offset-range.ts';
import { advances, lastCommitted, type OraclePartition, unheard } from './oracle-log.ts';
import {
  folderOf,
  isMoved,
  isRebuilt,
  type LakeObject,
  type LakeView,
  tableOf,
  tableOfKey,
  wronglyShown,
  wrongMove,
} from './oracle-places.ts';
import { compareRows, expectRows, type LakeRow, nothingExpected, slotOf } from './oracle-rows.ts';
import {
  lacking,
  lostGap,
  nothingHeard,
  type Range,
  type Slot,
  type TableState,
  unheardBy,
} from './oracle-state.ts';
import {
  isAlwaysWaitedFor,
  names,
  type OracleTable,
  readsHistory,
  takes,
  waitedFor,
} from './oracle-table.ts';

export type { LakeObject, LakeRow, OracleTable };

export interface LakeOracleOptions {
  readonly tables: readonly OracleTable[];
  readonly partitions: readonly OraclePartition[];
  readonly lake: LakeView;
  violated(what: string): void;
}

export class LakeOracle {
  readonly #options: LakeOracleOptions;
  readonly #tables: ReadonlyMap<string, TableState>;
  /** Final keys that entries name. */
  readonly #named = new Map<string, Pick<LedgerOutput, 'sha256'>>();

  constructor(options: LakeOracleOptions) {
    this.#options = options;
    this.#tables = new Map(options.tables.map((table) => [table.name, nothingHeard(table)]));
  }

  /** A key appeared or was overwritten. */
  created(key: string, object: LakeObject, replaced: LakeObject | undefined): void {
    const [, table = '', sequence] = /^_sluice\/ledger\/([^/]+)\/(\d+)\.json$/.exec(key) ?? [];
    if (sequence !== undefined) {
      if (replaced !== undefined) this.#violated(`${key} was written twice`);
      else this.#entry(table, JSON.parse(object.bytes.toString()) as LedgerEntry);
      return;
    }
    if (key.startsWith('_sluice/')) return;
    if (replaced !== undefined && !(isRebuilt(key) && replaced.sha256 === object.sha256))
      this.#violated(`${key} was seen, and then replaced`);
    const output = this.#named.get(key);
    if (output === undefined && this.#isShown(key)) this.#violated(`${key} is seen before its commit`);
    else if (output !== undefined && output.sha256 !== object.sha256)
      this.#violated(`${key} holds other bytes than its entry says`);
  }

  /** Readers of the catalog see what is there: nobody sees a place to which no partition has moved. */
  #isShown(key: string): boolean {
    return !isRebuilt(key) || this.#options.lake.registered(tableOfKey(key), folderOf(key));
  }

  /** Readers of a partition, which saw what is at `from`, are about to see what is at `to`. */
  moving(catalogued: string, from: string | undefined, to: string): void {
    const state = this.#tables.get(catalogued.replace(/_quarantine$/, ''));
    if (state === undefined || from === to) return;
    this.#publish(state);
    const isNamed = (key: string) => this.#named.has(key);
    for (const wrong of wrongMove({ state, from, to, isNamed, lake: this.#options.lake }))
      this.#violated(wrong);
  }

  removed(key: string): void {
    if (key.startsWith('_sluice/ledger/')) this.#violated(`entry ${key} was deleted`);
    else if (!key.startsWith('_sluice/')) this.#violated(`${key} was seen, and then taken back`);
  }

  /** Somebody let go of, or was told, everything of the partition below `nextOffset`. */
  acknowledged(who: string, slot: Slot, nextOffset: number): void {
    const through = this.reached(slot);
    if (nextOffset > through)
      this.#violated(`${who}: ${slotOf(slot)} ${nextOffset} is acknowledged and ${through} is queryable`);
  }

  /** The most that every table of the topic that never steps aside has ever shown. */
  reached(slot: Slot): number {
    this.queryableThrough(slot);
    const counted = waitedFor(this.#readersOf(slot));
    return Math.min(...counted.map(({ reached }) => reached.get(slotOf(slot)) ?? 0));
  }

  /** Somebody lets go of everything below `nextOffset` but for the gaps that he knows to be open. */
  forgotten(
    who: string,
    slot: Slot,
    { nextOffset, openGaps }: { readonly nextOffset: number; readonly openGaps: readonly OffsetRange[] },
  ): void {
    this.queryableThrough(slot);
    for (const state of this.#readersOf(slot)) {
      const lost = isAlwaysWaitedFor(state.table)
        ? lostGap(state, slot, { nextOffset, openGaps })
        : undefined;
      if (lost !== undefined) this.#violated(`${who} lets go of ${lost}`);
    }
  }

  #readersOf({ topic }: Slot): TableState[] {
    return [...this.#tables.values()].filter(({ table }) => takes(table, topic));
  }

  /** Every table that names the topic now shows what is below. */
  queryableThrough(slot: Slot): number {
    let through = Number.POSITIVE_INFINITY;
    for (const state of this.#readersOf(slot)) {
      this.#publish(state);
      if (!names(state.table, slot.topic)) continue;
      through = Math.min(through, state.queryable.get(slotOf(slot)) ?? 0);
    }
    return through;
  }

  /** What came of a table, and readers of the catalog do not see once. */
  wronglyShown(name: string): string[] {
    const state = this.#tables.get(name);
    return state === undefined ? [] : [...wronglyShown(state, this.#options.lake)];
  }

  /** What is still missing, in words; empty when every record has its fate. */
  missing(): string[] {
    return this.#options.partitions.flatMap((partition) => {
      const last = lastCommitted(partition);
      if (last < partition.start) return [];
      const through = this.queryableThrough(partition);
      if (through <= last) return [`${slotOf(partition)}: ${last} was produced and ${through} is queryable`];
      return this.#readersOf(partition).flatMap((state) => lacking(state, partition) ?? []);
    });
  }

  #violated(what: string): void {
    this.#options.violated(what);
  }

  #entry(table: string, entry: LedgerEntry): void {
    const state = this.#tables.get(table);
    if (state === undefined) {
      this.#violated(`an entry of a table that nobody knows: ${table}`);
      return;
    }
    if (entry.sequence !== state.entries.length)
      this.#violated(`${table} entry ${entry.sequence} stands where ${state.entries.length} must`);
    this.#publish(state);
    if (entry.publishedThrough >= state.published)
      this.#violated(`${table} entry ${entry.sequence} says that ${entry.publishedThrough} is published`);
    state.entries.push(entry);
    switch (entry.kind) {
      case 'open':
        for (const opened of entry.partitions) this.#open(state, opened);
        return;
      case 'gap':
        for (const gap of entry.gaps) this.#gap(state, gap);
        return;
      case 'commit':
        for (const range of entry.ranges) this.#contiguous(state, range);
        this.#window(state, entry);
        return;
      case 'fill':
        for (const range of entry.ranges) this.#fill(state, { ...range, sequence: entry.sequence });
        this.#window(state, entry);
        return;
      case 'fork':
        for (const fork of entry.forks) this.#fork(state, fork);
        return;
      case 'backfill':
        for (const { from, to, ...slot } of entry.backfills) {
          const wrong = state.history.begun(slotOf(slot), { from, to });
          if (wrong !== undefined) this.#violated(`${table} ${wrong}`);
          this.#lostByKafka(`${table} reads no history of ${slotOf(slot)}`, slot, { start: 0, next: from });
        }
        return;
      case 'swap':
        this.#swap(state, entry);
        return;
      case 'sweep':
      case 'published':
        return;
      default:
        this.#violated(`${table} entry ${entry.sequence} is a ${entry.kind}, which nothing here asks for`);
    }
  }

  #partition(slot: Slot): OraclePartition | undefined {
    return this.#options.partitions.find((p) => slotOf(p) === slotOf(slot));
  }

  /** Below its start a table has nothing to show: that much is queryable at once. */
  #open({ table, history, ...maps }: TableState, opened: Omit<Range, 'next'>): void {
    const { next, queryable, reached, tips } = maps;
    if (next.has(slotOf(opened))) this.#violated(`${table.name} opens ${slotOf(opened)} twice`);
    for (const map of [next, queryable, reached]) map.set(slotOf(opened), opened.start);
    // It begins where the other tables are: what was cut of the log that they have left is none of its own.
    const others = this.#readersOf(opened).map((other) => other.tips.get(slotOf(opened))?.epoch ?? -1);
    const isLater = readsHistory(table);
    const epoch = isLater ? Math.max(...others) : -1;
    tips.set(slotOf(opened), { next: opened.start, epoch, isBegun: isLater });
    history.opened(slotOf(opened), opened.start);
    if (isLater) return;
    this.#lostByKafka(`${table.name} opens ${slotOf(opened)}`, opened, { start: 0, next: opened.start });
  }

  /** Only to a place where Kafka cut its log: elsewhere records would be taken twice. */
  #fork(state: TableState, fork: Slot & { offset: number; leaderEpoch: number }): void {
    const key = slotOf(fork);
    const { next = 0, epoch = -1, isBegun = false } = state.tips.get(key) ?? {};
    // Where nothing was read nobody knows of which epoch: there it may go back to any cut, and loses nothing.
    const since = isBegun ? -1 : epoch;
    const cuts = this.#partition(fork)?.cuts?.filter((cut) => cut.epoch > since && cut.at < next) ?? [];
    const lowest = Math.min(...cuts.map(({ at }) => at));
    if (cuts.length === 0)
      this.#violated(`${state.table.name} forks ${key} at ${fork.offset}: no log was cut`);
    else if (fork.offset < lowest)
      this.#violated(`${state.table.name} forks ${key} at ${fork.offset}, and its log was cut at ${lowest}`);
    state.next.set(key, fork.offset);
    state.history.cut(key, fork.offset);
    state.tips.set(key, { next: fork.offset, epoch: fork.leaderEpoch });
    const clip = (gap: Range) => ({ ...gap, next: Math.min(gap.next, fork.offset) });
    state.gaps = state.gaps
      .map((gap) => (slotOf(gap) === key ? clip(gap) : gap))
      .filter((gap) => gap.start < gap.next);
  }

  #fill(state: TableState, range: Range & { readonly sequence: number }): void {
    const isIn = (gap: Range) =>
      slotOf(gap) === slotOf(range) && gap.start <= range.start && range.next <= gap.next;
    const gap = state.gaps.find(isIn);
    const isHistory = gap === undefined && state.history.goesOn(slotOf(range), range);
    if (gap === undefined && !isHistory) {
      this.#violated(
        `${state.table.name} fills ${slotOf(range)} [${range.start}, ${range.next}), no open gap`,
      );
      return;
    }
    const part = { next: range.next, epoch: range.leaderEpoch };
    if (isHistory) state.history.came(slotOf(range), part);
    if (gap !== undefined) {
      const rest = [
        { ...gap, next: range.start },
        { ...gap, start: range.next },
      ].filter(({ start, next }) => start < next);
      state.gaps = [...state.gaps.filter((other) => other !== gap), ...rest];
      state.filling.push(range);
    }
    const { epoch = -1 } = state.tips.get(slotOf(range)) ?? {};
    const cut = unheard(this.#partition(range), [part], epoch);
    if (cut !== undefined)
      this.#violated(
        `${state.table.name} fills ${slotOf(range)} [${range.start}, ${range.next}) from a log that was cut at ${cut.at}`,
      );
  }

  #gap(state: TableState, gap: Range): void {
    state.gaps.push(gap);
    if (!state.history.goesOn(slotOf(gap), gap)) {
      this.#contiguous(state, gap);
      // Kafka has nothing below it any more, whatever was cut there.
      state.tips.set(slotOf(gap), { next: gap.next, epoch: -1 });
    }
    this.#lostByKafka(`${state.table.name} says a gap of ${slotOf(gap)}`, gap, gap);
  }

  /** Records that Kafka still has are nobody's gap. */
  #lostByKafka(what: string, slot: Slot, { start, next }: { start: number; next: number }): void {
    const partition = this.#partition(slot);
    for (let offset = Math.max(start, partition?.start ?? 0); offset < next; offset++) {
      if (partition?.produced.get(offset)?.outcome !== 'committed') continue;
      this.#violated(`${what} [${start}, ${next}), and Kafka still has ${offset}`);
      return;
    }
  }

  #contiguous(state: TableState, range: Range) {
    const { table, next, tips } = state;
    const key = slotOf(range);
    if (next.get(key) !== range.start)
      this.#violated(`${table.name} ${key} goes on at ${range.start} where ${next.get(key)} must come`);
    next.set(key, range.next);
    const cut = unheardBy(state, { slot: range, partition: this.#partition(range) }, range.leaderEpoch);
    if (cut !== undefined)
      this.#violated(
        `${table.name} ${key} goes on at ${range.start} in epoch ${range.leaderEpoch}, and the log of ${cut.of} was cut at ${cut.at}`,
      );
    tips.set(key, { next: range.next, epoch: Math.max(tips.get(key)?.epoch ?? -1, range.leaderEpoch) });
  }

  /** Windows that are made again hold what they must, as any window. */
  #swap(state: TableState, swap: SwapEntry): void {
    const { lake } = this.#options;
    const { wrong, named, windows } = state.places.swapped(swap, lake);
    for (const what of wrong) this.#violated(`${state.table.name} swap ${swap.sequence} ${what}`);
    for (const [key, object] of named) {
      if (this.#named.has(key)) this.#violated(`swap ${swap.sequence} names ${key}, as another does`);
      this.#named.set(key, object);
    }
    for (const { entry, classes, outputs } of windows) {
      const window = state.entries[entry];
      if (window?.kind !== 'commit' && window?.kind !== 'fill')
        this.#violated(`swap ${swap.sequence} makes entry ${entry} again, which is no window`);
      else this.#rows(state.table, { ...window, classes, outputs });
    }
  }

  #window({ table, places }: TableState, entry: WindowEntry): void {
    for (const output of entry.outputs) {
      if (this.#named.has(output.finalKey))
        this.#violated(`${table.name} entry ${entry.sequence} names ${output.finalKey}, as another does`);
      this.#named.set(output.finalKey, output);
    }
    const wrong = places.came(entry);
    if (wrong !== undefined) this.#violated(`${table.name} entry ${entry.sequence} ${wrong}`);
    this.#rows(table, entry);
  }

  #rows(table: OracleTable, entry: WindowEntry): void {
    const place = `${table.name} entry ${entry.sequence}`;
    const rowsOf = (kind: 'rows' | 'quarantine') =>
      entry.outputs.filter(({ output }) => output === kind).flatMap((output) => this.#read(place, output));
    const found = { rows: rowsOf('rows'), quarantine: rowsOf('quarantine') };
    const expected = nothingExpected();
    const violated = (what: string) => this.#violated(what);
    const named = table.named?.by(entry.configVersion);
    for (const range of entry.ranges) {
      const partition = this.#partition(range);
      if (named?.includes(range.topic) === false)
        violated(`${place} holds ${slotOf(range)}, and its config names ${named.join(', ')}`);
      expectRows({ table, range, partition, found }, expected, violated);
    }
    const { classes } = entry;
    if (classes.in !== expected.records)
      this.#violated(`${place} counts ${classes.in} records of ${expected.records}`);
    if (classes.filtered !== expected.filtered)
      this.#violated(`${place} counts ${classes.filtered} filtered records of ${expected.filtered}`);
    for (const kind of ['rows', 'quarantine'] as const)
      compareRows({ place: `${place} ${kind}`, expected: expected[kind], rows: found[kind] }, violated);
  }

  /** Rows of a staged or published object. */
  #read(place: string, output: LedgerOutput): LakeRow[] {
    const object = this.#options.lake.object(output.stagedKey);
    if (object === undefined || object.sha256 !== output.sha256) {
      this.#violated(`${place} is committed without its bytes: ${output.stagedKey}`);
      return [];
    }
    return JSON.parse(object.bytes.toString()) as LakeRow[];
  }

  /** Moves the published prefix as far as objects and partitions are in place. */
  #publish(state: TableState): void {
    for (;;) {
      const entry = state.entries[state.published];
      if (entry === undefined) return;
      if (
        (entry.kind === 'commit' || entry.kind === 'fill') &&
        !entry.outputs.every((o) => this.#isInPlace(state.table, o))
      )
        return;
      if (entry.kind === 'swap' && !isMoved(state.table, entry, this.#options.lake)) return;
      state.published++;
      for (const { slot, next, start } of advances(entry)) {
        const key = slotOf(slot);
        // A gap below is one of the history.
        if (start !== undefined && start < (state.queryable.get(key) ?? 0)) continue;
        state.queryable.set(key, next);
        state.reached.set(key, Math.max(next, state.reached.get(key) ?? 0));
      }
      state.filling = state.filling.filter(({ sequence }) => sequence !== entry.sequence);
    }
  }

  #isInPlace({ name }: OracleTable, { finalKey, output }: LedgerOutput): boolean {
    const { lake } = this.#options;
    return lake.object(finalKey) !== undefined && lake.registered(tableOf(name, output), folderOf(finalKey));
  }
}
