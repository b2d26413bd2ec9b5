// Publishing one committed entry: every staged object to its final key, then its partitions into the catalog.
// A function of the entry alone, so that any collector may do, repeat or finish it at any time.
import { SluiceError } from '@sluice/shared/errors.ts';
import type {
  CarriedObject,
  Catalog,
  ChangingSchemas,
  LedgerOutput,
  MovedPartition,
  ObjectStore,
  ObjectsEntry,
  OutputName,
  TableConfig,
  TableDefinition,
  TableSchemas,
} from '../contracts.ts';
import { catalogValue, fileName, folderOf, outputLocation, outputTable } from '../lake/object-keys.ts';
import { topicsText } from '../table-topics.ts';

const COPIES_MAX = 8;

/** Some at a time. */
async function copyAll<T>(objects: readonly T[], copy: (object: T) => Promise<void>): Promise<void> {
  for (let from = 0; from < objects.length; from += COPIES_MAX)
    await Promise.all(objects.slice(from, from + COPIES_MAX).map(copy));
}

export interface PublishTarget {
  readonly table: TableConfig;
  readonly store: ObjectStore;
  readonly catalog: Catalog;
  readonly definitions: DefinitionsByVersion;
}

/** By the name of the output. */
export type Definitions = { readonly rows: TableDefinition; readonly quarantine: TableDefinition } & Readonly<
  Record<OutputName, TableDefinition>
>;

/** The table of rows, its quarantine and what else steps make, as the catalog shall hold them. */
export function tableDefinitions(table: TableConfig, schemas: TableSchemas): Definitions {
  const named = Object.entries(schemas.named ?? {}).map(([output, { columns, partitionColumns }]) => [
    output,
    {
      name: outputTable(table, output),
      columns,
      partitionColumns,
      output: table.output,
      location: outputLocation(table, output),
      comment: `Written by Sluice from the Kafka ${topicsText(table)}, beside ${table.name}`,
    },
  ]);
  return {
    ...(Object.fromEntries(named) as Record<OutputName, TableDefinition>),
    rows: {
      name: table.name,
      columns: schemas.rows,
      partitionColumns: schemas.partitionColumns,
      output: table.output,
      location: outputLocation(table, 'rows'),
      comment: `Written by Sluice from the Kafka ${topicsText(table)}`,
    },
    quarantine: {
      name: outputTable(table, 'quarantine'),
      columns: schemas.quarantine,
      partitionColumns: schemas.quarantinePartitionColumns,
      output: { kind: 'parquet', compression: 'zstd' },
      location: outputLocation(table, 'quarantine'),
      comment: `Records of the Kafka ${topicsText(table)} that ${table.name} could not take, with the reason`,
    },
  };
}

/** The catalog takes rows of all of them. CATALOG_* */
export async function ensureTables(catalog: Catalog, definitions: Definitions): Promise<void> {
  for (const definition of Object.values(definitions)) await catalog.ensureTable(definition);
}

/** Configs that may have windows on their way; beyond these an entry is published as the newest says. */
const VERSIONS_MAX = 32;

/** What each config of a table makes: an entry is published as the config that made it has it. */
export class DefinitionsByVersion {
  /** The newest first. Those of a table that detects its columns grow. */
  #configs: readonly {
    readonly version: string;
    readonly now: () => Definitions;
    readonly detected: ChangingSchemas | undefined;
  }[] = [];

  constructor(table: TableConfig, schemas: TableSchemas | ChangingSchemas) {
    this.add(table, schemas);
  }

  add(table: TableConfig, schemas: TableSchemas | ChangingSchemas): void {
    const detected = 'now' in schemas ? schemas : undefined;
    const now = () => tableDefinitions(table, 'now' in schemas ? schemas.now() : schemas);
    const older = this.#configs.filter(({ version }) => version !== table.configVersion);
    this.#configs = [{ version: table.configVersion, now, detected }, ...older].slice(0, VERSIONS_MAX);
  }

  /** The catalog takes what the newest makes. */
  async prepare(catalog: Catalog): Promise<void> {
    const [newest] = this.#configs;
    if (newest?.detected !== undefined) return await newest.detected.prepare();
    if (newest !== undefined) await ensureTables(catalog, newest.now());
  }

  /** Of a config that is not known here: as the newest that makes the output has it. */
  of(configVersion: string, output: OutputName): TableDefinition | undefined {
    const known = this.#configs.find(({ version }) => version === configVersion);
    for (const { now } of known === undefined ? this.#configs : [known]) {
      const definitions = now();
      if (Object.hasOwn(definitions, output)) return definitions[output];
    }
    return undefined;
  }
}

/** Copies what was carried to where it goes. */
export async function copyCarried(
  moves: readonly MovedPartition[],
  how: { isMeant(carried: CarriedObject): boolean; readonly copy: ObjectStore['publish'] },
): Promise<void> {
  const meant = moves.flatMap(({ to, carried }) =>
    carried.filter((object) => how.isMeant(object)).map((object) => ({ to, ...object })),
  );
  await copyAll(meant, ({ to, from, bytes, sha256 }) =>
    how.copy(from, `${to}${fileName(from)}`, { bytes, sha256 }),
  );
}

export async function publishEntry(target: PublishTarget, entry: ObjectsEntry): Promise<void> {
  const { outputs } = entry;
  await copyAll(outputs, ({ stagedKey, finalKey, bytes, sha256 }) =>
    target.store.publish(stagedKey, finalKey, { bytes, sha256 }),
  );
  for (const [kind, named] of Map.groupBy(outputs, ({ output }) => output)) {
    const definition = definitionOf(target, entry, kind);
    const partitions = named.map(({ partition, finalKey }) => {
      assertPartitioned(definition, partition);
      return {
        values: partition.map(({ value }) => catalogValue(value)),
        key: folderOf(finalKey),
      };
    });
    if (partitions.length > 0) await target.catalog.registerPartitions(definition, distinct(partitions));
  }
}

/**
 * CATALOG_INCOMPATIBLE where no config that is known here makes the output: a collector that has such a one
 * publishes it.
 */
export function definitionOf(
  { definitions, table }: PublishTarget,
  { configVersion }: Pick<ObjectsEntry, 'configVersion'>,
  output: OutputName,
): TableDefinition {
  const definition = definitions.of(configVersion, output);
  if (definition !== undefined) return definition;
  const message = `an entry holds rows of '${output}', which its steps do not make any more`;
  throw new SluiceError('CATALOG_INCOMPATIBLE', message, { place: table.name });
}

/** Values of one scheme are never registered as those of another. */
export function assertPartitioned(definition: TableDefinition, partition: LedgerOutput['partition']): void {
  const theirs = partition.map(({ column }) => column).join(', ');
  const ours = definition.partitionColumns.map(({ name }) => name).join(', ');
  if (theirs === ours) return;
  const message = `an entry is partitioned by (${theirs}), the config by (${ours})`;
  throw new SluiceError('CATALOG_INCOMPATIBLE', message, { place: definition.name });
}

function distinct<T extends { readonly key: string }>(items: readonly T[]): T[] {
  return [...new Map(items.map((item) => [item.key, item])).values()];
}
