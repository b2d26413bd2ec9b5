// Kafka as the agent's source. One session after the other: find the topics, join the group, hand over
// batches, until the client crashes, the topics change or the source stops; then the next one, after a
// back-off. Positions, pauses and commits are ours and survive sessions. Promises: no batch twice below its
// position, none skipped without a gap, no offset ever reset. Where a partition begins is for the handler to
// decide.
import { type Cancel, type Clock, within } from '@sluice/shared/clock.ts';
import { describeError, SluiceError } from '@sluice/shared/errors.ts';
import { type LogPlace, type PartitionId, partitionName, slotKey } from '@sluice/shared/position.ts';
import type { Random } from '@sluice/shared/random.ts';
import type {
  KafkaSettings,
  SoughtPartition,
  Source,
  SourceBatch,
  SourceHandler,
  SourceStatus,
  TopicSelection,
} from '../contracts.ts';
import type { Events } from '../events.ts';
import { usableBatches } from './damaged-batches.ts';
import type { PartitionFetch } from './fetch-response.ts';
import { GroupCommits } from './group-commits.ts';
import { type KafkaAdapter, kafkajsAdapter } from './kafka-adapter.ts';
import { type GroupMember, kafkaError, type MemberListener, type TopicPartition } from './kafka-client.ts';
import type { KafkaCluster } from './kafka-cluster.ts';
import { LogChecks } from './log-checks.ts';
import { currentLogs, PartitionDescriber } from './partition-describer.ts';
import {
  AWAITS_POSITION,
  CREATED_AGAIN,
  DAMAGED,
  isOfOtherTopic,
  noteBounds,
  OUT_OF_RANGE,
  type PartitionRow,
  PartitionTable,
} from './partition-table.ts';
import { copyBatches } from './record-set.ts';
import { restartDelayMs, SOURCE_TIMING, type SourceTiming } from './source-timing.ts';
import { TopicPoll } from './topic-poll.ts';
import { isGone, TopicProofs } from './topic-proofs.ts';
import { TopicRegister } from './topic-register.ts';

export interface KafkaSourceOptions {
  readonly kafka: KafkaSettings;
  readonly topics: readonly TopicSelection[];
  readonly events: Events;
  readonly clock: Clock;
  readonly random: Random;
  readonly timing?: Partial<SourceTiming>;
  /** false: the group's offsets are neither read nor written. Default true. */
  readonly commitOffsets?: boolean;
  readonly adapter?: KafkaAdapter;
}

export function createKafkaSource(options: KafkaSourceOptions): Source {
  return new KafkaSource(options);
}

/** Why a session ended. Without an error the next one starts at once. */
type SessionEnd = { readonly error: SluiceError | undefined };

class KafkaSource implements Source {
  readonly #options: KafkaSourceOptions;
  readonly #timing: SourceTiming;
  readonly #clock: Clock;
  readonly #events: Events;
  readonly #adapter: KafkaAdapter;
  readonly #cluster: KafkaCluster;
  readonly #table = new PartitionTable();
  readonly #commits = new GroupCommits();
  readonly #register: TopicRegister;
  readonly #describer: PartitionDescriber;
  readonly #checks: LogChecks;
  readonly #topicPoll: TopicPoll;
  readonly #proofs: TopicProofs;
  readonly #stopping = new AbortController();
  #handler: SourceHandler | undefined;
  #state: SourceStatus['state'] = 'starting';
  #reason: string | undefined = 'not started';
  #member: GroupMember | undefined;
  #endSession: (end: SessionEnd) => void = () => undefined;
  #life: Promise<void> = Promise.resolve();
  #cancelTick: Cancel = () => undefined;
  #lastFetchMs: number | undefined;
  /** Monotonic ms of the last sign of life: session start, join or fetch round. */
  #aliveMs = 0;
  #committing = false;

