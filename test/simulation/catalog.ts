// Glue in memory: tables and partitions, behind requests that fail as those of the store do. Partitions move
// as the adapter moves them. A request that arrives late may set one back to where it was: then readers are
// meant to see what the later one said, until somebody puts it back.
import {
  BatchCreatePartitionCommand,
  BatchGetPartitionCommand,
  BatchUpdatePartitionCommand,
  type GlueClient,
  type PartitionInput,
} from '@aws-sdk/client-glue';
import { moveGluePartitions, putBackGluePartitions } from '@sluice/collector/catalog/glue-moves.ts';
import type { Catalog, TableDefinition } from '@sluice/collector/contracts.ts';
import { AwsClient } from './aws-requests.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

interface SimPartition {
  readonly input: PartitionInput;
  readonly location: string;
  /** The number of its last move. */
  readonly order: number;
}

export interface Misplaced {
  readonly table: string;
  readonly meant: string;
  readonly is: string;
}

export class SimGlue {
  readonly tables = new Map<string, TableDefinition>();
  readonly #partitions = new Map<string, Map<string, SimPartition>>();
  /** As the highest number has each that was ever moved. */
  readonly #meant = new Map<string, Map<string, SimPartition>>();
  /** What stood there before, and until when. */
  readonly #before = new WeakMap<SimPartition, { standing: SimPartition; atMs: number }>();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  #of(table: string): Map<string, SimPartition> {
    const partitions = this.#partitions.get(table) ?? new Map<string, SimPartition>();
    this.#partitions.set(table, partitions);
    return partitions;
  }

  all(table: string): readonly SimPartition[] {
    return [...this.#of(table).values()];
  }

  get(table: string, values: readonly string[]): SimPartition | undefined {
    return this.#of(table).get(values.join('/'));
  }

  /** One that is there stays as it is. */
  create(table: string, input: PartitionInput): boolean {
    if (this.get(table, input.Values ?? []) !== undefined) return false;
    this.update(table, input);
    return true;
  }

  /** Whatever stands there. */
  update(table: string, input: PartitionInput): void {
    const { Values = [], StorageDescriptor, Parameters } = input;
    const [key, standing] = [Values.join('/'), this.get(table, Values)];
    const location = StorageDescriptor?.Location ?? '';
    const partition = { input, location, order: Number(Parameters?.['sluice.move'] ?? -1) };
    const meant = this.#meant.get(table) ?? new Map<string, SimPartition>();
    const last = meant.get(key);
    const { oracle, trace } = this.#world;
    if (last !== undefined && partition.order < last.order) trace.count('partition set back by a late move');
    else if (partition.order >= 0) {
      if (last?.order === partition.order && last.location !== location)
        this.#world.violated(`${table} ${key} moves to ${last.location} and to ${location} by ${last.order}`);
      oracle.moving(table, (last ?? standing)?.location, location);
      this.#meant.set(table, meant.set(key, partition));
    }
    if (standing !== undefined) this.#before.set(partition, { standing, atMs: this.#world.time.nowMs });
    this.#of(table).set(key, partition);
  }

  /** As a read has it that does not see what was changed a moment ago. */
  stale(table: string, values: readonly string[]): SimPartition | undefined {
    const now = this.get(table, values);
    const before = now === undefined ? undefined : this.#before.get(now);
    const isNews = before !== undefined && this.#world.time.nowMs - before.atMs < STALE_MS_MAX;
    return isNews ? before.standing : now;
  }

  /** Where readers are meant to see a partition. */
  isRegistered(table: string, location: string): boolean {
    return [...this.#of(table)].some(
      ([key, partition]) => (this.#meant.get(table)?.get(key) ?? partition).location === location,
    );
  }

  misplaced(): Misplaced[] {
    return [...this.#meant].flatMap(([table, meant]) =>
      [...meant].flatMap(([key, { location }]) => {
        const is = this.#of(table).get(key)?.location ?? '';
        return is === location ? [] : [{ table, meant: location, is }];
      }),
    );
  }
}

/** Of one BatchCreatePartition call. */
const PARTITIONS_MAX = 100;

export function simCatalog(world: World, process: SimProcess, glue: SimGlue): Catalog {
  const client = new AwsClient(world, process);
  const ask = <T>(what: string, effect: () => T) =>
    client.ask({
      service: 'glue',
      what,
      unavailable: 'CATALOG_UNAVAILABLE',
      denied: 'CATALOG_DENIED',
      effect,
    });
  const place = (TableName: string, order: number) => {
    return { client: simGlueClient({ world, glue, ask }), DatabaseName: 'sim', TableName, order };
  };
  const inputsOf = (partitions: Parameters<Catalog['registerPartitions']>[1]): PartitionInput[] =>
    partitions.map(({ values, key: Location }) => ({
      Values: [...values],
      StorageDescriptor: { Location },
    }));
  return {
    movePartitions: ({ name }, partitions, order) =>
      moveGluePartitions(place(name, order), inputsOf(partitions)),
    putBackPartitions: ({ name }, partitions, order) =>
      putBackGluePartitions(place(name, order), inputsOf(partitions)),
    growTable: () => Promise.reject(new Error('no table of a simulation detects its columns')),
    async ensureTable(definition) {
      const found = await ask(`get ${definition.name}`, () => glue.tables.get(definition.name));
      if (found === undefined)
        await ask(`create ${definition.name}`, () => glue.tables.set(definition.name, definition));
    },
    async registerPartitions({ name }, partitions) {
      for (let from = 0; from < partitions.length; from += PARTITIONS_MAX) {
        const some = partitions.slice(from, from + PARTITIONS_MAX);
        await ask(`register ${name} ${some.map(({ values }) => values.join('/')).join(' ')}`, () => {
          for (const input of inputsOf(some)) glue.create(name, input);
        });
      }
    },
    tables: () => ask('tables', () => [...glue.tables.values()]),
    partitions: (name) =>
      ask(`partitions ${name}`, () =>
        glue.all(name).map(({ input, location }) => ({ values: input.Values ?? [], location })),
      ),
    probe: () => Promise.resolve(),
    close() {},
  };
}

/** How long a read may miss what was changed, and how often. */
const STALE_MS_MAX = 3_000;
const STALE_SHARE = 0.2;
/** How often a move comes a second time, and within which time: a proxy has held it back. */
const AGAIN_SHARE = 0.4;
const AGAIN_MS_MAX = 40_000;

interface GlueCalls {
  readonly world: World;
  readonly glue: SimGlue;
  ask<T>(what: string, effect: () => T): Promise<T>;
}

/** The calls that a move takes. Where a role may not register it may not move. */
function simGlueClient({ world, glue, ask }: GlueCalls): GlueClient {
  const named = (inputs: readonly PartitionInput[]) => inputs.map(({ Values = [] }) => Values.join('/'));
  const stale = world.profile.awsFaultShare > 0 ? STALE_SHARE : 0;
  /** The number of each partition's last move, when it was asked for. */
  const seen = new Map<string, number>();
  const move = (table: string, inputs: readonly PartitionInput[]) => {
    for (const { Values = [], Parameters } of inputs)
      if ((seen.get(Values.join('/')) ?? -1) > Number(Parameters?.['sluice.move']))
        world.violated(`${table} ${Values.join('/')} is moved back, and it is known where it was`);
    const moveAll = () => {
      for (const input of inputs) glue.update(table, input);
    };
    moveAll();
    const chance = world.chance.stream(`move of ${table} ${world.time.nowMs}`);
    if (!world.faulty || world.profile.awsFaultShare === 0 || !chance.happens(AGAIN_SHARE)) return;
    world.time.after(chance.between(0, AGAIN_MS_MAX), () => {
      world.trace.count('move arrived again, late');
      world.trace.say('glue', `a move of ${table} arrives again`);
      moveAll();
    });
  };
  const send = (command: unknown): Promise<unknown> => {
    if (command instanceof BatchGetPartitionCommand) {
      const { TableName: table = '', PartitionsToGet: keys = [] } = command.input;
      return ask(`get partitions ${table} ${named(keys).join(' ')}`, () => {
        const isStale =
          world.faulty && world.chance.stream(`read of ${table} ${world.time.nowMs}`).happens(stale);
        const found = keys.flatMap(
          ({ Values = [] }) => (isStale ? glue.stale(table, Values) : glue.get(table, Values)) ?? [],
        );
        if (found.some((partition) => partition !== glue.get(table, partition.input.Values ?? [])))
          world.trace.count('stale read of a partition');
        for (const { input, order } of found) seen.set((input.Values ?? []).join('/'), order);
        return { Partitions: found.map(({ input }) => input) };
      });
    }
    if (command instanceof BatchCreatePartitionCommand) {
      const { TableName: table = '', PartitionInputList: inputs = [] } = command.input;
      return ask(`register moved ${table} ${named(inputs).join(' ')}`, () => {
        const refused = inputs.filter((input) => !glue.create(table, input));
        const ErrorDetail = { ErrorCode: 'AlreadyExistsException' };
        return { Errors: refused.map(({ Values = [] }) => ({ PartitionValues: Values, ErrorDetail })) };
      });
    }
    if (command instanceof BatchUpdatePartitionCommand) {
      const { TableName: table = '', Entries = [] } = command.input;
      const inputs = Entries.flatMap(({ PartitionInput: input }) => input ?? []);
      return ask(`register move of ${table} ${named(inputs).join(' ')}`, () => {
        move(table, inputs);
        return {};
      });
    }
    return Promise.reject(new Error(`no request of a simulation: ${String(command)}`));
  };
  return { send } as unknown as GlueClient;
}
