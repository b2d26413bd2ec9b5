// What the agent's stages hand to each other. Stages never import each other: they meet in agent.ts.
import type { OffsetRange } from '@sluice/shared/offset-range.ts';
import type { LogPlace, PartitionId, Position } from '@sluice/shared/position.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import type { HistoryQuestion, SourceBatch } from './log-pieces.ts';

export type * from './log-pieces.ts';
export type { OffsetRange };

/** What Kafka says about one assigned partition. */
export interface PartitionInfo extends PartitionId {
  readonly leaderEpoch: number;
  readonly logStart: number;
  /** Last stable offset where known, else the high watermark. */
  readonly logEnd: number;
  /** Group offset, or undefined where the group has none. */
  readonly groupOffset: number | undefined;
  readonly startAt: 'earliest' | 'latest' | undefined;
}

/** Answers of the wiring to the source. All synchronous: kafkajs fetches right after GROUP_JOIN. */
export interface SourceHandler {
  /**
   * A new assignment; replaces the one before. Called synchronously inside GROUP_JOIN, so for each partition
   * it returns (under `slotKey`) where to seek, or `undefined` to keep it paused until `Source.seek`.
   */
  assigned(
    partitions: readonly { topic: string; partition: number }[],
  ): ReadonlyMap<string, LogPlace | undefined>;
  /** Metadata of assigned partitions, some time after `assigned` and again whenever it changes. */
  described(partitions: readonly PartitionInfo[]): void;
  /** Batches of one partition in offset order, starting at its position. Only enqueues; must not throw. */
  batches(partition: SoughtPartition, batches: readonly SourceBatch[], fetched: FetchedBounds): void;
  /**
   * Kafka no longer has [startOffset, nextOffset): the source has moved on to nextOffset, and may be sought
   * elsewhere.
   */
  gap(partition: SoughtPartition, startOffset: number, nextOffset: number, reason: string): void;
  /**
   * Kafka's log has been cut: what was read at or above `offset` under epochs up to `leaderEpoch` is not in
   * it. The partition is paused until it is sought.
   */
  truncated(partition: SoughtPartition, cut: LogPlace, reason: string): void;
  /** Kafka's log still has all the places that `Source.prove` named. */
  proven(partition: SoughtPartition): void;
}

export interface FetchedBounds {
  readonly logStart: number;
  readonly lastStableOffset: number;
  readonly highWatermark: number;
}

/** With its topic's id, where that is known: what is said of another topic of that name is not heard. */
export type SoughtPartition = Pick<PartitionId, 'topic' | 'partition'> & Partial<PartitionId>;

/** Kafka, as the agent sees it. Implemented by source/kafka-source.ts; the only stage that knows kafkajs. */
export interface Source {
  start(handler: SourceHandler): Promise<void>;
  /** Leaves the group. After it resolves the handler is not called again. */
  stop(): Promise<void>;
  /**
   * Moves an assigned partition and lets it flow (unless its topic is held). With the leader epoch of what
   * lies before the offset it is noticed where Kafka's log no longer has that.
   */
  seek(partition: SoughtPartition, offset: number, leaderEpoch?: number): void;
  /** Asks Kafka whether its log still has these places; the handler hears `proven` or `truncated`. */
  prove(partition: SoughtPartition, places: readonly LogPlace[]): void;
  /** Whether its topic has this id, asked after the call. Waits while Kafka is silent; false once stopped. */
  isStill(partition: PartitionId): Promise<boolean>;
  /**
   * Whether the name of its topic belongs to another one now, as every broker says; false where one of them
   * cannot be asked, or none knows the name. Never rejects.
   */
  isGone(partition: PartitionId): Promise<boolean>;
  /**
   * Stops and restarts fetching of one topic. Idempotent, and kept across rebalances and restarts of the
   * client.
   */
  hold(topic: string, why: string): void;
  release(topic: string, why: string): void;
  /** The same for every topic: those assigned now and those assigned while it lasts. */
  holdAll(why: string): void;
  releaseAll(why: string): void;
  /**
   * Holds for these reasons do not stop this partition while it is assigned; replaces what was said of it
   * before.
   */
  pass(partition: { topic: string; partition: number }, reasons: readonly string[]): void;
  /** Next offsets to commit to the group. What no COMMIT_OFFSETS event confirmed is kept and repeated. */
  commit(offsets: readonly { topic: string; partition: number; nextOffset: number }[]): void;
  /** Where the logs of assigned partitions begin and end now, asked of Kafka; those that are described. */
  logs(): Promise<readonly LogBounds[]>;
  status(): SourceStatus;
}

