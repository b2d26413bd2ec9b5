// Commands that go from table to table: replay and rebuild, which run records again, and compact, which joins
// what was made, each with a transform as a collector has it, and with a writer of its own beside those of
// running collectors, whom it meets in the ledger only. And prune, which writes nothing there.
import { hostname } from 'node:os';
import { UsageError } from '@sluice/shared/command-line.ts';
import { assert } from '@sluice/shared/errors.ts';
import { createLogger } from '@sluice/shared/log.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { httpUrl } from '@sluice/shared/print-status.ts';
import { EXIT } from '@sluice/shared/process-life.ts';
import { glueSchemas, schemasBy, withReferences } from './clients.ts';
import type { CollectorConfig } from './config.ts';
import type { ReplayingWriter, TableConfig, Transformer } from './contracts.ts';
import { createDetectingTable } from './detecting-table.ts';
import { createEvents } from './events.ts';
import { createTableWriter, type TableWriterOptions } from './ledger/table-writer.ts';
import { type CommandWorld, type Lake, withReader } from './opened-lake.ts';
import { assertTables } from './ops/check.ts';
import { compact } from './ops/compact/compact.ts';
import { openJoiner } from './ops/compact/open-joiner.ts';
import { type Compacted, formatCompacted, formatCompactPlan, formatJoined } from './ops/compact/report.ts';
import type { CompactSelection } from './ops/compact/selection.ts';
import type { LakeReader } from './ops/lake-reader.ts';
import { prune } from './ops/prune/prune.ts';
import { formatDeleted, formatPruned, formatPrunePlan, type Pruned } from './ops/prune/report.ts';
import type { ChosenTime } from './ops/rebuild/plan.ts';
import { openRawRecords } from './ops/rebuild/raw-records.ts';
import { rebuild } from './ops/rebuild/rebuild.ts';
import { formatMade, formatPlan, formatRebuilt, type Rebuilt } from './ops/rebuild/report.ts';
import { withSwapper } from './ops/rebuild/swapper.ts';
import { type Replayed, replay } from './ops/replay/replay.ts';
import { formatProgress, formatReplayed, isIncomplete } from './ops/replay/report.ts';
import type { Selection } from './ops/replay/selection.ts';
import { withWriter } from './ops/replay/writer-session.ts';
import { collectorSchemas } from './ops/schema-document.ts';
import { TableAccount } from './ops/table-account.ts';
import { createTransformer } from './transform/transformer.ts';

interface Rerun extends Lake {
  readonly table: TableConfig;
  readonly reader: LakeReader;
  readonly scratch: string;
  readonly directories: readonly string[];
  /** Of the table: one that detects its columns goes on to detect them. */
  readonly transformer: Pick<Transformer, 'run'>;
  readonly writerOptions: TableWriterOptions;
}

/** UsageError where the config does not have them. */
export function tablesNamed(config: CollectorConfig, names: readonly string[]): readonly TableConfig[] {
  const unknown = names.filter((name) => !config.tables.some((table) => table.name === name));
  if (unknown.length > 0) throw new UsageError(`the config has no table ${unknown.join(', ')}`);
  return config.tables.filter(({ name }) => names.length === 0 || names.includes(name));
}

function tableNamed(config: CollectorConfig, name: string): TableConfig {
  const [table] = tablesNamed(config, [name]);
  assert(table !== undefined, 'a name that the config has is the name of a table');
  return table;
}

interface RerunCall {
  readonly dryRun: boolean;
  readonly json: boolean;
  /** HTTP address of a running collector, asked for schemas; else the one that the config has. */
  readonly collector: string | undefined;
}

async function withRerun<T>(
  world: CommandWorld,
  { name, what, dryRun, collector }: RerunCall & { readonly name: string; readonly what: string },
  task: (rerun: Rerun) => Promise<T>,
): Promise<T> {
  const { config, clock, random } = world;
  const table = tableNamed(config, name);
  await assertTables(config);
  return withReferences({ config, clock }, async (references) => {
    const { transformMemory: memoryBytesMax, transformThreads: threads } = config.limits;
    const confluent = collectorSchemas(collector ?? httpUrl(config.http.address));
    const schemas = schemasBy({ glue: glueSchemas(config), confluent });
    const plain = createTransformer({ memoryBytesMax, threads }, { schemas, references });
    const events = createEvents(createLogger('sluice-collector', 'warn'), createMetrics());
    const writerId = `${what}-${hostname()}-${random.hex(3)}`;
    try {
      return await withReader(world, async ({ store, catalog, reader, scratch, directories }) => {
        const each = { store, catalog, table, clock, random, events, writerId };
        const detecting =
          table.detects === undefined
            ? undefined
            : createDetectingTable({ ...each, transformer: plain, dryRun });
        // A writer asks for them before anything else; a dry run has none.
        if (dryRun) await detecting?.schema.ready();
        const tableSchemas = detecting?.schemas ?? plain.schema(table);
        const transformer = detecting?.transformer ?? plain;
        const writerOptions = { ...each, schemas: tableSchemas };
        const at = { reader: reader.readingOnce(), scratch, directories };
        return task({ store, catalog, table, ...at, transformer, writerOptions });
      });
    } finally {
      await plain.close();
    }
  });
}

