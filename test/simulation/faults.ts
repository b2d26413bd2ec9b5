// The faults of one seed, each kind in its own rhythm, until they stop; then everything that they left behind
// is set right, as people and machines would do it.
import type { AgentHost } from './agent-host.ts';
import type { Chance } from './chance.ts';
import type { CollectorHost } from './collector-host.ts';
import type { SimProcess } from './process.ts';
import { FAULT_EVERY_MS, type FaultKind } from './profile.ts';
import type { World } from './world.ts';

const DAY_MS = 86_400_000;

export interface Hosts {
  readonly agents: readonly AgentHost[];
  readonly collectors: readonly CollectorHost[];
}

export class Faults {
  readonly #world: World;
  readonly #hosts: Hosts;
  readonly #chance: Chance;

  constructor(world: World, hosts: Hosts) {
    this.#world = world;
    this.#hosts = hosts;
    this.#chance = world.chance.stream('faults');
    for (const kind of world.profile.faults) this.#next(kind);
  }

  /** From now on nothing fails, and what failed works again. */
  stop(): void {
    const world = this.#world;
    world.faulty = false;
    world.denied = undefined;
    world.kafka.down = false;
    world.kafka.unreachableFor.clear();
    world.link.restore();
    for (const { disk } of this.#hosts.agents) {
      disk.faults = () => undefined;
      disk.free = Number.MAX_SAFE_INTEGER;
    }
    for (const process of this.#processes()) process.wake();
  }

  #next(kind: FaultKind): void {
    const { time, trace } = this.#world;
    time.after(this.#chance.spread(FAULT_EVERY_MS[kind]), () => {
      if (!this.#world.faulty) return;
      const what = this.#cause(kind);
      if (what !== undefined) {
        trace.count(kind);
        trace.say('fault', `${kind}: ${what}`);
      }
      this.#next(kind);
    });
  }

  #processes(): SimProcess[] {
    const hosts = [...this.#hosts.agents, ...this.#hosts.collectors];
    return hosts.flatMap(({ process }) => (process?.alive === true ? [process] : []));
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[this.#chance.between(0, Math.max(0, items.length - 1))];
  }

  #for(fromMs: number, toMs: number, undo: () => void): string {
    const ms = this.#chance.between(fromMs, toMs);
    this.#world.time.after(ms, undo);
    return `for ${(ms / 1e3).toFixed(1)} s`;
  }

