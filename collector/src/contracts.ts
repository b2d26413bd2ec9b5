// What the collector's stages hand to each other. Stages never import each other: they meet in collector.ts.
import type { OffsetRange } from '@sluice/shared/offset-range.ts';
import type { LogPlace, PartitionId } from '@sluice/shared/position.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import type { BackfillLedger, HistoryLink } from './backfills.ts';
import type { Classes, LedgerRange, LedgerReplay, LedgerSwap, OutputName } from './entries.ts';
import type { TableUpkeep } from './table-upkeep.ts';
import type { Column, SchemaNews, TableConfig } from './tables.ts';

export type * from './backfills.ts';
export type * from './entries.ts';
export type * from './schema-source.ts';
export type * from './stores.ts';
export type * from './tables.ts';

// ---- ingest → window ------------------------------------------------------------------------------------

/** A segment on its way through one table: only records at or above `fromOffset` count. */
export interface StagedSegment {
  readonly segment: Segment;
  readonly fromOffset: number;
  /** Its end was cut off: how many records are left nobody has counted. */
  readonly isClipped?: true;
  /** Where its payload lies, if not with `segment`, whose own is empty then. */
  readonly stored?: StoredPayload | undefined;
}

/** A payload that is not in memory. */
export interface StoredPayload {
  readonly byteLength: number;
  /** Bytes of the reader’s own; STAGING_UNREADABLE where the disk does not give them back. */
  read(): Promise<Uint8Array>;
}

/** What one connected agent declares of a partition. */
export interface DeclaredPartition extends PartitionId {
  readonly leaderEpoch: number;
  readonly logStart: number;
  readonly logEnd: number;
  readonly spoolStart: number;
  readonly spoolNext: number;
  /** All that it has spooled; none where it fills no gaps. */
  readonly spoolRuns: readonly OffsetRange[];
  /** It is assigned to that agent, which reads of its log what it is asked for. */
  readonly readsLog: boolean;
  readonly startAt: 'earliest' | 'latest' | undefined;
}

/** What Kafka has of a partition, as an agent was told when it asked. */
export interface PartitionLog extends PartitionId {
  readonly logStart: number;
  readonly logEnd: number;
}

/** The same as it is kept. */
export interface LogBounds {
  readonly logStart: number;
  /** Last stable offset. */
  readonly logEnd: number;
  /** Wall ms when it was said. */
  readonly atMs: number;
  /** How fast the log's start has moved since this process first heard of it: offsets a second. */
  readonly startMovesPerSecond: number;
}

export interface PartitionPosition extends PartitionId {
  readonly committed: number;
  readonly received: number;
  readonly rewindEpoch: number;
  /** Below `committed`, and wanted all the same: agents keep it. */
  readonly openGaps: readonly OffsetRange[];
  /** Where the tables stand that are waited for. */
  readonly stands: readonly LogPlace[];
  /** The ledgers were read after the declaration: a position below what was told before is no mistake. */
  readonly current?: boolean;
}

/** What agents may forget: everything below `nextOffset` but the open gaps. */
export interface PartitionCommit {
  readonly partition: PartitionId;
  readonly nextOffset: number;
  readonly openGaps: readonly OffsetRange[];
  /** Of the log that was committed. */
  readonly leaderEpoch: number;
}

/** Kafka's log has been cut: what stood at or above `offset` under epochs up to `leaderEpoch` is gone. */
export interface TruncationNotice extends PartitionId {
  readonly leaderEpoch: number;
  readonly offset: number;
  readonly reason: string;
}

export interface GapNotice extends PartitionId {
  readonly leaderEpoch: number;
  readonly startOffset: number;
  readonly nextOffset: number;
  readonly reason: string;
}