export interface LogBounds extends PartitionId {
  readonly logStart: number;
  /** Last stable offset. */
  readonly logEnd: number;
}

export interface SourceStatus {
  readonly state: 'starting' | 'running' | 'restarting' | 'stopped';
  /** Why it is not running, or what it waits for. */
  readonly reason: string | undefined;
  /** Monotonic ms of the last FETCH event. */
  readonly lastFetchMs: number | undefined;
  readonly partitions: readonly SourcePartitionStatus[];
}

export interface SourcePartitionStatus extends PartitionInfo {
  readonly position: number | undefined;
  readonly highWatermark: number;
  /**
   * Wall ms since which a transaction has been open that hides the end of the log; undefined while none does.
   */
  readonly openTransactionSinceMs: number | undefined;
  readonly paused: readonly string[];
  /** Wall ms since which the partition has had nothing to fetch; undefined while it moves. */
  readonly idleSinceMs: number | undefined;
  readonly committedToGroup: number | undefined;
}

/**
 * Durable store of segments, ordered by offset per partition. Implemented by spool/sqlite-spool.ts in a
 * worker thread.
 */
export interface Spool {
  /** Resolves once all are on disk (fsync). */
  append(segments: readonly Segment[]): Promise<void>;
  /**
   * Segments of a partition from the one that covers `fromOffset` on, checked against their CRC; at most
   * `bytesMax` of payload but at least one.
   */
  read(partition: PartitionId, fromOffset: number, bytesMax: number): Promise<readonly Segment[]>;
  /**
   * Forgets what lies wholly below `nextOffset`, but for the open gaps. Files whose last offsets are all
   * committed are unlinked. `setsBack`: the collector stands there now, also if that is less than before.
   */
  committed(positions: readonly SpoolCommit[]): Promise<void>;
  /** Drops what lies at or above the cut under epochs up to its own, behind everything appended so far. */
  cut(partition: PartitionId, cut: LogPlace): Promise<void>;
  /** From `offset` on nothing is committed, whatever was said before: it may be spooled again. */
  askedAgain(partition: PartitionId, offset: number): Promise<void>;
  status(): SpoolStatus;
  /** Called whenever fullness of a topic or of the whole spool changes. */
  onPressure(listener: (pressure: SpoolPressure) => void): void;
  /**
   * Called when a file turned out to be broken, or something was asked for again while it was being dropped:
   * what is not here any more was taken for spooled until now.
   */
  onLoss(listener: () => void): void;
  close(): Promise<void>;
}

export interface SpoolPressure {
  /** Topics beyond their share, with what it is a share of: they are not read on. */
  readonly heldTopics: ReadonlyMap<string, string>;
  /** Why only topics that hold less than is theirs alone are read on; undefined while there is room. */
  readonly full: string | undefined;
  /** Those that hold as much, or more: of a full spool. */
  readonly filling: ReadonlySet<string>;
  /** It is full, and the others have used what is left for them as well: nothing more may be read. */
  readonly isFullForAll: boolean;
  /** What is read for others, so that room comes, must wait: the rest is for what is missing here. */
  readonly sharedReserveUsed: boolean;
  /** Even what is missing in front of spooled data, without which nothing of it can be sent, must wait. */
  readonly reserveUsed: boolean;
}

/** What is wrong with the disk under the spool, by name. */
export type DiskState = 'sound' | 'full' | 'no inodes' | 'read-only' | 'failing' | 'corrupt';

