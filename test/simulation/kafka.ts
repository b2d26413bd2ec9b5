// A Kafka cluster in memory, behind a network that may fail: logs, one consumer group, and questions about
// both. Brokers may be down as a whole, or out of one agent's reach.
import type { KafkaAdapter } from '@sluice/agent/source/kafka-adapter.ts';
import type { TopicPartition } from '@sluice/agent/source/kafka-client.ts';
import type { FetchQuestion, KafkaCluster } from '@sluice/agent/source/kafka-cluster.ts';
import { walkRecordSet } from '@sluice/agent/source/record-set.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { slotKey } from '@sluice/shared/position.ts';
import { GroupCoordinator } from './kafka-group.ts';
import { type FetchedLog, PartitionLog } from './kafka-log.ts';
import { SimGroupMember } from './kafka-member.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

/** Kafka's error codes. */
const UNKNOWN_TOPIC = 3;
const FENCED_LEADER_EPOCH = 74;
/** A client gives a request up after this, its own retries included. */
const REQUEST_MS_MAX = 4_000;

export class SimKafka {
  readonly world: World;
  readonly group: GroupCoordinator;
  /** Of every topic as it is now. */
  readonly logs: PartitionLog[];
  /** Those, and those of topics that were deleted. */
  readonly incarnations: PartitionLog[];
  /** Topics that do not exist for a while. */
  readonly deleted = new Set<string>();
  down = false;
  /** Names of processes that reach no broker. */
  readonly unreachableFor = new Set<string>();
  #members = 0;

  constructor(world: World, logs: readonly PartitionLog[]) {
    this.world = world;
    this.logs = [...logs];
    this.incarnations = [...logs];
    this.group = new GroupCoordinator(this);
  }

  reaches(process: SimProcess): boolean {
    return !this.down && !this.unreachableFor.has(process.name);
  }

  /** Deletes a topic, with the group's offsets of it as brokers do, and creates it anew after a while. */
  createAgain(topic: string, topicId: string, afterMs: number): void {
    this.deleted.add(topic);
    for (const [i, log] of this.logs.entries()) {
      if (log.topic !== topic) continue;
      log.delete();
      this.group.offsets.delete(`${topic}/${log.partition}`);
      const again = new PartitionLog(topic, topicId, log.partition);
      this.logs[i] = again;
      this.incarnations.push(again);
    }
    this.world.time.after(afterMs, () => this.deleted.delete(topic));
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

  #fetch({ topic, partition, offset, bytesMax }: FetchQuestion): FetchedLog | undefined {
    return this.deleted.has(topic) ? undefined : this.log(topic, partition)?.fetch(offset, bytesMax);
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
              errorCode: this.deleted.has(topic) ? UNKNOWN_TOPIC : 0,
              topicId: logs[0]?.topicId ?? '',
              internal: false,
              partitions: logs.map(({ partition, leaderEpoch }) => ({ partition, leaderEpoch })),
            })),
        ),
      logs: (topics) =>
        ask(() =>
          this.logs
            .filter(({ topic }) => topics.includes(topic) && !this.deleted.has(topic))
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
      topicIds: (partitions) =>
        ask(() => {
          const there = partitions.filter(({ topic }) => !this.deleted.has(topic));
          const idOf = (slot: TopicPartition) => this.log(slot.topic, slot.partition)?.topicId ?? '';
          return new Map(there.map((slot) => [slotKey(slot), idOf(slot)]));
        }),
      topicIdsEverywhere: (topic) =>
        ask(() => {
          const named = this.deleted.has(topic) ? [] : this.logs.filter((log) => log.topic === topic);
          return new Set(named.map(({ topicId }) => topicId));
        }),
      epochEnds: (questions) =>
        ask(() =>
          questions.flatMap(({ topic, partition, leaderEpoch, currentEpoch }) => {
            const log = this.log(topic, partition);
            if (log === undefined || this.deleted.has(topic)) return [];
            const errorCode = currentEpoch === log.leaderEpoch ? 0 : FENCED_LEADER_EPOCH;
            return [{ topic, partition, errorCode, ...log.endOf(leaderEpoch) }];
          }),
        ),
      checkGroup: () => ask(() => undefined),
      fetch: (questions) =>
        ask(() => questions.map((question) => ({ question, found: this.#fetch(question) }))).then((answers) =>
          answers.map(({ question: { topic, partition }, found }) => {
            if (found === undefined)
              throw new SluiceError('KAFKA_UNREACHABLE', 'the offset is outside the log', { place: topic });
            const { set, aborted, bounds } = found;
            return { topic, partition, fetch: { batches: walkRecordSet(set, aborted), bounds } };
          }),
        ),
      close: () => Promise.resolve(),
    };
  }
}
