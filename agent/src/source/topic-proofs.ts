// Whether what was fetched is of the topic that it is taken for. A fetch names its topic by name alone, and
// between two of them the topic may be deleted and created again. Ids are never used twice: where the id was
// this one before the fetch and is still this one after it, it was this one all the while. So whoever is
// about to keep what was fetched asks here first, and the leader of the partition, which has answered the
// fetch, is asked afterwards. No clock decides anything.
import type { Clock } from '@sluice/shared/clock.ts';
import { describeError } from '@sluice/shared/errors.ts';
import { NO_TOPIC_ID, type PartitionId, slotKey } from '@sluice/shared/position.ts';
import type { Events } from '../events.ts';
import type { KafkaCluster } from './kafka-cluster.ts';
import type { SourceTiming } from './source-timing.ts';

export interface TopicProofsOptions {
  readonly cluster: Pick<KafkaCluster, 'topicIds'>;
  readonly clock: Clock;
  readonly events: Pick<Events, 'sourceTopicNotProven'>;
  readonly timing: Pick<SourceTiming, 'proofPauseMs' | 'proofRetryMs'>;
  readonly signal: AbortSignal;
  /** Some topic is another one, or there is none now. */
  readonly describe: () => void;
}

interface Question {
  readonly id: PartitionId;
  readonly answer: (isStill: boolean) => void;
}

export class TopicProofs {
  readonly #options: TopicProofsOptions;
  /** In the order in which they were asked, which is the order of the answers. */
  #waiting: Question[] = [];
  #asking: Promise<void> | undefined;

  constructor(options: TopicProofsOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => {
      for (const { answer } of this.#waiting.splice(0)) answer(false);
    });
  }

  /** Never rejects. False also where nobody will know any more. */
  isStill(id: PartitionId): Promise<boolean> {
    if (this.#options.signal.aborted) return Promise.resolve(false);
    return new Promise((answer) => {
      this.#waiting.push({ id, answer });
      this.#asking ??= this.#ask();
    });
  }

  /** When all that was asked so far is answered. */
  async settled(): Promise<void> {
    while (this.#asking !== undefined && this.#waiting.length > 0) await this.#asking;
    await this.#asking;
  }

  async #ask(): Promise<void> {
    const { signal, clock, timing } = this.#options;
    // What is asked in the same turn is one question.
    await Promise.resolve();
    while (this.#waiting.length > 0 && !signal.aborted) {
      const isAnswered = await this.#askOnce(this.#waiting.splice(0));
      if (this.#waiting.length > 0)
        await clock.sleep(isAnswered ? timing.proofPauseMs : timing.proofRetryMs, signal);
    }
    this.#asking = undefined;
  }

  async #askOnce(asked: readonly Question[]): Promise<boolean> {
    const { cluster, events, describe, signal } = this.#options;
    try {
      const slots = new Map(
        asked.map(({ id }) => [slotKey(id), { topic: id.topic, partition: id.partition }]),
      );
      const ids = await cluster.topicIds([...slots.values()]);
      const isSame = ({ id }: Question) => ids.get(slotKey(id)) === id.topicId;
      if (!asked.every(isSame)) describe();
      for (const question of asked) question.answer(isSame(question) && !signal.aborted);
      return true;
    } catch (error) {
      if (signal.aborted) for (const { answer } of asked) answer(false);
      else this.#waiting.unshift(...asked);
      events.sourceTopicNotProven(describeError(error));
      return false;
    }
  }
}

/** As Source.isGone. Where brokers know no ids, one name is one topic. */
export async function isGone(
  cluster: Pick<KafkaCluster, 'topicIdsEverywhere'>,
  { topic, topicId }: PartitionId,
): Promise<boolean> {
  const ids = (await cluster.topicIdsEverywhere(topic).catch(() => undefined)) ?? new Set();
  const areKnown = ids.size > 0 && !ids.has(NO_TOPIC_ID) && topicId !== NO_TOPIC_ID;
  return areKnown && !ids.has(topicId);
}
