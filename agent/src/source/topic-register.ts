// Which topics the selections mean, as far as Kafka knew when it was asked last: present, missing, and
// created again since. A topic's id decides that; without ids (brokers before 2.8) a topic that was missing
// once is another one.
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import type { TopicSelection } from '../contracts.ts';
import { selects } from '../topic-selections.ts';
import type { TopicMetadata } from './metadata-request.ts';

export interface TopicChanges {
  /** Whether the set of topics to subscribe to is another one. */
  readonly changed: boolean;
  readonly newlyMissing: readonly string[];
  readonly createdAgain: readonly { topic: string; before: string; now: string }[];
}

const GONE = 'gone';

export class TopicRegister {
  readonly #selections: readonly TopicSelection[];
  readonly #ids = new Map<string, string>();
  readonly #present = new Set<string>();
  readonly #missing = new Set<string>();
  /** Created again, and the handler was not told yet. */
  readonly #untold = new Set<string>();
  #subscribed: ReadonlySet<string> = new Set();

  constructor(selections: readonly TopicSelection[]) {
    this.#selections = selections;
  }

  /** What to ask: all topics where a pattern may take any. */
  question(): readonly string[] | undefined {
    if (this.#selections.some(({ kind }) => kind === 'pattern')) return undefined;
    return this.#named();
  }

  /** Whether asking again may bring topics that are not read yet. */
  mayGrow(): boolean {
    return this.#missing.size > 0 || this.question() === undefined || this.hasUnsubscribed();
  }

  /** What a session reads, from its start to its end. */
  subscribe(): readonly string[] {
    const topics = this.present();
    this.#subscribed = new Set(topics);
    return topics;
  }

  /** A topic came that the session does not read: any answer may have been the first to say so. */
  hasUnsubscribed(): boolean {
    return this.present().some((topic) => !this.#subscribed.has(topic));
  }

  present(): readonly string[] {
    return [...this.#present].sort();
  }

  missing(): readonly string[] {
    return [...this.#missing].sort();
  }

  describe(): string {
    return this.#selections.map((one) => (one.kind === 'name' ? one.name : String(one.pattern))).join(', ');
  }

  /**
   * An answer about all topics says of each named one that is absent that it is missing; so does an error
   * code.
   */
  update(answer: readonly TopicMetadata[]): TopicChanges {
    const before = this.present().join();
    const newlyMissing: string[] = [];
    const createdAgain: { topic: string; before: string; now: string }[] = [];
    for (const { topic, errorCode, topicId, internal } of answer) {
      if (internal || !this.#selections.some((selection) => selects(selection, topic))) continue;
      if (errorCode !== 0) {
        this.#lost(topic, newlyMissing);
        continue;
      }
      this.#missing.delete(topic);
      this.#present.add(topic);
      const known = this.#ids.get(topic);
      this.#ids.set(topic, topicId);
      if (known === undefined || known === topicId) continue;
      this.#untold.add(topic);
      createdAgain.push({ topic, before: known, now: topicId });
    }
    this.#noteAbsent(answer, newlyMissing);
    return { changed: before !== this.present().join(), newlyMissing, createdAgain };
  }

  isUntold(topic: string): boolean {
    return this.#untold.has(topic);
  }

  told(topic: string): void {
    this.#untold.delete(topic);
  }

  #named(): string[] {
    return this.#selections.flatMap((selection) => (selection.kind === 'name' ? [selection.name] : []));
  }

  #noteAbsent(answer: readonly TopicMetadata[], newlyMissing: string[]): void {
    if (this.question() !== undefined) return;
    const answered = new Set(answer.map(({ topic }) => topic));
    // Answers about assigned topics only are a subset of what is present: nothing can be concluded from them.
    if (answer.every(({ topic }) => this.#present.has(topic)) && answered.size < this.#present.size) return;
    for (const topic of this.#named()) if (!answered.has(topic)) this.#lost(topic, newlyMissing);
  }

  #lost(topic: string, newlyMissing: string[]): void {
    if (!this.#missing.has(topic)) newlyMissing.push(topic);
    this.#missing.add(topic);
    this.#present.delete(topic);
    if (this.#ids.get(topic) === NO_TOPIC_ID) this.#ids.set(topic, GONE);
  }
}
