// What the two sides of the spool's worker thread say to each other.
import type { ErrorCode } from '@sluice/shared/errors.ts';
import type { LogPlace, PartitionId } from '@sluice/shared/position.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import type { SpoolCommit, SpoolPartition } from '../contracts.ts';
import type { CutSegment, DroppedSegment, SetAside } from './spool-losses.ts';

export interface SpoolWorkerData {
  readonly directory: string;
  readonly fileBytesMax: number;
}

export type SpoolCall =
  | { readonly kind: 'open' }
  | { readonly kind: 'append'; readonly segments: readonly Segment[] }
  | {
      readonly kind: 'read';
      readonly partition: PartitionId;
      readonly fromOffset: number;
      readonly bytesMax: number;
    }
  | {
      readonly kind: 'committed';
      readonly positions: readonly SpoolCommit[];
    }
  | { readonly kind: 'cut'; readonly partition: PartitionId; readonly cut: LogPlace }
  | { readonly kind: 'asked-again'; readonly partition: PartitionId; readonly offset: number }
  /** Only the state: space may have come back. */
  | { readonly kind: 'look' }
  | { readonly kind: 'close' };

export interface SpoolState {
  readonly partitions: readonly SpoolPartition[];
  readonly files: number;
  readonly diskBytes: number;
  readonly freeBytes: number;
  readonly freeInodes: number;
  readonly setAside: readonly SetAside[];
  readonly dropped: readonly DroppedSegment[];
  /** What lay behind a cut of Kafka's log. */
  readonly cutOff: readonly CutSegment[];
}

/** One answer to each call, in order. */
export type SpoolReply =
  | { readonly kind: 'done'; readonly segments: readonly Segment[]; readonly state: SpoolState | undefined }
  | {
      readonly kind: 'failed';
      readonly code: ErrorCode;
      readonly message: string;
      readonly place: string | undefined;
      readonly state: SpoolState | undefined;
    };
