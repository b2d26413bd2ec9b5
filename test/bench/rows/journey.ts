// The whole journey: agent and collector as processes of their own, from a filled topic to the ledger commit
// of its last record. The clock runs from the agent's own line that says it has started: its process is up,
// it has neither looked for Kafka nor for its collector. The collector is up before. Both are looked at from
// outside, which costs them nothing.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Json, MEMORY_SETTINGS, type Site, type SiteProgram } from '@sluice/deploy/local/site.ts';
import { ForeignLoad } from '../measure/foreign-load.ts';
import { type Committed, untilCommitted } from '../measure/ledger-watch.ts';
import { cpuSeconds, peakRssBytes, residentBytes, threadCpuSeconds } from '../measure/process-usage.ts';
import { type Row, rounded, row } from '../measure/row.ts';
import { assertKept, type KeptRow } from '../orders/kept.ts';
import { CHECK_SQL, TABLE } from '../orders/orders-table.ts';
import { type Stage, stageSite } from '../stage.ts';

/** Slower than this is a failure and no figure. */
const RECORDS_PER_SECOND_MIN = 5_000;
const START_MS_MAX = 60_000;
const LOG_LOOK_MS = 10;
const ACKNOWLEDGE_MS_MAX = 30_000;
const ACKNOWLEDGE_LOOK_MS = 100;
const LOG_SHOWN_MAX = 4_000;

export function journey(stage: Stage): Promise<Row> {
  return travel(stage, 'journey', {});
}

/** The agent reads Kafka through mutual TLS as well. */
export function journeyTls(stage: Stage): Promise<Row> {
  const file = (name: string) => join(stage.pki.directory, name);
  return travel(stage, 'journeyTls', {
    brokers: [stage.broker.mutualTls],
    tls: { ca: file('ca.pem'), cert: file('client.pem'), key: file('client-key.pem') },
  });
}

interface Start {
  readonly spawnedMs: number;
  readonly startedMs: number;
  /** Of each program until the agent had started. */
  readonly agentCpuSeconds: number;
  readonly collectorCpuSeconds: number;
  readonly foreign: ForeignLoad;
}

async function travel(stage: Stage, name: string, kafka: { readonly [key: string]: Json }): Promise<Row> {
  const environment = profiling(stage, name);
  const site = await stageSite(stage, { name, kafka, environment });
  const { records } = stage.orders;
  try {
    await site.collector.start();
    const spawnedMs = Date.now();
    const [start] = await Promise.all([agentStarted(site, spawnedMs), site.agent.start()]);
    const ledger = join(site.lakeDirectory, '_sluice', 'ledger', TABLE);
    const commits = await untilCommitted(ledger, records, hopeless(site, records));
    await untilAcknowledged(site, records);
    const figures = figuresOf(site, { name, records, start, commits });
    await site.agent.stop();
    assertKept(name, await readLake(site), stage.expected);
    return figures;
  } catch (error) {
    const logs = [site.collector, site.agent].map((p) => `${p.name}: ${p.log().slice(-LOG_SHOWN_MAX)}`);
    throw new Error(`${name} failed; the programs said\n${logs.join('\n')}`, { cause: error });
  } finally {
    await site.agent.stop();
    await site.collector.stop();
  }
}

/** Aborts when one of the programs has ended, or when it takes far too long. */
function hopeless(site: Site, records: number): AbortSignal {
  const gone = new AbortController();
  for (const program of [site.agent, site.collector])
    void program.ended().then((code) => gone.abort(new Error(`the ${program.name} ended with ${code}`)));
  const overdue = AbortSignal.timeout((records / RECORDS_PER_SECOND_MIN) * 1_000 + START_MS_MAX);
  return AbortSignal.any([gone.signal, overdue]);
}

function profiling({ profileDirectory }: Stage, name: string): Readonly<Record<string, string>> {
  if (profileDirectory === undefined) return {};
  const directory = join(profileDirectory, name);
  mkdirSync(directory, { recursive: true });
  const profiled = `--cpu-prof --cpu-prof-dir=${directory} --cpu-prof-interval=500`;
  return { NODE_OPTIONS: `${MEMORY_SETTINGS.NODE_OPTIONS} ${profiled}` };
}

