// What must hold in every world that can be reached, judged from the objects alone and without the product's
// own fold: no row visible before its commit, none twice, none taken back, acknowledged implies visible, no
// committed entry without its bytes, ranges contiguous. Since final objects may only come, "none twice" of
// what stands is none twice over time. A rebuild puts rows at another place beside: no place has one twice,
// and the catalog has one place at a time. A prune may delete what lies where the catalog has moved on from.
import type { SwapEntry, WindowEntry } from '@sluice/collector/contracts.ts';
import { folderOf, isFinal, placeOf, tableOf, type World } from './world.ts';

/** `table|partition` → next acknowledged offset. */
export type Acks = Readonly<Record<string, number>>;

interface Committed {
  readonly windows: readonly WindowEntry[];
  readonly swaps: readonly SwapEntry[];
  readonly numbers: readonly number[];
  readonly next: ReadonlyMap<string, number>;
}

/** Where the environment puts a ledger entry that it deletes: nobody but this oracle finds it. */
export const DELETED = 'deleted:';

/** Rows of one object are spelled `<partition>:<offset>`, joined by commas. */
const rowsOf = (content: string) => content.split(',');

/** Where a rebuild puts objects before its entry: nobody sees them until the catalog has that place. */
const isRebuilt = (key: string) => key.split('/')[0]?.endsWith('.rebuilt') === true;

/** The first promise that the world breaks. */
export function brokenPromise(world: World): string | undefined {
  const committed = new Map<string, Committed>();
  const named = new Map<string, WindowEntry>();
  const moved = new Set<string>();
  for (const table of tablesOf(world)) {
    const read = readLedger(world, table);
    if (typeof read === 'string') return read;
    committed.set(table, read);
    for (const entry of read.windows) for (const { finalKey } of entry.outputs) named.set(finalKey, entry);
    for (const key of movedOn(world, table, read.swaps)) moved.add(key);
    const lost = read.swaps.flatMap((swap) => bytesLost(world, swap) ?? [])[0];
    if (lost !== undefined) return lost;
  }
  // What was committed by an entry that someone deleted was committed all the same.
  for (const [key, body] of world)
    if (key.startsWith(DELETED))
      for (const { finalKey } of (JSON.parse(body) as Partial<WindowEntry>).outputs ?? [])
        named.set(finalKey, JSON.parse(body) as WindowEntry);
  const seen = new Map<string, string>();
  for (const [key, content] of world) {
    if (!isFinal(key)) continue;
    if (!named.has(key) && !isRebuilt(key)) return `${key} is visible and no entry names it`;
    for (const row of rowsOf(content)) {
      const identity = `${folderOf(key)} ${row}`;
      const first = seen.get(identity);
      if (first !== undefined) return `record ${identity} is visible in ${first} and in ${key}`;
      seen.set(identity, key);
    }
  }
  for (const [key, entry] of named) {
    const staged = entry.outputs.find((output) => output.finalKey === key)?.stagedKey ?? '';
    if (!world.has(key) && !world.has(staged) && !moved.has(key))
      return `entry ${entry.sequence} is committed, and ${key} is neither staged nor published`;
  }
  return undefined;
}

/** Objects that the swap has replaced or carried by which the table is where the catalog has it. */
function movedOn(world: World, table: string, swaps: readonly SwapEntry[]): string[] {
  const at = placeOf(world, table)?.folder;
  return swaps.flatMap(({ windows, moves }) => {
    if (!moves.some(({ to }) => to === at)) return [];
    const left = moves.flatMap(({ carried, joined = [] }) => [
      ...carried.map(({ from }) => from),
      ...joined.flatMap(({ parts }) => parts.map(({ from }) => from)),
    ]);
    return [
      ...left,
      ...keysOf(
        world,
        table,
        windows.map(({ entry }) => entry),
      ),
    ];
  });
}

function keysOf(world: World, table: string, entries: readonly number[]): string[] {
  return [...world]
    .filter(([key]) => key.startsWith(`_sluice/ledger/${table}/`))
    .map(([, body]) => JSON.parse(body) as WindowEntry)
    .filter(({ sequence }) => entries.includes(sequence))
    .flatMap(({ outputs }) => outputs.map(({ finalKey }) => finalKey));
}

/** What a swap has made or joined, and what has been lost; what it carries is held to its own entry. */
function bytesLost(world: World, { sequence, moves }: SwapEntry): string | undefined {
  for (const { to, made, joined = [] } of moves)
    for (const { name } of [...made, ...joined])
      if (!world.has(`${to}${name}`)) return `swap ${sequence} is committed, and ${to}${name} is not there`;
  return undefined;
}

/** Rows that readers of the catalog saw and do not see any more. */
export function visibleTakenBack(before: World, after: World): string | undefined {
  const now = visibleRows(after);
  for (const row of visibleRows(before))
    if (!now.has(row)) return `record ${row} was visible and is taken back`;
  return undefined;
}

function visibleRows(world: World): Set<string> {
  const visible = new Set<string>();
  for (const [key, content] of world)
    if (isFinal(key) && isVisible(world, key))
      for (const row of rowsOf(content)) visible.add(`${tableOf(key)} ${row}`);
  return visible;
}

/** The first acknowledged record that no reader of the catalogued table sees. */
export function ackedAndNotVisible(world: World, acks: Acks): string | undefined {
  const visible = visibleRows(world);
  for (const [place, next] of Object.entries(acks)) {
    const [table = '', partition = ''] = place.split('|');
    const gaps = openGapsOf(world, table, Number(partition));
    for (let offset = 0; offset < next; offset++)
      if (!gaps.has(offset) && !visible.has(`${table} ${partition}:${offset}`))
        return `record ${table} ${partition}:${offset} is acknowledged and not visible`;
  }
  return undefined;
}

