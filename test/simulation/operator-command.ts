// One command of an operator in a process of its own, on doubles for DuckDB, S3 and Glue, and what it came
// to.
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { createEvents } from '@sluice/collector/events.ts';
import { compact } from '@sluice/collector/ops/compact/compact.ts';
import { LakeReader } from '@sluice/collector/ops/lake-reader.ts';
import { rebuild } from '@sluice/collector/ops/rebuild/rebuild.ts';
import { type Swapper, withSwapper } from '@sluice/collector/ops/rebuild/swapper.ts';
import { describeError, isKind, SluiceError } from '@sluice/shared/errors.ts';
import { simCatalog } from './catalog.ts';
import { collectorConfig } from './collector-host.ts';
import { createEventLog, createNoMetrics } from './event-log.ts';
import { simJoiner } from './joiner.ts';
import type { SimProcess } from './process.ts';
import { simRecords } from './raw-records.ts';
import { simObjectStore } from './store.ts';
import { simTransformer } from './transformer.ts';
import type { World } from './world.ts';

/** How often reads fail, of how often others do: a command reads each entry, and gives up where one fails. */
const READS_FAIL = 0.05;
/** A fault that tests must see caught. */
const FORGETS = 'a swap forgets what came meanwhile';
const REFUSED = [
  'COMPACT_REFUSED',
  'REBUILD_STOPPED',
  'REBUILD_REFUSED',
  'REBUILD_NO_SOURCE',
  'REBUILD_SOURCE_INCOMPLETE',
  'STORE_DENIED',
  'CATALOG_DENIED',
];

export interface Command {
  readonly name: 'compact' | 'rebuild';
  readonly table: TableConfig;
  /** `compact`: what was committed later than this long ago stays as it is. */
  readonly olderThanMs: number;
  readonly all: boolean;
  /** `rebuild`: windows that were opened within so many ms; undefined: all. */
  readonly withinMs: number | undefined;
}

export interface Outcome {
  readonly what: 'done' | 'had nothing to do' | 'void' | 'refused' | 'failed' | 'broke';
  readonly why?: string;
}

export async function runCommand(world: World, process: SimProcess, command: Command): Promise<Outcome> {
  const { table } = command;
  const { clock } = process;
  const files = new Map<string, Buffer>();
  const random = world.chance.stream(process.name);
  const store = simObjectStore({ world, process, bucket: world.bucket, files, readsFail: READS_FAIL });
  const catalog = simCatalog(world, process, world.glue);
  const transformer = simTransformer(world, process, files);
  const schemas = transformer.schema(table);
  const lake = { table, store, catalog, clock, random, schemas };
  const events = createEvents(createEventLog(process, world), createNoMetrics());
  const options = {
    ...{ ...lake, directories: [], scratch: 'scratch', onPlanned: () => {}, onProgress: () => {} },
    reader: new LakeReader({ ...lake, scratch: 'scratch' }).readingOnce(),
  };
  const run = async (swapper: Swapper): Promise<boolean> => {
    const given = { ...options, ...swapper, ...(world.sabotage === FORGETS ? { folded: [] } : {}) };
    if (command.name === 'compact') {
      const { olderThanMs, all } = command;
      const openJoiner = simJoiner({ world, process, store, files });
      const time = { fromMs: undefined, toMs: undefined };
      const { entries } = await compact({ ...given, olderThanMs, all, openJoiner, time, onEntry: () => {} });
      return entries.length > 0;
    }
    const { tables } = collectorConfig(world);
    const { withinMs } = command;
    const fromMs = withinMs === undefined ? undefined : clock.wallMs() - withinMs;
    const time = { fromMs, toMs: undefined };
    const openRecords = simRecords(world, store);
    const made = await rebuild({ ...given, tables, source: undefined, transformer, openRecords, time });
    return made.entry !== undefined;
  };
  try {
    const isDone = await withSwapper({ ...lake, events, writerId: process.name }, false, run);
    return { what: isDone ? 'done' : 'had nothing to do' };
  } catch (error) {
    return { what: outcomeOf(error), why: describeError(error) };
  }
}

function outcomeOf(error: unknown): Outcome['what'] {
  const code = error instanceof SluiceError ? error.code : '';
  if (code === 'REBUILD_OVERTAKEN') return 'void';
  if (REFUSED.includes(code)) return 'refused';
  return isKind(error, 'retry') ? 'failed' : 'broke';
}
