// Where Kafka's logs begin and end, asked of one agent over its stream: each question has a number, and a
// time behind which nobody hears its answer.
import type { Logs, Look } from '@sluice/proto/gen/sluice/v1/link.ts';
import { partitionFromWire } from '@sluice/proto/wire.ts';
import { type Clock, within } from '@sluice/shared/clock.ts';
import type { PartitionLog } from '../contracts.ts';

/** undefined where the agent did not answer in time. */
export type LookAnswer = readonly PartitionLog[] | undefined;

export class LogQuestions {
  readonly #clock: Clock;
  readonly #send: (question: Look) => void;
  readonly #waiting = new Map<number, (answer: LookAnswer) => void>();
  #asked = 0;

  constructor(clock: Clock, send: (question: Look) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  async ask(waitMs: number): Promise<LookAnswer> {
    const question = ++this.#asked;
    const { promise, resolve } = Promise.withResolvers<LookAnswer>();
    this.#waiting.set(question, resolve);
    this.#send({ question });
    await within(this.#clock, waitMs, promise);
    this.#waiting.delete(question);
    resolve(undefined);
    return await promise;
  }

  /** Of the topics that it may send. */
  answered({ question, partitions }: Logs, topics: ReadonlySet<string>): void {
    const own = partitions.filter(({ topic }) => topics.has(topic));
    const logs = own.map(({ logStart, logEnd, ...id }) => ({ ...partitionFromWire(id), logStart, logEnd }));
    this.#waiting.get(question)?.(logs);
  }

  /** The stream is over. */
  close(): void {
    for (const answer of this.#waiting.values()) answer(undefined);
  }
}
