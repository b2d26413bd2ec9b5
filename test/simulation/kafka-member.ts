// A group member with kafkajs's habits: it fetches what is assigned and not paused, forgets seeks and pauses
// with its life, joins again when a heartbeat says so, may resolve a commit that it did not send, and dies of
// a cluster that is gone.
import type {
  GroupMember,
  GroupOffset,
  MemberListener,
  TopicPartition,
} from '@sluice/agent/source/kafka-client.ts';
import { walkRecordSet } from '@sluice/agent/source/record-set.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import type { SimKafka } from './kafka.ts';
import type { FetchedLog, PartitionLog } from './kafka-log.ts';
import type { SimProcess } from './process.ts';

const FETCH_WAIT_MS = 500;
const FETCH_BYTES_MAX = 4_096;
/** Who asks again within this has asked on: a request that waited was answered by the deletion. */
const ASKS_ON_MS = 1_500;

export interface SimMemberOptions {
  readonly kafka: SimKafka;
  readonly process: SimProcess;
  readonly listener: MemberListener;
  readonly id: string;
  readonly sessionTimeoutMs: number;
}

interface Reading {
  readonly slot: TopicPartition;
  /** As it was when it was asked for last. */
  log: PartitionLog | undefined;
  askedMs: number;
  position: number | undefined;
  paused: boolean;
  /**
   * How often it was sought: answers from before are not taken, and what is sought while one is taken wins.
   */
  seeks: number;
}

interface Fetched {
  readonly reading: Reading;
  readonly offset: number;
  readonly seeks: number;
  readonly found: FetchedLog | undefined;
}

const keyOf = ({ topic, partition }: TopicPartition) => `${topic}/${partition}`;

export class SimGroupMember implements GroupMember {
  readonly #options: SimMemberOptions;
  readonly #paused = new Set<string>();
  #readings = new Map<string, Reading>();
  #topics: readonly string[] = [];
  #generation = -1;
  #state: 'new' | 'joining' | 'running' | 'over' = 'new';
  /** Fetch loops of an earlier assignment end by this. */
  #loop = 0;

  constructor(options: SimMemberOptions) {
    this.#options = options;
  }

