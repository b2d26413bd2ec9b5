// What stands of each entry after all swaps: its window as it was made last, and its objects where they are
// now. Pure. Of a ledger only the swaps are kept; every other entry is asked about as it is read.
import type { LedgerEntry, LedgerOutput, ObjectsEntry, SwapEntry } from '../contracts.ts';
import { fileName } from '../lake/object-keys.ts';

export interface StandingOutput extends LedgerOutput {
  /** Number of the entry that says that it is there: its own, or a swap's. */
  readonly placedBy: number;
}

export type StandingEntry = ObjectsEntry & { readonly outputs: readonly StandingOutput[] };

interface Remade extends Pick<ObjectsEntry, 'classes' | 'rows' | 'configVersion' | 'partitionedBy'> {
  readonly outputs: readonly StandingOutput[];
}

export class StandingObjects {
  readonly #remade = new Map<number, Remade>();
  readonly #takenBack = new Set<number>();
  /** By the key that an object had before: where it was carried, and by whom. */
  readonly #carried = new Map<string, { readonly key: string; readonly by: number }>();
  /** Window of each object that a swap made, by the key that it gave. */
  readonly #windows = new Map<string, number>();

  static async of(entries: AsyncIterable<LedgerEntry>): Promise<StandingObjects> {
    const standing = new StandingObjects();
    for await (const entry of entries) standing.add(entry);
    return standing;
  }

  /** In the order of the ledger. */
  add(entry: LedgerEntry): void {
    if (entry.kind !== 'swap') return;
    const made = new Map<number, StandingOutput[]>();
    for (const { output, partition, to, made: objects, carried } of entry.moves) {
      for (const { entry: window, name, bytes, sha256, rows } of objects) {
        const key = `${to}${name}`;
        const of = { output, stagedKey: key, finalKey: key, bytes, sha256, rows, partition };
        const outputs = made.get(window) ?? [];
        made.set(window, outputs);
        outputs.push({ ...of, placedBy: entry.sequence });
        this.#windows.set(key, window);
      }
      for (const { from } of carried)
        this.#carried.set(from, { key: `${to}${fileName(from)}`, by: entry.sequence });
    }
    this.#remake(entry, made);
    for (const replay of entry.replays) this.#takenBack.add(replay);
  }

  #remake({ windows, configVersion, partitionedBy }: SwapEntry, made: Map<number, StandingOutput[]>): void {
    for (const { entry, classes, rows } of windows)
      this.#remade.set(entry, {
        configVersion,
        partitionedBy,
        classes,
        rows,
        outputs: made.get(entry) ?? [],
      });
  }

  /** undefined for a replay whose records were taken back into their windows. */
  now(entry: ObjectsEntry): StandingEntry | undefined {
    if (this.#takenBack.has(entry.sequence)) return undefined;
    const own = entry.outputs.map((output) => ({ ...output, placedBy: entry.sequence }));
    const made = { ...entry, outputs: own, ...this.#remade.get(entry.sequence) };
    return { ...made, outputs: made.outputs.map((output) => this.#placed(output)) };
  }

  #placed(output: StandingOutput): StandingOutput {
    let placed = output;
    for (let next = this.#carried.get(placed.finalKey); next !== undefined; ) {
      placed = { ...placed, stagedKey: placed.finalKey, finalKey: next.key, placedBy: next.by };
      next = this.#carried.get(placed.finalKey);
    }
    return placed;
  }

  /** Number of the window that an object is of, by the entry that named it first. */
  windowOf(entry: number, key: string): number {
    return this.#windows.get(key) ?? entry;
  }
}