export interface SpoolStatus {
  readonly bytes: number;
  readonly bytesMax: number;
  readonly freeBytes: number;
  readonly files: number;
  readonly partitions: readonly SpoolPartition[];
  /** How long the spool's thread owes an answer; Infinity once it has ended. */
  readonly silentMs: number;
  readonly disk: DiskState;
  /** Last disk error, until the same succeeds again, and wall ms since when. */
  readonly fault: string | undefined;
  readonly faultSinceMs: number | undefined;
  /** Broken files that were renamed since the start: someone should look at that disk. */
  readonly filesSetAside: number;
}

export interface SpoolCommit {
  readonly partition: PartitionId;
  readonly nextOffset: number;
  readonly openGaps: readonly OffsetRange[];
  readonly setsBack: boolean;
}

export interface SpoolPartition extends PartitionId {
  /** Of the last run. */
  readonly startOffset: number;
  readonly nextOffset: number;
  /**
   * Every contiguous run, ascending: there is more than one while a gap, or a range that was lost, lies
   * between.
   */
  readonly runs: readonly OffsetRange[];
  /** Of the last segment. */
  readonly leaderEpoch: number;
  /** Where segments of another leader epoch than those before begin, ascending. */
  readonly epochs: readonly LogPlace[];
  readonly bytes: number;
  readonly segments: number;
  /** Wall ms when the oldest segment still here was spooled. */
  readonly oldestSpooledMs: number | undefined;
}

/** What a partition looks like from the agent, for Hello and Assigned. */
export interface DeclaredPartition extends PartitionInfo {
  readonly spoolStart: number;
  readonly spoolNext: number;
  readonly spoolRuns: readonly OffsetRange[];
  /** It is assigned: its log is read for a collector that asks. */
  readonly readsLog: boolean;
}

/** Where a collector stands with a partition: its place, those of its tables, and what they still want. */
export interface WelcomedPosition extends Position {
  readonly received: number;
  readonly rewindEpoch: number;
  readonly openGaps: readonly OffsetRange[];
  /** None from a collector that does not know cut logs. */
  readonly stands: readonly LogPlace[];
  /** If not, that collector may not have read its ledgers to their end. */
  readonly current?: boolean;
}

export interface CommittedPosition {
  readonly partition: PartitionId;
  readonly nextOffset: number;
  readonly openGaps: readonly OffsetRange[];
  /** Of the log that is committed; undefined from a collector that does not say it. */
  readonly leaderEpoch: number | undefined;
}

/** Kafka's log was cut, as the collector is told. */
export interface TruncationNotice extends PartitionId, LogPlace {
  readonly reason: string;
}

/** Events from the collector, in stream order. */
export interface UplinkHandler {
  /** Committed and received position of partitions just declared. Sending starts at `received`. */
  welcomed(positions: readonly WelcomedPosition[]): void;
  committed(positions: readonly CommittedPosition[]): void;
  /** What the spool has of the range is wanted, once, under this epoch. */
  fill(partition: PartitionId, range: OffsetRange, rewindEpoch: number): void;
  /** What Kafka has of the range is wanted, beside all else. */
  readHistory(question: HistoryQuestion): void;
  rewind(partition: PartitionId, offset: number, rewindEpoch: number, reason: string): void;
  hold(topic: string, reason: string): void;
  release(topic: string): void;
  refused(topic: string, code: string, message: string): void;
  /** The collector asks where assigned partitions' logs begin and end now; undefined: it cannot be told. */
  look(): Promise<readonly LogBounds[] | undefined>;
  /** The stream ended; partitions must be declared again by `declared()` of the next one. */
  disconnected(reason: string): void;
}

/** A gap waiting to be told, in stream order with the segments around it. */
export interface GapNotice extends PartitionId {
  readonly leaderEpoch: number;
  readonly startOffset: number;
  readonly nextOffset: number;
  readonly reason: string;
}

