// Publishing one swap: what came into its partitions since it was made is copied to their new places, then
// the catalog moves each. A function of the entry alone, to be done only when every entry before it is
// published: what is copied stands then, and no entry registers a partition at an old place any more. Until a
// partition is moved readers see what was there, and afterwards all that is there now.
import type { SwapEntry } from '../contracts.ts';
import { catalogValue } from '../lake/object-keys.ts';
import { assertPartitioned, copyCarried, definitionOf, type PublishTarget } from './publish.ts';

export async function publishSwap(target: PublishTarget, entry: SwapEntry): Promise<void> {
  const { moves, asOf, sequence } = entry;
  await copyCarried(moves, {
    isMeant: (carried) => carried.entry > asOf,
    copy: (...asked) => target.store.publish(...asked),
  });
  for (const [output, moved] of Map.groupBy(moves, (move) => move.output)) {
    const definition = definitionOf(target, entry, output);
    const partitions = moved.map(({ partition, to }) => {
      assertPartitioned(definition, partition);
      return { values: partition.map(({ value }) => catalogValue(value)), key: to };
    });
    await target.catalog.movePartitions(definition, partitions, sequence);
  }
}