  constructor(options: KafkaSourceOptions) {
    this.#options = options;
    this.#timing = { ...SOURCE_TIMING, ...options.timing };
    this.#clock = options.clock;
    this.#events = options.events;
    this.#adapter = options.adapter ?? kafkajsAdapter;
    this.#cluster = this.#adapter.cluster(options.kafka, options.events.kafkaClientLogged);
    this.#register = new TopicRegister(options.topics);
    const shared = {
      ...{ cluster: this.#cluster, table: this.#table, clock: this.#clock, events: this.#events },
      timing: this.#timing,
      applyPause: (rows: readonly PartitionRow[]) => this.#applyPause(rows),
      handler: () => this.#handler,
    };
    this.#topicPoll = new TopicPoll({ ...shared, register: this.#register, commits: this.#commits });
    const describe = () => this.#describer.now();
    this.#checks = new LogChecks({ ...shared, describe });
    this.#proofs = new TopicProofs({ ...shared, describe, signal: this.#stopping.signal });
    this.#describer = new PartitionDescriber({
      ...shared,
      register: this.#register,
      commits: this.#commits,
      readsGroupOffsets: options.commitOffsets ?? true,
      checks: this.#checks,
      seek: (row, offset) => this.seek(row, offset, row.readEpoch),
    });
  }

  /** Resolves at once: a cluster that is down is waited for, and `status` says so. */
  async start(handler: SourceHandler): Promise<void> {
    this.#adapter.prepare(this.#clock);
    this.#handler = handler;
    this.#reason = 'connecting';
    this.#life = this.#live();
    this.#tick();
  }

  async stop(): Promise<void> {
    await within(this.#clock, this.#timing.proofRetryMs, this.#proofs.settled());
    await this.#within(this.#flushCommits());
    this.#stopping.abort();
    this.#cancelTick();
    this.#endSession({ error: undefined });
    await this.#within(this.#life);
    this.#handler = undefined;
    this.#table.clear();
    this.#state = 'stopped';
    this.#reason = undefined;
    await this.#within(this.#cluster.close());
  }

  isStill(partition: PartitionId): Promise<boolean> {
    return this.#proofs.isStill(partition);
  }

  seek(partition: SoughtPartition, offset: number, leaderEpoch = -1): void {
    const row = this.#table.row(partition);
    if (row === undefined || isOfOtherTopic(row, partition)) return;
    // Who does not know what lies before forgets nothing of what was read up to there.
    if (offset !== row.position || leaderEpoch >= 0) row.readEpoch = leaderEpoch;
    row.position = offset;
    row.idleSinceMs = undefined;
    row.beyondEndTold = false;
    row.waits.clear();
    this.#member?.seek(partition, offset);
    this.#applyPause([row]);
  }

  prove(partition: SoughtPartition, places: readonly LogPlace[]): void {
    const row = this.#table.row(partition);
    const { topicId } = partition;
    if (row !== undefined && !isOfOtherTopic(row, partition)) this.#checks.prove(row, places);
    else if (topicId !== undefined) this.#checks.proveOther({ ...partition, topicId }, places);
  }

  hold(topic: string, why: string): void {
    if (this.#table.hold(topic, why)) this.#applyPause(this.#table.rowsOf(topic));
  }

  release(topic: string, why: string): void {
    if (this.#table.release(topic, why)) this.#applyPause(this.#table.rowsOf(topic));
  }

  holdAll(why: string): void {
    if (this.#table.holdAll(why)) this.#applyPause(this.#table.rows());
  }

  releaseAll(why: string): void {
    if (this.#table.releaseAll(why)) this.#applyPause(this.#table.rows());
  }

  pass(partition: TopicPartition, reasons: readonly string[]): void {
    const row = this.#table.row(partition);
    if (row === undefined || String(reasons) === String([...row.passes])) return;
    row.passes = new Set(reasons);
    this.#applyPause([row]);
  }

  commit(offsets: readonly { topic: string; partition: number; nextOffset: number }[]): void {
    if (this.#options.commitOffsets ?? true) this.#commits.want(offsets);
  }

  readonly isGone: Source['isGone'] = (partition) => isGone(this.#cluster, partition);
  readonly logs: Source['logs'] = () => currentLogs(this.#cluster, this.#table);

  status(): SourceStatus {
    const missing = this.#register.missing();
    const reason =
      this.#reason ?? (missing.length > 0 ? `topics do not exist: ${missing.join(', ')}` : undefined);
    return { state: this.#state, reason, lastFetchMs: this.#lastFetchMs, partitions: this.#table.status() };
  }

  async #live(): Promise<void> {
    for (let failures = 0; !this.#stopping.signal.aborted; ) {
      const startedMs = this.#clock.monotonicMs();
      const { error } = await this.#session();
      if (this.#stopping.signal.aborted) return;
      this.#state = this.#state === 'starting' ? 'starting' : 'restarting';
      if (error === undefined) {
        failures = 0;
        continue;
      }
      failures = (this.#lastFetchMs ?? -1) > startedMs ? 1 : failures + 1;
      this.#reason = describeError(error);
      const delayMs = restartDelayMs(this.#timing, failures, this.#options.random.fraction());
      this.#events.sourceRestarting({ code: error.code, reason: this.#reason, delayMs });
      await this.#clock.sleep(delayMs, this.#stopping.signal);
    }
  }

  /** One life of the client. Never rejects. */
  async #session(): Promise<SessionEnd> {
    const ended = Promise.withResolvers<SessionEnd>();
    this.#endSession = ended.resolve;
    this.#aliveMs = this.#clock.monotonicMs();
    let member: GroupMember | undefined;
    try {
      await this.#topicPoll.find();
      const topics = this.#register.subscribe();
      if (topics.length === 0) {
        throw new SluiceError(
          'KAFKA_TOPIC_UNKNOWN',
          `none of the topics exists: ${this.#register.describe()}`,
        );
      }
      await this.#cluster.checkGroup();
      if (this.#stopping.signal.aborted) return { error: undefined };
      member = this.#adapter.member(this.#options.kafka, this.#listener(ended.resolve));
      this.#member = member;
      this.#aliveMs = this.#clock.monotonicMs();
      member.start(topics).catch((error: unknown) => ended.resolve({ error: kafkaError(error) }));
      return await ended.promise;
    } catch (error) {
      return { error: kafkaError(error) };
    } finally {
      this.#member = undefined;
      if (member !== undefined) await this.#within(member.stop());
    }
  }

  async #within(work: Promise<void>): Promise<void> {
    await within(
      this.#clock,
      this.#timing.stopMaxMs,
      work.catch(() => undefined),
    );
  }

  #listener(end: (end: SessionEnd) => void): MemberListener {
    const guarded = (place: string, task: () => void) => {
      try {
        task();
      } catch (error) {
        this.#events.sourceHandlerFailed({ place, reason: describeError(error) });
        end({ error: new SluiceError('KAFKA_UNREACHABLE', `${place} failed`, { cause: error }) });
      }
    };
    return {
      joined: (partitions) => guarded('the assignment', () => this.#joined(partitions)),
      fetched: (partition, fetch, fetchedOffset) => {
        let last: number | undefined;
        guarded(partitionName(partition), () => {
          last = this.#fetched(partition, fetch, fetchedOffset);
        });
        return last;
      },
      fetchEnded: () => {
        this.#lastFetchMs = this.#clock.monotonicMs();
        this.#aliveMs = this.#lastFetchMs;
      },
      outOfRange: (partition) => this.#outOfRange(partition),
      committed: (offsets) => {
        this.#commits.confirmed(offsets);
        for (const offset of offsets) {
          const row = this.#table.row(offset);
          if (row !== undefined) row.groupOffset = offset.nextOffset;
        }
      },
      crashed: (error) => end({ error }),
      logged: this.#events.kafkaClientLogged,
    };
  }

  /**
   * Inside GROUP_JOIN: whatever is not sought and paused before this returns is fetched from the group's
   * offset.
   */
  #joined(partitions: readonly TopicPartition[]): void {
    const rows = this.#table.assign(partitions, this.#options.topics);
    this.#commits.assigned();
    this.#state = 'running';
    this.#reason = undefined;
    this.#aliveMs = this.#clock.monotonicMs();
    const positions = this.#handler?.assigned(partitions) ?? new Map<string, LogPlace | undefined>();
    for (const row of rows) {
      const again = this.#register.isUntold(row.topic);
      const place = again ? undefined : positions.get(slotKey(row));
      Object.assign(row, { position: place?.offset, readEpoch: place?.leaderEpoch ?? -1 });
      if (row.position === undefined) row.waits.add(again ? CREATED_AGAIN : AWAITS_POSITION);
      else this.#member?.seek(row, row.position);
    }
    this.#applyPause(rows);
    this.#events.sourceJoined(rows.length);
    this.#describer.assigned();
  }

  #applyPause(rows: readonly PartitionRow[]): void {
    const flows = (row: PartitionRow) => this.#table.paused(row).length === 0;
    const resumed = rows.filter(flows);
    const paused = rows.filter((row) => !flows(row));
    if (resumed.length > 0) this.#member?.resume(resumed);
    if (paused.length > 0) this.#member?.pause(paused);
  }

  #fetched(partition: TopicPartition, fetch: PartitionFetch, fetchedOffset: number): number | undefined {
    const row = this.#table.row(partition);
    const handler = this.#handler;
    if (row?.position === undefined || handler === undefined) return undefined;
    if (fetchedOffset !== row.position) {
      this.#member?.seek(partition, row.position);
      return undefined;
    }
    const { position } = row;
    const end = row.range?.to ?? Number.MAX_SAFE_INTEGER;
    const lacking = fetch.batches.filter(
      ({ baseOffset, lastOffset, damaged }) => (damaged || lastOffset >= position) && baseOffset < end,
    );
    const batches = this.#usable(row, lacking, fetch);
    if (batches[0] !== undefined && !this.#checks.accepts(row, batches[0])) return undefined;
    const last = batches.at(-1)?.lastOffset;
    if (last !== undefined) {
      const copied = copyBatches(batches);
      row.readEpoch = copied.at(-1)?.leaderEpoch ?? -1;
      handler.batches(partition, copied, fetch.bounds);
      // A handler that held or sought in there has the last word.
      if (row.position === position) row.position = last + 1;
      if (this.#table.isRead(row)) this.#applyPause([row]);
      const bytes = copied.reduce((total, batch) => total + batch.bytes.length, 0);
      const records = copied.reduce((total, batch) => total + (batch.kind === 'data' ? batch.count : 0), 0);
      this.#events.sourceFetched(partition.topic, bytes, records);
    }
    noteBounds(row, fetch.bounds, this.#clock.wallMs());
    return last;
  }

  #usable(row: PartitionRow, lacking: readonly SourceBatch[], { bounds }: PartitionFetch) {
    const { batches, seen, damage } = usableBatches(lacking, bounds, row);
    row.damageSeen = seen;
    if (damage === undefined) return batches;
    this.#events.sourceBatchDamaged({ topic: row.topic, partition: row.partition, ...damage });
    if (damage.fate === 'waits') row.waits.add(DAMAGED);
    this.#applyPause([row]);
    return batches;
  }

  #outOfRange(partition: TopicPartition): void {
    const row = this.#table.row(partition);
    if (row === undefined) return;
    row.waits.add(OUT_OF_RANGE);
    this.#describer.now();
  }

  #tick(): void {
    if (this.#stopping.signal.aborted) return;
    this.#cancelTick = this.#clock.after(this.#timing.tickMs, () => this.#tick());
    const nowMs = this.#clock.monotonicMs();
    if (this.#member === undefined) return;
    if (nowMs - this.#aliveMs > this.#timing.livenessMs) {
      const message = `no fetch round for ${Math.round((nowMs - this.#aliveMs) / 1000)} s`;
      this.#endSession({ error: new SluiceError('KAFKA_UNREACHABLE', message) });
      return;
    }
    void this.#flushCommits();
    void this.#topicPoll.whenDue(nowMs, () => this.#endSession({ error: undefined }));
    void this.#describer.whenDue();
    void this.#checks.whenDue();
  }

  async #flushCommits(): Promise<void> {
    const due = this.#commits.due((partition) => this.#table.row(partition) !== undefined);
    if (this.#committing || this.#member === undefined || due.length === 0) return;
    this.#committing = true;
    try {
      await this.#member.commit(due);
    } catch (error) {
      this.#events.sourceCommitFailed(describeError(error));
    } finally {
      this.#committing = false;
    }
  }
}
