// One seed from beginning to end: a site and a lake that work while producers write and faults happen, then a
// calm in which everything must come through within a bound, then an orderly end. The same seed gives the
// same trace.

import { X509Certificate } from 'node:crypto';
import fsPromises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { agentUri, createAuthority, issueCertificate } from '@sluice/shared/pki.ts';
import type { OraclePartition } from '../support/oracle-log.ts';
import { AgentHost } from './agent-host.ts';
import { CollectorHost } from './collector-host.ts';
import { Faults } from './faults.ts';
import { startPrograms } from './late-lake.ts';
import { Operator } from './operator.ts';
import { Producers } from './producer.ts';
import type { FaultKind, Profile } from './profile.ts';
import type { Sabotage } from './sabotage.ts';
import { MovingTopics } from './united-topics.ts';
import { World } from './world.ts';

export interface SimulationOptions {
  readonly seed: number;
  readonly write?: (line: string) => void;
  readonly sabotage?: Sabotage;
  /** Instead of what the seed draws. */
  readonly change?: Partial<Profile>;
  /** Faults that the seed does not get, also where it draws them. */
  readonly without?: readonly FaultKind[];
}

export interface SimulationResult {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly hash: string;
  readonly counts: ReadonlyMap<string, number>;
  readonly steps: number;
  readonly records: number;
  /** Virtual ms from the last fault until all was queryable and acknowledged. */
  readonly drainedAfterMs: number | undefined;
}

/** All that was produced is queryable, and the group's offsets say so, this long after the last fault. */
const DRAIN_MS_MAX = 300_000;
const LOOK_EVERY_MS = 500;
const END_MS_MAX = 60_000;
/** Whoever has read what a cut took hears of it within this, also where nothing is written behind it. */
const CUT_HEARD_MS = 60_000;
/** Collectors are replaced within this after a change of their config. */
const ROLLED_OUT_MS = 10_000;

export async function simulate({
  seed,
  write,
  sabotage,
  change,
  without,
}: SimulationOptions): Promise<SimulationResult> {
  const certificates = await agentCertificates();
  const world = new World({ seed, certificates, write, sabotage, change, without });
  const giveBack = takeOver(world);
  try {
    return await run(world);
  } finally {
    giveBack();
  }
}

async function run(world: World): Promise<SimulationResult> {
  const { time, profile, kafka } = world;
  world.trace.say('seed', JSON.stringify({ ...profile, faults: [...profile.faults] }));
  const agents = Array.from({ length: profile.agents }, (_, i) => new AgentHost(world, `agent-${i + 1}`));
  const collectors = Array.from(
    { length: profile.collectors },
    (_, i) => new CollectorHost(world, `collector-${i + 1}`),
  );
  if (world.tables.some(({ others }) => others !== undefined)) world.trace.count('topics united');
  const producers = new Producers(world, kafka.logs);
  startPrograms(world, { agents, collectors });
  const faults = new Faults(world, { agents, collectors });
  if (profile.tableAddedMs !== undefined)
    time.after(Math.min(profile.tableAddedMs, profile.faultPhaseMs - 1), () => addTable(world, collectors));
  const moving = new MovingTopics(world, collectors);
  const operator = new Operator(world, collectors);
  await time.run(profile.faultPhaseMs);
  producers.stop();
  faults.stop();
  moving.stop();
  operator.stop();
  const calmMs = time.nowMs;
  world.trace.say('calm', 'the faults are over');
  const drained = await untilDrained(world);
  const drainedAfterMs = drained ? time.nowMs - calmMs : undefined;
  if (!drained) {
    for (const host of [...agents, ...collectors]) host.describe();
    reportStuck(world);
  }
  if (drained) await operator.finish(calmMs);
  if (drained) await end(world, { agents, collectors });
  return {
    seed: world.seed,
    violations: world.violations,
    hash: world.trace.hash(),
    counts: world.trace.counts,
    steps: time.steps,
    records: kafka.logs.reduce((sum, { produced }) => sum + produced.size, 0),
    drainedAfterMs,
  };
}

/** One collector after the other is replaced by one that has the table; others may still be without it. */
function addTable(world: World, collectors: readonly CollectorHost[]): void {
  world.isTableAdded = true;
  world.trace.count('table added');
  world.trace.say('deployment', 'a table is added');
  const chance = world.chance.stream('deployment');
  for (const host of collectors) world.time.after(chance.spread(ROLLED_OUT_MS), () => void host.drain());
}

