// Which tables a topic waits for. One that somebody has to help, and whose config says `whenParked: detach`,
// is let go when its topic would be held for it: the others go on, and it stays where its ledger is. When it
// can be written again it is taken back; what it lacks is then read from Kafka, the only place that has it.
// The last table that takes anything is never let go: nobody would gain, and the spool would be emptied. A
// table of several topics is let go by all of them, or by none.
import { type PartitionId, partitionName } from '@sluice/shared/position.ts';
import type { Events } from '../events.ts';
import { isAttached, type SequencedTable } from './sequenced-partition.ts';

export interface DetachmentOptions {
  /** Of the config as it is now. */
  tablesOf(topic: string): readonly SequencedTable[];
  readonly events: Pick<Events, 'tableDetached' | 'tableAttached' | 'topicTakenIn'>;
  /** Whether the topic's streams wait, or soon will, for a table that takes nothing. */
  presses(topic: string): boolean;
  /** Whether a table has opened every partition of these that a stream sends; if not, that is begun. */
  hasOpened(table: SequencedTable, topics: readonly string[]): boolean;
  /** Runs `change`, after which topics wait for other tables, and tells the streams what follows. */
  moves(topics: readonly string[], change: () => void): void;
}

export interface Detachments {
  /** Lets go, and takes back, what is due. Called again from within, it does nothing. */
  review(topic: string): void;
}

const isComing = ({ lane }: SequencedTable, topic: string) => lane.topics.coming().includes(topic);

export function createDetachments(options: DetachmentOptions): Detachments {
  const { events } = options;
  let reviewing = false;

  function takeBack(all: readonly SequencedTable[]): void {
    for (const table of all) {
      const { lane } = table;
      const sinceMs = lane.detachedSinceMs();
      const topics = lane.topics.named();
      if (sinceMs === undefined || !lane.isSettled() || !options.hasOpened(table, topics)) continue;
      events.tableAttached({ table: lane.table.name, topic: topics.join(', '), sinceMs });
      options.moves(topics, () => {
        for (const one of topics) lane.topics.arrive(one);
        lane.attach();
      });
    }
  }

  /** A table begins to be waited for by a topic that its config did not name before. */
  function takeIn(topic: string, all: readonly SequencedTable[]): void {
    for (const table of all) {
      const { lane, writer } = table;
      const isReady = lane.detachedSinceMs() === undefined && writer.status().state === 'ready';
      if (!isReady || !isComing(table, topic) || !options.hasOpened(table, [topic])) continue;
      events.topicTakenIn({ table: lane.table.name, topic });
      options.moves([topic], () => lane.topics.arrive(topic));
    }
  }

  /** Each topic of the table has another one that goes on, and some topic presses. */
  function mayGo(table: SequencedTable): boolean {
    const topics = table.lane.topics.named();
    const goesOn = (topic: string) =>
      options
        .tablesOf(topic)
        .some((other) => other !== table && isAttached(other, topic) && other.lane.stuck() === undefined);
    return topics.every(goesOn) && topics.some((topic) => options.presses(topic));
  }

  function letGo(topic: string, all: readonly SequencedTable[]): void {
    for (const table of all) {
      const { lane, writer } = table;
      const reason = lane.stuck();
      if (lane.table.whenParked !== 'detach' || reason === undefined || !isAttached(table, topic)) continue;
      if (!mayGo(table)) continue;
      const at = (id: PartitionId) => `${partitionName(id)}@${writer.position(id)}`;
      const topics = lane.topics.named();
      const told = { table: lane.table.name, topic: topics.join(', '), reason };
      events.tableDetached({ ...told, at: writer.partitions().map(at) });
      options.moves(topics, () => lane.detach());
    }
  }

  return {
    review(topic) {
      const all = options.tablesOf(topic);
      const mayMove = (table: SequencedTable) => {
        const { lane } = table;
        const mayStep = lane.table.whenParked === 'detach' || lane.detachedSinceMs() !== undefined;
        return mayStep || isComing(table, topic);
      };
      if (reviewing || !all.some(mayMove)) return;
      reviewing = true;
      try {
        takeBack(all);
        takeIn(topic, all);
        letGo(topic, all);
      } finally {
        reviewing = false;
      }
    },
  };
}
