// The agent: Kafka → segments → spool → link, put together. Stages meet here and nowhere else. What is read
// is spooled before it is sent; what is committed by the collector leaves the spool and is committed to the
// group; whoever cannot go on stops the one before.
import { type Clock, within } from '@sluice/shared/clock.ts';
import { describeError } from '@sluice/shared/errors.ts';
import type { HealthReport } from '@sluice/shared/ops-server.ts';
import { idOf, type LogPlace, type PartitionId, partitionKey } from '@sluice/shared/position.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import type { AgentConfig } from './config.ts';
import type {
  GapNotice,
  LogReader,
  SoughtPartition,
  Source,
  SourceHandler,
  Spool,
  SpoolCommit,
  SpoolPressure,
  Uplink,
  UplinkHandler,
} from './contracts.ts';
import type { Events } from './events.ts';
import { judgeHealth } from './ops/health.ts';
import { CutsUnderWay } from './positions/cuts-under-way.ts';
import { HistoryFeed } from './positions/history-feed.ts';
import { PartitionBook } from './positions/partition-book.ts';
import { ProvenSegments } from './positions/proven-segments.ts';
import { BEYOND_SHARE, RoomPasses, SPOOL_FULL } from './positions/room-passes.ts';
import { SendFeed } from './positions/send-feed.ts';
import { WaitingSpools } from './positions/waiting-spools.ts';
import { NO_PRESSURE } from './spool/pressure.ts';
import { createSegmenter, historySegmenter, type Segmenter } from './spool/segmenter.ts';
import { startsOf } from './topic-selections.ts';

/** Read from Kafka but not on disk yet: beyond it no topic is read on, below half of it all are again. */
const NOT_DURABLE_BYTES_MAX = 8 * 2 ** 20;

/** Of the time to stop, when what was read must be spooled: what is not is read again from Kafka. */
const SPOOL_SHARE = 0.3;
/** The same for the link to have ended: what is not committed by then stays in the spool. */
const LINK_SHARE = 0.9;

/** Why a topic is held, in the words of `status`. */
const DISK_SLOWER = 'the disk is slower than Kafka';
/** How it is known that a log was cut, where Kafka did not say it. */
const TABLE_KNOWS = 'a table stands there in a newer leader epoch';

type Named = Pick<ReadonlySet<string> | ReadonlyMap<string, string>, 'keys' | 'has'>;

export interface AgentParts {
  readonly config: AgentConfig;
  readonly source: Source;
  /** Reads what a collector asks for of the history. */
  readonly logReader: LogReader;
  readonly spool: Spool;
  readonly uplink: Uplink;
  readonly clock: Clock;
  readonly events: Events;
}

export interface Agent {
  start(): Promise<void>;
  /** Reads the link's certificates again. Throws TLS_FILES_UNUSABLE: nothing changes then. */
  reload(): void;
  /**
   * Leaves the group, spools what was read, half-closes the link and hears what is committed of what was
   * sent.
   */
  stop(graceMs: number): Promise<void>;
  report(): HealthReport;
}

export function createAgent(parts: AgentParts): Agent {
  return new RunningAgent(parts);
}

class RunningAgent implements Agent {
  readonly #parts: AgentParts;
  readonly #book: PartitionBook;
  readonly #feed: SendFeed;
  readonly #history: HistoryFeed;
  readonly #segmenter: Segmenter;
  readonly #proven: ProvenSegments;
  readonly #waiting: WaitingSpools;
  readonly #passes: RoomPasses;
  readonly #cuts = new CutsUnderWay();
  readonly #refused = new Map<string, string>();
  readonly #heldByCollector = new Map<string, string>();
  #pressure = NO_PRESSURE;
  #notDurableBytes = 0;
  #held = false;
  #stopping = false;

