// When the programs of a simulation come. A lake may be newer than its group, as one that is made anew: then
// agents read from where the group stands, and spool, before any collector is there, and a table's ledger is
// opened by whoever speaks first, be it one that only holds what it has read before.
import type { AgentHost } from './agent-host.ts';
import type { CollectorHost } from './collector-host.ts';
import type { World } from './world.ts';

/** Some records are there by then, and the group stands anywhere among them. */
const AGENTS_COME_MS = 5_000;
const SPREAD_MS = 1_000;

interface Hosts {
  readonly agents: readonly AgentHost[];
  readonly collectors: readonly CollectorHost[];
}

export function startPrograms(world: World, { agents, collectors }: Hosts): void {
  const { time, profile, trace, kafka } = world;
  const { lakeComesMs } = profile;
  const start = (hosts: readonly { start(): void }[], afterMs = 0) => {
    for (const host of hosts) time.after(afterMs + world.chance.spread(SPREAD_MS), () => host.start());
  };
  start(collectors, lakeComesMs);
  start(agents, lakeComesMs === undefined ? 0 : AGENTS_COME_MS);
  if (lakeComesMs === undefined) return;
  trace.count('lake made anew');
  const chance = world.chance.stream('group of before');
  time.after(AGENTS_COME_MS, () => {
    for (const { topic, partition, start: from, end } of kafka.logs)
      kafka.group.offsets.set(`${topic}/${partition}`, chance.between(from, end));
  });
}