/** What is not brought to its end although everybody is at rest: `wanted` is the end of every partition. */
export function unfinished(
  world: World,
  tables: readonly string[],
  wanted: readonly number[],
): string | undefined {
  for (const table of tables) {
    const read = readLedger(world, table);
    if (typeof read === 'string') return read;
    for (const [partition, end] of wanted.entries()) {
      const next = read.next.get(String(partition)) ?? 0;
      if (next !== end) return `${table} ${partition} is committed to ${next} of ${end}`;
    }
    const moved = new Set(movedOn(world, table, read.swaps));
    for (const { sequence, outputs } of read.windows)
      for (const { finalKey } of outputs)
        if (!world.has(finalKey) && !moved.has(finalKey))
          return `entry ${sequence} of ${table} is committed, and ${finalKey} is not there`;
    const last = read.swaps.at(-1);
    // One that landed when everybody had gone to rest is published by whoever looks next.
    const isNews = last?.sequence === Math.max(...read.numbers);
    if (!isNews && last?.moves.some(({ to }) => placeOf(world, table)?.folder !== to))
      return `swap ${last.sequence} of ${table} is committed, and the catalog is elsewhere`;
    const acks = Object.fromEntries(wanted.map((end, partition) => [`${table}|${partition}`, end]));
    const hidden = ackedAndNotVisible(world, acks);
    if (hidden !== undefined) return hidden.replace('acknowledged', 'committed');
    const unread = unreadHistory(world, table);
    if (unread !== undefined) return unread;
  }
  return undefined;
}

function tablesOf(world: World): Set<string> {
  const tables = [...world.keys()].flatMap((key) => /^_sluice\/ledger\/([^/]+)\//.exec(key)?.[1] ?? []);
  return new Set(tables);
}

interface Entry {
  readonly kind: string;
  readonly sequence: number;
  readonly partitions?: readonly { partition: number; start: number }[];
  readonly gaps?: readonly { partition: number; start: number; next: number }[];
  readonly forks?: readonly { partition: number; offset: number }[];
  readonly backfills?: readonly { partition: number; from: number; to: number }[];
}

const isVisible = (world: World, key: string) => world.has(key) && world.has(`catalog:${folderOf(key)}`);

/** A history that was begun and is not visible to its end. */
function unreadHistory(world: World, table: string): string | undefined {
  for (const [key, body] of world) {
    if (!key.startsWith(`_sluice/ledger/${table}/`)) continue;
    for (const { partition, from, to } of (JSON.parse(body) as Entry).backfills ?? []) {
      const open = openGapsOf(world, table, partition);
      for (let offset = from; offset < to; offset++)
        if (open.has(offset)) return `record ${table} ${partition}:${offset} of the history is not visible`;
    }
  }
  return undefined;
}

/** What Kafka lost and no fill that was committed has brought. */
function openGapsOf(world: World, table: string, partition: number): Set<number> {
  const open = new Set<number>();
  for (const [key, body] of world) {
    if (!key.startsWith(`_sluice/ledger/${table}/`)) continue;
    const entry = JSON.parse(body) as Entry & Partial<WindowEntry>;
    // Below where it was opened nothing is wanted but by a history.
    const below = (entry.partitions ?? []).map((p) => ({ partition: p.partition, start: 0, next: p.start }));
    for (const gap of [...below, ...(entry.gaps ?? [])])
      for (let offset = gap.start; gap.partition === partition && offset < gap.next; offset++)
        open.add(offset);
  }
  for (const [key, body] of world) {
    if (!key.startsWith(`_sluice/ledger/${table}/`)) continue;
    const entry = JSON.parse(body) as WindowEntry;
    if (entry.kind !== 'fill' || !entry.outputs.every(({ finalKey }) => isVisible(world, finalKey))) continue;
    for (const range of entry.ranges)
      for (let offset = range.start; range.partition === partition && offset < range.next; offset++)
        open.delete(offset);
  }
  return open;
}

/**
 * Ranges follow each other, per partition; a hole in the numbers is no matter here: it may have been made on
 * purpose.
 */
function readLedger(world: World, table: string): Committed | string {
  const prefix = `_sluice/ledger/${table}/`;
  const keys = [...world.keys()].filter((key) => key.startsWith(prefix)).sort();
  const next = new Map<string, number>();
  const windows: WindowEntry[] = [];
  const swaps: SwapEntry[] = [];
  const numbers: number[] = [];
  let expected = 0;
  for (const key of keys) {
    const entry = JSON.parse(world.get(key) ?? '') as Entry;
    numbers.push(entry.sequence);
    const isWhole = entry.sequence === expected++;
    for (const { partition, start } of entry.partitions ?? []) next.set(String(partition), start);
    for (const gap of entry.gaps ?? []) next.set(String(gap.partition), gap.next);
    for (const fork of entry.forks ?? []) next.set(String(fork.partition), fork.offset);
    if (entry.kind === 'swap') swaps.push(entry as unknown as SwapEntry);
    if (entry.kind !== 'commit' && entry.kind !== 'fill') continue;
    const window = entry as unknown as WindowEntry;
    windows.push(window);
    if (entry.kind === 'fill') continue;
    for (const { partition, start, next: end } of window.ranges) {
      const at = next.get(String(partition));
      if (isWhole && at !== start)
        return `${table} ${partition}: ${start} follows ${at} in entry ${entry.sequence}`;
      next.set(String(partition), end);
    }
  }
  return { windows, swaps, numbers, next };
}
