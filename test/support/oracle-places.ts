// Where the objects of a table stand after swaps, as the entries say it, and what is wrong with a swap, or
// with a move of the catalog: each object of a partition goes along, is a part of one, or its window is made
// again, and readers see each row once before and afterwards. Pure.
import type {
  LedgerEntry,
  LedgerOutput,
  MovedPartition,
  SwapEntry,
  WindowEntry,
} from '@sluice/collector/contracts.ts';
import { type LakeRow, slotOf } from './oracle-rows.ts';

export interface LakeObject {
  readonly bytes: Buffer;
  readonly sha256: string;
}

/** The lake as it is now. */
export interface LakeView {
  object(key: string): LakeObject | undefined;
  registered(table: string, prefix: string): boolean;
  /** Of the partitions of a table. */
  locations(table: string): Iterable<string>;
  /** Keys below a prefix. */
  keys(prefix: string): Iterable<string>;
}

interface Standing extends Pick<LedgerOutput, 'sha256'> {
  /** Entries that have rows in it. */
  readonly of: ReadonlySet<number>;
}

type Objects = Map<string, Standing>;

interface Place {
  /** Where a swap has put it. */
  readonly to: string | undefined;
  readonly objects: Objects;
}

/** A window as a swap has made it again. */
interface MadeAgain extends Pick<WindowEntry, 'classes' | 'outputs'> {
  readonly entry: number;
}

export interface Swapped {
  /** What is wrong with it. */
  readonly wrong: readonly string[];
  /** Objects of its places, by key. */
  readonly named: ReadonlyMap<string, Standing>;
  readonly windows: readonly MadeAgain[];
}

export const isRebuilt = (key: string) => key.split('/')[0]?.endsWith('.rebuilt') === true;
export const folderOf = (key: string) => key.slice(0, key.lastIndexOf('/') + 1);
const nameIn = (key: string) => key.slice(key.lastIndexOf('/') + 1);
export const tableOf = (name: string, output: string) => (output === 'rows' ? name : `${name}_${output}`);
export const tableOfKey = (key: string) => (key.split('/')[0] ?? '').replace(/\.rebuilt$/, '');

const placeName = ({ output, partition = [] }: Partial<Pick<LedgerOutput, 'output' | 'partition'>>) =>
  [output, ...partition.map(({ value }) => value)].join('/');

/** Made, joined and carried, with the key of each. */
function keysOf({ to, made, joined = [], carried }: MovedPartition) {
  const at = (name: string) => `${to}${name}`;
  return [
    ...[...made, ...joined].map(({ name, sha256 }) => ({ key: at(name), sha256 })),
    ...carried.map(({ from, sha256 }) => ({ key: at(nameIn(from)), sha256 })),
  ];
}

export class OraclePlaces {
  readonly #places = new Map<string, Place>();
  #lastSwap = -1;

