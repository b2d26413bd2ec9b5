// Glue in memory: tables and the partitions that are registered, behind requests that fail as those of the
// store do.
import type { Catalog, TableDefinition } from '@sluice/collector/contracts.ts';
import { AwsClient } from './aws-requests.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

export class SimGlue {
  readonly tables = new Map<string, TableDefinition>();
  /** Prefixes of registered partitions, by table. */
  readonly partitions = new Map<string, Map<string, readonly string[]>>();
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
  return {
    movePartitions: () => Promise.reject(new Error('no table of a simulation is rebuilt')),
    putBackPartitions: () => Promise.reject(new Error('no table of a simulation is rebuilt')),
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
          const registered = glue.partitions.get(name) ?? new Map<string, readonly string[]>();
          glue.partitions.set(name, registered);
          for (const { key, values } of some) registered.set(key, values);
        });
      }
    },
    tables: () => ask('tables', () => [...glue.tables.values()]),
    partitions: (name) =>
      ask(`partitions ${name}`, () =>
        [...(glue.partitions.get(name) ?? [])].map(([location, values]) => ({ values, location })),
      ),
    probe: () => Promise.resolve(),
    close() {},
  };
}
