// What befalls the machines: agents, collectors and the broker are killed, stopped for longer than sessions
// last, deployed anew; an agent's spool is corrupted or lost while it is down; a disk is full for a while.
import { closeSync, globSync, openSync, readdirSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Broker } from '@sluice/deploy/local/kafka-broker.ts';
import type { Clock } from '@sluice/shared/clock.ts';
import type { Chance } from '../simulation/chance.ts';
import type { Journal } from './journal.ts';
import type { Fault, NonEmpty } from './lane.ts';
import type { Member } from './member.ts';
import type { SmallDisk } from './small-disk.ts';
import { SESSION_TIMEOUT_MS } from './stage.ts';

export interface FaultTools {
  readonly clock: Clock;
  readonly journal: Journal;
}

export interface AgentMember {
  readonly member: Member;
  readonly dataDirectory: string;
  readonly disk: SmallDisk | undefined;
}

export interface CollectorMember {
  readonly member: Member;
  readonly disk: SmallDisk | undefined;
}

/** Above the time after which each end of the link takes the other for dead. */
const LINK_DEAD_MS = 45_000;
const DOWN_MS = [200, 4_000] as const;
const FULL_MS = [2_000, 8_000] as const;
/** Bytes that a corruption overwrites, in each of its places. */
const CORRUPT_BYTES = 64;

export function agentFaults(agents: NonEmpty<AgentMember>, tools: FaultTools): Fault[] {
  const faults: [string, (agent: AgentMember, chance: Chance) => Promise<void>][] = [
    ['agent killed', ({ member }, chance) => down(member, chance, tools)],
    [
      'agent stopped past its session',
      ({ member }, chance) => pause(member.program, sessionLost(chance), tools),
    ],
    ['agent deployed anew', ({ member }) => deploy(member)],
    ['spool file corrupted', (agent, chance) => corruptSpool(agent, chance, tools)],
    ['agent’s data lost', (agent, chance) => loseData(agent, chance, tools)],
  ];
  if (agents.every(({ disk }) => disk !== undefined))
    faults.push(['agent’s disk full', ({ disk }, chance) => fillDisk(disk, chance, tools)]);
  return faults.map(([name, run]) => ({
    name,
    run: (chance) => {
      const agent = chance.pick(agents);
      if (name !== 'spool file corrupted') tools.journal.happened(name, agent.member.name);
      return run(agent, chance);
    },
  }));
}

export function collectorFaults(collectors: NonEmpty<CollectorMember>, tools: FaultTools): Fault[] {
  const { journal } = tools;
  const long = 'collector stopped until it is taken for dead';
  const faults: [string, (collector: CollectorMember, chance: Chance) => Promise<void>][] = [
    ['collector killed', ({ member }, chance) => down(member, chance, tools)],
    ['collector killed', ({ member }, chance) => down(member, chance, tools)],
    ['collector stopped', ({ member }, chance) => pause(member.program, chance.between(1_000, 8_000), tools)],
    [long, ({ member }) => pause(member.program, LINK_DEAD_MS, tools)],
    ['collector deployed anew', ({ member }) => deploy(member)],
  ];
  if (collectors.every(({ disk }) => disk !== undefined))
    faults.push(['collector’s disk full', ({ disk }, chance) => fillDisk(disk, chance, tools)]);
  return faults.map(([name, run]) => ({
    name,
    run: (chance) => {
      const collector = chance.pick(collectors);
      journal.happened(name, collector.member.name);
      return run(collector, chance);
    },
  }));
}

export function brokerFaults(broker: Broker, tools: FaultTools): Fault[] {
  const { clock, journal } = tools;
  return [
    {
      name: 'broker killed',
      async run(chance) {
        journal.happened('broker killed', 'kafka');
        await broker.kill();
        await clock.sleep(chance.between(...DOWN_MS));
        await broker.restart();
      },
    },
    {
      name: 'broker stopped past sessions',
      run(chance) {
        journal.happened('broker stopped past sessions', 'kafka');
        return pause(broker, sessionLost(chance), tools);
      },
    },
  ];
}

async function down(member: Member, chance: Chance, { clock }: FaultTools): Promise<void> {
  await member.kill();
  await clock.sleep(chance.between(...DOWN_MS));
  await member.start();
}

async function deploy(member: Member): Promise<void> {
  await member.stop();
  await member.start();
}

const sessionLost = (chance: Chance) => SESSION_TIMEOUT_MS + chance.between(1_000, 6_000);

async function pause(
  program: { signal(signal: NodeJS.Signals): void },
  forMs: number,
  { clock }: FaultTools,
): Promise<void> {
  program.signal('SIGSTOP');
  await clock.sleep(forMs);
  program.signal('SIGCONT');
}

async function fillDisk(disk: SmallDisk | undefined, chance: Chance, { clock }: FaultTools): Promise<void> {
  disk?.fill();
  await clock.sleep(chance.between(...FULL_MS));
  disk?.free();
}

async function loseData(
  { member, dataDirectory }: AgentMember,
  chance: Chance,
  tools: FaultTools,
): Promise<void> {
  await member.kill();
  // What is in it, and not itself: it may be a file system.
  for (const name of readdirSync(dataDirectory)) rmSync(join(dataDirectory, name), { recursive: true });
  await tools.clock.sleep(chance.between(...DOWN_MS));
  await member.start();
}

async function corruptSpool(agent: AgentMember, chance: Chance, { journal }: FaultTools): Promise<void> {
  const { member, dataDirectory } = agent;
  await member.kill();
  const files = globSync('spool/**/*.{db,db-wal}', { cwd: dataDirectory })
    .sort()
    .filter((file) => statSync(join(dataDirectory, file)).size > 0);
  const [first, ...others] = files;
  if (first !== undefined) {
    const file = chance.pick([first, ...others]);
    corrupt(join(dataDirectory, file), chance);
    journal.happened('spool file corrupted', `${member.name}: ${file}`);
  }
  await member.start();
}

function corrupt(path: string, chance: Chance): void {
  const { size } = statSync(path);
  const file = openSync(path, 'r+');
  try {
    for (let place = chance.between(1, 4); place > 0; place--) {
      const at = chance.between(0, Math.max(0, size - CORRUPT_BYTES));
      writeSync(file, Buffer.from(chance.hex(CORRUPT_BYTES), 'hex'), 0, CORRUPT_BYTES, at);
    }
  } finally {
    closeSync(file);
  }
}