/** One connected agent, as the sequencer answers it. */
export interface AgentLink extends HistoryLink {
  readonly agentId: string;
  readonly streamId: number;
  /** Positions of declared partitions that could not be told in the answer. */
  welcomed(positions: readonly PartitionPosition[]): void;
  committed(commits: readonly PartitionCommit[]): void;
  rewind(partition: PartitionId, offset: number, rewindEpoch: number, reason: string): void;
  /** Asks for what the agent's spool holds of an open gap, under an epoch of its own. */
  fill(partition: PartitionId, range: OffsetRange, rewindEpoch: number): void;
  refused(topic: string, code: string, message: string): void;
  hold(topic: string, reason: string): void;
  release(topic: string): void;
  /** Where Kafka's logs begin and end, asked now; undefined where the agent did not say it in time. */
  look(waitMs: number): Promise<readonly PartitionLog[] | undefined>;
  /** Raises the stream's credit after staged bytes were freed. */
  creditFreed(bytes: number): void;
  drain(reason: string): void;
}

/**
 * The sequencer as ingest sees it (implemented by window/sequencer.ts): skips, orders, detects holes, feeds
 * windows.
 */
export interface Sequencer {
  /**
   * Opens partitions in the ledgers where needed and says where to go on. Rejects with SluiceError for the
   * whole call only on store failure.
   */
  declare(link: AgentLink, partitions: readonly DeclaredPartition[]): Promise<readonly PartitionPosition[]>;
  revoke(link: AgentLink, partitions: readonly PartitionId[]): void;
  /**
   * Synchronous: the segment is staged, skipped or answered with a rewind; or its topic is refused, where it
   * cannot be. Its bytes count against staging until its windows end.
   */
  segment(
    link: AgentLink,
    segment: Segment,
    rewindEpoch: number,
  ): 'staged' | 'skipped' | 'rewound' | 'refused' | 'stale';
  gap(link: AgentLink, gap: GapNotice, rewindEpoch: number): void;
  truncated(link: AgentLink, notice: TruncationNotice): void;
  /** Kafka has nothing more now of the history that the stream was asked for under this epoch. */
  historyWaits(link: AgentLink, epoch: number): void;
  /**
   * The stream sends nothing more: the windows that hold what it sent close soon. Resolves when that is
   * acknowledged, or waits for a table that only an operator can help, or the stream is over.
   */
  finish(link: AgentLink): Promise<void>;
  /** The stream is over; windows fed by no stream any more close soon. */
  disconnected(link: AgentLink): void;
  /** Bytes that may still be staged by this stream. */
  room(): number;
}

// ---- window → transform ---------------------------------------------------------------------------------

export interface TransformRequest {
  readonly table: TableConfig;
  readonly windowId: string;
  /** In arrival order. A window that is still open gives them as they come and ends when it is closed. */
  readonly segments: Iterable<StagedSegment> | AsyncIterable<StagedSegment>;
  /** Wall ms when the window opened: the ingest-time partition, the same for every attempt. */
  readonly openedMs: number;
  /** Made, or emptied of an earlier attempt, by `run`; the caller removes it. */
  readonly directory: string;
}

/** A window of a table that detects its columns: it has none yet, or lacks some. */
export interface SurveyRequest extends Pick<TransformRequest, 'table' | 'segments'> {
  /** Columns of a table that stands already and was made by somebody else. */
  readonly contract?: readonly Column[] | undefined;
}

export interface OutputFile {
  readonly output: OutputName;
  readonly path: string;
  /** Order of this file in the window, from 0; part of the final key. */
  readonly index: number;
  readonly rows: number;
  readonly bytes: number;
  /** SHA-256 of the file, hex. */
  readonly sha256: string;
  /** Partition column values in table order; null is the Hive default partition. */
  readonly partition: readonly { readonly column: string; readonly value: string | null }[];
  readonly extension: string;
}

/**
 * A record batch that went to quarantine as a whole: its records stand as [startOffset, startOffset +
 * records).
 */