/**
 * Where the uplink gets what it sends. `next` returns the item at `position` of a partition: a durable
 * segment, a gap, or undefined when nothing is there yet. The feed owns positions; the uplink owns pacing.
 */
export interface UplinkFeed {
  declared(): readonly DeclaredPartition[];
  /**
   * Next thing to send over all partitions (oldest first), at most one per call. Undefined: nothing ready.
   */
  next(): Promise<UplinkItem | undefined>;
  /** Payload bytes on the link that no receipt has covered yet. */
  inFlight(bytes: number): void;
  /** Resolves when `next` may have something, or when `signal` aborts. */
  ready(signal: AbortSignal): Promise<void>;
}

export type UplinkItem =
  | { readonly kind: 'segment'; readonly segment: Segment; readonly rewindEpoch: number }
  | { readonly kind: 'gap'; readonly gap: GapNotice; readonly rewindEpoch: number }
  /** Kafka has nothing more now of the history that was asked for under this epoch. */
  | { readonly kind: 'history waits'; readonly rewindEpoch: number };

export interface RegistrySchema {
  readonly type: string;
  readonly schema: string;
  /** Schemas that it names, each behind those that it names itself. */
  readonly references: readonly string[];
}

/** The schema registry beside the brokers. Implemented by schemas/registry-client.ts. */
export interface SchemaRegistry {
  /** undefined where there is none of this id. SCHEMA_UNAVAILABLE where it cannot be asked. */
  find(schemaId: number): Promise<RegistrySchema | undefined>;
}

/**
 * The stream to a collector. Implemented by uplink/grpc-uplink.ts. Reconnects by itself with jittered
 * back-off.
 */
export interface Uplink {
  start(handler: UplinkHandler, feed: UplinkFeed): void;
  /**
   * Tells the collector of partitions that came or went since the stream's Hello. No-op while disconnected.
   */
  assigned(partitions: readonly DeclaredPartition[]): void;
  revoked(partitions: readonly PartitionId[]): void;
  truncated(notice: TruncationNotice): void;
  /**
   * Goes over to a connection with the certificates as they are now. Throws TLS_FILES_UNUSABLE: the stream
   * goes on.
   */
  reload(): void;
  /**
   * Half-closes the stream and waits for its end, which comes with the last acknowledgements, at most
   * `graceMs`.
   */
  stop(graceMs: number): Promise<void>;
  status(): UplinkStatus;
}

export interface UplinkStatus {
  readonly state: 'connecting' | 'connected' | 'draining' | 'stopped';
  /** Wall ms since the present state. */
  readonly sinceMs: number;
  readonly collectorId: string | undefined;
  readonly lastError: string | undefined;
  readonly attempts: number;
  readonly sentBytesTotal: number;
  readonly sentSegmentsTotal: number;
  readonly inFlightBytes: number;
  readonly windowBytes: number;
  readonly creditBytes: number;
}

/** How to reach Kafka; secrets are values here, read from their files at the door. */
export interface KafkaSettings {
  /** host:port of any brokers of the cluster. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly groupId: string;
  /** PEM text. The broker's certificate is always verified. */
  readonly tls:
    | {
        readonly ca?: string;
        readonly cert?: string;
        readonly key?: string;
        readonly rejectUnauthorized: true;
        readonly serverName?: string;
      }
    | undefined;
  readonly sasl:
    | {
        readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
        readonly username: string;
        readonly password: string;
      }
    | undefined;
  readonly sessionTimeoutMs: number;
}

/** Offsets [from, to) of one partition; a batch that holds `to` is read to its end. */
export interface BoundedRead {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

/** Which topics to read, and where a partition begins that has no position yet. */
export type TopicSelection =
  | {
      readonly kind: 'name';
      readonly name: string;
      readonly startAt?: 'earliest' | 'latest';
      /** A bounded read; partitions that are not named are not read. */
      readonly only?: readonly BoundedRead[];
    }
  | { readonly kind: 'pattern'; readonly pattern: RegExp; readonly startAt?: 'earliest' | 'latest' };
