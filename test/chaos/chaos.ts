// npm run chaos -- [--minutes N] [--seed S] [--sites N]: real processes under faults that the seed draws,
// while numbered records are produced; in the end each acknowledged number must be in the lake exactly once.
// stdout: what happened and the verdict. The seed decides which faults come in which order; what they meet is
// the machine's.

import { rmSync } from 'node:fs';
import { ensureKafkaJars } from '@sluice/deploy/local/kafka-jars.mjs';
import { ensureMinistack } from '@sluice/deploy/local/ministack-venv.mjs';
import { systemClock } from '@sluice/shared/clock.ts';
import { messageOf } from '@sluice/shared/errors.ts';
import { Chance } from '../simulation/chance.ts';
import { awsFaults } from './aws-faults.ts';
import { saveEvidence } from './evidence.ts';
import { judgeHealth, judgeLake, judgeLogs, untilDrained } from './finish.ts';
import { Journal } from './journal.ts';
import { each, type Fault, type LaneOptions, runLane } from './lane.ts';
import { linkFaults } from './link-faults.ts';
import { Member } from './member.ts';
import { type NumberedProducer, startNumberedProducer } from './numbered-producer.ts';
import { type ChaosOptions, parseOptions, repeatCommand } from './options.ts';
import { agentFaults, brokerFaults, collectorFaults } from './process-faults.ts';
import { showProgress } from './progress.ts';
import { report } from './report.ts';
import { createDirectory, type Stage, setStage, TOPICS } from './stage.ts';
import { neverHappened } from './verdict.ts';

const clock = systemClock;
/**
 * As long as each kind of fault needs to have its turn: from here on one that did not happen is a failure.
 */
const EVERY_KIND_MINUTES = 3;

await main();

async function main(): Promise<void> {
  const options = optionsOrExit();
  await Promise.all([ensureKafkaJars(), ensureMinistack()]);
  const directory = createDirectory();
  removeIfInterrupted(directory);
  const journal = new Journal(directory, clock);
  journal.say(repeatCommand(options));
  process.stderr.write(`${repeatCommand(options)}\n`);
  let stage: Stage | undefined;
  let producers: readonly NumberedProducer[] = [];
  try {
    stage = await setStage(directory, options.sites);
    producers = await run(options, stage, journal);
  } catch (error) {
    journal.violated(messageOf(error));
  }
  if (stage !== undefined && journal.violations.length > 0) await saveEvidence(stage, journal);
  await stage?.stop();
  process.stdout.write(report({ options, directory, skipped: stage?.skipped ?? [], journal, producers }));
  if (journal.violations.length === 0) rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
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

/** Whoever ends a run early wants no verdict, and nothing to clean up. Children end with this process. */
function removeIfInterrupted(directory: string): void {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)
    process.on(signal, () => {
      process.on('exit', () => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
      process.exit(code);
    });
}

/** The whole of it; what is wrong is in the journal. No program runs any more when it is over. */
async function run(options: ChaosOptions, stage: Stage, journal: Journal): Promise<NumberedProducer[]> {
  const crew = crewOf(stage, journal);
  try {
    const producers = await underFire(options, { stage, journal, crew });
    await drain(producers, stage, journal);
    judgeLogs(stage, journal);
    process.stderr.write('  reading the lake\n');
    await judgeLake(stage, producers, journal);
    return producers;
  } finally {
    await Promise.all([...crew.agents, ...crew.collectors].map(({ member }) => member.kill()));
  }
}

/** What is not drained in time is a violation, and the lake is judged all the same. */
async function drain(producers: readonly NumberedProducer[], stage: Stage, journal: Journal): Promise<void> {
  const calmMs = journal.elapsedMs;
  const progress = showProgress('draining', undefined, { stage, journal, producers, clock });
  try {
    await untilDrained(stage);
    journal.say(`drained in ${((journal.elapsedMs - calmMs) / 1e3).toFixed(1)} s`);
    await judgeHealth(stage, journal);
  } catch (error) {
    journal.violated((error as Error).message);
  } finally {
    progress.stop();
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

/** Resolves once the time is over, each lane at rest and the last send answered. */
async function underFire(
  { minutes, seed }: ChaosOptions,
  { stage, journal, crew }: { stage: Stage; journal: Journal; crew: Crew },
): Promise<NumberedProducer[]> {
  const chance = new Chance(seed);
  const wholeRound = minutes >= EVERY_KIND_MINUTES;
  const lanes = lanesOf(crew, stage, journal);
  for (const { member } of [...crew.collectors, ...crew.agents]) await member.start();
  if (journal.violations.length > 0) throw new Error('the programs do not even start');
  const over = { faults: new AbortController(), records: new AbortController() };
  const producing = { kafka: stage.kafka, chance, clock, journal, signal: over.records.signal };
  const producers = TOPICS.map((topic) => startNumberedProducer(topic, producing));
  const running = lanes.map((lane) =>
    runLane({ ...lane, wholeRound, chance, clock, journal }, over.faults.signal),
  );
  const progress = showProgress('under fire', minutes * 60, { stage, journal, producers, clock });
  await clock.sleep(minutes * 60_000);
  over.faults.abort();
  await Promise.all(running);
  over.records.abort();
  await Promise.all(producers.map(({ ended }) => ended));
  progress.stop();
  journal.say('calm: the faults are over');
  const kinds = lanes.flatMap(({ faults }) => faults.map(({ name }) => name));
  if (wholeRound)
    for (const kind of neverHappened(kinds, journal.counts))
      journal.violated(`this fault never happened: ${kind}`);
  return producers;
}

type Lane = Pick<LaneOptions, 'name' | 'faults' | 'pauseMs'>;

function lanesOf({ agents, collectors }: Crew, { places, broker }: Stage, journal: Journal): Lane[] {
  const tools = { clock, journal };
  const aws = awsFaults(places, tools);
  const lane = (name: string, faults: readonly Fault[], pauseMs: readonly [number, number]) => ({
    ...{ name, faults, pauseMs },
  });
  return [
    lane('agents', agentFaults(agents, tools), [2_000, 6_000]),
    lane('collectors', collectorFaults(collectors, tools), [2_000, 6_000]),
    lane('broker', brokerFaults(broker, tools), [15_000, 30_000]),
    lane('links', linkFaults(places, tools), [500, 5_000]),
    lane('s3', aws.s3, [500, 3_000]),
    lane('glue', aws.glue, [500, 3_000]),
  ];
}
