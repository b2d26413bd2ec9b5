// Tables that come to a running sequencer, tables that leave it, and those that get other topics. What comes
// is not waited for until the table can be written and has opened its partitions; of what leaves nothing more
// is taken, and what is here of it is still waited for. A topic that nobody reads any more is refused by
// name.
import type { Clock } from '@sluice/shared/clock.ts';
import type { PartitionId } from '@sluice/shared/position.ts';
import type { AgentLink, DeclaredPartition } from '../contracts.ts';
import { isAttached, type PartitionState, type SequencedTable } from './sequenced-partition.ts';

/** The tables of a sequencer as they are now. */
export function tablesByTopic(given: readonly SequencedTable[]) {
  /** Those of the config, and those that leave it and still write what they have. */
  const tables = [...given];
  const readersOf = (topic: string) => tables.filter(({ lane }) => lane.topics.all().includes(topic));
  /** Those that take what comes. */
  const tablesOf = (topic: string) =>
    readersOf(topic).filter(({ lane }) => !lane.isLeaving() && lane.topics.named().includes(topic));
  return {
    tables,
    readersOf,
    tablesOf,
    /** The partitions that some table takes; the topics of the others are refused. */
    readOf: (link: AgentLink, declared: readonly DeclaredPartition[]) =>
      declared.filter(({ topic }) => {
        const ready = tablesOf(topic).length > 0;
        if (!ready) link.refused(topic, 'LINK_TOPIC_REFUSED', `no table reads topic '${topic}'`);
        return ready;
      }),
    topics: () => new Set(tables.flatMap(({ lane }) => lane.topics.all())),
  };
}

export interface TableChanges {
  /** Its lane begins detached. */
  add(table: SequencedTable): void;
  /**
   * Resolves when what the table has is committed and published, or nothing more is to be had of it: then
   * with the reason.
   */
  remove(table: SequencedTable, graceMs: number): Promise<string | undefined>;
  /**
   * Runs `configure`, after which the table has other topics. Resolves as `remove` does, of those that it has
   * no more.
   */
  changeTopics(
    table: SequencedTable,
    change: { readonly removed: readonly string[]; configure(): void },
    graceMs: number,
  ): Promise<string | undefined>;
}

export interface TableChangeOptions {
  readonly tables: SequencedTable[];
  readonly partitions: Map<string, PartitionState>;
  /** What each stream has declared last and not revoked, by partition key. */
  readonly wantedBy: ReadonlyMap<AgentLink, Map<string, DeclaredPartition>>;
  /** Declared, and not open yet, by stream. */
  readonly waiting: Map<AgentLink, readonly DeclaredPartition[]>;
  readonly clock: Clock;
  tablesOf(topic: string): readonly SequencedTable[];
  readersOf(topic: string): readonly SequencedTable[];
  /** Listens to the table's lane and writer. */
  wire(table: SequencedTable): void;
  review(): void;
  /** Runs `change`, after which topics wait for other tables, and tells the streams what follows. */
  moves(topics: readonly string[], change: () => void): void;
  announceAcked(moved: readonly PartitionId[]): void;
}

export function createTableChanges(options: TableChangeOptions): TableChanges {
  const { tables, partitions, wantedBy, waiting, clock, tablesOf, readersOf } = options;
  const statesOf = (topic: string) => [...partitions.values()].filter(({ id }) => id.topic === topic);
  /** Who waits for what a table has. */
  const looksAt = new WeakMap<SequencedTable, Set<() => void>>();

  /** Told when the table moved. It is listened to once, however often its topics change. */
  function looksOf(table: SequencedTable): Set<() => void> {
    const known = looksAt.get(table);
    if (known !== undefined) return known;
    const looks = new Set<() => void>();
    looksAt.set(table, looks);
    const moved = () => {
      for (const look of looks) look();
    };
    table.lane.onChange(moved);
    table.writer.onStateMoved(moved);
    return looks;
  }

  function refuse(topic: string): void {
    for (const { links } of statesOf(topic)) {
      for (const link of links) link.refused(topic, 'LINK_TOPIC_REFUSED', 'no table reads it any more');
      links.clear();
    }
    for (const [link, late] of waiting) {
      const ofTopic = late.some((partition) => partition.topic === topic);
      if (ofTopic) link.refused(topic, 'LINK_TOPIC_REFUSED', 'no table reads it any more');
      waiting.set(
        link,
        late.filter((partition) => partition.topic !== topic),
      );
    }
  }

  /** Runs `change`, after which the table takes nothing more of these topics. */
  function leaving(table: SequencedTable, topics: readonly string[], change: () => void): void {
    const isRead = (topic: string) =>
      tablesOf(topic).some((other) => other !== table && isAttached(other, topic));
    const read = topics.filter(isRead);
    for (const topic of topics) if (!read.includes(topic)) refuse(topic);
    options.moves(read, change);
  }

  /** Nobody waits for the table any more for what there was of this topic. */
  function letGo(topic: string): void {
    if (readersOf(topic).length > 0) {
      options.announceAcked(statesOf(topic).map(({ id }) => id));
      return;
    }
    // Nobody is told of a commit that no ledger holds.
    for (const [key, { id }] of partitions) {
      if (id.topic !== topic) continue;
      partitions.delete(key);
      for (const wanted of wantedBy.values()) wanted.delete(key);
    }
    options.review();
  }

  /** What is here is committed and published; else with the reason. */
  async function written(table: SequencedTable, graceMs: number): Promise<string | undefined> {
    const { lane } = table;
    const looks = looksOf(table);
    const stuck = Promise.withResolvers<string>();
    const look = () => {
      const reason = lane.stuck();
      if (reason !== undefined) stuck.resolve(reason);
    };
    looks.add(look);
    look();
    const late = new AbortController();
    const reason = await Promise.race([
      lane.detachedSinceMs() === undefined ? lane.drained().then(() => undefined) : undefined,
      stuck.promise,
      clock.sleep(graceMs, late.signal).then(() => 'its windows were not written in time'),
    ]);
    late.abort();
    looks.delete(look);
    return reason;
  }

  return {
    add(table) {
      tables.push(table);
      options.wire(table);
      options.review();
    },
    async remove(table, graceMs) {
      const { lane } = table;
      leaving(table, lane.topics.named(), () => lane.leave());
      const reason = await written(table, graceMs);
      tables.splice(tables.indexOf(table), 1);
      for (const topic of lane.topics.all()) letGo(topic);
      options.review();
      return reason;
    },
    async changeTopics(table, { removed, configure }, graceMs) {
      const { lane } = table;
      leaving(table, removed, () => {
        // No window has records of a topic that the config it opened with does not name.
        lane.close('topics changed');
        configure();
      });
      options.review();
      if (removed.length === 0) return undefined;
      const reason = await written(table, graceMs);
      for (const topic of removed) {
        lane.topics.forget(topic);
        letGo(topic);
      }
      options.review();
      return reason;
    },
  };
}
