// Which topics there are, asked before each session and, where more may come, now and then. What was created
// again is told at once, and what was committed of it is forgotten.
import type { Clock } from '@sluice/shared/clock.ts';
import { describeError } from '@sluice/shared/errors.ts';
import type { Events } from '../events.ts';
import type { GroupCommits } from './group-commits.ts';
import type { KafkaCluster } from './kafka-cluster.ts';
import type { SourceTiming } from './source-timing.ts';
import type { TopicRegister } from './topic-register.ts';

export interface TopicPollOptions {
  readonly cluster: KafkaCluster;
  readonly register: TopicRegister;
  readonly commits: GroupCommits;
  readonly clock: Clock;
  readonly events: Events;
  readonly timing: SourceTiming;
}

export class TopicPoll {
  readonly #options: TopicPollOptions;
  #atMs = 0;
  #polling = false;

  constructor(options: TopicPollOptions) {
    this.#options = options;
  }

  /** Whether the topics to subscribe to are others now. */
  async find(): Promise<boolean> {
    const { cluster, register, commits, clock, events, timing } = this.#options;
    const found = register.update(await cluster.topics(register.question()));
    this.#atMs = clock.monotonicMs() + timing.topicPollMs;
    if (found.newlyMissing.length > 0) events.sourceTopicsMissing(found.newlyMissing);
    for (const again of found.createdAgain) {
      commits.forgetTopic(again.topic);
      events.sourceTopicCreatedAgain(again);
    }
    return found.changed || register.hasUnsubscribed();
  }

  /** Never rejects. */
  async whenDue(nowMs: number, changed: () => void): Promise<void> {
    const { register, events, timing } = this.#options;
    if (this.#polling || nowMs < this.#atMs || !register.mayGrow()) return;
    this.#polling = true;
    try {
      if (!(await this.find())) return;
      events.sourceTopicsChanged(register.present());
      changed();
    } catch (error) {
      this.#atMs = nowMs + timing.topicPollMs;
      events.sourceLookupFailed(describeError(error));
    } finally {
      this.#polling = false;
    }
  }
}
