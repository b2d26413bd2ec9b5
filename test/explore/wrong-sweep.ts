// A sweep of staged objects as it must not be: made on purpose, to be found.
import type { ObjectStore } from '@sluice/collector/contracts.ts';

/** Removes what no entry names at the moment it looks, and says so to nobody. */
export async function sweepWithoutEntry(name: string, store: ObjectStore): Promise<void> {
  const staged: string[] = [];
  for await (const { key } of store.list(`_sluice/staged/${name}/`)) staged.push(key);
  const named: string[] = [];
  for await (const { key } of store.list(`_sluice/ledger/${name}/`))
    named.push(String(await store.read(key)));
  const unnamed = staged.filter((key) => !named.some((entry) => entry.includes(key)));
  if (unnamed.length > 0) await store.remove(unnamed);
}
