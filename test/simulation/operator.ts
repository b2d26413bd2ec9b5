// An operator of the lake, who runs the commands that swap partitions beside running collectors: at any
// time, two at once, with a config that is not the collectors', and commands that are killed or sleep. They
// are the product's own, on doubles for DuckDB, S3 and Glue. When all faults are over each runs once more in
// peace, and must come to its end.
import type { TableConfig } from '@sluice/collector/contracts.ts';
import type { Chance } from './chance.ts';
import { type CollectorHost, collectorConfig } from './collector-host.ts';
import { type Command, type Outcome, runCommand } from './operator-command.ts';
import { SimProcess } from './process.ts';
import { ANOTHER_CONFIG } from './transformer.ts';
import type { World } from './world.ts';

/** How often a second one begins beside, and within which time. */
const TWO_SHARE = 0.4;
const BESIDE_MS = 1_500;
/** How often it is the first table. */
const FIRST_SHARE = 0.5;
/** How often collectors are told to look where partitions are. */
const SIGHUP_SHARE = 0.4;
const KILLED_SHARE = 0.3;
const HIT_MS_MAX = 6_000;
const SLEEPS_SHARE = 0.15;
const REBUILD_SHARE = 0.5;
const OTHER_CONFIG_SHARE = 0.3;
const DAY_MS = 86_400_000;
/** A command that nothing hinders ends within this. */
const END_MS_MAX = 120_000;
/** What is late has arrived then, and collectors that are told to look have put back what it moved. */
const LATE_MS = 45_000;
const PUT_BACK_MS_MAX = 60_000;

export class Operator {
  readonly #world: World;
  readonly #chance: Chance;
  readonly #collectors: readonly CollectorHost[];
  readonly #running = new Set<SimProcess>();
  #calls = 0;
  #inPeace = false;

  constructor(world: World, collectors: readonly CollectorHost[]) {
    this.#world = world;
    this.#collectors = collectors;
    this.#chance = world.chance.stream('operator');
    this.#callLater();
  }

