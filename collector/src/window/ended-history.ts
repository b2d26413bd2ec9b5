// History of topics that were deleted and created again: nobody can read what is left of it, and it becomes a
// gap. That a table has opened another topic of the name behind it is not enough: whoever declared that may
// not have heard of the new one yet. So an agent that reads what was opened later asks Kafka, and only its
// answer ends anything.
import type { Clock } from '@sluice/shared/clock.ts';
import { type PartitionId, partitionKey, slotKey } from '@sluice/shared/position.ts';
import type { AgentLink, TableWriter } from '../contracts.ts';
import type { TableLane } from './lane.ts';
import type { PartitionState, SequencedTable } from './sequenced-partition.ts';

/** An agent that cannot ask Kafka now does not answer. */
const LOOK_MS_MAX = 10_000;
/** Between two questions to one agent. */
export const LOOK_AGAIN_MS = 30_000;

interface Doubt {
  readonly lane: TableLane;
  /** Its history is to be ended where the other one is what Kafka has. */
  readonly id: PartitionId;
  readonly by: PartitionId;
}

export interface EndedHistoryOptions {
  readonly clock: Clock;
  readonly tables: readonly SequencedTable[];
  readonly partitions: ReadonlyMap<string, PartitionState>;
  /** To look again. */
  lookSoon(): void;
}

export class EndedHistory {
  readonly #options: EndedHistoryOptions;
  /** Streams that were asked a short while ago. */
  readonly #asked = new Set<AgentLink>();

  constructor(options: EndedHistoryOptions) {
    this.#options = options;
  }

  look(lanes: readonly TableLane[]): void {
    const doubts = lanes.flatMap((lane) => this.#doubtsOf(lane));
    for (const [reader, own] of Map.groupBy(doubts, (doubt) => this.#readerOf(doubt)))
      if (reader !== undefined) void this.#ask(reader, own);
  }

  #doubtsOf(lane: TableLane): readonly Doubt[] {
    return lane.history
      .superseded()
      .flatMap(({ id, later }) => later.map((by) => ({ lane, id, by })))
      .filter(({ id, by }) => !this.#options.tables.some(({ writer }) => hasOpenedBehind(writer, by, id)));
  }

  #readerOf({ by }: Doubt): AgentLink | undefined {
    const readers = this.#options.partitions.get(partitionKey(by))?.readers ?? [];
    return [...readers].find((reader) => !this.#asked.has(reader));
  }

  /** Never rejects. */
  async #ask(reader: AgentLink, doubts: readonly Doubt[]): Promise<void> {
    const { clock, lookSoon, partitions } = this.#options;
    this.#asked.add(reader);
    const logs = await reader.look(LOOK_MS_MAX);
    const known = new Set(logs?.map(partitionKey));
    for (const { lane, id, by } of doubts) {
      const isRead = partitions.get(partitionKey(by))?.readers.has(reader) === true;
      if (isRead && known.has(partitionKey(by))) lane.history.end(id);
    }
    clock.after(LOOK_AGAIN_MS, () => {
      this.#asked.delete(reader);
      lookSoon();
    });
  }
}

/** Whether the table has opened `id` after `first`. */
function hasOpenedBehind(writer: TableWriter, first: PartitionId, id: PartitionId): boolean {
  const opened = writer.partitions().filter((p) => slotKey(p) === slotKey(id));
  const at = (self: PartitionId) => opened.findIndex(({ topicId }) => topicId === self.topicId);
  return at(first) >= 0 && at(id) > at(first);
}