export interface QuarantinedBatch {
  readonly topic: string;
  readonly partition: number;
  readonly startOffset: number;
  readonly records: number;
  readonly code: string;
  readonly reason: string;
}

export interface TransformResult {
  readonly files: readonly OutputFile[];
  readonly classes: Classes;
  /** Records with an offset in range, per partition key (`partitionKey`). */
  readonly recordsPerPartition: ReadonlyMap<string, number>;
  /** Values that the config let become NULL where they failed: columns, and how often. */
  readonly nulled: readonly { readonly column: string; readonly values: number }[];
  /** Rules that rows of a window broke and that are only reported. */
  readonly brokenRules: readonly {
    readonly output: OutputName;
    readonly rule: string;
    readonly rows: number;
  }[];
  /** Of a table that detects its columns: what its schema lacks, and gets before the window is committed. */
  readonly news?: SchemaNews | undefined;
  /** The same: values that contradict its schema, and so quarantined their records. */
  readonly contradictions?: { readonly records: number; readonly fields: readonly string[] } | undefined;
  /** Config and schema that made the files, where they are not the table's own. */
  readonly configVersion?: string | undefined;
  /** Batches whose records could not be read. */
  readonly corrupt: readonly QuarantinedBatch[];
  /** Milliseconds spent decoding and in SQL, for metrics. */
  readonly decodeMs: number;
  readonly sqlMs: number;
  /** For statements of other windows, and for its own before them. */
  readonly waitMs: number;
}

/** Implemented by transform/transformer.ts: DuckDB in a worker thread. */
export interface Transformer {
  /** Asks for its place before it returns: `hasRoom` knows of it at once. */
  run(request: TransformRequest): Promise<TransformResult>;
  /** The columns that the records of a window suggest. */
  survey(request: SurveyRequest): Promise<SchemaNews>;
  /** Whether a window that is still open may begin now without being in the way of one that is closed. */
  hasRoom(): boolean;
  /** The SQL that `run` would execute, for `explain`. */
  explain(table: TableConfig): string;
  /** Columns and Glue types of rows and quarantine as they will be written, partition columns apart. */
  schema(table: TableConfig): TableSchemas;
  close(): Promise<void>;
}

export interface TableSchemas {
  readonly rows: readonly Column[];
  readonly quarantine: readonly Column[];
  readonly partitionColumns: readonly Column[];
  readonly quarantinePartitionColumns: readonly Column[];
  /** Of the other tables that steps make, by the name of the output. */
  readonly named?: Readonly<
    Record<string, { readonly columns: readonly Column[]; readonly partitionColumns: readonly Column[] }>
  >;
}

/** Of a table that detects its columns. */
export interface ChangingSchemas {
  /** As far as they are known. */
  now(): TableSchemas;
  /** Reads what is known, and has the catalog take rows of it. */
  prepare(): Promise<void>;
}

// ---- window → ledger ------------------------------------------------------------------------------------

export interface WindowCommit {
  readonly windowId: string;
  readonly openedMs: number;
  readonly ranges: readonly LedgerRange[];
  readonly classes: Classes;
  readonly files: readonly OutputFile[];
  readonly table: TableConfig;
  /** Config and schema that made the files, where they are not the table's own. */
  readonly configVersion?: string | undefined;
  /** Called when its entry stands: its objects are published behind that. */
  readonly onCommitted?: () => void;
}

/** What quarantined records became that were run again. */
export interface ReplayCommit
  extends Omit<WindowCommit, 'ranges'>,
    Pick<LedgerReplay, 'after' | 'replayed'> {}

/** Windows that were made again, for one entry. */
export interface SwapCommit {
  /** Number of the last replay or swap that is taken into account. */
  readonly after: number;
  /** Asked again whenever others were first: it carries what every entry so far has in the partitions. */
  propose(): LedgerSwap;
}

