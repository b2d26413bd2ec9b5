// Swaps under audit: each replaced what the ledger had of its windows, its partitions are where the catalog
// has them, and of all that lies below a table's locations each object is told apart: it stands, an entry
// names it and it was left behind, or it is nobody's.
import { formatCount } from '@sluice/shared/units.ts';
import type { Classes, LedgerEntry, ObjectsEntry, SwapEntry } from '../../contracts.ts';
import { folderOf, outputLocation, rebuiltLocation } from '../../lake/object-keys.ts';
import { hasObjects, isWindow } from '../../ledger/fold.ts';
import type { JoinedRows, StandingObjects, StandingOutput } from '../../ledger/standing-objects.ts';
import { keysAt, placeOf, sumOf } from '../../ledger/swaps.ts';
import { type Finding, finding } from './findings.ts';
import { type Audited, misplacedBy } from './objects.ts';

export interface StoredKeys {
  /** Every key below the table's locations; those that entries name are taken out. */
  readonly stored: Set<string>;
  readonly standing: StandingObjects;
}

/** Of rows, or of bytes of text. */
interface Span {
  readonly first: number;
  readonly size: number;
}

interface Spans {
  readonly what: string;
  readonly of: number;
  readonly spans: Span[];
}

export class SwapAudit {
  readonly lines: string[] = [];
  readonly joins: string[] = [];
  /** Stored, and readers of the catalog see none of them. */
  leftBehind = 0;
  readonly #audited: Audited;
  readonly #keys: StoredKeys;
  /** By key: rows in all, and those of each entry; of lines their bytes as well. */
  readonly #joined = new Map<string, readonly Spans[]>();
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
      const outputs: readonly StandingOutput[] = standing.now(entry)?.outputs ?? [];
      for (const { finalKey } of outputs) stored.delete(finalKey);
      for (const { finalKey } of entry.outputs) this.#leave(finalKey);
      return outputs.flatMap((output) => this.#stand(entry, output));
    }
    return entry.kind === 'swap' ? this.#swap(entry) : [];
  }

  /** What stands is where its partition is, and has rows of its own in a joined object. */
  #stand({ table, sequence }: ObjectsEntry, output: StandingOutput): Finding[] {
    const { finalKey, rows, joined } = output;
    if (joined !== undefined) {
      const own = [{ what: 'rows', of: joined.rows, first: joined.first, size: rows }, ...textIn(joined)];
      const all = this.#joined.get(finalKey) ?? own.map(({ what, of }) => ({ what, of, spans: [] }));
      for (const { what, ...span } of own) all.find((spans) => spans.what === what)?.spans.push(span);
      this.#joined.set(finalKey, all);
    }
    const place = placeOf(this.#audited.fold, output);
    if (place === undefined || folderOf(finalKey) === place) return [];
    const message = `its partition moved to ${place}, and no swap has taken along ${finalKey}: readers do not see it`;
    return [finding('SWAP_UNFOUNDED', { table, place: `entry ${sequence}` }, message)];
  }

  /** Each row of a joined object is one entry's. */
  unjoined(): Finding[] {
    const { table } = this.#audited;
    return [...this.#joined].flatMap(([place, all]) =>
      all.flatMap(({ what, of, spans }) => {
        let next = 0;
        for (const span of spans.toSorted((a, b) => a.first - b.first))
          if (span.first === next) next += span.size;
        const sum = spans.reduce((total, span) => total + span.size, 0);
        if (next === of && sum === of) return [];
        const message = `it holds ${of} ${what}, and the entries that were joined in it have ${sum}, not one behind the other`;
        return [finding('SWAP_UNFOUNDED', { table: table.name, place }, message)];
      }),
    );
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
    const moved = `${formatCount(moves.length)} partitions moved`;
    const joined = joinedText(entry);
    const made = `${formatCount(windows.length)} windows made again from the ${source}`;
    (joined === undefined ? this.lines : this.joins).push(`entry ${sequence}: ${joined ?? made}, ${moved}`);
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

function textIn({ text }: JoinedRows): readonly (Omit<Spans, 'spans'> & Span)[] {
  if (text === undefined) return [];
  const { first, bytes: size, of } = text;
  return [{ what: 'bytes of text', of, first, size }];
}

function joinedText({ moves }: SwapEntry): string | undefined {
  const joined = moves.flatMap((move) => move.joined ?? []);
  if (joined.length === 0) return undefined;
  const parts = joined.reduce((sum, object) => sum + object.parts.length, 0);
  return `${formatCount(parts)} objects became ${formatCount(joined.length)}`;
}