async function agentStarted(site: Site, spawnedMs: number): Promise<Start> {
  const foreign = new ForeignLoad();
  for (const end = Date.now() + START_MS_MAX; Date.now() < end; await sleep(LOG_LOOK_MS)) {
    const startedMs = timeOf(site.agent, 'agent started');
    if (startedMs === undefined) continue;
    const agentCpuSeconds = cpuSeconds(site.agent.pid());
    const collectorCpuSeconds = cpuSeconds(site.collector.pid());
    return { spawnedMs, startedMs, agentCpuSeconds, collectorCpuSeconds, foreign };
  }
  throw new Error('the agent did not say that it has started');
}

/** Wall ms of the first log line with this message. */
function timeOf(program: SiteProgram, message: string): number | undefined {
  const line = program
    .log()
    .split('\n')
    .find((text) => text.includes(`"msg":"${message}"`));
  return line === undefined ? undefined : Date.parse((JSON.parse(line) as { time: string }).time);
}

interface CollectorStatus {
  readonly tables: readonly { readonly partitions: readonly { readonly acknowledged: number }[] }[];
}

/** Publishing and acknowledging the last window belongs to the work whose CPU is counted. */
async function untilAcknowledged(site: Site, records: number): Promise<void> {
  for (const end = Date.now() + ACKNOWLEDGE_MS_MAX; Date.now() < end; await sleep(ACKNOWLEDGE_LOOK_MS)) {
    const { tables } = await site.collector.status<CollectorStatus>();
    const acknowledged = tables.flatMap(({ partitions }) => partitions.map((p) => p.acknowledged));
    if (acknowledged.reduce((sum, next) => sum + next, 0) >= records) return;
  }
  throw new Error('what was committed was not acknowledged');
}

function figuresOf(
  site: Site,
  at: { name: string; records: number; start: Start; commits: readonly Committed[] },
): Row {
  const { name, records, start, commits } = at;
  const [first, last] = [commits[0], commits.at(-1)];
  if (first === undefined || last === undefined) throw new Error('nothing was committed');
  const agent = usageOf(site.agent, start.agentCpuSeconds);
  const collector = usageOf(site.collector, start.collectorCpuSeconds);
  const seconds = (last.atMs - start.startedMs) / 1_000;
  const assignedMs = timeOf(site.agent, 'partitions assigned') ?? Number.NaN;
  const rate = (count: number, fromMs: number) => Math.round(count / ((last.atMs - fromMs) / 1_000));
  return row(name, records, {
    seconds,
    cpuSeconds: agent.cpuSeconds + collector.cpuSeconds,
    peakRssBytes: agent.peakRssBytes + collector.peakRssBytes,
    foreignCpuShare: start.foreign.share(),
    details: {
      measured:
        'from the agent’s log line "agent started", with the collector up, to the ledger entry that commits the last record; ' +
        'CPU from there until that is acknowledged',
      proven: 'rows, distinct ids and sums by `sluice-collector query`',
      recordsPerSecondSinceSpawn: rate(records, start.spawnedMs),
      recordsPerSecondSinceAssignment: rate(records, assignedMs),
      recordsPerSecondSinceFirstCommit: first === last ? null : rate(records - first.records, first.atMs),
      cores: rounded((agent.cpuSeconds + collector.cpuSeconds) / seconds, 2),
      commits: commits.map(({ atMs, ...rest }) => ({
        atSeconds: rounded((atMs - start.startedMs) / 1_000, 3),
        ...rest,
      })),
      lakeBytes: commits.reduce((sum, { bytes }) => sum + bytes, 0),
      agent,
      collector,
    },
  });
}

function usageOf(program: SiteProgram, cpuSecondsBefore: number) {
  const pid = program.pid();
  return {
    cpuSeconds: rounded(cpuSeconds(pid) - cpuSecondsBefore, 2),
    peakRssBytes: peakRssBytes(pid),
    residentBytes: residentBytes(pid),
    cpuSecondsByThread: threadCpuSeconds(pid),
  };
}

/** The product's own reading: committed objects of registered partitions. */
async function readLake(site: Site): Promise<KeptRow> {
  const sql = `SELECT ${CHECK_SQL} FROM ${TABLE}`;
  const { code, output } = await site.collector.command(['query', '--json', sql]);
  if (code !== 0) throw new Error(`query ended with ${code}\n${output}`);
  const [found] = JSON.parse(output.trim().split('\n').at(-1) ?? '[]') as KeptRow[];
  if (found === undefined) throw new Error('query found no row');
  return found;
}
