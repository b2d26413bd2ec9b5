// Asks Kafka about the assigned partitions - after each join, when a position fell out of the log, and now
// and then - and acts on the answer: tells the handler what is new, turns a position before the log into a
// gap, and leaves one beyond it paused. A failed question is asked again; an answer about an assignment that
// is over is thrown away.
import type { Clock } from '@sluice/shared/clock.ts';
import type { LogBounds, SourceHandler } from '../contracts.ts';
import type { Events } from '../events.ts';
import type { GroupCommits } from './group-commits.ts';
import type { KafkaCluster } from './kafka-cluster.ts';
import type { LogChecks } from './log-checks.ts';
import { PacedQuestion } from './paced-question.ts';
import { applyLogs, applyTopics, describedLogs, type LookupOutcome } from './partition-lookup.ts';
import { type PartitionRow, type PartitionTable, partitionInfo } from './partition-table.ts';
import type { SourceTiming } from './source-timing.ts';
import type { TopicRegister } from './topic-register.ts';

export interface PartitionDescriberOptions {
  readonly cluster: KafkaCluster;
  readonly table: PartitionTable;
  readonly register: TopicRegister;
  readonly commits: GroupCommits;
  readonly clock: Clock;
  readonly events: Events;
  readonly timing: SourceTiming;
  readonly checks: Pick<LogChecks, 'leadersKnown' | 'beyondEnd'>;
  readonly readsGroupOffsets: boolean;
  readonly seek: (row: PartitionRow, offset: number) => void;
  readonly applyPause: (rows: readonly PartitionRow[]) => void;
  /** Undefined once the source has stopped. */
  readonly handler: () => SourceHandler | undefined;
}

export class PartitionDescriber {
  readonly #options: PartitionDescriberOptions;
  readonly #question: PacedQuestion;
  #assignment = 0;

  constructor(options: PartitionDescriberOptions) {
    this.#options = options;
    const { clock, events, table, timing } = options;
    this.#question = new PacedQuestion({
      ...{ clock, everyMs: timing.describeIntervalMs, retryMs: timing.describeRetryMs },
      isWanted: () => table.rows().length > 0,
      ask: () => this.#ask(),
      failed: events.sourceLookupFailed,
    });
  }

  /** The table holds another assignment. */
  assigned(): void {
    this.#assignment++;
    this.now();
  }

  now(): void {
    this.#question.now();
  }

  /** Never rejects. */
  whenDue(): Promise<void> {
    return this.#question.whenDue();
  }

  async #ask(): Promise<void> {
    const { cluster, table, register, commits, events, readsGroupOffsets } = this.#options;
    const assignment = this.#assignment;
    const topics = await cluster.topics(table.topics());
    const present = topics.filter(({ errorCode }) => errorCode === 0).map(({ topic }) => topic);
    const logs = await cluster.logs(present);
    const offsets = readsGroupOffsets ? await cluster.groupOffsets(table.rows()) : [];
    if (this.#options.handler() === undefined) return;
    if (assignment !== this.#assignment) {
      this.now();
      return;
    }
    for (const again of register.update(topics).createdAgain) {
      commits.forgetTopic(again.topic);
      events.sourceTopicCreatedAgain(again);
    }
    const stopped = applyTopics(table, topics, register);
    this.#options.applyPause(stopped);
    this.#act(applyLogs(table, logs, offsets), present);
    this.#options.checks.leadersKnown();
    if (present.length < topics.length) this.#question.soon();
  }

  #act(outcome: LookupOutcome, present: readonly string[]): void {
    const { table, register, commits, seek, handler } = this.#options;
    commits.confirmed(outcome.groupOffsets);
    commits.read(table.rows());
    for (const row of outcome.beyondEnd) this.#beyondEnd(row);
    for (const row of outcome.backInRange) seek(row, row.position ?? row.logStart);
    for (const row of outcome.behindStart) this.#gap(row);
    // A topic that is gone at the moment is not described: there is nothing to say of it.
    const news = table
      .rows()
      .filter(({ topic, logStart }) => present.includes(topic) && logStart >= 0)
      .filter((row) => row.toldIdentity !== identity(row) || row.position === undefined);
    for (const row of news) {
      row.toldIdentity = identity(row);
      register.told(row.topic);
    }
    if (news.length > 0) handler()?.described(news.map(partitionInfo));
  }

  #beyondEnd(row: PartitionRow): void {
    const { topic, partition, position, logEnd } = row;
    this.#question.soon();
    this.#options.checks.beyondEnd(row);
    if (row.beyondEndTold || position === undefined) return;
    row.beyondEndTold = true;
    this.#options.events.sourceBeyondEnd({ topic, partition, position, logEnd });
  }

  #gap(row: PartitionRow): void {
    const { topic, partition, position: startOffset, logStart: nextOffset } = row;
    if (startOffset === undefined) return;
    const reason = 'retention';
    // Nobody has read what lies before it now.
    row.readEpoch = -1;
    this.#options.seek(row, nextOffset);
    // Last, so that a handler that seeks elsewhere has its way.
    this.#options.handler()?.gap({ topic, partition }, startOffset, nextOffset, reason);
  }
}

function identity(row: PartitionRow): string {
  return `${row.topicId}/${row.leaderEpoch}`;
}

/** Where the logs begin and end now. */
export async function currentLogs(
  cluster: KafkaCluster,
  table: PartitionTable,
): Promise<readonly LogBounds[]> {
  const logs = await cluster.logs(table.topics());
  // Asked second: a topic that is still the one that was described was it before, too.
  return describedLogs(table, await cluster.topics(table.topics()), logs);
}
