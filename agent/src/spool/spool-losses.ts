// What the spool has no more, by name: files and segments that were broken, and what Kafka cut off its log.
import type { OffsetRange } from '../contracts.ts';

export interface SetAside {
  readonly path: string;
  readonly reason: string;
}

/** A segment whose bytes are not what was spooled: it is here no more, and all around it is. */
export interface DroppedSegment extends OffsetRange {
  readonly topic: string;
  readonly partition: number;
  readonly path: string;
  readonly reason: string;
}

/** A segment that lay behind a cut of Kafka's log: no reader of the topic will see its records. */
export interface CutSegment extends OffsetRange {
  readonly topic: string;
  readonly partition: number;
  readonly leaderEpoch: number;
  readonly records: number;
}
