// The collector: link → windows → transform → ledger → lake, put together. Stages meet here and nowhere else.
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Cancel, type Clock, within } from '@sluice/shared/clock.ts';
import { describeError } from '@sluice/shared/errors.ts';
import type { HealthReport } from '@sluice/shared/ops-server.ts';
import type { PartitionId } from '@sluice/shared/position.ts';
import type { Random } from '@sluice/shared/random.ts';
import { type CollectorConfig, configPath, listenerFiles } from './config.ts';
import { configChange, refusedConfig } from './config-change.ts';
import type {
  Catalog,
  FoundSchema,
  ObjectStore,
  SchemaSource,
  SchemaWant,
  TableConfig,
  TableWriter,
  Transformer,
} from './contracts.ts';
import { createDetectingTable } from './detecting-table.ts';
import type { Events } from './events.ts';
import { type AgentLogs, createIngest, type Ingest, type IngestOptions } from './ingest/ingest.ts';
import { ensureTables, tableDefinitions } from './ledger/publish.ts';
import { createTableWriter } from './ledger/table-writer.ts';
import { type CollectorFacts, judgeHealth, type TableFacts } from './ops/health.ts';
import type { ReferenceSource } from './reference-place.ts';
import type { TableSchema } from './schema/table-schema.ts';
import { type TableParts, TableSet } from './table-set.ts';
import { createTransformer } from './transform/transformer.ts';
import { createSequencer } from './window/sequencer.ts';
import { StagedPayloads } from './window/staged-payloads.ts';
import { createStagingBudget } from './window/staging-budget.ts';
import { createTableLane } from './window/table-lane.ts';

/**
 * How long the start waits for ledgers before agents are let in; tables that are not loaded then answer
 * later.
 */
const LOAD_WAIT_MS = 20_000;

export interface CollectorParts {
  readonly config: CollectorConfig;
  readonly collectorId: string;
  readonly version: string;
  readonly store: ObjectStore;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Events;
  /** AWS Glue's Schema Registry. */
  readonly glueSchemas?: SchemaSource | undefined;
  /** Reference files on S3. */
  readonly references?: ReferenceSource | undefined;
  /** Default: DuckDB in a worker thread. */
  readonly transformer?: Transformer;
  readonly openDoor?: IngestOptions['openDoor'];
}

export interface Collector {
  /** Resolves with the link's port once agents may connect. */
  start(): Promise<number>;
  /** Tells agents to go elsewhere, commits, publishes and acknowledges what is here, in at most `graceMs`. */
  drain(reason: string, graceMs: number): Promise<void>;
  /**
   * Takes another config while agents send: a table that changed has it from the next window it opens. Throws
   * ConfigError with everything that is in the way; then nothing has changed.
   */
  reconfigure(config: CollectorConfig): Promise<Reconfigured>;
  /** Tries parked tables at once. */
  retryNow(): void;
  /** The same, and reads the listener's certificates again. */
  reload(): void;
  report(): HealthReport;
  /** What `report` judges, for metrics. */
  facts(): CollectorFacts;
  /** What Kafka holds, asked of the connected agents now. */
  kafka(): Promise<KafkaDocument>;
  /** A schema that values name by Confluent's id, asked of an agent of their topic. */
  schema(want: SchemaWant): Promise<FoundSchema | undefined>;
}

/** How many tables came, changed and went. */
export interface Reconfigured {
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
}

/** The document /kafka of the collector's HTTP port: `verify --kafka` reads it. */
export interface KafkaDocument {
  /** Agents that answered. Each answer was asked of Kafka after this document was asked for. */
  readonly agents: readonly AgentLogs[];
}

/** How long an agent may take to ask Kafka where its logs begin and end. */
const LOOK_MS_MAX = 10_000;
/** While a table is detached: how often agents are asked how much of what it lacks Kafka still has. */
const LOOK_EVERY_MS = 30_000;

/**
 * Shares of the drain: until agents send nothing more, until what came is committed, and for the streams to
 * end then.
 */
const OBEY_SHARE = 0.2;
const COMMIT_SHARE = 0.8;
const END_SHARE = 0.05;

