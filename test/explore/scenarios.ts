// What is explored, with its bounds. Each is explored whole, or says that it was stopped; the larger ones
// take minutes and are run by hand.
import type { CollectorPlan, WindowPlan } from './collector-run.ts';
import type { ExploreOptions } from './explore.ts';
import type { Scenario } from './system.ts';
import type { World } from './world.ts';

export interface Named extends ExploreOptions {
  readonly name: string;
}

interface Sketch extends Partial<Omit<CollectorPlan, 'windows'>> {
  readonly windows: readonly (readonly WindowPlan[])[];
  readonly wanted: readonly number[];
  readonly crashes?: number;
  /** Replies that are lost, or requests that are late. */
  readonly lostOrLate?: number;
  readonly deletions?: number;
  readonly mayDelete?: Scenario['mayDelete'];
  readonly from?: Scenario['from'];
  readonly hintsAtOnce?: boolean;
  readonly mayHaltWith?: readonly string[];
}

const none = undefined;
/** Both partitions, one record each, in one window. */
export const ONE: readonly WindowPlan[] = [[1, 1]];
/** A record of partition 0, then one of each: the second window spans both. */
export const TWO: readonly WindowPlan[] = [
  [1, none],
  [2, 1],
];
/** As another collector might cut the same records. */
const OTHERWISE: readonly WindowPlan[] = [
  [none, 1],
  [2, none],
];

export function named(name: string, sketch: Sketch): Named {
  const {
    windows,
    wanted,
    crashes = 0,
    lostOrLate = 0,
    deletions = 0,
    mayDelete,
    mayHaltWith,
    ...rest
  } = sketch;
  const { from = 'opened', hintsAtOnce = true, ...more } = rest;
  const plan: CollectorPlan = {
    ...{ tables: ['t'], partitions: 2, sweeps: 0, flushes: false, checkpointEvery: 3 },
    ...more,
    windows,
  };
  return {
    name,
    scenario: {
      ...{ plan, from, hintsAtOnce, faults: { crashes, lost: lostOrLate, deletions } },
      ...(mayDelete === undefined ? {} : { mayDelete }),
    },
    wanted,
    ...(mayHaltWith === undefined ? {} : { mayHaltWith }),
  };
}

/** What bounds an exploration, in words. */
export function boundsOf({ scenario }: Named): string {
  const { plan, faults, from, hintsAtOnce } = scenario;
  const cuts = plan.windows.map((windows) =>
    windows.map((ends) => `[${ends.map((e) => e ?? '')}]`).join(' '),
  );
  const begun = from === 'nothing' ? 'from nothing' : 'partitions opened';
  const hints = hintsAtOnce ? ', hints and checkpoints looked at in one step' : '';
  return (
    `2 collectors, ${plan.tables.length} table(s) of ${plan.partitions} partitions, windows ${cuts.join(' or ')}, ` +
    `${faults.crashes} crashes, ${faults.lost} lost or late, ${plan.sweeps} sweeps, ` +
    `${faults.deletions} deletions, ${begun}${hints}`
  );
}

const sequence = (key: string) => Number(/(\d+)\.json$/.exec(key)?.[1]);

/** What a lifecycle rule would take after others went on: entries that a checkpoint has outlived. */
export function isBelowCheckpoint(world: World, key: string): boolean {
  return [...world.keys()].some(
    (k) => k.startsWith('_sluice/checkpoints/t/') && sequence(key) <= sequence(k),
  );
}

/**
 * Anything but the newest entry: whoever creates such a number anew finds one behind it that names another.
 */
function isNotLast(world: World, key: string): boolean {
  const numbers = [...world.keys()].filter((k) => k.startsWith('_sluice/ledger/')).map(sequence);
  return sequence(key) < Math.max(...numbers);
}

export const HALTS = ['LEDGER_MISSING_ENTRY', 'LEDGER_ENTRY_INVALID'];

const one = { windows: [ONE], wanted: [1, 1] };
const two = { windows: [TWO], wanted: [2, 1] };

/** Kafka has lost the record of partition 0; both have it. */
const gap = { windows: [[[2, none]]] as const, wanted: [2, 0], lost: 1 };
/** It is opened behind one record, which is its history; both have it. */
const history = { windows: [[[2, none]]] as const, wanted: [2, 0], opensAt: 1, history: true } as const;
/** Two records, of which the second is cut off, and stands there anew. */
const cut = { windows: [[[2, none]]] as const, wanted: [2, 0], cut: { at: 1, end: 2 } };