export interface ReplayCall extends RerunCall {
  readonly name: string;
  readonly selection: Selection;
}

export async function runReplay(world: CommandWorld, call: ReplayCall): Promise<number> {
  const { name, selection, dryRun } = call;
  const run = (rerun: Rerun, keep: (so: Replayed) => void) => {
    const onProgress = (so: Replayed) => {
      keep(so);
      process.stderr.write(formatProgress(so));
    };
    const options = { ...world, ...rerun, selection, onProgress };
    const replaying = (writer: ReplayingWriter | undefined) => replay({ ...options, writer });
    return dryRun ? replaying(undefined) : withWriter(createTableWriter(rerun.writerOptions), replaying);
  };
  const of = { what: 'replay', run, format: formatReplayed, document: ([only]: readonly unknown[]) => only };
  const replayed = await withEach(world, { ...call, names: [name] }, of);
  return replayed.some(isIncomplete) ? EXIT.failure : EXIT.ok;
}

interface TablesCall extends RerunCall {
  readonly names: readonly string[];
}

interface OfEach<T> {
  readonly what: string;
  /** `keep`: what is done so far, and stays whatever comes. */
  run(rerun: Rerun, keep: (so: T) => void): Promise<T>;
  /** What became of a table, for people. */
  format(done: T): string;
  /** What `--json` prints; a list where it is not given. */
  document?(told: readonly unknown[]): unknown;
}

function withEach<T>(
  world: CommandWorld,
  call: TablesCall,
  { what, run, ...told }: OfEach<T>,
): Promise<readonly T[]> {
  const work = (name: string, keep: (so: T) => void) =>
    withRerun(world, { ...call, name, what }, (rerun) => run(rerun, keep));
  return oneByOne(world, call, { ...told, work });
}

interface OneByOne<T> extends Pick<OfEach<T>, 'format' | 'document'> {
  work(name: string, keep: (so: T) => void): Promise<T>;
}

/** One table after the other: what one refuses ends the command, and is told with what was done before. */
async function oneByOne<T>(
  world: CommandWorld,
  { names: asked, json }: Pick<TablesCall, 'names' | 'json'>,
  { work, format, document = (told) => told }: OneByOne<T>,
): Promise<readonly T[]> {
  const names = tablesNamed(world.config, asked).map(({ name }) => name);
  const account = new TableAccount(format);
  try {
    return await account.run(names, work, (text) => void (json || process.stdout.write(text)));
  } finally {
    if (json) process.stdout.write(`${JSON.stringify(document(account.told), null, 2)}\n`);
  }
}

export interface RebuildCall extends TablesCall {
  readonly time: ChosenTime;
  readonly source: string | undefined;
}

export async function runRebuild(world: CommandWorld, call: RebuildCall): Promise<number> {
  const { time, source, dryRun } = call;
  const run = (rerun: Rerun) => {
    const options = {
      ...{ ...world, ...rerun, tables: world.config.tables, time, source },
      openRecords: openRawRecords,
      schemas: rerun.writerOptions.schemas,
      onPlanned: (so: Rebuilt) => void process.stderr.write(formatPlan(so)),
      onProgress: (windows: number, of: number) =>
        void process.stderr.write(formatMade(rerun.table.name, windows, of)),
    };
    return withSwapper(rerun.writerOptions, dryRun, (swapper) => rebuild({ ...options, ...swapper }));
  };
  await withEach(world, call, { what: 'rebuild', run, format: formatRebuilt });
  return EXIT.ok;
}

export interface CompactCall extends TablesCall, CompactSelection {
  readonly all: boolean;
}

export async function runCompact(world: CommandWorld, call: CompactCall): Promise<number> {
  const { time, olderThanMs, all, dryRun } = call;
  const run = (rerun: Rerun, onEntry: (so: Compacted) => void) => {
    const options = {
      ...{ ...world, ...rerun, time, olderThanMs, all, onEntry },
      openJoiner,
      schemas: rerun.writerOptions.schemas,
      onPlanned: (so: Compacted) => void process.stderr.write(formatCompactPlan(so)),
      onProgress: (partitions: number, of: number) =>
        void process.stderr.write(formatJoined(rerun.table.name, partitions, of)),
    };
    return withSwapper(rerun.writerOptions, dryRun, (swapper) => compact({ ...options, ...swapper }));
  };
  await withEach(world, call, { what: 'compact', run, format: formatCompacted });
  return EXIT.ok;
}

export interface PruneCall extends Omit<TablesCall, 'collector'> {
  readonly olderThanMs: number;
}

export async function runPrune(world: CommandWorld, call: PruneCall): Promise<number> {
  const { olderThanMs, dryRun } = call;
  const work = (name: string) =>
    withReader(world, ({ reader, store, catalog }) =>
      prune({
        ...{ table: tableNamed(world.config, name), store, catalog, clock: world.clock, olderThanMs, dryRun },
        reader: reader.readingOnce(),
        onPlanned: (so: Pruned) => void process.stderr.write(formatPrunePlan(so)),
        onProgress: (done, of) => void process.stderr.write(formatDeleted(name, done, of)),
      }),
    );
  await oneByOne(world, call, { work, format: formatPruned });
  return EXIT.ok;
}
