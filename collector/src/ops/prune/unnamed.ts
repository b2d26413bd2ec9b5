// Objects below `<location>.rebuilt/` that no entry names: of a rebuild or a compaction that works just now,
// or that died or was void. No clock tells them apart; the ledger does. Whoever makes such objects knows its
// last replay or swap then, and may append its own behind that one only. So what lay there unnamed when the
// ledger was of a certain last one is dead once there is a later one and it is unnamed still. What one prune
// saw is kept for the next in an object that may be lost without harm.
import { z } from 'zod';
import type { ObjectStore } from '../../contracts.ts';
import { unnamedKey } from '../../lake/object-keys.ts';

/** Kept from one prune to the next, some 150 bytes each; what is beyond these is met again later. */
const KEPT_MAX = 100_000;

const seen = z.strictObject({
  format: z.literal(1),
  table: z.string(),
  /** Number of the last replay or swap in a ledger that was read behind these. */
  lastRerun: z.int().min(-1),
  keys: z.array(z.string()).max(KEPT_MAX),
});

export type SeenUnnamed = Pick<z.infer<typeof seen>, 'lastRerun' | 'keys'>;

/** What cannot be understood is as if it were not there. */
export async function readUnnamed(store: ObjectStore, table: string): Promise<SeenUnnamed | undefined> {
  const bytes = await store.read(unnamedKey(table));
  if (bytes === undefined) return undefined;
  try {
    const parsed = seen.safeParse(JSON.parse(Buffer.from(bytes).toString()));
    return parsed.success && parsed.data.table === table ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** Those of `unnamed` that nobody will ever name. `lastRerun` was read behind them. */
export function deadOf(
  unnamed: readonly string[],
  lastRerun: number,
  before: SeenUnnamed | undefined,
): readonly string[] {
  if (before === undefined || before.lastRerun >= lastRerun) return [];
  const known = new Set(before.keys);
  return unnamed.filter((key) => known.has(key));
}

export async function writeUnnamed(store: ObjectStore, table: string, now: SeenUnnamed): Promise<void> {
  const keys = now.keys.slice(0, KEPT_MAX);
  const value: z.infer<typeof seen> = { format: 1, table, lastRerun: now.lastRerun, keys };
  await store.put(unnamedKey(table), Buffer.from(`${JSON.stringify(value)}\n`));
}
