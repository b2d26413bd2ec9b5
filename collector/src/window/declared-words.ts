// What the streams of now say of partitions: of each the word that counts. What a stream declared last does,
// and of several streams one whose agent reads the log: who only holds a spool of it knows less. Of several
// that do the one whose spool begins first: on another's word that would be passed over.
import { type PartitionId, partitionKey } from '@sluice/shared/position.ts';
import type { AgentLink, DeclaredPartition } from '../contracts.ts';

export interface DeclaredWords {
  /** Undefined where no stream declares it any more. */
  wordOn(id: PartitionId): DeclaredPartition | undefined;
  /** One for each declared partition of these topics. */
  declaredOf(topics: readonly string[]): readonly DeclaredPartition[];
}

export function createDeclaredWords(
  wantedBy: ReadonlyMap<AgentLink, ReadonlyMap<string, DeclaredPartition>>,
  statesOf: (topic: string) => readonly { readonly id: PartitionId }[],
): DeclaredWords {
  function wordOn(id: PartitionId): DeclaredPartition | undefined {
    const said = [...wantedBy.values()].flatMap((wanted) => wanted.get(partitionKey(id)) ?? []);
    return said.find(({ readsLog }) => readsLog) ?? said.toSorted(bySpool)[0];
  }
  return {
    wordOn,
    declaredOf: (topics) => topics.flatMap(statesOf).flatMap(({ id }) => wordOn(id) ?? []),
  };
}

/** One without a spool is the last. */
const bySpool = (a: DeclaredPartition, b: DeclaredPartition) => spoolBeginOf(a) - spoolBeginOf(b);
const spoolBeginOf = ({ spoolStart, spoolNext, spoolRuns }: DeclaredPartition) =>
  spoolNext <= spoolStart
    ? Number.MAX_SAFE_INTEGER
    : Math.min(spoolStart, ...spoolRuns.map(({ startOffset }) => startOffset));