export function createCollector(parts: CollectorParts): Collector {
  return new RunningCollector(parts);
}

class RunningCollector implements Collector {
  readonly #parts: CollectorParts;
  readonly #transformer: Transformer;
  readonly #tables: TableSet;
  readonly #ingest: Ingest;
  readonly #budgetBytes: () => number;
  readonly #diskSilentMs: () => number | undefined;
  #config: CollectorConfig;
  #draining = false;
  #cancelLook: Cancel = () => {};

  constructor(parts: CollectorParts) {
    this.#parts = parts;
    this.#config = parts.config;
    const { config, clock, random, events } = parts;
    const { limits } = config;
    const transform = { memoryBytesMax: limits.transformMemory, threads: limits.transformThreads };
    this.#transformer =
      parts.transformer ??
      createTransformer(transform, { schemas: this.#schemas(), references: parts.references });
    this.#tables = new TableSet(config.tables, {
      events,
      drainMs: config.collector.drainTimeout,
      create: (table, how) => this.#createTable(table, how),
      // One that detects its columns asks the catalog when it reads its first records.
      fits: async (table) => {
        if (table.detects === undefined) await this.#fits(table, undefined);
      },
      sequencer: () => sequencer,
    });
    // What a crash leaves there goes at the next start.
    const directory = join(configPath(config, config.collector.workDir), 'windows');
    const payloads = new StagedPayloads({ directory, memoryBytesMax: limits.stagingMemory, clock, events });
    const budget = createStagingBudget(limits.stagingBytesMax, () => this.#ingest.roomChanged(), payloads);
    this.#budgetBytes = () => budget.bytes();
    this.#diskSilentMs = () => payloads.diskSilentMs();
    const sequencer = createSequencer({ tables: this.#tables.all(), budget, clock, events });
    const { address, allowCommonName, streamAgeMax: streamAgeMaxMs } = config.listen;
    this.#ingest = createIngest({
      address,
      tls: listenerFiles(config),
      allowCommonName,
      connectionsMax: limits.connectionsMax,
      creditBytesMax: limits.creditBytesMax,
      agents: config.agents,
      drainMs: config.collector.drainTimeout,
      streamAgeMaxMs,
      sequencer,
      collectorId: parts.collectorId,
      version: parts.version,
      clock,
      random,
      events,
      ...(parts.openDoor === undefined ? {} : { openDoor: parts.openDoor }),
    });
  }

  /** Confluent's ids through an agent of the topic, Glue's from Glue itself. */
  #schemas(): SchemaSource {
    const glue = this.#parts.glueSchemas;
    return {
      find: (want) => (want.framing === 'glue' && glue !== undefined ? glue : this.#ingest).find(want),
    };
  }

  #createTable(table: TableConfig, { joins }: { readonly joins: boolean }): TableParts {
    const { config, store, catalog, clock, random, events, collectorId: writerId } = this.#parts;
    const shared = { table, store, catalog, clock, events, writerId };
    const detecting =
      table.detects === undefined
        ? undefined
        : createDetectingTable({ ...shared, transformer: this.#transformer });
    const schemasOf = (now: TableConfig) => detecting?.schemas ?? this.#transformer.schema(now);
    const writer = createTableWriter({ ...shared, schemas: schemasOf(table), random });
    const workDir = configPath(config, config.collector.workDir);
    const transformer = detecting?.transformer ?? this.#transformer;
    const lane = createTableLane({ table, joins, writer, transformer, workDir, clock, random, events });
    return {
      writer,
      lane,
      fits: (changed) => this.#fits(changed, detecting?.schema),
      configure: (changed) => {
        detecting?.schema.configure(changed);
        writer.configure(changed, schemasOf(changed));
        lane.configure(changed);
      },
    };
  }

  /** What stands in the catalog takes the rows of a changed table. */
  async #fits(table: TableConfig, detected: TableSchema | undefined): Promise<void> {
    if (detected !== undefined) return await detected.fits(table);
    await ensureTables(this.#parts.catalog, tableDefinitions(table, this.#transformer.schema(table)));
  }

  async start(): Promise<number> {
    const { config, clock, events } = this.#parts;
    const windows = join(configPath(config, config.collector.workDir), 'windows');
    await rm(windows, { recursive: true, force: true }).catch((error: unknown) =>
      events.workNotSwept({ directory: windows, reason: describeError(error) }),
    );
    await mkdir(windows, { recursive: true, mode: 0o700 });
    const loads = this.#tables.all().map((table) => this.#tables.load(table));
    await within(clock, LOAD_WAIT_MS, Promise.all(loads));
    const { port } = await this.#ingest.start();
    this.#lookLater();
    return port;
  }

  async kafka(): Promise<KafkaDocument> {
    return { agents: await this.#ingest.look(LOOK_MS_MAX) };
  }

  schema(want: SchemaWant): Promise<FoundSchema | undefined> {
    return this.#ingest.find(want);
  }

  #lookLater(): void {
    this.#cancelLook = this.#parts.clock.after(LOOK_EVERY_MS, () => {
      const isDetached = this.#tables.all().some(({ lane }) => lane.detachedSinceMs() !== undefined);
      if (isDetached) void this.#ingest.look(LOOK_MS_MAX);
      this.#lookLater();
    });
  }

