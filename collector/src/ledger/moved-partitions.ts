// Partitions that swaps have moved are where the ledger says. Glue changes a partition without a condition: a
// request of an earlier rebuild may arrive when a later one has moved it on, and readers see what was there
// before, and nothing that came since. So whoever writes the table looks from time to time and puts it back.
// A function of the fold: it does no harm however often it is done, by whomever.
import type { Fold } from './fold.ts';
import type { PublishTarget } from './publish.ts';

/**
 * Resolves with how many were elsewhere, and with why an output could not be looked after; the others are all
 * the same. Those of a swap that is not published yet move when it is.
 */
export async function putBackMoved(
  { catalog, definitions }: Pick<PublishTarget, 'catalog' | 'definitions'>,
  { places, unpublished, lastRerun: order }: Fold,
): Promise<{ readonly partitions: number; readonly failures: readonly unknown[] }> {
  const failures: unknown[] = [];
  let putBack = 0;
  if (unpublished.some(({ kind }) => kind === 'swap')) return { partitions: putBack, failures };
  const moved = [...places].map(([place, key]) => {
    const [output = '', ...values] = place.split('\u0000');
    return { output, values, key };
  });
  for (const [output, partitions] of Map.groupBy(moved, (partition) => partition.output)) {
    try {
      // As any config has it that makes the output.
      const definition = definitions.of('', output);
      const columns = definition?.partitionColumns.length;
      const ours = partitions.filter(({ values }) => values.length === columns);
      if (definition !== undefined) putBack += await catalog.putBackPartitions(definition, ours, order);
    } catch (error) {
      failures.push(error);
    }
  }
  return { partitions: putBack, failures };
}
