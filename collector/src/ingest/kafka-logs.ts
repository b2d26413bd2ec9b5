// Where Kafka's logs begin and end, as connected agents say when they are asked: the collector itself never
// reaches into the site. The last answer for each partition is kept, with the pace of the log's start.
import type { Clock } from '@sluice/shared/clock.ts';
import { type PartitionId, partitionKey } from '@sluice/shared/position.ts';
import type { LogBounds, PartitionLog } from '../contracts.ts';

interface Heard {
  readonly first: { readonly logStart: number; readonly monotonicMs: number };
  readonly last: LogBounds;
}

export class KafkaLogs {
  readonly #clock: Clock;
  /** Bounded by the partitions that agents may declare. */
  readonly #heard = new Map<string, Heard>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  heard(logs: readonly PartitionLog[]): void {
    const monotonicMs = this.#clock.monotonicMs();
    for (const { logStart, logEnd, ...id } of logs) {
      const first = this.#heard.get(partitionKey(id))?.first ?? { logStart, monotonicMs };
      const seconds = (monotonicMs - first.monotonicMs) / 1_000;
      const startMovesPerSecond = seconds > 0 ? (logStart - first.logStart) / seconds : 0;
      const last = { logStart, logEnd, atMs: this.#clock.wallMs(), startMovesPerSecond };
      this.#heard.set(partitionKey(id), { first, last });
    }
  }

  of(partition: PartitionId): LogBounds | undefined {
    return this.#heard.get(partitionKey(partition))?.last;
  }
}
