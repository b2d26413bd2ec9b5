// A Kafka cluster in memory, behind a network that may fail: logs, one consumer group, and questions about
// both. Brokers may be down as a whole, or out of one agent's reach.
import type { KafkaAdapter } from '@sluice/agent/source/kafka-adapter.ts';
import type { KafkaCluster } from '@sluice/agent/source/kafka-cluster.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { GroupCoordinator } from './kafka-group.ts';
import type { PartitionLog } from './kafka-log.ts';
import { SimGroupMember } from './kafka-member.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

/** A client gives a request up after this, its own retries included. */
const REQUEST_MS_MAX = 4_000;

export class SimKafka {
  readonly world: World;
  readonly group: GroupCoordinator;
  readonly logs: readonly PartitionLog[];
  down = false;
  /** Names of processes that reach no broker. */
  readonly unreachableFor = new Set<string>();
  #members = 0;

  constructor(world: World, logs: readonly PartitionLog[]) {
    this.world = world;
    this.logs = logs;
    this.group = new GroupCoordinator(this);
  }

  reaches(process: SimProcess): boolean {
    return !this.down && !this.unreachableFor.has(process.name);
  }

  log(topic: string, partition: number): PartitionLog | undefined {
    return this.logs.find((log) => log.topic === topic && log.partition === partition);
  }

  /**
   * Asks the cluster and hears the answer, if the process lives to hear it. What reaches the broker is done
   * there.
   */
  request<T>(process: SimProcess, answer: () => T): Promise<T> {
    const { time, network } = this.world;
    return new Promise((resolve, reject) => {
      const fails = () =>
        process.after(REQUEST_MS_MAX, () =>
          reject(new SluiceError('KAFKA_UNREACHABLE', 'no broker answers', { place: 'kafka' })),
        );
      if (!this.reaches(process)) {
        fails();
        return;
      }
      time.after(network.latencyMs(), () => {
        if (!this.reaches(process)) {
          fails();
          return;
        }
        const result = answer();
        if (network.losesReply()) {
          this.world.trace.count('kafka reply lost');
          fails();
        } else process.after(network.latencyMs(), () => resolve(result));
      });
    });
  }

  adapterFor(process: SimProcess): KafkaAdapter {
    return {
      prepare() {},
      cluster: () => this.#cluster(process),
      member: (settings, listener) => {
        const id = `${process.name}/${++this.#members}`;
        const sessionTimeoutMs = settings.sessionTimeoutMs;
        return new SimGroupMember({ kafka: this, process, listener, id, sessionTimeoutMs });
      },
    };
  }

  #cluster(process: SimProcess): KafkaCluster {
    const ask = <T>(answer: () => T) => this.request(process, answer);
    return {
      topics: (names) =>
        ask(() =>
          [...Map.groupBy(this.logs, ({ topic }) => topic)]
            .filter(([topic]) => names?.includes(topic) ?? true)
            .map(([topic, logs]) => ({
              topic,
              errorCode: 0,
              topicId: logs[0]?.topicId ?? '',
              internal: false,
              partitions: logs.map(({ partition }) => ({ partition, leaderEpoch: 0 })),
            })),
        ),
      logs: (topics) =>
        ask(() =>
          this.logs
            .filter(({ topic }) => topics.includes(topic))
            .map(({ topic, partition, start, lastStableOffset }) => {
              return { topic, partition, logStart: start, logEnd: lastStableOffset };
            }),
        ),
      groupOffsets: (partitions) =>
        ask(() =>
          partitions.map(({ topic, partition }) => {
            const groupOffset = this.group.offsets.get(`${topic}/${partition}`);
            return { topic, partition, groupOffset };
          }),
        ),
      checkGroup: () => ask(() => undefined),
      fetch: () => Promise.reject(new Error('agents read through their group alone')),
      close: () => Promise.resolve(),
    };
  }
}
