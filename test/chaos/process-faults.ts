// What befalls the machines: agents, collectors and the broker are killed, stopped for longer than sessions
// last, deployed anew; an agent's spool is broken, damaged or lost while it is down; a disk is full for a
// while. Clocks are left alone.
import type { Broker } from '@sluice/deploy/local/kafka-broker.ts';
import type { Clock } from '@sluice/shared/clock.ts';
import type { Chance } from '../simulation/chance.ts';
import {
  type AgentMember,
  type Blow,
  type CollectorMember,
  type Deed,
  DOWN_MS,
  downWhile,
  type FaultTools,
} from './blow.ts';
import { fillAgentDisk, fillCollectorDisk, raiseFloor } from './disk-faults.ts';
import type { Fault, NonEmpty } from './lane.ts';
import type { Member } from './member.ts';
import { breakSpoolFile, damageSegments, loseData, overwriteSpool } from './spool-faults.ts';
import { SESSION_TIMEOUT_MS } from './stage.ts';

/** Above the time after which each end of the link takes the other for dead. */
const LINK_DEAD_MS = 45_000;

export function agentFaults(agents: NonEmpty<AgentMember>, tools: FaultTools): Fault[] {
  const hasDisks = agents.every(({ disk }) => disk !== undefined);
  return faultsOf<AgentMember>(agents, tools, [
    ['agent killed', down],
    ['agent stopped past its session', pauseFor(sessionLost)],
    ['agent deployed anew', deploy],
    ['agent’s data lost', loseData],
    ['spool file broken', breakSpoolFile],
    ['spool overwritten in places', overwriteSpool],
    ['spooled segments damaged', damageSegments],
    hasDisks ? ['agent’s disk full', fillAgentDisk] : ['agent’s disk below its floor', raiseFloor],
  ]);
}

export function collectorFaults(collectors: NonEmpty<CollectorMember>, tools: FaultTools): Fault[] {
  const hasDisks = collectors.every(({ disk }) => disk !== undefined);
  return faultsOf<CollectorMember>(collectors, tools, [
    ['collector killed', down],
    ['collector killed', down],
    ['collector stopped', pauseFor((chance) => chance.between(1_000, 8_000))],
    ['collector stopped until it is taken for dead', pauseFor(() => LINK_DEAD_MS)],
    ['collector deployed anew', deploy],
    ...(hasDisks ? [['collector’s disk full', fillCollectorDisk] as const] : []),
  ]);
}

function faultsOf<T extends { readonly member: Member }>(
  victims: NonEmpty<T>,
  tools: FaultTools,
  deeds: readonly (readonly [string, Deed<T>])[],
): Fault[] {
  const { journal } = tools;
  return deeds.map(([name, deed]) => ({
    name,
    run(chance) {
      const victim = chance.pick(victims);
      const who = victim.member.name;
      return deed({
        ...{ victim, chance, tools },
        hit: (detail) => journal.happened(name, detail === undefined ? who : `${who}: ${detail}`),
        noticed: () => journal.noticed(name, who),
      });
    },
  }));
}

export function brokerFaults(broker: Broker, { clock, journal }: FaultTools): Fault[] {
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
        return pause(broker, sessionLost(chance), clock);
      },
    },
  ];
}

function down(blow: Blow<{ readonly member: Member }>): Promise<void> {
  return downWhile(blow, () => blow.hit());
}

async function deploy({ victim: { member }, hit }: Blow<{ readonly member: Member }>): Promise<void> {
  hit();
  await member.stop();
  await member.start();
}

const sessionLost = (chance: Chance) => SESSION_TIMEOUT_MS + chance.between(1_000, 6_000);

function pauseFor(msOf: (chance: Chance) => number): Deed<{ readonly member: Member }> {
  return ({ victim: { member }, chance, tools, hit }) => {
    hit();
    return pause(member.program, msOf(chance), tools.clock);
  };
}

async function pause(
  program: { signal(signal: NodeJS.Signals): void },
  forMs: number,
  clock: Clock,
): Promise<void> {
  program.signal('SIGSTOP');
  await clock.sleep(forMs);
  program.signal('SIGCONT');
}
