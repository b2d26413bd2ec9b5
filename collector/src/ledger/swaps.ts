// Where partitions lie after rebuilds, in the ledger: which entry may move them, and where every later entry
// names its objects. Pure. A fold keeps one place for each partition that was ever moved, so that a window
// that was staged under the old one is committed under the new one, whoever writes it.
import { SluiceError } from '@sluice/shared/errors.ts';
import type {
  Classes,
  JoinedObject,
  LedgerOutput,
  LedgerSwap,
  MovedPartition,
  OutputName,
  Proposal,
  RemadeWindow,
  SwapEntry,
} from '../contracts.ts';
import { catalogValue, fileName, type PartitionValues } from '../lake/object-keys.ts';

/** Keys of all that a partition has at its new place. */
export function keysAt({ to, made, carried, joined = [] }: MovedPartition): string[] {
  const names = [...made, ...joined].map(({ name }) => name);
  return [...names, ...carried.map(({ from }) => fileName(from))].map((name) => `${to}${name}`);
}

interface FoldedSwaps {
  readonly nextSequence: number;
  lastRerun: number;
  readonly places: Map<string, string>;
  readonly totals: Omit<Classes, 'windows'>;
}

const CLASSES = ['in', 'emitted', 'merged', 'filtered', 'quarantined'] as const;

/** Names a partition of an output as a catalog tells them apart. */
export function placeKey(output: OutputName, partition: PartitionValues): string {
  return [output, ...partition.map(({ value }) => catalogValue(value))].join('\u0000');
}

/** Prefix of the partition's objects, where a swap has moved it. */
export function placeOf(
  { places }: Pick<FoldedSwaps, 'places'>,
  { output, partition }: Pick<LedgerOutput, 'output' | 'partition'>,
): string | undefined {
  return places.get(placeKey(output, partition));
}

/** The same objects under the names that an entry behind this fold gives them. */
export function placed(
  fold: Pick<FoldedSwaps, 'places'>,
  outputs: readonly LedgerOutput[],
): readonly LedgerOutput[] {
  if (fold.places.size === 0) return outputs;
  return outputs.map((output) => {
    const place = placeOf(fold, output);
    return place === undefined ? output : { ...output, finalKey: `${place}${fileName(output.finalKey)}` };
  });
}

/** Why an entry may not name these, or undefined. */
export function misplaced(
  fold: Pick<FoldedSwaps, 'places'>,
  outputs: readonly LedgerOutput[],
): string | undefined {
  const wrong = outputs.find((output) => {
    const place = placeOf(fold, output);
    return place !== undefined && output.finalKey !== `${place}${fileName(output.finalKey)}`;
  });
  return wrong === undefined ? undefined : `${wrong.finalKey} lies where its partition was before a swap`;
}

/** Why an entry may not swap these, or undefined. */
export function wrongSwap(fold: FoldedSwaps, swap: SwapEntry): string | undefined {
  if (swap.after !== fold.lastRerun)
    return `it follows replay or swap ${swap.after}, and ${fold.lastRerun} is the last one`;
  if (swap.asOf >= swap.sequence) return 'it has copied what is not written yet';
  return wrongMoves(fold, swap) ?? wrongJoins(swap) ?? wrongWindows(fold, swap);
}

function wrongMoves({ places }: FoldedSwaps, { moves }: LedgerSwap): string | undefined {
  const taken = new Set(places.values());
  const seen = new Set<string>();
  for (const move of moves) {
    const { output, partition, to, made, joined = [] } = move;
    const key = placeKey(output, partition);
    if (seen.has(key)) return `it moves ${key.replaceAll('\u0000', '/')} twice`;
    seen.add(key);
    if (taken.has(to)) return `${to} is a place already`;
    taken.add(to);
    const keys = keysAt(move);
    if (new Set(keys).size < keys.length) return `it names an object of ${to} twice`;
    if ([...made, ...joined].some(({ name }) => fileName(name) !== name))
      return `an object of ${to} lies below it`;
  }
  return undefined;
}

