// What a ledger's entries say of one offset, the last word of it: which window holds it, or why none does.
// Pure but for the entries it is given; an offset of a log that was truncated, or of a gap that was filled,
// has the later fate.
import { UsageError } from '@sluice/shared/command-line.ts';
import { type PartitionId, partitionKey } from '@sluice/shared/position.ts';
import type { LedgerEntry, LedgerRange, WindowEntry } from '../../contracts.ts';
import { SeenHistory } from './history.ts';

export interface AskedOffset {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** UsageError for anything but `topic:partition:offset`. */
export function parseOffset(text: string): AskedOffset {
  const [, topic, partition, offset] = /^([\w.-]+):(\d{1,9}):(\d{1,16})$/.exec(text) ?? [];
  if (topic === undefined || !Number.isSafeInteger(Number(offset)))
    throw new UsageError(`--offset takes topic:partition:offset, as in claims:0:1842, and not '${text}'`);
  return { topic, partition: Number(partition), offset: Number(offset) };
}

/** What the ledger says of an offset in one incarnation of its topic, the last word of it. */
export type Word =
  | { readonly kind: 'outside'; readonly entry: number; readonly message: string }
  | { readonly kind: 'gap'; readonly entry: number; readonly message: string }
  | { readonly kind: 'uncommitted'; readonly message: string; readonly begunBy?: number }
  | { readonly kind: 'window'; readonly entry: WindowEntry; readonly range: LedgerRange };

export interface Spoken {
  readonly id: PartitionId;
  readonly word: Word;
}

/** By incarnation of the topic; none where the partition was never opened. */
export async function wordsOn(asked: AskedOffset, entries: AsyncIterable<LedgerEntry>): Promise<Spoken[]> {
  const words = new Map<string, { id: PartitionId; word: Word; next: number }>();
  const seen = new SeenHistory();
  for await (const entry of entries) {
    const history = seen.rangesOf(entry);
    for (const { id, next, word } of changes(entry, asked.offset, history)) {
      if (id.topic !== asked.topic || id.partition !== asked.partition) continue;
      const before = words.get(partitionKey(id));
      words.set(partitionKey(id), {
        id,
        next: next ?? before?.next ?? 0,
        word: word ?? before?.word ?? { kind: 'uncommitted', message: '' },
      });
    }
  }
  return [...words.values()].map(({ id, word, next }) => {
    if (word.kind !== 'uncommitted') return { id, word };
    const begun = `entry ${word.begunBy} begins to read this history, which is there up to ${seen.next(id)}`;
    const told = word.begunBy === undefined ? `committed up to ${next}${word.message}` : begun;
    return { id, word: { kind: 'uncommitted', message: `not yet committed: ${told}` } };
  });
}

interface Change {
  readonly id: PartitionId;
  readonly next: number | undefined;
  readonly word: Word | undefined;
}

function changes(entry: LedgerEntry, offset: number, history: ReadonlySet<object>): Change[] {
  const holds = ({ start, next }: { start: number; next: number }) => start <= offset && offset < next;
  const { sequence } = entry;
  switch (entry.kind) {
    case 'open':
      return entry.partitions.map((id) => {
        const message = `before the table's beginning: entry ${sequence} opened the partition at ${id.start} (${id.why})`;
        const before = { kind: 'outside', entry: sequence, message } as const;
        return { id, next: id.start, word: offset < id.start ? before : undefined };
      });
    case 'backfill':
      return entry.backfills.map(({ from, to, ...id }) => {
        const wanted = { kind: 'uncommitted', message: '', begunBy: sequence } as const;
        return { id, next: undefined, word: from <= offset && offset < to ? wanted : undefined };
      });
    case 'commit':
    case 'fill':
      return entry.ranges.map((range) => ({
        id: range,
        next: entry.kind === 'commit' ? range.next : undefined,
        word: holds(range) ? { kind: 'window', entry, range } : undefined,
      }));
    case 'gap':
      return entry.gaps.map((gap) => {
        const message = `lost by Kafka: entry ${sequence} records the gap [${gap.start}, ${gap.next}): ${gap.reason}`;
        return {
          id: gap,
          next: history.has(gap) ? undefined : gap.next,
          word: holds(gap) ? { kind: 'gap', entry: sequence, message } : undefined,
        };
      });
    case 'fork':
      return entry.forks.map((fork) => {
        const message = `; entry ${sequence} says that Kafka truncated its log at ${fork.offset}: ${fork.reason}`;
        const again = { kind: 'uncommitted', message } as const;
        return { id: fork, next: fork.offset, word: fork.offset <= offset ? again : undefined };
      });
    default:
      return [];
  }
}