export interface TableWriterStatus {
  /**
   * halted: an invariant broke, nothing more is written. parked: denied or incompatible; tried again ever
   * more rarely, and at once by `retryNow`.
   */
  readonly state: 'loading' | 'ready' | 'waiting' | 'parked' | 'halted';
  readonly reason: string | undefined;
  /** Wall ms since the present state. */
  readonly sinceMs: number;
  readonly lastSequence: number;
  readonly publishedThrough: number;
  readonly lastCommitMs: number | undefined;
}

/** One table's ledger and publisher (ledger/table-writer.ts): stage → one entry → publish → ack. */
export interface TableWriter extends BackfillLedger, TableUpkeep {
  /** Reads the ledger and publishes what it finds unpublished. LEDGER_* halts this table alone. */
  load(): Promise<void>;
  /**
   * Whether agents wait for this table: its ledger is then read often for what other collectors commit and
   * publish.
   */
  follow(on: boolean): void;
  /** Folds what others have appended since. Waits through failures like every call. */
  refresh(): Promise<void>;
  /** Next offset by the fold, published or not; undefined where the partition was never opened. */
  position(partition: PartitionId): number | undefined;
  /** Next offset of the published prefix. */
  acked(partition: PartitionId): number | undefined;
  partitions(): readonly PartitionId[];
  /** What Kafka lost and no fill has brought, by the fold. */
  openGaps(partition: PartitionId): readonly OffsetRange[];
  /** The same, and what a fill has brought that is not published yet. */
  keptGaps(partition: PartitionId): readonly OffsetRange[];
  /** Leader epoch of the log below `position`; undefined where the partition was never opened. */
  leaderEpoch(partition: PartitionId): number | undefined;
  /** Where the log was truncated: offsets from `offset` on count under `leaderEpoch` and later ones only. */
  forks(partition: PartitionId): readonly LogPlace[];
  open(
    partitions: readonly (PartitionId & { leaderEpoch: number; start: number; why: string })[],
  ): Promise<void>;
  /**
   * Appends happen in call order. LEDGER_RANGE_CONFLICT: another collector was first; `position` tells where
   * to go on. Resolves when the window's own objects are published; acknowledged is what every earlier entry
   * allows.
   */
  commitWindow(window: WindowCommit): Promise<void>;
  /** As `commitWindow`, for ranges in open gaps. LEDGER_RANGE_CONFLICT where a gap is no longer open. */
  fillWindow(window: WindowCommit): Promise<void>;
  gap(
    gaps: readonly (PartitionId & { leaderEpoch: number; start: number; next: number; reason: string })[],
  ): Promise<void>;
  /** The log was truncated: the partition goes on at `offset`. Said twice, it is recorded once. */
  fork(
    forks: readonly (PartitionId & { leaderEpoch: number; offset: number; reason: string })[],
  ): Promise<void>;
  /** Names and removes staged objects that the sweep before this one saw, too, and that no entry needs. */
  sweep(): Promise<void>;
  /** Publishes everything now, and writes `publishedThrough` alone if anything is left to say. */
  flushPublished(): Promise<void>;
  /** Called after `acked` moved, with the partitions that did. */
  onAcked(listener: (partitions: readonly PartitionId[]) => void): void;
  /** Called when `status().state` is another one. */
  onStateMoved(listener: () => void): void;
  /** What the table waits for may be over: it is tried now. */
  retryNow(): void;
  status(): TableWriterStatus;
  /** Stops retrying; pending calls reject. */
  close(): void;
}

/** The same ledger, for whoever runs records again. */
export interface ReplayingWriter extends TableWriter {
  /**
   * Resolves with the number of its entry when its objects are published. REPLAY_OVERTAKEN where a rebuild or
   * another replay came first.
   */
  replay(replay: ReplayCommit): Promise<number>;
  /**
   * Resolves with the number of its entry when readers see the partitions at their new places.
   * REBUILD_OVERTAKEN where a replay or another rebuild came first.
   */
  swap(swap: SwapCommit): Promise<number>;
}
