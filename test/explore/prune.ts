// A prune of the exploration: what the product's own code says that swaps have left is deleted, where the
// ledger calls the swap published and the catalog has the table where the ledger says. At any age.
import type { LedgerEntry, ObjectStore } from '@sluice/collector/contracts.ts';
import { emptyFold, foldEntry } from '@sluice/collector/ledger/fold.ts';
import { leftBehind } from '@sluice/collector/ops/prune/left-places.ts';
import type { Bug } from './collector-run.ts';
import { patiently, readLedger } from './rebuild.ts';

export interface Prune {
  readonly name: string;
  readonly store: ObjectStore;
  /** Where the catalog has the table. */
  place(): Promise<string>;
}

export async function pruneLeft({ name, store, place }: Prune, bug: Bug = {}): Promise<void> {
  const read: readonly LedgerEntry[] = await patiently(() => readLedger(store, name));
  const fold = emptyFold(name);
  for (const entry of read) foldEntry(fold, entry);
  const entries = async function* () {
    yield* read;
  };
  const all = () => true;
  const { places } = await leftBehind(fold, { entries, swaps: entries, isAsked: all, isAskedOf: all });
  const at = await patiently(place);
  const isOver = ({ toldAt, now }: (typeof places)[number]) =>
    bug.prune !== undefined || (toldAt !== undefined && now === at);
  const keys = places.filter(isOver).flatMap((left) => left.keys);
  if (keys.length > 0) await patiently(() => store.remove(keys));
}
