// Which topics a table reads: one, or several that become one table, whose rows say which of them they are
// of. Pure.

/**
 * As the config writes it. A list of one is another thing than one topic: its rows name it, so that others
 * may come later.
 */
export type TableTopics = { readonly topic: string } | { readonly topics: readonly string[] };

export function topicsOf(table: TableTopics): readonly string[] {
  return 'topics' in table ? table.topics : [table.topic];
}

export function readsTopic(table: TableTopics, topic: string): boolean {
  return topicsOf(table).includes(topic);
}

/** Whether a row says which topic it is of: the table may have several. */
export function namesTopic(table: TableTopics): boolean {
  return 'topics' in table;
}

/** Topics that a sentence names; the others are counted. */
const NAMED_MAX = 5;

/** For people: `topic a`, or `topics a, b`. */
export function topicsText(table: TableTopics): string {
  const topics = topicsOf(table);
  const more = topics.length > NAMED_MAX ? ` and ${topics.length - NAMED_MAX} more` : '';
  const named = topics.slice(0, NAMED_MAX).join(', ');
  return `${namesTopic(table) ? 'topics' : 'topic'} ${named}${more}`;
}
