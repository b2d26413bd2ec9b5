// Which topics the config takes, and where a partition of each begins that no table has read. The first
// selection that takes a topic decides. Pure: the source asks for what it reads, the wiring also for topics
// of which something is only spooled.
import type { AgentConfig } from './config.ts';
import type { TopicSelection } from './contracts.ts';

export function topicSelection(topic: AgentConfig['topics'][number]): TopicSelection {
  if (typeof topic === 'string') return { kind: 'name', name: topic };
  const startAt = topic.startAt === undefined ? {} : { startAt: topic.startAt };
  if ('name' in topic) {
    const only = topic.only === undefined ? {} : { only: topic.only };
    return { kind: 'name', name: topic.name, ...startAt, ...only };
  }
  return { kind: 'pattern', pattern: new RegExp(topic.pattern), ...startAt };
}

export function selectionOf(
  topic: string,
  selections: readonly TopicSelection[],
): TopicSelection | undefined {
  return selections.find((selection) => selects(selection, topic));
}

export function selects(selection: TopicSelection, topic: string): boolean {
  if (selection.kind === 'name') return selection.name === topic;
  // The whole name must match: `orders` does not take `orders-internal`.
  return new RegExp(`^(?:${selection.pattern.source})$`, selection.pattern.flags.replace(/[gy]/g, '')).test(
    topic,
  );
}

/** Undefined also for a topic that the config does not take any more. */
export function startsOf(config: Pick<AgentConfig, 'topics'>): (topic: string) => TopicSelection['startAt'] {
  const selections = config.topics.map(topicSelection);
  return (topic) => selectionOf(topic, selections)?.startAt;
}
