// What another config means for a collector that runs: which tables come, go and change, and what cannot
// change while it runs. Pure. Tables are compared by what is made of them; so nothing happens to one whose
// section was only written differently.
import { ConfigError, type ConfigProblem } from '@sluice/shared/config-file.ts';
import type { CollectorConfig } from './config.ts';
import { namesTopic, readsTopic, topicsOf } from './table-topics.ts';
import type { TableConfig } from './tables.ts';

export interface ConfigChange {
  /** What a running collector cannot do; then nothing else is said. */
  readonly problems: readonly ConfigProblem[];
  readonly added: readonly TableConfig[];
  readonly changed: readonly TableConfig[];
  /** Names. */
  readonly removed: readonly string[];
  /** Who may send what is another, or topics or history are read that were not until now. */
  readonly agentsAnew: boolean;
}

/** Read once, when the process starts. */
const FIXED = ['collector', 'listen', 'lake', 'limits', 'http', 'log'] as const;
/** Of a table: its ledger and its objects are where these say. */
const FIXED_OF_TABLE = ['location'] as const;

const ANEW = 'put the old value back, or replace the task: a new collector reads all of the file';
const ANOTHER_TABLE = 'put the old value back, or write a table of another name beside it';

export function configChange(now: CollectorConfig, next: CollectorConfig): ConfigChange {
  const before = new Map(now.tables.map((table) => [table.name, table]));
  const after = new Set(next.tables.map(({ name }) => name));
  const added = next.tables.filter(({ name }) => !before.has(name));
  const known = next.tables.filter(({ name }) => before.has(name));
  // Those that tables stay for: where all are others, the agents were told that nobody reads it.
  const stays = (topic: string) =>
    known.some((table) => {
      const was = before.get(table.name);
      return was !== undefined && readsTopic(was, topic) && readsTopic(table, topic);
    });
  const readsMore = known.some((table) => table.backfill !== before.get(table.name)?.backfill);
  return {
    problems: [
      ...FIXED.flatMap((section) => differences(section, now[section], next[section])),
      ...known.flatMap((table) => tableProblems(before.get(table.name), table)),
    ],
    added,
    changed: known.filter((table) => !isSame(table, before.get(table.name))),
    removed: now.tables.filter(({ name }) => !after.has(name)).map(({ name }) => name),
    agentsAnew: !isSame(now.agents, next.agents) || !next.tables.flatMap(topicsOf).every(stays) || readsMore,
  };
}

/** Each problem with its line of the file; paths begin with `tables.<name>` where a table is meant. */
export function refusedConfig(next: CollectorConfig, problems: readonly ConfigProblem[]): ConfigError {
  const { file, lineOf } = next.written;
  const placed = problems.map((problem) => {
    const [first = '', second, ...rest] = problem.path.split('.');
    const index = first === 'tables' ? next.tables.findIndex(({ name }) => name === second) : -1;
    return { ...problem, line: lineOf(index < 0 ? problem.path.split('.') : [first, index, ...rest]) };
  });
  return new ConfigError(file, placed);
}

function tableProblems(before: TableConfig | undefined, table: TableConfig): ConfigProblem[] {
  const detects = (one: TableConfig | undefined) => (one?.detects === undefined ? 'declared' : 'detected');
  return [
    ...(before === undefined ? [] : topicDifferences(before, table)),
    ...FIXED_OF_TABLE.flatMap((key) =>
      differences(`tables.${table.name}.${key}`, before?.[key], table[key], ANOTHER_TABLE),
    ),
    ...differences(`tables.${table.name}.columns`, detects(before), detects(table), ANOTHER_TABLE),
  ];
}

/**
 * A table of `topics` may get others, and lose some. One of `topic` stays what it is, but may become one of
 * `topics`: what is written until then is of the one.
 */
function topicDifferences(before: TableConfig, table: TableConfig): ConfigProblem[] {
  if (namesTopic(table)) return [];
  const path = `tables.${table.name}.topic`;
  if (!namesTopic(before)) return differences(path, topicsOf(before)[0], topicsOf(table)[0], ANOTHER_TABLE);
  const remedy = `write topics: ${JSON.stringify(topicsOf(table))}, so that rows go on to name their topic`;
  return differences(path, topicsOf(before), topicsOf(table)[0], remedy);
}

/** One for each value that is another. */
function differences(path: string, now: unknown, next: unknown, remedy = ANEW): ConfigProblem[] {
  if (isSame(now, next)) return [];
  if (isSection(now) && isSection(next))
    return [...new Set([...Object.keys(now), ...Object.keys(next)])].flatMap((key) =>
      differences(`${path}.${key}`, now[key], next[key], remedy),
    );
  const message = `cannot change while the collector runs: it is ${text(now)}, the file says ${text(next)}`;
  return [{ line: 0, path, message, remedy }];
}

function isSection(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function text(value: unknown): string {
  return value === undefined ? 'not set' : JSON.stringify(value);
}