  constructor(parts: AgentParts) {
    this.#parts = parts;
    const { source, spool, uplink, config, clock, events } = parts;
    const spoolOf = (id: PartitionId) =>
      spool.status().partitions.find((p) => partitionKey(p) === partitionKey(id));
    this.#book = new PartitionBook({
      ...{ source, spoolOf, startAtOf: startsOf(config) },
      declare: (partitions) => uplink.assigned(partitions),
      revoke: (partitions) => {
        this.#history.drop(partitions);
        uplink.revoked(partitions);
      },
      refills: (id, isMissing) => this.#passes.pass(id, isMissing),
      positionMoved: (id) => this.#segmenter.reset(id),
      askedAgain: (id, offset) => this.#askedAgain(id, offset),
      finish: (id) => this.#segmenter.flush(id),
    });
    this.#history = new HistoryFeed({
      ...{ reader: parts.logReader, clock, events },
      segments: historySegmenter({ ...config.spool, clock }),
      wake: () => this.#feed.wake(),
    });
    this.#feed = new SendFeed(this.#book, {
      spool,
      clock,
      history: this.#history,
      onLost: (id, offset, error) => this.#lost(id, offset, error),
    });
    const states = () => this.#book.states();
    this.#waiting = new WaitingSpools({
      ...{ source, clock, events, spoolOf, states },
      found: () => this.#tellGaps(this.#book.gapsOfGone()),
      moved: () => this.#passes.look(),
    });
    this.#passes = new RoomPasses({ source, states, waiting: () => this.#waiting.all() });
    this.#proven = new ProvenSegments({
      source,
      onOther: (segment) => this.#book.lost(segment, segment.startOffset),
    });
    this.#segmenter = createSegmenter({
      segmentBytesMax: config.spool.segmentBytesMax,
      lingerMs: config.spool.linger,
      compression: config.spool.compression,
      clock,
      emit: (segment) => this.#spool(segment),
    });
  }

  async start(): Promise<void> {
    const { source, spool, uplink } = this.#parts;
    spool.onPressure((pressure) => this.#onPressure(pressure));
    spool.onLoss(() => this.#book.recheck());
    uplink.start(this.#uplinkHandler(), this.#feed);
    await source.start(this.#sourceHandler());
  }

  #sourceHandler(): SourceHandler {
    return {
      assigned: (partitions) => {
        const places = this.#book.assigned(partitions);
        this.#makeRoom();
        return places;
      },
      described: (partitions) => {
        this.#book.described(partitions);
        this.#tellGaps(this.#book.gapsOfGone());
        this.#makeRoom();
      },
      batches: (slot, batches) => {
        const state = this.#book.stateOf(slot);
        if (state?.readNext === undefined) return;
        const next = this.#segmenter.push(state.id, state.readNext, batches);
        this.#book.readTo(state, next);
        this.#limitNotDurable();
      },
      gap: (slot, startOffset, nextOffset, reason) => {
        const state = this.#book.stateOf(slot);
        if (state !== undefined) this.#segmenter.flush(state.id);
        this.#tellGaps(this.#book.gap(slot, { startOffset, nextOffset, reason }));
      },
      truncated: (slot, cut, reason) => this.#truncated(slot, cut, reason),
      proven: (partition) => {
        this.#book.proven(partition);
        this.#feed.wake();
      },
    };
  }

  #tellGaps(gaps: readonly GapNotice[]): void {
    for (const { topic, partition, startOffset, nextOffset, reason } of gaps)
      this.#parts.events.gapFound({ topic, partition, startOffset, nextOffset, reason });
    this.#waiting.look();
    this.#feed.wake();
  }

  /** What is committed of it stays in the lake; what is only spooled goes, by name. */
  #truncated(partition: SoughtPartition, cut: LogPlace, reason: string): void {
    const { events, spool, uplink } = this.#parts;
    const id = this.#book.cut(partition, cut);
    if (id === undefined) return;
    this.#cuts.begin(id);
    this.#proven.drop(id);
    events.logTruncated({ topic: id.topic, partition: id.partition, ...cut, reason });
    uplink.truncated({ ...id, ...cut, reason });
    void this.#trimmed(spool.cut(id, cut)).then(() => {
      if (!this.#cuts.end(id)) return;
      this.#book.resumeAtCut(id);
      this.#feed.wake();
    });
  }

  #lost(id: PartitionId, offset: number, error: unknown): void {
    const { topic, partition } = id;
    this.#parts.events.spoolRangeLost({ topic, partition, offset, reason: describeError(error) });
    this.#book.lost(id, offset);
  }

  #spool(segment: Segment): void {
    const bytes = segment.payload.byteLength;
    this.#notDurableBytes += bytes;
    this.#proven
      .isProven(segment)
      .then(async (isProven) => {
        if (!isProven) return;
        await this.#parts.spool.append([segment]);
        const cut = this.#book.spooled(segment);
        if (cut !== undefined) this.#truncated(segment, cut, 'it was read again in a newer leader epoch');
        this.#feed.wake();
      })
      .catch((error: unknown) => {
        if (!this.#stopping) this.#lost(segment, segment.startOffset, error);
      })
      .finally(() => {
        this.#notDurableBytes -= bytes;
        this.#limitNotDurable();
      });
  }

  #limitNotDurable(): void {
    const bytes = this.#notDurableBytes + this.#segmenter.pendingBytes;
    const limit = this.#held ? NOT_DURABLE_BYTES_MAX / 2 : NOT_DURABLE_BYTES_MAX;
    const hold = bytes > limit;
    if (hold === this.#held) return;
    this.#held = hold;
    if (hold) this.#parts.source.holdAll(DISK_SLOWER);
    else this.#parts.source.releaseAll(DISK_SLOWER);
  }

  /** A spool full for all holds every topic, whenever it is assigned; else who fills it is held alone. */
  #onPressure(pressure: SpoolPressure): void {
    const { source } = this.#parts;
    const { isFullForAll, filling, heldTopics } = pressure;
    this.#passes.pressed(pressure);
    if (isFullForAll) source.holdAll(SPOOL_FULL);
    else source.releaseAll(SPOOL_FULL);
    this.#holdThese(SPOOL_FULL, this.#pressure.filling, filling);
    this.#holdThese(BEYOND_SHARE, this.#pressure.heldTopics, heldTopics);
    this.#pressure = pressure;
    this.#makeRoom();
  }

  #holdThese(why: string, before: Named, now: Named): void {
    const { source } = this.#parts;
    for (const topic of before.keys()) if (!now.has(topic)) source.release(topic, why);
    for (const topic of now.keys()) source.hold(topic, why);
  }

  /** While there is none, what others read now is sent as well: they may wait for the same. */
  #makeRoom(): void {
    if (this.#pressure.full === undefined && this.#pressure.heldTopics.size === 0) return;
    this.#book.offer(this.#parts.spool.status().partitions);
    this.#passes.look();
  }

  #uplinkHandler(): UplinkHandler {
    const { source, events } = this.#parts;
    return {
      welcomed: (positions) => {
        const cuts: (() => void)[] = [];
        const commits = positions.map((position) => {
          if (this.#refused.delete(position.topic)) source.release(position.topic, 'refused');
          const { nextOffset, setsBack, committed, cut } = this.#book.welcomed(position);
          if (cut !== undefined) cuts.push(() => this.#truncated(idOf(position), cut, TABLE_KNOWS));
          const { topic, partition, received, openGaps } = position;
          if (committed !== undefined) events.collectorBehind({ topic, partition, received, committed });
          return { partition: position, nextOffset, openGaps, setsBack };
        });
        this.#drop(commits);
        for (const cut of cuts) cut();
        this.#tellGaps(this.#book.gapsOfGone());
        this.#passes.linked(true);
      },
      committed: (positions) => {
        this.#drop(
          positions.map(({ leaderEpoch, ...said }) => {
            const nextOffset = this.#book.committedOf({ ...said, leaderEpoch });
            return { ...said, nextOffset, setsBack: false };
          }),
        );
        for (const position of positions) this.#book.committed(position);
        // Where others committed past what is missing here, what is spooled behind it may go now.
        this.#feed.wake();
      },
      rewind: (partition, offset, rewindEpoch, reason) => {
        events.rewound({ topic: partition.topic, partition: partition.partition, offset, reason });
        this.#book.rewind(partition, offset, rewindEpoch);
        this.#tellGaps(this.#book.gapsOfGone());
      },
      fill: (partition, range, rewindEpoch) => {
        const { topic, partition: number } = partition;
        events.fillAsked({ topic, partition: number, ...range });
        this.#book.fill(partition, range, rewindEpoch);
        this.#feed.wake();
      },
      readHistory: (question) => {
        const { id } = question;
        // Revoked meanwhile: the collector was told, and asks another agent.
        if (this.#book.stateOf(id)?.id.topicId === id.topicId) this.#history.ask(question);
      },
      hold: (topic, reason) => {
        this.#heldByCollector.set(topic, reason);
        this.#feed.hold(topic);
        source.hold(topic, 'collector');
      },
      release: (topic) => this.#releaseFromCollector(topic),
      refused: (topic, code, message) => {
        events.topicRefused({ topic, code, message });
        this.#refused.set(topic, `${code}: ${message}`);
        source.hold(topic, 'refused');
      },
      look: () =>
        source.logs().catch((error: unknown) => {
          events.sourceLookupFailed(describeError(error));
          return undefined;
        }),
      disconnected: () => {
        this.#passes.linked(false);
        for (const topic of [...this.#heldByCollector.keys()]) this.#releaseFromCollector(topic);
      },
    };
  }

  #releaseFromCollector(topic: string): void {
    if (!this.#heldByCollector.delete(topic)) return;
    this.#feed.release(topic);
    this.#parts.source.release(topic, 'collector');
  }

  #drop(positions: readonly SpoolCommit[]): void {
    if (positions.length > 0) void this.#trimmed(this.#parts.spool.committed(positions));
  }

  /** Before anything is spooled that was committed once. What is there may go, though Kafka is asked too. */
  #askedAgain(id: PartitionId, offset: number): void {
    void this.#trimmed(this.#parts.spool.askedAgain(id, offset)).then(() => {
      this.#book.durable(id);
      this.#feed.wake();
    });
  }

  /** Where the disk fails, the next append says so. */
  #trimmed(work: Promise<void>): Promise<void> {
    const failed = (error: unknown) => this.#parts.events.spoolNotTrimmed({ reason: describeError(error) });
    return work.catch(failed);
  }

  reload(): void {
    this.#parts.uplink.reload();
  }

  async stop(graceMs: number): Promise<void> {
    const { source, logReader, spool, uplink, clock } = this.#parts;
    const startedMs = clock.monotonicMs();
    const leftOf = (share: number) => Math.max(0, startedMs + graceMs * share - clock.monotonicMs());
    this.#history.drop();
    this.#waiting.stop();
    // Before the source stops: nobody could say afterwards of which topic it is.
    this.#segmenter.flush();
    await source.stop();
    const spooled = spool.append([]).catch(() => {});
    await within(clock, leftOf(SPOOL_SHARE), spooled);
    this.#stopping = true;
    await uplink.stop(leftOf(LINK_SHARE));
    await logReader.close();
    await spool.close();
  }

  report(): HealthReport {
    const { source, spool, uplink, clock } = this.#parts;
    const reading = source.status();
    const { full = '', isFullForAll, filling, heldTopics } = this.#pressure;
    const stopped = isFullForAll ? reading.partitions.map(({ topic }) => topic) : [...filling];
    const heldByFull = stopped.map((topic): [string, string] => [topic, full]);
    return judgeHealth({
      source: reading,
      spool: spool.status(),
      uplink: uplink.status(),
      refused: this.#refused,
      held: new Map([...heldByFull, ...heldTopics, ...this.#heldByCollector]),
      gaps: this.#book.states().flatMap(({ gaps }) => gaps),
      waiting: this.#waiting.all(),
      wallMs: clock.wallMs(),
    });
  }
}