/** One window stands, and either may make it again, while both have the next one. */
export const rebuild = {
  ...{ windows: [[[2]]] as const, written: [[1]] as const },
  ...{ partitions: 1, wanted: [2], checkpointEvery: 50 },
  rebuilds: true,
} as const;

/** Two windows stand, and either may join them or make the first again, while both have the next one. */
export const join = {
  ...{ windows: [[[3]]] as const, written: [[1], [2]] as const },
  ...{ partitions: 1, wanted: [3], checkpointEvery: 50 },
  joins: true,
} as const;

/** One window stands, either may make it again beside the next one, and deletes what was left. */
export const prune = { ...rebuild, prunes: true, flushes: true } as const;

export const CLEAN: readonly Named[] = [
  named('two collectors start on nothing', { ...one, from: 'nothing', hintsAtOnce: false }),
  named('two windows each, cut alike or otherwise', { ...two, windows: [TWO, OTHERWISE] }),
  named('a crash anywhere in two windows', { ...two, crashes: 1 }),
  named('a crash anywhere, from nothing, hints at any time', {
    ...{ ...one, crashes: 1, from: 'nothing', hintsAtOnce: false },
  }),
  named('a reply lost, or a request late, in one window', { ...one, lostOrLate: 1, flushes: true }),
  named('two lost or late requests', { ...one, lostOrLate: 2 }),
  named('a crash and a lost or late request', { ...one, crashes: 1, lostOrLate: 1 }),
  named('two crashes', { ...one, crashes: 2, flushes: true }),
  named('sweeping beside staging, with a crash', { ...one, sweeps: 2, crashes: 1 }),
  named('sweeping beside staging, with a lost or late request', { ...one, sweeps: 2, lostOrLate: 1 }),
  named('two tables of one topic', { ...one, tables: ['t', 'u'] }),
  named('both say a gap and fill it from what each has', { ...gap }),
  named('both hear that the log was cut', { ...cut }),
  named('both begin a history and bring it', { ...history }),
  named('either may rebuild a window beside the next one', { ...rebuild }),
  named('either may join two windows, or rebuild one, beside the next one', { ...join }),
  named('either may rebuild a window beside the next one, and prunes what that left', { ...prune }),
  named('either may join two windows, or rebuild one, beside the next one and a sweep', {
    ...join,
    sweeps: 1,
  }),
];

/** Someone deletes entries, which nobody may: the table stops, and nothing is lost or doubled. */
export const DELETING: readonly Named[] = [
  named('entries that a checkpoint has outlived are deleted', {
    ...{ ...two, deletions: 2, mayDelete: isBelowCheckpoint, mayHaltWith: HALTS },
  }),
  named('any entry but the newest is deleted', {
    ...{ ...two, deletions: 1, mayDelete: isNotLast, mayHaltWith: HALTS },
  }),
];

/** Minutes and gigabytes: by hand. */
export const LARGER: readonly Named[] = [
  named('either may rebuild a window beside the next one, with a crash', { ...rebuild, crashes: 1 }),
  named('either may rebuild a window beside the next one, with a lost or late request', {
    ...rebuild,
    lostOrLate: 1,
  }),
  named('either may join two windows, or rebuild one, with a crash', { ...join, crashes: 1 }),
  named('both hear that the log was cut, with a crash', { ...cut, crashes: 1 }),
  named('both say a gap and fill it, with a crash', { ...gap, crashes: 1 }),
  named('both begin a history and bring it, with a crash', { ...history, crashes: 1 }),
  named('a reply lost, or a request late, in two windows', { ...two, lostOrLate: 1 }),
  named('a crash anywhere in two windows, cut alike or otherwise', {
    ...{ ...two, windows: [TWO, OTHERWISE], crashes: 1, flushes: true },
  }),
  named('two crashes in two windows', { ...two, crashes: 2 }),
  named('three lost or late requests', { ...one, lostOrLate: 3 }),
  named('a crash, a lost or late request, from nothing', {
    ...{ ...one, crashes: 1, lostOrLate: 1, from: 'nothing', hintsAtOnce: false },
  }),
  named('sweeping beside staging, with a crash and a lost or late request', {
    ...{ ...one, sweeps: 2, crashes: 1, lostOrLate: 1 },
  }),
  named('sweeping beside two windows, with a crash', { ...two, sweeps: 2, crashes: 1 }),
  named('two tables of one topic, with a crash', { ...one, tables: ['t', 'u'], crashes: 1 }),
  named('entries that a checkpoint has outlived are deleted, with a crash', {
    ...{ ...two, deletions: 2, crashes: 1, mayDelete: isBelowCheckpoint, mayHaltWith: HALTS },
  }),
];
