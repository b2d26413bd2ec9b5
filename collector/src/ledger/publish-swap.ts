// Publishing one swap: what came into its partitions since it was made is copied to their new places, then
// the catalog moves each. A function of the entry alone, to be done only when every entry before it is
// published: what is copied stands then, and no entry registers a partition at an old place any more. Until a
// partition is moved readers see what was there, and afterwards all that is there now.
import type { SwapEntry } from '../contracts.ts';
import { catalogValue, fileName } from '../lake/object-keys.ts';
import { assertPartitioned, COPIES_MAX, definitionOf, type PublishTarget } from './publish.ts';

export async function publishSwap(target: PublishTarget, entry: SwapEntry): Promise<void> {
  const { moves, asOf, sequence } = entry;
  const late = moves.flatMap(({ to, carried }) =>
    carried.filter((object) => object.entry > asOf).map((object) => ({ to, ...object })),
  );
  for (let from = 0; from < late.length; from += COPIES_MAX)
    await Promise.all(
      late
        .slice(from, from + COPIES_MAX)
        .map(({ to, from: key, bytes, sha256 }) =>
          target.store.publish(key, `${to}${fileName(key)}`, { bytes, sha256 }),
        ),
    );
  for (const [output, moved] of Map.groupBy(moves, (move) => move.output)) {
    const definition = definitionOf(target, entry, output);
    const partitions = moved.map(({ partition, to }) => {
      assertPartitioned(definition, partition);
      return { values: partition.map(({ value }) => catalogValue(value)), key: to };
    });
    await target.catalog.movePartitions(definition, partitions, sequence);
  }
}