  async start(topics: readonly string[]): Promise<void> {
    this.#topics = topics;
    const { kafka, process } = this.#options;
    await kafka.request(process, () => undefined);
    if (this.#state === 'over') return;
    await this.#join();
    this.#beatSoon();
  }

  async #join(): Promise<void> {
    const { kafka, process, id, sessionTimeoutMs } = this.#options;
    this.#state = 'joining';
    this.#loop++;
    await kafka.request(process, () => {
      if (this.#state === 'over') return;
      const assigned = (generation: number, partitions: readonly TopicPartition[]) =>
        process.after(kafka.world.network.latencyMs(), () => this.#assigned(generation, partitions));
      kafka.group.join({ id, sessionTimeoutMs, assigned }, this.#topics);
    });
  }

  #assigned(generation: number, dealt: readonly TopicPartition[]): void {
    if (this.#state === 'over' || generation <= this.#generation) return;
    // As kafkajs does: the leader deals out its own topics, and whoever has not subscribed to one leaves it.
    const partitions = dealt.filter(({ topic }) => this.#topics.includes(topic));
    this.#generation = generation;
    this.#state = 'running';
    this.#readings = new Map(
      partitions.map((slot) => {
        const paused = this.#paused.has(keyOf(slot));
        const log = this.#options.kafka.log(slot.topic, slot.partition);
        return [keyOf(slot), { slot, log, askedMs: 0, position: undefined, paused, seeks: 0 }];
      }),
    );
    const { listener, process, kafka } = this.#options;
    process.say(`assigned ${partitions.map(keyOf).join(' ') || 'nothing'}, generation ${generation}`);
    listener.joined(partitions);
    for (const { slot, position, paused } of this.#readings.values())
      if (position === undefined && !paused)
        kafka.world.violated(`${keyOf(slot)} was neither sought nor paused when it was assigned`);
    this.#fetchSoon(++this.#loop, 0);
  }

  #beatSoon(): void {
    const { kafka, process, listener, id, sessionTimeoutMs } = this.#options;
    process.after(sessionTimeoutMs / 5, () => {
      if (this.#state === 'over') return;
      const generation = this.#generation;
      kafka
        .request(process, () => kafka.group.beat(id, generation))
        .then((answer) => {
          if (this.#state === 'over') return undefined;
          this.#beatSoon();
          const isNews = this.#state === 'running' && generation === this.#generation;
          return answer === 'unknown' || (answer === 'rebalancing' && isNews) ? this.#join() : undefined;
        })
        .catch((error: SluiceError) => this.#crash(listener, error));
    });
  }

  #crash(listener: MemberListener, error: SluiceError): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.#loop++;
    this.#options.kafka.world.trace.count('kafka client crashed');
    listener.crashed(error);
  }

  #fetchSoon(loop: number, delayMs: number): void {
    const { process } = this.#options;
    process.after(delayMs, () => {
      if (loop !== this.#loop) return;
      const asked = [...this.#readings.values()].filter((r) => !r.paused && r.position !== undefined);
      if (asked.length === 0) {
        this.#options.listener.fetchEnded();
        this.#fetchSoon(loop, FETCH_WAIT_MS);
      } else this.#fetch(loop, asked);
    });
  }

  #fetch(loop: number, asked: readonly Reading[]): void {
    const { kafka, process, listener } = this.#options;
    const questions = asked.map((reading) => {
      return { reading, offset: reading.position ?? 0, seeks: reading.seeks };
    });
    kafka
      .request(process, () =>
        questions.map((question): Fetched => {
          const { topic, partition } = question.reading.slot;
          const found = kafka.log(topic, partition)?.fetch(question.offset, FETCH_BYTES_MAX);
          return { ...question, found };
        }),
      )
      .then((answers) => {
        if (loop !== this.#loop) return;
        const gone = asked.find((reading) => this.#isGone(reading));
        if (gone !== undefined) {
          this.#crash(listener, new SluiceError('KAFKA_TOPIC_UNKNOWN', `${gone.slot.topic} is gone`));
          return;
        }
        for (const answer of answers) this.#take(answer);
        listener.fetchEnded();
        const brought = answers.some(({ found }) => (found?.set.length ?? 0) > 0);
        this.#fetchSoon(loop, brought ? 0 : FETCH_WAIT_MS);
      })
      .catch((error: SluiceError) => this.#crash(listener, error));
  }

  /** Whoever asks all the time hears that a topic is deleted. Who was paused reads what has its name now. */
  #isGone(reading: Reading): boolean {
    const { kafka } = this.#options;
    const { topic, partition } = reading.slot;
    const [log, nowMs] = [kafka.log(topic, partition), kafka.world.time.nowMs];
    const isOther = log !== reading.log && nowMs - reading.askedMs < ASKS_ON_MS;
    Object.assign(reading, { log, askedMs: nowMs });
    return isOther || kafka.deleted.has(topic);
  }

  #take({ reading, offset, seeks, found }: Fetched): void {
    const { listener, kafka } = this.#options;
    const { slot } = reading;
    // Paused or sought while the answer was on its way.
    if (this.#readings.get(keyOf(slot)) !== reading || reading.paused || reading.seeks !== seeks) return;
    if (found === undefined) {
      this.#pause(slot);
      listener.outOfRange(slot);
      return;
    }
    const aborted = kafka.world.sabotage === 'aborted records leak' ? [] : found.aborted;
    const batches = walkRecordSet(found.set, aborted);
    const last = listener.fetched(slot, { batches, bounds: found.bounds }, offset);
    if (last !== undefined && reading.seeks === seeks) reading.position = last + 1;
  }

  seek(slot: TopicPartition, offset: number): void {
    const reading = this.#readings.get(keyOf(slot));
    if (reading === undefined) return;
    reading.position = offset;
    reading.seeks++;
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const slot of partitions) this.#pause(slot);
  }

  #pause(slot: TopicPartition): void {
    this.#paused.add(keyOf(slot));
    const reading = this.#readings.get(keyOf(slot));
    if (reading !== undefined) reading.paused = true;
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const slot of partitions) {
      this.#paused.delete(keyOf(slot));
      const reading = this.#readings.get(keyOf(slot));
      if (reading !== undefined) reading.paused = false;
    }
  }

  async commit(offsets: readonly GroupOffset[]): Promise<void> {
    const { kafka, process, listener, id } = this.#options;
    // As kafkajs does while its runner is not running: it resolves, and nothing was sent.
    if (this.#state !== 'running') return;
    const generation = this.#generation;
    const sent = kafka.world.sabotage === 'group offset runs ahead' ? this.#ahead(offsets) : offsets;
    const done = await kafka.request(process, () => kafka.group.commit(id, generation, sent));
    if (!done) throw new SluiceError('KAFKA_UNREACHABLE', 'the generation is over');
    if (!this.#isOver()) listener.committed(offsets);
  }

  #isOver(): boolean {
    return this.#state === 'over';
  }

  /** What is read, and not what is committed. */
  #ahead(offsets: readonly GroupOffset[]): GroupOffset[] {
    return offsets.map((offset) => {
      const nextOffset = this.#readings.get(keyOf(offset))?.position ?? offset.nextOffset;
      return { ...offset, nextOffset: Math.max(offset.nextOffset, nextOffset) };
    });
  }

  async stop(): Promise<void> {
    const { kafka, process, id } = this.#options;
    this.#state = 'over';
    this.#loop++;
    await kafka.request(process, () => kafka.group.leave(id));
  }
}
