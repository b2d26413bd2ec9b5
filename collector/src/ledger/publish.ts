// Publishing one committed entry: every staged object to its final key, then its partitions into the catalog.
// A function of the entry alone, so that any collector may do, repeat or finish it at any time.
import { SluiceError } from '@sluice/shared/errors.ts';
import type {
  Catalog,
  ObjectStore,
  ObjectsEntry,
  OutputName,
  TableConfig,
  TableDefinition,
  TableSchemas,
} from '../contracts.ts';
import { catalogValue, outputLocation, outputTable, partitionPrefix } from '../lake/object-keys.ts';

const COPIES_MAX = 8;

export interface PublishTarget {
  readonly table: TableConfig;
  readonly store: ObjectStore;
  readonly catalog: Catalog;
  /** As they are now: those of a table that detects its columns grow. */
  readonly definitions: () => Definitions;
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
      comment: `Written by Sluice from the Kafka topic ${table.topic}, beside ${table.name}`,
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
      comment: `Written by Sluice from the Kafka topic ${table.topic}`,
    },
    quarantine: {
      name: outputTable(table, 'quarantine'),
      columns: schemas.quarantine,
      partitionColumns: schemas.quarantinePartitionColumns,
      output: { kind: 'parquet', compression: 'zstd' },
      location: outputLocation(table, 'quarantine'),
      comment: `Records of the Kafka topic ${table.topic} that ${table.name} could not take, with the reason`,
    },
  };
}

export async function publishEntry(target: PublishTarget, entry: ObjectsEntry): Promise<void> {
  const { outputs } = entry;
  for (let from = 0; from < outputs.length; from += COPIES_MAX) {
    await Promise.all(
      outputs
        .slice(from, from + COPIES_MAX)
        .map(({ stagedKey, finalKey, bytes, sha256 }) =>
          target.store.publish(stagedKey, finalKey, { bytes, sha256 }),
        ),
    );
  }
  for (const [kind, named] of Map.groupBy(outputs, ({ output }) => output)) {
    const definition = definitionOf(target, kind);
    const partitions = named.map(({ partition }) => ({
      values: partition.map(({ value }) => catalogValue(value)),
      key: partitionPrefix(definition.location, partition),
    }));
    if (partitions.length > 0) await target.catalog.registerPartitions(definition, distinct(partitions));
  }
}

/** An output that the config makes no more is published as the others were: by hand, or by the old config. */
function definitionOf({ definitions: now, table }: PublishTarget, output: OutputName): TableDefinition {
  const definitions = now();
  const definition = Object.hasOwn(definitions, output) ? definitions[output] : undefined;
  if (definition !== undefined) return definition;
  const message = `an entry holds rows of '${output}', which its steps do not make any more`;
  throw new SluiceError('CATALOG_INCOMPATIBLE', message, { place: table.name });
}

function distinct<T extends { readonly key: string }>(items: readonly T[]): T[] {
  return [...new Map(items.map((item) => [item.key, item])).values()];
}
