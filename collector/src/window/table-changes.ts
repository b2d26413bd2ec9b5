// Tables that come to a running sequencer, and tables that leave it. One that comes is not waited for until
// it can be written and has opened its partitions; one that leaves takes nothing more, and what it has is
// still waited for. A topic that nobody reads any more is refused by name.
import type { Clock } from '@sluice/shared/clock.ts';
import type { PartitionId } from '@sluice/shared/position.ts';
import type { AgentLink, DeclaredPartition } from '../contracts.ts';
import { isAttached, type PartitionState, type SequencedTable } from './sequenced-partition.ts';

/** The tables of a sequencer as they are now. */
export function tablesByTopic(given: readonly SequencedTable[]) {
  /** Those of the config, and those that leave it and still write what they have. */
  const tables = [...given];
  const readersOf = (topic: string) => tables.filter(({ lane }) => lane.table.topic === topic);
  /** Those that take what comes. */
  const tablesOf = (topic: string) => readersOf(topic).filter(({ lane }) => !lane.isLeaving());
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
    topics: () => new Set(tables.map(({ lane }) => lane.table.topic)),
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
}

export interface TableChangeOptions {
  readonly tables: SequencedTable[];
  readonly partitions: Map<string, PartitionState>;
  /** Declared, and not open yet, by stream. */
  readonly waiting: Map<AgentLink, readonly DeclaredPartition[]>;
  readonly clock: Clock;
  tablesOf(topic: string): readonly SequencedTable[];
  /** Listens to the table's lane and writer. */
  wire(table: SequencedTable): void;
  review(): void;
  /** Runs `change`, after which the topic waits for other tables, and tells the streams what follows. */
  moves(topic: string, change: () => void): void;
  announceAcked(moved: readonly PartitionId[]): void;
}

export function createTableChanges(options: TableChangeOptions): TableChanges {
  const { tables, partitions, waiting, clock, tablesOf } = options;
  const statesOf = (topic: string) => [...partitions.values()].filter(({ id }) => id.topic === topic);

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

  function letGo(table: SequencedTable): void {
    tables.splice(tables.indexOf(table), 1);
    const { topic } = table.lane.table;
    const states = statesOf(topic);
    if (tables.some(({ lane }) => lane.table.topic === topic)) {
      options.announceAcked(states.map(({ id }) => id));
      options.review();
      return;
    }
    // Nobody is told of a commit that no ledger holds.
    for (const [key, { id }] of partitions) if (id.topic === topic) partitions.delete(key);
    options.review();
  }

  return {
    add(table) {
      tables.push(table);
      options.wire(table);
      options.review();
    },
    async remove(table, graceMs) {
      const { lane, writer } = table;
      const { topic } = lane.table;
      const isRead = tablesOf(topic).some((other) => other !== table && isAttached(other));
      if (isRead) options.moves(topic, () => lane.leave());
      else {
        refuse(topic);
        lane.leave();
      }
      const stuck = Promise.withResolvers<string>();
      const look = () => {
        const reason = lane.stuck();
        if (reason !== undefined) stuck.resolve(reason);
      };
      lane.onChange(look);
      writer.onStateMoved(look);
      look();
      const late = new AbortController();
      const reason = await Promise.race([
        lane.detachedSinceMs() === undefined ? lane.drained().then(() => undefined) : undefined,
        stuck.promise,
        clock.sleep(graceMs, late.signal).then(() => 'its windows were not written in time'),
      ]);
      late.abort();
      letGo(table);
      return reason;
    },
  };
}
