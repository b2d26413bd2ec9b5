// Swaps under audit: each replaced what the ledger had of its windows, its partitions are where the catalog
// has them, and of all that lies below a table's locations each object is told apart: it stands, an entry
// names it and it was left behind, or it is nobody's.
import { formatCount } from '@sluice/shared/units.ts';
import type { Classes, LedgerEntry, SwapEntry } from '../../contracts.ts';
import { folderOf, outputLocation, rebuiltLocation } from '../../lake/object-keys.ts';
import { hasObjects, isWindow } from '../../ledger/fold.ts';
import type { StandingObjects } from '../../ledger/standing-objects.ts';
import { keysAt, sumOf } from '../../ledger/swaps.ts';
import { type Finding, finding } from './findings.ts';
import { type Audited, misplacedBy } from './objects.ts';

export interface StoredKeys {
  /** Every key below the table's locations; those that entries name are taken out. */
  readonly stored: Set<string>;
  readonly standing: StandingObjects;
}

export class SwapAudit {
  readonly lines: string[] = [];
  /** Stored, and readers of the catalog see none of them. */
  leftBehind = 0;
  readonly #audited: Audited;
  readonly #keys: StoredKeys;
  /** Of windows that are made again, until the swap that comes. */
  readonly #classes = new Map<number, Classes>();

  constructor(audited: Audited, keys: StoredKeys) {
    this.#audited = audited;
    this.#keys = keys;
  }

  /** Every entry in its order. */
  add(entry: LedgerEntry): Finding[] {
    const { standing, stored } = this.#keys;
    if (isWindow(entry) && standing.madeBy(entry.sequence) !== entry.sequence)
      this.#classes.set(entry.sequence, entry.classes);
    if (hasObjects(entry)) {
      for (const { finalKey } of standing.now(entry)?.outputs ?? []) stored.delete(finalKey);
      for (const { finalKey } of entry.outputs) this.#leave(finalKey);
    }
    return entry.kind === 'swap' ? this.#swap(entry) : [];
  }

  /** What stands was taken out before. */
  #leave(key: string): void {
    if (this.#keys.stored.delete(key)) this.leftBehind++;
  }

  #swap(entry: SwapEntry): Finding[] {
    const { table, sequence, windows, moves, before, source } = entry;
    for (const key of moves.flatMap(keysAt)) this.#leave(key);
    const had = windows.flatMap(({ entry: window }) => {
      const classes = this.#classes.get(window);
      return classes === undefined ? [] : [{ window, classes }];
    });
    for (const { entry: window, classes } of windows) this.#classes.set(window, classes);
    const what = `${formatCount(windows.length)} windows made again from the ${source}`;
    this.lines.push(`entry ${sequence}: ${what}, ${formatCount(moves.length)} partitions moved`);
    const misplaced = misplacedBy(this.#audited, entry);
    const isFounded =
      had.length === windows.length &&
      JSON.stringify(sumOf(had)) === JSON.stringify(sumOf([{ classes: before }])) &&
      had.every(({ classes }, i) => classes.in === windows[i]?.classes.in);
    if (isFounded) return misplaced;
    const message = `it replaces windows with ${JSON.stringify(before)}, and the ledger has ${JSON.stringify(sumOf(had))} of them`;
    return [...misplaced, finding('SWAP_UNFOUNDED', { table, place: `entry ${sequence}` }, message)];
  }

  /** What no entry names. Where no partition is, a rebuild left it that was not finished. */
  unknown(): Finding[] {
    const { table, fold, outputs } = this.#audited;
    const rebuilt = Object.keys(outputs).map((output) => rebuiltLocation(outputLocation(table, output)));
    const places = new Set(fold.places.values());
    return [...this.#keys.stored].flatMap((place) => {
      if (rebuilt.some((location) => place.startsWith(`${location}/`)) && !places.has(folderOf(place))) {
        this.leftBehind++;
        return [];
      }
      const unknown = 'no entry names this object, and readers see it';
      return [finding('OBJECT_UNKNOWN', { table: table.name, place }, unknown)];
    });
  }
}