async function untilDrained(world: World): Promise<boolean> {
  const { time } = world;
  const startMs = time.nowMs;
  let isDrained = false;
  const look = () => {
    const isHeard = time.nowMs - startMs >= CUT_HEARD_MS || !world.kafka.logs.some(endsAtCut);
    isDrained = isHeard && missing(world).length === 0;
    if (!isDrained) time.after(LOOK_EVERY_MS, look);
  };
  look();
  await time.run(time.nowMs + DRAIN_MS_MAX, () => isDrained || world.violations.length > 0);
  return isDrained;
}

/** What is on its way may be of the log before, and no record that is missing shows it. */
function endsAtCut({ cuts = [], produced }: OraclePartition): boolean {
  const at = cuts.at(-1)?.at;
  return at !== undefined && ![...produced].some(([o, { outcome }]) => o >= at && outcome === 'committed');
}

function missing(world: World): string[] {
  const { oracle, kafka } = world;
  const read = kafka.logs.filter(({ topic }) => world.isRead(topic));
  const behind = read.flatMap((log) => {
    const last = Math.max(
      -1,
      ...[...log.produced].flatMap(([o, r]) => (r.outcome === 'committed' ? [o] : [])),
    );
    if (kafka.deleted.has(log.topic)) return [`${log.topic} does not exist`];
    const offset = kafka.group.offsets.get(`${log.topic}/${log.partition}`) ?? 0;
    return last < log.start || offset > last
      ? []
      : [`the group stands at ${log.topic}/${log.partition} ${offset}`];
  });
  return [...oracle.missing(), ...behind];
}

function reportStuck(world: World): void {
  if (world.violations.length > 0) return;
  for (const what of missing(world)) world.violated(`${DRAIN_MS_MAX / 1e3} s after the last fault: ${what}`);
}

/** Agents stop, then collectors; nothing is open after it, and nothing was taken back. */
async function end(
  world: World,
  { agents, collectors }: { agents: readonly AgentHost[]; collectors: readonly CollectorHost[] },
): Promise<void> {
  const { time } = world;
  world.closing = true;
  let ended = 0;
  const all = [...agents.map((a) => () => a.stop()), ...collectors.map((c) => () => c.drain())];
  for (const stop of all) time.after(0, () => void stop().finally(() => ended++));
  await time.run(time.nowMs + END_MS_MAX, () => ended === all.length);
  if (ended < all.length)
    world.violated(`${all.length - ended} programs did not end in ${END_MS_MAX / 1e3} s`);
  for (const what of missing(world)) world.violated(`at the end: ${what}`);
}

/**
 * The few things that the product takes from Node without being given them: a turn of the event loop, and the
 * directories in which DuckDB would write. Both would bring the machine's own order into a simulation.
 */
function takeOver(world: World): () => void {
  const { setImmediate: turn } = globalThis;
  const { rm, mkdir } = fsPromises;
  globalThis.setImmediate = ((task: () => void) =>
    world.time.after(0, task)) as unknown as typeof setImmediate;
  fsPromises.rm = () => Promise.resolve();
  fsPromises.mkdir = (() => Promise.resolve(undefined)) as unknown as typeof mkdir;
  syncBuiltinESMExports();
  return () => {
    globalThis.setImmediate = turn;
    fsPromises.rm = rm;
    fsPromises.mkdir = mkdir;
    syncBuiltinESMExports();
  };
}

/** One process makes them once: what is in them does not show in a trace. */
let certificatesMade: Promise<ReadonlyMap<string, Buffer>> | undefined;

function agentCertificates(): Promise<ReadonlyMap<string, Buffer>> {
  certificatesMade ??= makeCertificates();
  return certificatesMade;
}

async function makeCertificates(): Promise<ReadonlyMap<string, Buffer>> {
  const at = { nowMs: Date.UTC(2026, 0, 1), days: 30 };
  const authority = await createAuthority({ commonName: 'Simulation', ...at });
  const certificates = new Map<string, Buffer>();
  for (const id of ['agent-1', 'agent-2', 'agent-3']) {
    const request = { commonName: id, uris: [agentUri(id)], usages: ['clientAuth'] as const, ...at };
    const { certPem } = await issueCertificate(authority, request);
    certificates.set(id, new X509Certificate(certPem).raw);
  }
  return certificates;
}
