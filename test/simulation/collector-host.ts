// A place where collectors run, one after the other: each starts with nothing but the lake. The collector is
// the product's own, on doubles for the link's door, DuckDB, S3 and Glue.
import { type Collector, createCollector } from '@sluice/collector/collector.ts';
import { type CollectorConfig, collectorSchema } from '@sluice/collector/config.ts';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { createEvents } from '@sluice/collector/events.ts';
import { describeError } from '@sluice/shared/errors.ts';
import { type OracleTable, readsHistory, takes } from '../support/oracle-table.ts';
import { simCatalog } from './catalog.ts';
import { createEventLog, createNoMetrics } from './event-log.ts';
import { SimProcess } from './process.ts';
import { simObjectStore } from './store.ts';
import { simTransformer } from './transformer.ts';
import { versionOf } from './united-topics.ts';
import type { World } from './world.ts';

const DRAIN_MS = 20_000;
/** A config that was refused is sent again. */
const AGAIN_MS = 5_000;

export class CollectorHost {
  readonly id: string;
  process: SimProcess | undefined;
  readonly #world: World;
  #starts = 0;
  #drain: ((reason: string, graceMs: number) => Promise<void>) | undefined;
  #readAgain: (() => void) | undefined;

  constructor(world: World, id: string) {
    this.#world = world;
    this.id = id;
  }

  start(): void {
    const world = this.#world;
    const process = new SimProcess(world, `${this.id}#${++this.#starts}`);
    this.process = process;
    process.say('starts');
    process.onEnd(() => world.restart(() => this.start()));
    const files = new Map<string, Buffer>();
    const collector = createCollector({
      config: collectorConfig(world),
      collectorId: process.name,
      version: '0.1.0',
      store: simObjectStore({ world, process, bucket: world.bucket, files }),
      catalog: simCatalog(world, process, world.glue),
      clock: process.clock,
      random: world.chance.stream(process.name),
      events: createEvents(createEventLog(process, world), createNoMetrics()),
      transformer: simTransformer(world, process, files),
      openDoor: world.link.doorOf(process),
    });
    this.#drain = (reason, graceMs) => collector.drain(reason, graceMs);
    let turn = Promise.resolve();
    const take = () => takeConfig(world, process, collector);
    this.#readAgain = () => {
      turn = turn.then(take);
    };
    this.describe = () => {
      for (const { lane, writer } of collector.facts().tables)
        process.say(`${JSON.stringify(lane)} ${JSON.stringify(writer)}`);
    };
    collector.start().catch((error: unknown) => {
      if (process.alive) world.violated(`${process.name} did not start: ${describeError(error)}`);
    });
  }

  /** Where it stands, into the trace. */
  describe: () => void = () => {};

  /** As SIGHUP has it; whoever does not run reads the newest file when it starts. */
  readAgain(): void {
    if (this.process?.alive === true) this.process.after(0, () => this.#readAgain?.());
  }

  /** As a deployment replaces it. */
  async drain(): Promise<void> {
    const { process } = this;
    const drain = this.#drain;
    if (process === undefined || !process.alive || drain === undefined) return;
    process.say('is told to drain');
    await Promise.race([
      drain('SIGTERM', DRAIN_MS),
      process.ended,
      process.clock.sleep(DRAIN_MS + 5_000),
    ]).catch((error: unknown) => process.say(`drain failed: ${describeError(error)}`));
    process.say('drained');
    process.end();
  }

  crash(why: string): void {
    this.process?.crash(why);
    this.#drain = undefined;
    this.#readAgain = undefined;
  }
}

/** The config as it is now, until it is taken. */
async function takeConfig(world: World, process: SimProcess, collector: Collector): Promise<void> {
  while (process.alive) {
    try {
      const { added, changed, removed } = await collector.reconfigure(collectorConfig(world));
      process.say(`has taken the config: ${added} tables came, ${changed} changed, ${removed} went`);
      collector.retryNow();
      return;
    } catch (error) {
      world.trace.count('config refused');
      process.say(`has refused the config: ${describeError(error)}`);
    }
    await process.clock.sleep(AGAIN_MS);
  }
}

function collectorConfig(world: World): CollectorConfig {
  const { profile } = world;
  const tables = world.tables.filter(
    ({ isAdded, named }) => (world.isTableAdded || isAdded !== true) && named?.now().length !== 0,
  );
  const tls = { ca: 'ca', cert: 'cert', key: 'key' };
  const agents = Array.from({ length: profile.agents }, (_, i) => ({
    id: `agent-${i + 1}`,
    topics: ['*'],
  }));
  const parsed = collectorSchema.parse({
    listen: { address: '0.0.0.0:8443', tls },
    agents,
    lake: { store: 's3://lake', catalog: 'glue', database: 'sim' },
    tables: tables.map((table) => ({
      ...{ name: table.name, format: 'json', columns: { n: 'bigint' } },
      ...topicsOf(table),
    })),
  });
  const { stagingBytesMax, creditBytesMax, streamAgeMaxMs: streamAgeMax } = profile;
  const limits = { ...parsed.limits, stagingBytesMax, creditBytesMax };
  return {
    ...parsed,
    limits,
    listen: { ...parsed.listen, streamAgeMax },
    directory: 'collector',
    written: { file: 'collector.yaml', lineOf: () => 0 },
    tables: tables.map((table) => tableConfig(world, table)),
    examples: new Map(),
  };
}

function topicsOf({ topic, others = [], named }: OracleTable) {
  if (named !== undefined) return { topics: named.now() };
  return others.length === 0 ? { topic } : { topics: [topic, ...others] };
}

/** Of all topics that it takes: it begins where nobody else has been. */
function isAlone({ tables }: World, { name, topic, others = [] }: OracleTable): boolean {
  return tables.every((t) => t.name === name || ![topic, ...others].some((one) => takes(t, one)));
}

function tableConfig(world: World, table: OracleTable): TableConfig {
  const { profile } = world;
  const { name, mayStepAside, named } = table;
  const isLater = readsHistory(table);
  return {
    name,
    ...topicsOf(table),
    input: { kind: 'json' },
    record: { tombstones: 'quarantine', key: 'text', headers: 'pairs', compression: 'none' },
    columns: [{ name: 'n', type: 'bigint' }],
    steps: [],
    partitionBy: [],
    output: { kind: 'json', compression: 'none' },
    provenance: 'position',
    quarantineRaw: 'keep',
    startAt: isLater || (profile.startUnsaid && isAlone(world, table)) ? undefined : 'earliest',
    backfill: isLater ? 'earliest' : undefined,
    whenParked: mayStepAside === true ? 'detach' : 'hold',
    windowLengthMs: profile.windowLengthMs,
    windowBytesMax: profile.windowBytesMax,
    location: name,
    configVersion: named === undefined ? 'sim' : versionOf(named.now()),
  };
}