  #of(name: string): Place {
    return this.#places.get(name) ?? { to: undefined, objects: new Map() };
  }

  /** Why a window may not name what it names, or undefined. */
  came({ sequence, outputs }: WindowEntry): string | undefined {
    let wrong: string | undefined;
    for (const output of outputs) {
      const place = this.#of(placeName(output));
      this.#places.set(placeName(output), place);
      const { finalKey, sha256 } = output;
      place.objects.set(finalKey, { sha256, of: new Set([sequence]) });
      if (place.to !== undefined && folderOf(finalKey) !== place.to)
        wrong ??= `names ${finalKey}, and its partition is at ${place.to}`;
    }
    return wrong;
  }

  swapped(swap: SwapEntry, lake: LakeView): Swapped {
    const wrong: string[] = [];
    const { sequence, after, moves, windows, replays } = swap;
    if (after !== this.#lastSwap) wrong.push(`follows ${after}, and ${this.#lastSwap} is the last one`);
    this.#lastSwap = sequence;
    const remade = new Set([...windows.map(({ entry }) => entry), ...replays]);
    const moved = new Set(moves.map(placeName));
    for (const [name, { objects }] of this.#places)
      for (const [key, { of }] of objects)
        if (!moved.has(name) && [...of].some((entry) => remade.has(entry)))
          wrong.push(`leaves ${key} where it is, and makes its window again`);
    const named = new Map<string, Standing>();
    for (const move of moves) {
      const objects = this.#move(move, { remade, asOf: swap.asOf, lake, wrong });
      this.#places.set(placeName(move), { to: move.to, objects });
      for (const [key, object] of objects) named.set(key, object);
    }
    return { wrong, named, windows: madeAgain(swap) };
  }

  #move(move: MovedPartition, so: Moving): Objects {
    const { to, made, joined = [], carried } = move;
    const before = this.#of(placeName(move)).objects;
    const taken = [...carried, ...joined.flatMap(({ parts }) => parts)].map(({ from }) => from);
    so.wrong.push(...wrongTaken(before, taken, so.remade));
    const of = (keys: readonly string[]) => new Set(keys.flatMap((key) => [...(before.get(key)?.of ?? [])]));
    const objects: Objects = new Map([
      ...made.map(({ entry, name, sha256 }) => [`${to}${name}`, { sha256, of: new Set([entry]) }] as const),
      ...joined.map(
        ({ name, sha256, parts }) =>
          [`${to}${name}`, { sha256, of: of(parts.map(({ from }) => from)) }] as const,
      ),
      ...carried.map(({ from, sha256 }) => [`${to}${nameIn(from)}`, { sha256, of: of([from]) }] as const),
    ]);
    if (!isRebuilt(to)) so.wrong.push(`moves to ${to}, where readers are`);
    if (objects.size < keysOf(move).length) so.wrong.push(`names an object of ${to} twice`);
    so.wrong.push(...wrongBytes(move, so, before));
    return objects;
  }
}

interface Moving {
  /** Entries whose windows are made again, or taken back. */
  readonly remade: ReadonlySet<number>;
  readonly asOf: number;
  readonly lake: LakeView;
  readonly wrong: string[];
}

function* wrongTaken(before: Objects, taken: readonly string[], remade: ReadonlySet<number>) {
  const once = new Set(taken);
  if (once.size < taken.length) yield 'has an object of before twice';
  for (const key of once) if (!before.has(key)) yield `takes ${key}, which does not stand there`;
  for (const [key, { of }] of before) {
    const again = [...of].filter((entry) => remade.has(entry)).length;
    if (again > 0 && again < of.size) yield `makes only some of what has rows in ${key} again`;
    if (again > 0 && once.has(key)) yield `takes ${key} along, and makes its window again`;
    if (again === 0 && !once.has(key)) yield `leaves ${key} behind`;
  }
}

/** What is joined is there, row behind row; what is carried has the bytes that it had. */
function* wrongBytes({ to, made, joined = [], carried }: MovedPartition, so: Moving, before: Objects) {
  const { lake, asOf } = so;
  const isThere = (key: string, sha256: string) => lake.object(key)?.sha256 === sha256;
  for (const { name, sha256 } of [...made, ...joined])
    if (!isThere(`${to}${name}`, sha256)) yield `is written without the bytes of ${to}${name}`;
  for (const { entry, from, sha256 } of carried) {
    if (before.get(from)?.sha256 !== sha256) yield `carries other bytes of ${from}`;
    if (entry <= asOf && !isThere(`${to}${nameIn(from)}`, sha256)) yield `has not copied ${from}`;
  }
  for (const { name, parts, rows } of joined) {
    const [whole, some] = [rowsAt(lake, `${to}${name}`), parts.map(({ from }) => rowsAt(lake, from))];
    if (JSON.stringify(whole) !== JSON.stringify(some.flat())) yield `joins other rows in ${to}${name}`;
    if (parts.some((part, i) => part.rows !== some[i]?.length) || rows !== whole.length)
      yield `counts other rows in ${to}${name}`;
  }
}

function rowsAt(lake: LakeView, key: string): LakeRow[] {
  return JSON.parse(lake.object(key)?.bytes.toString() ?? '[]') as LakeRow[];
}

