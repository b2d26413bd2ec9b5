// What a table's lane is to the sequencer and to those who look at it: what it takes, why it does not, and
// how it steps aside. Implemented by table-lane.ts.
import type { Clock } from '@sluice/shared/clock.ts';
import type { LogPlace, PartitionId } from '@sluice/shared/position.ts';
import type { Random } from '@sluice/shared/random.ts';
import type {
  GapNotice,
  StagedSegment,
  TableConfig,
  TableWriter,
  Transformer,
  TruncationNotice,
} from '../contracts.ts';
import type { Events } from '../events.ts';
import type { FillLane } from './fill-lane.ts';
import type { HistoryLane } from './history-lane.ts';
import type { LaneTopics } from './lane-topics.ts';
import type { StagedBytes } from './staging-budget.ts';

export type CloseReason =
  | 'time'
  | 'bytes'
  | 'drain'
  | 'stream ended'
  | 'staging pressed'
  | 'gap'
  | 'truncated'
  | 'table removed'
  | 'topics changed'
  /** Another collector has committed more of a partition than is staged here. */
  | 'overtaken';

export interface TableLane {
  /** As it is for the windows that open now. */
  readonly table: TableConfig;
  readonly topics: LaneTopics;
  /** From the next window on. Windows under way keep theirs, but for those of which nothing can be made. */
  configure(table: TableConfig): void;
  /** Takes nothing more, for good; what it has is written. */
  leave(): void;
  isLeaving(): boolean;
  /**
   * Next offset this lane expects of a partition: staged or committed; undefined where it was never opened.
   */
  next(partition: PartitionId): number | undefined;
  /** The same with the leader epoch below it. */
  place(partition: PartitionId): LogPlace | undefined;
  stage(staged: StagedSegment, held: StagedBytes): void;
  gap(notice: GapNotice, fromOffset: number): void;
  /**
   * Kafka's log was cut: what is staged is committed, and then the ledger goes on at the cut; or the lane is
   * detached. Never rejects.
   */
  cut(notice: TruncationNotice): Promise<void>;
  /** What it gets of its open gaps, beside its windows. */
  readonly fills: FillLane;
  /** The same of its history. */
  readonly history: HistoryLane;
  openBytes(): number;
  /** Whether as many closed windows wait as may. */
  isFull(): boolean;
  /** Why nothing more should be sent to it; undefined while it takes. */
  blocked(): string | undefined;
  /** Why nothing can be written to it before somebody helps; undefined while that is not so. */
  stuck(): string | undefined;
  /**
   * Gives up what is staged here, in memory and on its way, and takes nothing more. The window that is being
   * written stays with the writer, without its memory: it shows when the table can be written again. A cut
   * that it cannot record is not waited for.
   */
  detach(): void;
  /** Wall ms since which it is detached. */
  detachedSinceMs(): number | undefined;
  /** The table can be written, and nothing of before is on its way any more. */
  isSettled(): boolean;
  /** Takes again, from where its ledger is. Not before it is settled. */
  attach(): void;
  /** Called when a window came or went, or the lane halted. */
  onChange(listener: () => void): void;
  close(reason: CloseReason): void;
  /** Resolves when everything staged so far is committed and published, or the lane was stopped. */
  drained(): Promise<void>;
  status(): LaneStatus;
  stop(): void;
}

export interface LaneStatus {
  readonly table: string;
  readonly openSegments: number;
  readonly openBytes: number;
  /** Of the windows that open now, with how they are partitioned; and of the one that is open. */
  readonly configVersion: string;
  readonly partitionedBy: readonly string[];
  readonly openConfigVersion: string | undefined;
  /** It was taken out of the config, and what it has is still written. */
  readonly isLeaving: boolean;
  /** Its config names them since a while ago, and it has not opened them yet; none is left out. */
  readonly topicsComing?: readonly string[];
  /** Its config names them no more, and what came of them is still written. */
  readonly topicsLeaving?: readonly string[];
  readonly windowsInFlight: number;
  /** Wall ms since which the oldest uncommitted segment is here; undefined while nothing waits. */
  readonly oldestStagedMs: number | undefined;
  readonly waitsFor: string | undefined;
  /** Wall ms since which its topic goes on without it. */
  readonly detachedSinceMs: number | undefined;
  readonly windowsCommitted: number;
  readonly recordsCommitted: number;
  readonly recordsQuarantined: number;
}

export interface LaneOptions {
  readonly table: TableConfig;
  /** Comes to a topic that may flow: detached at first, until it can be written and has opened. */
  readonly joins?: boolean;
  readonly writer: TableWriter;
  readonly transformer: Transformer;
  readonly workDir: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Events;
}