  async drain(reason: string, graceMs: number): Promise<void> {
    this.#draining = true;
    this.#cancelLook();
    const { clock } = this.#parts;
    const commit = async () => {
      await this.#ingest.drain(reason, graceMs * OBEY_SHARE);
      for (const { lane } of this.#tables.all()) lane.close('drain');
      // Nobody waits for a detached table, and what it has is not here.
      const waitedFor = this.#tables.all().filter(({ lane }) => lane.detachedSinceMs() === undefined);
      await Promise.all(waitedFor.map(({ lane }) => lane.drained()));
    };
    await within(clock, graceMs * COMMIT_SHARE, commit());
    await this.#ingest.close(graceMs * END_SHARE);
    this.#tables.stop();
    await this.#transformer.close();
    this.#parts.references?.close();
    this.#parts.store.close();
    this.#parts.catalog.close();
  }

  async reconfigure(next: CollectorConfig): Promise<Reconfigured> {
    const { problems, ...change } = configChange(this.#config, next);
    if (problems.length > 0) throw refusedConfig(next, problems);
    const unfit = await this.#tables.unfit(change);
    if (unfit.length > 0) throw refusedConfig(next, unfit);
    const { added, changed, removed } = change;
    if (!this.#draining) {
      this.#config = next;
      this.#tables.change(change);
      if (change.agentsAnew) this.#ingest.allow(next.agents);
    }
    return { added: added.length, changed: changed.length, removed: removed.length };
  }

  retryNow(): void {
    for (const { writer } of this.#tables.all()) writer.retryNow();
  }

  reload(): void {
    // Whoever sends SIGHUP may have put right what a table waits for.
    this.retryNow();
    this.#ingest.reload();
  }

  report(): HealthReport {
    return judgeHealth(this.facts());
  }

  facts(): CollectorFacts {
    const { config, clock } = this.#parts;
    return {
      tables: this.#tables.all().map(({ lane, writer }) => ({
        lane: lane.status(),
        writer: writer.status(),
        windowLengthMs: lane.table.windowLengthMs,
        // Of a topic that it reads no more nothing is said any more.
        partitions: writer
          .partitions()
          .filter(({ topic }) => lane.topics.all().includes(topic))
          .map((p) => this.#partitionFacts(writer, p)),
      })),
      ingest: this.#ingest.status(),
      stagedBytes: this.#budgetBytes(),
      stagedBytesMax: config.limits.stagingBytesMax,
      diskSilentMs: this.#diskSilentMs(),
      draining: this.#draining,
      wallMs: clock.wallMs(),
    };
  }

  #partitionFacts(writer: TableWriter, p: PartitionId): TableFacts['partitions'][number] {
    const committed = writer.position(p) ?? 0;
    const farthest = Math.max(...this.#tables.all().map((table) => table.writer.position(p) ?? 0));
    return {
      topic: p.topic,
      partition: p.partition,
      committed,
      acknowledged: writer.acked(p) ?? 0,
      behind: farthest - committed,
      backfill: writer.backfill(p),
      log: this.#ingest.logOf(p),
    };
  }
}
