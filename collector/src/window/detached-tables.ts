// Which tables a topic waits for. One that somebody has to help, and whose config says `whenParked: detach`,
// is let go when its topic would be held for it: the others go on, and it stays where its ledger is. When it
// can be written again it is taken back; what it lacks is then read from Kafka, the only place that has it.
// The last table that takes anything is never let go: nobody would gain, and the spool would be emptied.
import { type PartitionId, partitionName } from '@sluice/shared/position.ts';
import type { Events } from '../events.ts';
import { isAttached, type SequencedTable } from './sequenced-partition.ts';

export interface DetachmentOptions {
  /** Of the config as it is now. */
  tablesOf(topic: string): readonly SequencedTable[];
  readonly events: Pick<Events, 'tableDetached' | 'tableAttached'>;
  /** Whether the topic's streams wait, or soon will, for a table that takes nothing. */
  presses(topic: string): boolean;
  /** Whether a table has opened every partition that a stream sends; if not, that is begun. */
  hasOpened(table: SequencedTable): boolean;
  /** Runs `change`, after which the topic waits for other tables, and tells the streams what follows. */
  moves(topic: string, change: () => void): void;
}

export interface Detachments {
  /** Lets go, and takes back, what is due. Called again from within, it does nothing. */
  review(topic: string): void;
}

export function createDetachments(options: DetachmentOptions): Detachments {
  const { events } = options;
  let reviewing = false;

  function takeBack(topic: string, all: readonly SequencedTable[]): void {
    for (const table of all) {
      const { lane } = table;
      const sinceMs = lane.detachedSinceMs();
      if (sinceMs === undefined || !lane.isSettled() || !options.hasOpened(table)) continue;
      events.tableAttached({ table: lane.table.name, topic, sinceMs });
      options.moves(topic, () => lane.attach());
    }
  }

  function letGo(topic: string, all: readonly SequencedTable[]): void {
    for (const table of all) {
      const { lane, writer } = table;
      const reason = lane.stuck();
      if (lane.table.whenParked !== 'detach' || reason === undefined || !isAttached(table)) continue;
      const goesOn = all.some((other) => isAttached(other) && other.lane.stuck() === undefined);
      if (!goesOn || !options.presses(topic)) continue;
      const at = (id: PartitionId) => `${partitionName(id)}@${writer.position(id)}`;
      events.tableDetached({ table: lane.table.name, topic, reason, at: writer.partitions().map(at) });
      options.moves(topic, () => lane.detach());
    }
  }

  return {
    review(topic) {
      const all = options.tablesOf(topic);
      const mayMove = ({ lane }: SequencedTable) =>
        lane.table.whenParked === 'detach' || lane.detachedSinceMs() !== undefined;
      if (reviewing || !all.some(mayMove)) return;
      reviewing = true;
      try {
        takeBack(topic, all);
        letGo(topic, all);
      } finally {
        reviewing = false;
      }
    },
  };
}
