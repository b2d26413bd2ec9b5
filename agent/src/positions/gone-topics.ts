// What is spooled of a topic that was created again since, by what is read now under its name or by Kafka's
// own word: nobody reads what is missing before it. Those ranges are gaps, and what lies behind them need not
// wait. Recorded gaps stay open: another machine's spool that has some of one fills it.
import type { OffsetRange } from '@sluice/shared/offset-range.ts';
import type { PartitionId } from '@sluice/shared/position.ts';
import type { GapNotice } from '../contracts.ts';
import { addGaps, holeFrom, type PartitionState } from './partition-state.ts';

const TOPIC_GONE = 'the topic was deleted and created again';

export interface GoneTopicsView {
  /** What is read now under the name of a partition. */
  readNow(id: PartitionId): PartitionState | undefined;
  /** Spooled ranges and known gaps, by their starts. */
  there(state: PartitionState): readonly OffsetRange[];
}

/** New ones, which the states know from now on. */
export function gapsOfGone(
  states: readonly PartitionState[],
  { readNow, there }: GoneTopicsView,
): readonly GapNotice[] {
  const gone = states.filter(
    ({ id, gone }) => gone || (readNow(id)?.id.topicId ?? id.topicId) !== id.topicId,
  );
  return gone.flatMap((state) => addGaps(state, missingRanges(state, there(state)), TOPIC_GONE));
}

/** Kafka describes it: it is read here, what was said before was older, and its gaps are none. */
export function notGone(state: PartitionState): void {
  if (!state.gone) return;
  state.gone = false;
  state.gaps = state.gaps.filter(({ reason }) => reason !== TOPIC_GONE);
}

/** What the collector asks for, and neither `there` nor Kafka has, before what is spooled. */
function missingRanges(
  { sendNext, committed = 0 }: PartitionState,
  there: readonly OffsetRange[],
): readonly OffsetRange[] {
  const missing: OffsetRange[] = [];
  if (sendNext === undefined) return missing;
  let hole = holeFrom(there, Math.max(sendNext, committed));
  while (hole.until !== undefined) {
    missing.push({ startOffset: hole.at, nextOffset: hole.until });
    hole = holeFrom(there, hole.until);
  }
  return missing;
}
