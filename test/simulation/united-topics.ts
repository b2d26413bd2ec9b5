// The tables of a simulation, and the one that takes several topics: those may come and go while records
// flow, and the table with them. A change is a new file for each collector, which hears of it (SIGHUP) at a
// time of its own.
import type { NamedTopics, OracleTable } from '../support/oracle-table.ts';
import type { Chance } from './chance.ts';
import type { CollectorHost } from './collector-host.ts';
import type { Profile } from './profile.ts';
import type { World } from './world.ts';

/** Collectors hear of a change within this. */
const TOLD_MS_MAX = 10_000;
/** How often the table has no topic left: it goes as a whole. */
const NONE_SHARE = 0.15;
/** How often a life ends with all topics in the table. */
const WHOLE_SHARE = 0.8;
const VERSION = /^united (.*)$/;

export interface UnitedTopics extends NamedTopics {
  /** The list that the config has from now on. */
  move(topics: readonly string[]): void;
  /** Another list than that of now. */
  draw(): readonly string[];
  readonly all: readonly string[];
}

/** The version of the config that names these. */
export const versionOf = (topics: readonly string[]) => `united ${topics.join(' ')}`;

export function unitedTopics(profile: Profile, chance: Chance): UnitedTopics | undefined {
  const all = Object.keys(profile.topics);
  const [first = '', ...others] = all;
  if (!profile.unites || others.length === 0 || profile.topicsMoveEveryMs === undefined) return undefined;
  const moves = chance.stream('united topics');
  const lists = [[first], others, all];
  const draw = () => {
    if (topics.length > 0 && moves.happens(NONE_SHARE)) return [];
    const other = lists.filter((list) => list.join() !== topics.join());
    return other[moves.between(0, other.length - 1)] ?? all;
  };
  let topics: readonly string[] = all;
  topics = draw();
  // A window that could not be made at once may be made with a later config: docs/delivery.md says when.
  const isFixed = profile.transformFaultShare === 0;
  return {
    all,
    draw,
    now: () => topics,
    by: (version) => (isFixed ? (VERSION.exec(version)?.[1] ?? '').split(' ') : all),
    move(next) {
      topics = next;
    },
  };
}

/** While faults happen its topics change, each change for one collector after the other; then a last time. */
export class MovingTopics {
  readonly #world: World;
  readonly #chance: Chance;
  readonly #collectors: readonly CollectorHost[];

  constructor(world: World, collectors: readonly CollectorHost[]) {
    this.#world = world;
    this.#chance = world.chance.stream('moving topics');
    this.#collectors = collectors;
    this.#moveLater();
  }

  stop(): void {
    const { united } = this.#world;
    if (united === undefined) return;
    if (this.#chance.happens(WHOLE_SHARE)) this.#move(united.all);
  }

  #moveLater(): void {
    const { united, profile, time } = this.#world;
    const { topicsMoveEveryMs: everyMs } = profile;
    if (united === undefined || everyMs === undefined) return;
    time.after(this.#chance.spread(everyMs), () => {
      if (!this.#world.faulty) return;
      this.#move(united.draw());
      this.#moveLater();
    });
  }

  #move(topics: readonly string[]): void {
    const { united, trace, time } = this.#world;
    trace.count('topics moved');
    trace.say('deployment', `the united table reads ${topics.join(', ') || 'nothing, and is taken out'}`);
    united?.move(topics);
    for (const host of this.#collectors)
      time.after(this.#chance.between(0, TOLD_MS_MAX), () => host.readAgain());
  }
}

/**
 * Tables on the first topic: one that filters, one that keeps all, and one that may come later. Beside them
 * one that may take all topics, and one that has the records of all as they came.
 */
export function simulatedTables(profile: Profile, named: NamedTopics | undefined): readonly OracleTable[] {
  const { topics, detaches, tableAddedMs, unites, keepsRaw } = profile;
  const [first = '', ...others] = Object.keys(topics);
  const moving = named === undefined ? {} : { named, readsHistory: profile.unitedReadsHistory };
  const united = {
    name: 'united_all',
    topic: first,
    others,
    keepsVoid: true,
    mayStepAside: detaches,
    ...moving,
  };
  const added = (topic: string): OracleTable[] =>
    tableAddedMs === undefined ? [] : [{ name: `${topic}_added`, topic, keepsVoid: false, isAdded: true }];
  const isAlone = named !== undefined && profile.unitesAlone;
  const each = Object.keys(topics).flatMap((topic, i) => {
    const filtering = { name: topic, topic, keepsVoid: false };
    if (i > 0) return isAlone ? [] : [filtering];
    const all = { name: `${topic}_all`, topic, keepsVoid: true, mayStepAside: detaches };
    return [filtering, all, ...added(topic)];
  });
  const raw = { name: 'raw', topic: first, others, keepsVoid: true, isRaw: true };
  return [...each, ...(unites && others.length > 0 ? [united] : []), ...(keepsRaw ? [raw] : [])];
}
