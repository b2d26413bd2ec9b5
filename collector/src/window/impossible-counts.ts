// What no segment can count, whatever its records say: found where it arrives, before a window depends on it,
// and what becomes of the stream that sent it.

import { BATCH_RECORDS_MAX, RECORD_BATCH_HEADER_BYTES } from '@sluice/shared/record-batch.ts';
import { type Segment, skippedFrom } from '@sluice/shared/segment.ts';
import type { AgentLink } from '../contracts.ts';
import { expectedOf, type PartitionState } from './sequenced-partition.ts';

/** Why these counts cannot be, or undefined. That they add up to the range was checked on the wire. */
export function impossibleCounts({ counts, skipped, startOffset, plainBytes }: Segment): string | undefined {
  const { records, control, aborted, absent } = counts;
  if (![records, control, aborted, absent].every((n) => Number.isSafeInteger(n) && n >= 0))
    return `${records} + ${control} + ${aborted} + ${absent} are no counts`;
  const batchesMax = Math.ceil(plainBytes / RECORD_BATCH_HEADER_BYTES);
  if (records > batchesMax * BATCH_RECORDS_MAX) return `${plainBytes} bytes cannot hold ${records} records`;
  const told = skippedFrom(skipped, startOffset);
  if (told.control !== control || told.aborted !== aborted)
    return `${control} control, ${aborted} aborted counted; ${told.control} and ${told.aborted} listed`;
  return undefined;
}

/** As often a segment that cannot be is asked for again; then its topic is refused to the stream. */
const RESENDS_MAX = 3;

/** Sent again it may be whole. If not, its topic waits by name, and the stream's other topics flow. */
export function turnAway(
  link: AgentLink,
  state: PartitionState,
  { wrong, rewind }: { readonly wrong: string; rewind(reason: string): void },
): 'rewound' | 'refused' {
  const times = (state.impossible.get(link) ?? 0) + 1;
  state.impossible.set(link, times);
  const { topic, partition } = state.id;
  const reason = `the segment of ${topic}-${partition} at ${expectedOf(state)} cannot be: ${wrong}`;
  if (times <= RESENDS_MAX) {
    rewind(reason);
    return 'rewound';
  }
  link.refused(topic, 'SEGMENT_COUNTS_DISAGREE', reason);
  return 'refused';
}
