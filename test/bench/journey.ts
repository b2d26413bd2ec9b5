// The whole journey: agent and collector as processes of their own, from a filled topic to the ledger commit of its last
// record. The clock runs from the agent's own start-up line, when its process is up and begins to look for Kafka and its
// collector; the collector is up before. Looking at it from outside costs both programs nothing.
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSite, type Json, type Site, type SitePki } from '@sluice/deploy/local/site.ts';
import { assertKept, type KeptRow } from './kept.ts';
import { type Committed, untilCommitted } from './ledger-watch.ts';
import type { Expectation } from './orders.ts';
import { CHECK_SQL, ordersTable, TABLE } from './orders-table.ts';
import { cpuSeconds, peakRssBytes } from './process-usage.ts';
import { type Row, rounded, row } from './row.ts';

export interface JourneyOptions {
  readonly name: string;
  readonly directory: string;
  readonly pki: SitePki;
  /** The `kafka` section of agent.yaml without its group. */
  readonly kafka: { readonly [key: string]: Json };
  readonly topic: string;
  readonly records: number;
  readonly expected: Expectation;
  /** Where both programs leave CPU profiles of all their threads. */
  readonly profileDirectory: string | undefined;
}

/** Slower than this is a failure and no figure. */
const RECORDS_PER_SECOND_MIN = 10_000;
const START_MS_MAX = 60_000;
const LOG_LOOK_MS = 10;
const ACKNOWLEDGE_MS_MAX = 30_000;
const ACKNOWLEDGE_LOOK_MS = 100;

interface Instant {
  readonly wallMs: number;
  readonly cpuSeconds: number;
}

export async function journey(options: JourneyOptions): Promise<Row> {
  const site = await siteOf(options);
  await site.collector.start();
  const spawnedMs = Date.now();
  const stopped = new AbortController();
  const failed = Promise.race([site.collector.ended(), once(stopped.signal, 'abort')]);
  try {
    const [started] = await Promise.all([agentStarted(site), site.agent.start()]);
    const ledger = join(site.lakeDirectory, '_sluice', 'ledger', TABLE);
    const overdue = AbortSignal.timeout((options.records / RECORDS_PER_SECOND_MIN) * 1_000 + START_MS_MAX);
    void failed;
    const commits = await untilCommitted(ledger, options.records, overdue);
    await untilAcknowledged(site, options.records);
    const figures = figuresOf(site, { options, started, spawnedMs, commits });
    await site.agent.stop();
    assertKept(options.name, await readLake(site), options.expected);
    return figures;
  } catch (error) {
    throw new Error(`${options.name} failed\n${tails(site)}`, { cause: error });
  } finally {
    stopped.abort();
    await site.agent.stop();
    await site.collector.stop();
  }
}

async function siteOf(options: JourneyOptions): Promise<Site> {
  const { profileDirectory } = options;
  if (profileDirectory !== undefined) mkdirSync(profileDirectory, { recursive: true });
  const environment =
    profileDirectory === undefined
      ? {}
      : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profileDirectory} --cpu-prof-interval=500` };
  return await createSite({
    directory: options.directory,
    pki: options.pki,
    kafka: { ...options.kafka, group: options.name },
    topics: [{ name: options.topic, startAt: 'earliest' }],
    tables: [ordersTable(options.topic)],
    environment,
  });
}

/** The agent's own line, and what both programs had used until then. */
async function agentStarted(site: Site): Promise<Instant> {
  for (const end = Date.now() + START_MS_MAX; Date.now() < end; await sleep(LOG_LOOK_MS)) {
    const time = timeOf(site.agent.log(), 'agent started');
    if (time !== undefined) return { wallMs: time, cpuSeconds: usedCpu(site) };
  }
  throw new Error('the agent did not say that it started');
}

function timeOf(log: string, message: string): number | undefined {
  const line = log.split('\n').find((text) => text.includes(`"msg":"${message}"`));
  return line === undefined ? undefined : Date.parse((JSON.parse(line) as { time: string }).time);
}

function usedCpu(site: Site): number {
  return cpuSeconds(site.agent.pid()) + cpuSeconds(site.collector.pid());
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
  at: { options: JourneyOptions; started: Instant; spawnedMs: number; commits: readonly Committed[] },
): Row {
  const { options, started, spawnedMs, commits } = at;
  const { name, records } = options;
  const agent = { cpu: cpuSeconds(site.agent.pid()), peakRssBytes: peakRssBytes(site.agent.pid()) };
  const collector = {
    cpu: cpuSeconds(site.collector.pid()),
    peakRssBytes: peakRssBytes(site.collector.pid()),
  };
  const [first, last] = [commits[0], commits.at(-1)];
  if (first === undefined || last === undefined) throw new Error('nothing was committed');
  const assignedMs = timeOf(site.agent.log(), 'partitions assigned') ?? Number.NaN;
  const since = (ms: number) => Math.round(records / ((last.atMs - ms) / 1_000));
  return row({
    name,
    records,
    seconds: (last.atMs - started.wallMs) / 1_000,
    cpuSeconds: agent.cpu + collector.cpu - started.cpuSeconds,
    peakRssBytes: agent.peakRssBytes + collector.peakRssBytes,
    details: {
      from: 'the agent’s log line "agent started", the collector up before',
      to: 'the ledger entry that commits the last record has its name',
      recordsPerSecondSinceSpawn: since(spawnedMs),
      recordsPerSecondSinceAssignment: since(assignedMs),
      recordsPerSecondBetweenCommits: Math.round(
        (records - first.records) / ((last.atMs - first.atMs) / 1_000),
      ),
      secondsToFirstCommit: rounded((first.atMs - started.wallMs) / 1_000, 3),
      commits: commits.map((c) => ({ atSeconds: rounded((c.atMs - started.wallMs) / 1_000, 3), ...c })),
      lakeBytes: commits.reduce((sum, { bytes }) => sum + bytes, 0),
      agent: { ...agent },
      collector: { ...collector },
    },
  });
}

/** The product's own reading: committed objects of registered partitions. */
async function readLake(site: Site): Promise<KeptRow> {
  const { code, output } = await site.collector.command([
    'query',
    '--json',
    `SELECT ${CHECK_SQL} FROM ${TABLE}`,
  ]);
  if (code !== 0) throw new Error(`query ended with ${code}\n${output}`);
  const [found] = JSON.parse(output.trim().split('\n').at(-1) ?? '[]') as KeptRow[];
  if (found === undefined) throw new Error('query found no row');
  return found;
}

function tails(site: Site): string {
  return [site.collector, site.agent].map((p) => `${p.name}: ${p.log().slice(-4_000)}`).join('\n');
}
