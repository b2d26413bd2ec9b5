// Why a topic is held: the first of its tables that takes nothing more, or its share of staging. Credit
// belongs to all of a stream's topics, so a table that waits holds its own topic alone.
import { formatBytes } from '@sluice/shared/units.ts';
import { attachedTo, isOpen, type PartitionState, type SequencedTable } from './sequenced-partition.ts';
import type { StagingBudget, TopicStaging } from './staging-budget.ts';

/**
 * Of the staging budget, what one topic may use where there are several, or all topics of one table: a table
 * that waits cannot stop its neighbours.
 */
const TOPIC_SHARE = 0.5;
/** What was held flows again below this share of its limit. */
const RESUME_SHARE = 0.9;

export interface HoldReasonOptions {
  readonly budget: StagingBudget;
  readonly staged: TopicStaging;
  /** All that some table reads. */
  topics(): ReadonlySet<string>;
  tablesOf(topic: string): readonly SequencedTable[];
  statesOf(topic: string): readonly PartitionState[];
  /** Some stream has declared the partition and not revoked it. */
  isWanted(state: PartitionState): boolean;
}

/** Undefined while the topic flows. */
export function holdReason(topic: string, isHeld: boolean, options: HoldReasonOptions): string | undefined {
  const tables = options.tablesOf(topic);
  for (const { lane } of attachedTo({ id: { topic }, tables })) {
    const reason = lane.blocked();
    if (reason !== undefined) return reason;
  }
  return stuckReason(topic, options) ?? shareReason(topic, isHeld, options);
}

/**
 * Nothing is taken of a topic while a table of it cannot even say where it begins, nor of a partition whose
 * cut it cannot record.
 */
function stuckReason(topic: string, options: HoldReasonOptions): string | undefined {
  const tables = options.tablesOf(topic);
  const stuck = attachedTo({ id: { topic }, tables }).find(({ lane }) => lane.stuck() !== undefined);
  if (stuck === undefined) return undefined;
  const { lane } = stuck;
  const states = options.statesOf(topic);
  if (states.some((state) => options.isWanted(state) && !isOpen(state)))
    return `table ${lane.table.name} cannot be opened: ${lane.stuck()}`;
  if (states.some(({ cuts }) => cuts > 0))
    return `table ${lane.table.name} cannot record that Kafka cut its log: ${lane.stuck()}`;
  return undefined;
}

function shareReason(
  topic: string,
  isHeld: boolean,
  { budget, staged, topics, tablesOf }: HoldReasonOptions,
): string | undefined {
  const share = budget.bytesMax * TOPIC_SHARE * (isHeld ? RESUME_SHARE : 1);
  // Those that one table reads wait together: they have one share.
  const together = new Set([topic, ...tablesOf(topic).flatMap(({ lane }) => lane.topics.all())]);
  const bytes = [...together].reduce((sum, one) => sum + staged.bytes(one), 0);
  return topics().size > together.size && bytes >= share
    ? `its share of staging is used: ${formatBytes(bytes)} wait`
    : undefined;
}
