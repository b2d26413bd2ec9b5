// What you can set about where a table's records come from: `topic`, or `topics`. Part of config.ts.
import { z } from 'zod';
import { type TableTopics, topicsOf } from './table-topics.ts';

export const topicKeys = {
  topic: z
    .string()
    .min(1)
    .optional()
    .describe('The topic whose records it takes, or `topics`; a topic may feed several tables'),
  topics: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe(
      'Instead of `topic`: several, whose records become one table (docs/transforms.md); in any order',
    ),
};

interface Parsed {
  readonly topic?: string | undefined;
  readonly topics?: readonly string[] | undefined;
}

/** In one order, however they are written. */
export function compileTopics({ topic, topics }: Parsed): TableTopics {
  return topics === undefined ? { topic: topic ?? '' } : { topics: topics.toSorted() };
}

/** What the schema cannot say: one of the two keys, no topic twice, and no example of another topic. */
export function topicProblems(
  tables: readonly (Parsed & {
    readonly examples: readonly { readonly records: readonly unknown[] }[];
  })[],
) {
  return tables.flatMap((table, index) => {
    const { topic, topics = [] } = table;
    const at = (key: string) => ['tables', index, key];
    if ((topic === undefined) === (table.topics === undefined)) {
      const message = topic === undefined ? 'is missing' : 'stands beside topics';
      return [{ path: at('topic'), message, remedy: 'write topic: orders, or topics: [orders, returns]' }];
    }
    const twice = topics.find((name, i) => topics.indexOf(name) < i);
    if (twice !== undefined)
      return [{ path: at('topics'), message: `'${twice}' is named twice`, remedy: 'name each once' }];
    const known = topicsOf(compileTopics(table));
    const named = table.examples.flatMap(({ records }) => records).flatMap(topicNamedBy);
    const other = named.find((name) => !known.includes(name));
    const remedy = `name ${known.join(' or ')}`;
    const message = `a record is of '${other}', which the table does not read`;
    return other === undefined ? [] : [{ path: at('examples'), message, remedy }];
  });
}

function topicNamedBy(record: unknown): readonly string[] {
  if (typeof record !== 'object' || record === null || !('topic' in record)) return [];
  return typeof record.topic === 'string' ? [record.topic] : [];
}