  #callLater(): void {
    const { time, profile } = this.#world;
    const { operatorEveryMs: everyMs } = profile;
    if (everyMs === undefined) return;
    time.after(this.#chance.spread(everyMs), () => {
      if (!this.#world.faulty) return;
      this.#callNow();
      if (this.#chance.happens(SIGHUP_SHARE)) this.#tellToLook();
      if (this.#chance.happens(TWO_SHARE))
        time.after(this.#chance.between(0, BESIDE_MS), () => this.#callNow());
      this.#callLater();
    });
  }

  /** Collectors put back what is elsewhere when they are told to, beside commands that move partitions. */
  #tellToLook(): void {
    const { time } = this.#world;
    for (const host of this.#collectors)
      time.after(this.#chance.between(0, HIT_MS_MAX), () => host.readAgain());
  }

  #callNow(): void {
    const chance = this.#chance;
    const { tables } = collectorConfig(this.#world);
    const table = tables[chance.happens(FIRST_SHARE) ? 0 : chance.between(0, tables.length - 1)];
    if (table === undefined) return;
    const isRebuilt = canBeRebuilt(this.#world, table) && chance.happens(REBUILD_SHARE);
    const configVersion = chance.happens(OTHER_CONFIG_SHARE) ? ANOTHER_CONFIG : table.configVersion;
    const command: Command = {
      name: isRebuilt ? 'rebuild' : 'compact',
      table: { ...table, configVersion },
      olderThanMs: chance.pick([0, 0, 0, 5_000]),
      all: chance.happens(0.5),
      withinMs: chance.pick([undefined, 5_000, 20_000]),
    };
    const process = this.#call(command, chance.pick([0, 0, 0, 0, 0, 0, -DAY_MS, 30 * DAY_MS]));
    const { time, trace } = this.#world;
    const sometime = (what: string, share: number, task: () => void) => {
      if (!chance.happens(share)) return;
      time.after(chance.between(0, HIT_MS_MAX), () => {
        if (!process.alive) return;
        trace.count(`${command.name} ${what}`);
        task();
      });
    };
    sometime('killed', KILLED_SHARE, () => process.crash('killed'));
    sometime('slept', SLEEPS_SHARE, () => process.sleep(chance.between(2_000, 60_000)));
  }

  #call(command: Command, wallOffsetMs = 0): SimProcess {
    const world = this.#world;
    const { name, table } = command;
    const process = new SimProcess(world, `operator#${++this.#calls}`, wallOffsetMs);
    this.#running.add(process);
    process.onEnd(() => this.#running.delete(process));
    process.say(`${name} ${table.name}`);
    void runCommand(world, process, command).then(({ what, why = '' }) => {
      if (!process.alive) return;
      world.trace.count(`${name} ${what}${this.#inPeace ? ', in peace' : ''}`);
      process.say(`${what} ${why}`);
      if (what === 'broke') world.violated(`${process.name} ended with ${why}`);
      if (this.#inPeace && !PEACEFUL[name].includes(what))
        world.violated(`nothing hindered ${process.name}, and ${name} ${table.name} is ${what}: ${why}`);
      process.end();
    });
    return process;
  }

  /** From now on no command begins, and none sleeps on. */
  stop(): void {
    for (const process of this.#running) process.wake();
  }

  /** One command for each table in peace; afterwards each partition is where the ledger has it. */
  async finish(calmMs: number): Promise<void> {
    const { time, profile, glue } = this.#world;
    if (profile.operatorEveryMs === undefined) return;
    await this.#allEnd('commands');
    this.#inPeace = true;
    for (const table of collectorConfig(this.#world).tables)
      for (const name of canBeRebuilt(this.#world, table) ? COMMANDS : COMMANDS.slice(0, 1)) {
        this.#call({ name, table, olderThanMs: 0, all: true, withinMs: undefined });
        await this.#allEnd(`${name} ${table.name}`);
      }
    if (profile.awsFaultShare > 0) await time.run(calmMs + LATE_MS);
    if (glue.misplaced().length > 0) await this.#putBack();
    for (const { name } of collectorConfig(this.#world).tables)
      for (const what of this.#world.oracle.wronglyShown(name)) this.#world.violated(`in the end: ${what}`);
  }

  async #allEnd(what: string): Promise<void> {
    const { time } = this.#world;
    await time.run(time.nowMs + END_MS_MAX, () => this.#running.size === 0);
    if (this.#running.size > 0) this.#world.violated(`${what}: not ended in ${END_MS_MAX / 1e3} s`);
    for (const process of this.#running) process.crash('has not ended');
  }

  async #putBack(): Promise<void> {
    const { time, glue } = this.#world;
    const looked = new Set(collectorConfig(this.#world).tables.map(({ name }) => name));
    const left = () => glue.misplaced().filter(({ table }) => looked.has(table.replace(/_quarantine$/, '')));
    this.#world.trace.say('operator', `tells collectors to look: ${JSON.stringify(left())}`);
    for (const host of this.#collectors) host.readAgain();
    await time.run(time.nowMs + PUT_BACK_MS_MAX, () => left().length === 0);
    for (const { table, meant, is } of left())
      this.#world.violated(`${table}: readers see ${is}, and the ledger says ${meant}`);
  }
}

/** There are its records as they came, and it is not they. */
const canBeRebuilt = ({ profile }: World, { input }: TableConfig) =>
  profile.keepsRaw && input.kind !== 'bytes';

const COMMANDS = ['compact', 'rebuild'] as const;

/** What a command may come to that nothing hinders. Of what Kafka has cut, or lost, nothing is made again. */
const PEACEFUL: Readonly<Record<Command['name'], readonly Outcome['what'][]>> = {
  compact: ['done', 'had nothing to do'],
  rebuild: ['done', 'had nothing to do', 'refused'],
};