function madeAgain({ windows, moves }: SwapEntry): MadeAgain[] {
  return windows.map(({ entry, classes }) => {
    const outputs = moves.flatMap(({ output, partition, to, made }) =>
      made
        .filter((object) => object.entry === entry)
        .map(({ name, bytes, sha256, rows }) => {
          const key = `${to}${name}`;
          return { output, partition, stagedKey: key, finalKey: key, bytes, sha256, rows };
        }),
    );
    return { entry, classes, outputs };
  });
}

/** All that a swap has moved stands at its new places, and the catalog has those. */
export function isMoved(table: { readonly name: string }, { moves }: SwapEntry, lake: LakeView): boolean {
  return moves.every(
    (move) =>
      lake.registered(tableOf(table.name, move.output), move.to) &&
      keysOf(move).every(({ key }) => lake.object(key) !== undefined),
  );
}

interface CatalogMove {
  readonly state: {
    readonly table: { readonly name: string };
    readonly entries: readonly { readonly kind: string; readonly sequence: number }[];
    readonly published: number;
  };
  readonly from: string | undefined;
  readonly to: string;
  readonly lake: LakeView;
  /** By an entry. */
  isNamed(key: string): boolean;
}

/** What is wrong where readers of a partition come to see another place. */
export function* wrongMove({ state, from, to, lake, isNamed }: CatalogMove): Generator<string> {
  const swap = (state.entries as readonly SwapEntry[]).find(
    ({ kind, moves }) => kind === 'swap' && moves.some((move) => move.to === to),
  );
  const place = `${state.table.name} moves to ${to}`;
  if (swap === undefined) yield `${place}, and no entry says so`;
  else if (state.published < swap.sequence) yield `${place} before entry ${state.published} is published`;
  for (const key of lake.keys(to)) if (!isNamed(key)) yield `${place}, where ${key} is, which no entry names`;
  const seen = new Set<string>();
  for (const row of rowsBelow(lake, to)) {
    if (seen.has(row) && !row.endsWith(UNREAD)) yield `${place}, where ${row} is twice`;
    seen.add(row);
  }
  // Made again, a row may come to another partition, which moves within seconds.
  const remade = swap === undefined || swap.windows.length === 0 ? [] : swap.moves;
  for (const move of remade) for (const row of rowsBelow(lake, move.to)) seen.add(row);
  const lost = (from === undefined ? [] : rowsBelow(lake, from)).find((row) => !seen.has(row));
  if (lost !== undefined) yield `${place}, and ${lost}, which was seen at ${from}, is taken back`;
}

/** Rows of windows that readers of the catalog do not see, or not once. */
export function* wronglyShown(
  { table, entries }: { readonly table: { readonly name: string }; readonly entries: readonly LedgerEntry[] },
  lake: LakeView,
): Generator<string> {
  const windows = entries.filter((entry) => entry.kind === 'commit' || entry.kind === 'fill');
  const came = Map.groupBy(
    windows.flatMap(({ outputs }) => outputs),
    ({ output }) => output,
  );
  for (const [output, objects] of came) {
    const name = tableOf(table.name, output);
    const seen = new Map<string, number>();
    for (const location of lake.locations(name))
      for (const row of rowsBelow(lake, location)) seen.set(row, (seen.get(row) ?? 0) + 1);
    for (const row of objects.flatMap(({ finalKey }) => rowsBelow(lake, finalKey)))
      if (!seen.has(row)) yield `${name}: ${row} is seen by no reader`;
    for (const [row, times] of seen)
      if (times > 1 && !row.endsWith(UNREAD)) yield `${name}: ${row} is seen ${times} times`;
  }
}

/** Offsets that came twice, as of a log that was cut, are told apart by their content. */
const rowsBelow = (lake: LakeView, prefix: string) =>
  [...lake.keys(prefix)].flatMap((key) =>
    rowsAt(lake, key).map((row) => `${slotOf(row)}@${row.offset} ${row.n}`),
  );
const UNREAD = ' null';
