// What no segment can count, whatever its records say: found where it arrives, before a window depends on it.
// Pure.
import { BATCH_RECORDS_MAX, RECORD_BATCH_HEADER_BYTES } from '@sluice/shared/record-batch.ts';
import { type Segment, skippedFrom } from '@sluice/shared/segment.ts';

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