/** Each object that was there is there once: as part of one object, or carried. */
function wrongJoins({ sequence, windows, replays, moves }: SwapEntry): string | undefined {
  const joins = moves.some(({ joined }) => joined !== undefined);
  if (joins && (windows.length > 0 || replays.length > 0 || moves.some(({ made }) => made.length > 0)))
    return 'it joins objects, and makes windows again as well';
  for (const { to, carried, joined = [] } of moves) {
    const parts = joined.flatMap((object) => object.parts);
    const before = [...parts, ...carried].map(({ from }) => from);
    if (joins && new Set(before).size < before.length) return `${to} has an object of before twice`;
    if (parts.some(({ entry }) => entry >= sequence)) return `${to} has parts of what is not written yet`;
    const odd = joined.find(({ rows, parts: own }) => rows !== rowsOf(own));
    if (odd !== undefined) return `${to}${odd.name} has other rows than its parts`;
    const other = joined.find((object) => object.textBytes !== textBytesOf(object));
    if (other !== undefined) return `${to}${other.name} has other text than its parts`;
  }
  return undefined;
}

const rowsOf = (parts: JoinedObject['parts']) => parts.reduce((sum, { rows }) => sum + rows, 0);

/** undefined where its parts are no text; NaN where some are none. */
function textBytesOf({ parts }: JoinedObject): number | undefined {
  if (parts.every(({ text }) => text === undefined)) return undefined;
  return parts.reduce((sum, { text }) => sum + (text?.bytes ?? Number.NaN), 0);
}

function wrongWindows({ nextSequence, totals }: FoldedSwaps, swap: LedgerSwap): string | undefined {
  const held = rowsMade(swap);
  let last = -1;
  for (const { entry, classes, rows } of swap.windows) {
    if (entry <= last || entry >= nextSequence) return `it names window ${entry} out of order`;
    last = entry;
    if (!addsUp(classes)) return `the classes of window ${entry} do not add up: ${JSON.stringify(classes)}`;
    const told = held.get(entry) ?? new Map<OutputName, number>();
    const outputs = new Set([...told.keys(), ...Object.keys(rows)]);
    if ([...outputs].some((output) => (told.get(output) ?? 0) !== (rows[output] ?? 0)))
      return `its objects hold other rows of window ${entry} than it says`;
  }
  const named = new Set(swap.windows.map(({ entry }) => entry));
  const stray = [...held.keys()].find((entry) => !named.has(entry));
  if (stray !== undefined) return `it has objects of window ${stray}, which it does not name`;
  const { before } = swap;
  if (!addsUp(before)) return 'what was before does not add up';
  if (before.in !== sumOf(swap.windows).in) return 'it makes another number of records than there were';
  return CLASSES.some((name) => before[name] > totals[name]) ? 'there were not as many records' : undefined;
}

const addsUp = ({ in: all, emitted, merged, filtered, quarantined }: Classes) =>
  all === emitted + merged + filtered + quarantined;

/** By window and output. */
function rowsMade({ moves }: LedgerSwap): Map<number, Map<OutputName, number>> {
  const held = new Map<number, Map<OutputName, number>>();
  for (const { output, made } of moves)
    for (const { entry, rows } of made) {
      const of = held.get(entry) ?? new Map<OutputName, number>();
      held.set(entry, of.set(output, (of.get(output) ?? 0) + rows));
    }
  return held;
}

export function sumOf(windows: readonly Pick<RemadeWindow, 'classes'>[]): Classes {
  const sum = { in: 0, emitted: 0, merged: 0, filtered: 0, quarantined: 0 };
  for (const { classes } of windows) for (const name of CLASSES) sum[name] += classes[name];
  return sum;
}

export function applySwap(fold: FoldedSwaps, { sequence, before, windows, moves }: SwapEntry): void {
  const now = sumOf(windows);
  const totals: { -readonly [Name in keyof Classes]: number } = fold.totals;
  for (const name of CLASSES) totals[name] += now[name] - before[name];
  for (const { output, partition, to } of moves) fold.places.set(placeKey(output, partition), to);
  fold.lastRerun = sequence;
}

/** REBUILD_OVERTAKEN */
export function overtaken({ table, lastRerun }: { table: string; lastRerun: number }, after: number) {
  const knows = after < 0 ? 'none before it' : `entry ${after}`;
  const message = `entry ${lastRerun} is a replay or a swap of ${table}, and this one began when the last was ${knows}`;
  return new SluiceError('REBUILD_OVERTAKEN', message, { place: table });
}

export function swapProposal(swap: LedgerSwap): Proposal {
  const { rebuildId, configVersion, partitionedBy, source, after, asOf } = swap;
  const { before, windows, replays, moves } = swap;
  const identity = { rebuildId, configVersion, partitionedBy, source, after, asOf };
  return { kind: 'swap', ...identity, before, windows, replays, moves };
}
