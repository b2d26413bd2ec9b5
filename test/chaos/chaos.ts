// npm run chaos -- [--minutes N] [--seed S] [--sites N]: real processes under faults that the seed draws,
// while numbered records are produced; in the end each acknowledged number must be in the lake exactly once.
// stdout: what happened and the verdict. The seed decides which faults come in which order; what they meet is
// the machine's.

import { ensureKafkaJars } from '@sluice/deploy/local/kafka-jars.mjs';
import { ensureMinistack } from '@sluice/deploy/local/ministack-venv.mjs';
import { systemClock } from '@sluice/shared/clock.ts';
import { Chance } from '../simulation/chance.ts';
import { saveEvidence } from './evidence.ts';
import { judgeHealth, judgeLake, lag, untilDrained } from './finish.ts';
import { Journal } from './journal.ts';
import { each, type Fault, runLane } from './lane.ts';
import { Member } from './member.ts';
import { awsFaults, linkFaults } from './network-faults.ts';
import { type NumberedProducer, startNumberedProducer } from './numbered-producer.ts';
import { type ChaosOptions, parseOptions, repeatCommand } from './options.ts';
import { agentFaults, brokerFaults, collectorFaults } from './process-faults.ts';
import { type Stage, setStage, TOPICS } from './stage.ts';

const clock = systemClock;
const PROGRESS_EVERY_MS = 10_000;

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.on(signal, () => process.exit(code));

await main();

async function main(): Promise<void> {
  const options = optionsOrExit();
  await Promise.all([ensureKafkaJars(), ensureMinistack()]);
  const stage = await setStage(options.sites);
  const journal = new Journal(stage.directory, clock);
  journal.say(repeatCommand(options));
  const crew = crewOf(stage, journal);
  let producers: readonly NumberedProducer[] = [];
  try {
    producers = await underFire(options, { stage, journal, crew });
    const calmMs = journal.elapsedMs;
    await untilDrained(stage);
    journal.say(`drained in ${((journal.elapsedMs - calmMs) / 1e3).toFixed(1)} s`);
    await judgeHealth(stage, journal);
    await judgeLake(stage, producers, journal);
  } catch (error) {
    journal.violated(error instanceof Error ? error.message : String(error));
  }
  if (journal.violations.length > 0) await saveEvidence(stage);
  for (const { member } of [...crew.agents, ...crew.collectors]) await member.kill();
  await stage.stop();
  report({ options, stage, journal, producers });
  process.exit(journal.violations.length === 0 ? 0 : 1);
}

function optionsOrExit(): ChaosOptions {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exit(64);
  }
}

type Crew = ReturnType<typeof crewOf>;

function crewOf({ places }: Stage, journal: Journal) {
  return {
    agents: each(places, ({ number, site, agentDisk: disk }) => ({
      member: new Member(`agent ${number}`, site.agent, journal),
      dataDirectory: site.agentDirectory,
      disk,
    })),
    collectors: each(places, ({ number, site, collectorDisk: disk }) => ({
      member: new Member(`collector ${number}`, site.collector, journal),
      disk,
    })),
  };
}

/** Resolves once the time is over, the last fault undone and the last send answered. */
async function underFire(
  { minutes, seed }: ChaosOptions,
  { stage, journal, crew }: { stage: Stage; journal: Journal; crew: Crew },
): Promise<NumberedProducer[]> {
  const { agents, collectors } = crew;
  const chance = new Chance(seed);
  for (const { member } of [...collectors, ...agents]) await member.start();
  if (journal.violations.length > 0) throw new Error('the programs do not even start');
  const over = new AbortController();
  const producing = { kafka: stage.kafka, chance, clock, journal, signal: over.signal };
  const producers = TOPICS.map((topic) => startNumberedProducer(topic, producing));
  const lane = (name: string, faults: readonly Fault[], pauseMs: readonly [number, number]) =>
    runLane({ name, faults, pauseMs, chance, clock, journal }, over.signal);
  const tools = { clock, journal };
  const lanes = [
    lane('agents', agentFaults(agents, tools), [3_000, 9_000]),
    lane('collectors', collectorFaults(collectors, tools), [3_000, 9_000]),
    lane('broker', brokerFaults(stage.broker, tools), [15_000, 30_000]),
    lane('links', linkFaults(stage.places, tools), [500, 5_000]),
    lane('aws', awsFaults(stage.places, tools), [500, 4_000]),
  ];
  const stopProgress = showProgress(minutes, { stage, journal, producers });
  await clock.sleep(minutes * 60_000);
  over.abort();
  await Promise.all([...lanes, ...producers.map(({ ended }) => ended)]);
  stopProgress();
  journal.say('calm: the faults are over');
  return producers;
}

interface Scene {
  readonly stage: Stage;
  readonly journal: Journal;
  readonly producers: readonly NumberedProducer[];
}

/** On stderr; the lag is asked of the broker, which may be down. */
function showProgress(minutes: number, { stage, journal, producers }: Scene): () => void {
  const started = journal.elapsedMs;
  const line = async () => {
    const behind = await lag(stage).catch(() => undefined);
    const seconds = Math.round((journal.elapsedMs - started) / 1e3);
    const parts = [
      `${seconds} of ${minutes * 60} s`,
      `${grouped(acknowledged(producers))} records`,
      `lag ${behind === undefined ? 'unknown: the broker is down' : grouped(behind)}`,
      `${journal.faults} faults`,
      ...(journal.violations.length > 0 ? [`${journal.violations.length} VIOLATIONS`] : []),
    ];
    process.stderr.write(`  ${parts.join('  ')}\n`);
  };
  const timer = setInterval(() => void line(), PROGRESS_EVERY_MS);
  return () => clearInterval(timer);
}

function grouped(n: number): string {
  return n.toLocaleString('en-US');
}

/** Records that Kafka has acknowledged to the producers. */
function acknowledged(producers: readonly NumberedProducer[]): number {
  return producers.reduce((sum, { numbers }) => sum + numbers.attempted - numbers.unconfirmed.size, 0);
}

function report({ options, stage, journal, producers }: Scene & { readonly options: ChaosOptions }): void {
  const unconfirmed = producers.reduce((sum, { numbers }) => sum + numbers.unconfirmed.size, 0);
  const lines = [
    `chaos, seed ${options.seed}: ${options.minutes} minutes of faults, ${options.sites} agents and collectors`,
    ...[...journal.counts].sort().map(([kind, times]) => `  ${String(times).padStart(6)}  ${kind}`),
    ...stage.skipped.map((kind) => `  skipped  ${kind}`),
    `records ${acknowledged(producers)}, unconfirmed ${unconfirmed}, seconds ${(journal.elapsedMs / 1e3).toFixed(0)}`,
    ...journal.violations.map((what) => `✖ ${what}`),
  ];
  if (journal.violations.length === 0) {
    lines.push('every acknowledged record is in each of its tables exactly once');
    stage.remove();
  } else lines.push(`failed; repeat with: ${repeatCommand(options)}`, `logs: ${stage.directory}`);
  process.stdout.write(`${lines.join('\n')}\n`);
}