  /** Does it, and says to whom; undefined where there was nothing that it could hit. */
  #cause(kind: FaultKind): string | undefined {
    const agent = this.#pick(this.#hosts.agents);
    const collector = this.#pick(this.#hosts.collectors);
    if (agent === undefined || collector === undefined) return undefined;
    if (kind.startsWith('link') || kind === 'site cut off') return this.#link(kind, agent);
    if (kind.startsWith('collector')) return this.#collector(kind, collector);
    return this.#agent(kind, agent) ?? this.#disk(kind, agent) ?? this.#surroundings(kind, agent);
  }

  #agent(kind: FaultKind, host: AgentHost): string | undefined {
    const { process } = host;
    if (process?.alive !== true) return undefined;
    switch (kind) {
      case 'agent crash':
        host.crash('killed');
        return process.name;
      case 'agent restart':
        void host.stop();
        return process.name;
      case 'agent sleeps': {
        const ms = this.#chance.between(2_000, 60_000);
        process.sleep(ms);
        return `${process.name} for ${ms} ms`;
      }
      case 'data directory deleted':
        host.crash('its data directory is deleted');
        host.disk.clear(this.#chance.hex(8));
        return process.name;
      case 'data directory restored from a copy':
        if (!host.restore()) {
          host.backUp();
          return undefined;
        }
        host.crash('its data directory is set back to a copy');
        return process.name;
      default:
        return undefined;
    }
  }

  #collector(kind: FaultKind, host: CollectorHost): string | undefined {
    const { process } = host;
    if (process?.alive !== true) return undefined;
    if (kind === 'collector crash') host.crash('killed');
    if (kind === 'collector replaced') void host.drain();
    if (kind === 'collector sleeps') process.sleep(this.#chance.between(2_000, 60_000));
    return process.name;
  }

  #link(kind: FaultKind, host: AgentHost): string | undefined {
    const { link } = this.#world;
    if (kind === 'site cut off') {
      const ms = this.#chance.between(5_000, 60_000);
      link.cutOff(host.id, ms);
      for (const call of link.calls()) if (call.agent === host.process) call.silence(ms, 'both');
      return `${host.id} for ${ms} ms`;
    }
    const call = this.#pick(link.calls());
    if (call === undefined) return undefined;
    if (kind === 'link reset') call.break();
    if (kind === 'link silent') call.silence(this.#chance.between(25_000, 100_000), 'both');
    if (kind === 'link half open')
      call.silence(this.#chance.between(25_000, 100_000), this.#chance.pick(['up', 'down']));
    if (kind === 'link stalls')
      call.silence(this.#chance.between(300, 15_000), this.#chance.pick(['up', 'down', 'both']));
    return call.agent.name;
  }

  #disk(kind: FaultKind, { id, disk }: AgentHost): string | undefined {
    switch (kind) {
      case 'spool file damaged':
        return disk.damage(this.#chance.fraction()) ? id : undefined;
      case 'spool cannot be written': {
        const code = this.#chance.pick(['SQLITE_IOERR', 'SQLITE_FULL'] as const);
        disk.faults = (call) => (call === 'append' ? code : undefined);
        const lasts = this.#for(500, 12_000, () => {
          disk.faults = () => undefined;
        });
        return `${id} ${code} ${lasts}`;
      }
      case 'disk full': {
        disk.free = 0;
        const lasts = this.#for(5_000, 30_000, () => {
          disk.free = Number.MAX_SAFE_INTEGER;
        });
        return `${id} ${lasts}`;
      }
      default:
        return undefined;
    }
  }

  #surroundings(kind: FaultKind, host: AgentHost): string | undefined {
    const { kafka } = this.#world;
    switch (kind) {
      case 'brokers restart':
        kafka.down = true;
        return this.#for(2_000, 30_000, () => {
          kafka.down = false;
        });
      case 'agent cut off from the brokers': {
        const name = host.process?.name ?? '';
        kafka.unreachableFor.add(name);
        const lasts = this.#for(2_000, 40_000, () => kafka.unreachableFor.delete(name));
        return `${name} ${lasts}`;
      }
      case 'retention overtakes':
      case 'records deleted':
        return this.#delete(kind);
      case 'leader elected cleanly':
      case 'log cut by an unclean election':
        return this.#elect(kind);
      case 'topic created again': {
        const log = this.#pick(kafka.logs);
        if (log === undefined || kafka.deleted.has(log.topic)) return undefined;
        const ms = this.#chance.between(100, 5_000);
        kafka.createAgain(log.topic, this.#chance.hex(16), ms);
        return `${log.topic} after ${ms} ms`;
      }
      case 'spool comes back after its gap':
        return this.#losesAndFinds(host);
      case 'wall clock jumps': {
        const process = this.#pick(this.#processes());
        const days = this.#chance.pick([-30, -1, -0.01, 0.01, 1, 400]);
        process?.moveWallClock(Math.floor(days * DAY_MS));
        return `${process?.name} by ${days} days`;
      }
      case 'one table denied': {
        const name = this.#pick(this.#world.tables)?.name ?? '';
        this.#world.denied = `staged/${name}/`;
        return `${name} ${this.#for(10_000, 90_000, () => {
          this.#world.denied = undefined;
        })}`;
      }
      case 'lake denied':
        this.#world.denied = this.#chance.pick(['create _sluice', 'put _sluice', 'copy', 'register', 'read']);
        return `'${this.#world.denied}' ${this.#for(3_000, 40_000, () => {
          this.#world.denied = undefined;
        })}`;
      default:
        return undefined;
    }
  }

  #elect(kind: FaultKind): string | undefined {
    const { kafka, oracle } = this.#world;
    const log = this.#pick(kafka.logs);
    if (log === undefined || kafka.deleted.has(log.topic)) return undefined;
    const places = log.cutPlaces().filter((at) => at < log.end);
    const cutAt = kind === 'leader elected cleanly' ? undefined : places.at(-this.#chance.between(1, 5));
    if (kind !== 'leader elected cleanly' && cutAt === undefined) return undefined;
    const before = log.end;
    log.elect(cutAt);
    const through = oracle.queryableThrough(log);
    const where = cutAt === undefined ? '' : ` cut at ${cutAt} of ${before}, ${through} were queryable`;
    return `${log.topic}/${log.partition} epoch ${log.leaderEpoch}${where}`;
  }

  /** A machine loses its disk with what only it has, Kafka loses the same, and then the disk is found. */
  #losesAndFinds(host: AgentHost): string | undefined {
    const { kafka, time } = this.#world;
    const spooled = host.disk.spooled();
    const held = kafka.logs.filter((log) => spooled.some((s) => s.topicId === log.topicId));
    if (held.length === 0 || host.process?.alive !== true) return undefined;
    host.backUp();
    host.crash('its disk is gone');
    host.disk.clear(this.#chance.hex(8));
    for (const log of held) {
      const ends = spooled.filter((s) => s.topicId === log.topicId && s.partition === log.partition);
      log.deleteTo(Math.max(0, ...ends.map(({ nextOffset }) => nextOffset)));
    }
    time.after(this.#chance.between(8_000, 25_000), () => {
      if (host.restore()) host.crash('its disk is found');
    });
    return `${host.id}: ${spooled.length} segments`;
  }

  /** By whole batches, or to any offset. It counts where somebody has not read that far. */
  #delete(kind: FaultKind): string | undefined {
    const { kafka, oracle } = this.#world;
    const log = this.#pick(kafka.logs);
    if (log === undefined) return undefined;
    const ends = log.batchEnds();
    const to =
      kind === 'records deleted'
        ? this.#chance.between(log.start, log.lastStableOffset)
        : (ends[Math.floor(ends.length * (1 - this.#chance.fraction() ** 2))] ?? log.start);
    if (to <= log.start) return undefined;
    log.deleteTo(to);
    return `${log.topic}/${log.partition} to ${to}${oracle.queryableThrough(log) < to ? ' (not read yet)' : ''}`;
  }
}
