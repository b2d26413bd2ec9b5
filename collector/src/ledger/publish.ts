// Publishing one committed entry: every staged object to its final key, then its partitions into the catalog.
// A function of the entry alone, so that any collector may do, repeat or finish it at any time.
import type {
  Catalog,
  LedgerOutput,
  ObjectStore,
  TableConfig,
  TableDefinition,
  TableSchemas,
  WindowEntry,
} from '../contracts.ts';
import { catalogValue, outputLocation, partitionPrefix } from '../lake/object-keys.ts';

const COPIES_MAX = 8;

export interface PublishTarget {
  readonly table: TableConfig;
  readonly store: ObjectStore;
  readonly catalog: Catalog;
  readonly definitions: Readonly<Record<LedgerOutput['output'], TableDefinition>>;
}

/** The table of rows and its quarantine, as the catalog shall hold them. */
export function tableDefinitions(
  table: TableConfig,
  schemas: TableSchemas,
): Readonly<Record<LedgerOutput['output'], TableDefinition>> {
  return {
    rows: {
      name: table.name,
      columns: schemas.rows,
      partitionColumns: schemas.partitionColumns,
      output: table.output,
      location: outputLocation(table, 'rows'),
      comment: `Written by Sluice from the Kafka topic ${table.topic}`,
    },
    quarantine: {
      name: `${table.name}_quarantine`,
      columns: schemas.quarantine,
      partitionColumns: schemas.quarantinePartitionColumns,
      output: { kind: 'parquet', compression: 'zstd' },
      location: outputLocation(table, 'quarantine'),
      comment: `Records of the Kafka topic ${table.topic} that ${table.name} could not take, with the reason`,
    },
  };
}

export async function publishEntry(target: PublishTarget, entry: WindowEntry): Promise<void> {
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
  for (const kind of ['rows', 'quarantine'] as const) {
    const definition = target.definitions[kind];
    const partitions = outputs
      .filter((output) => output.output === kind)
      .map(({ partition }) => ({
        values: partition.map(({ value }) => catalogValue(value)),
        key: partitionPrefix(definition.location, partition),
      }));
    if (partitions.length > 0) await target.catalog.registerPartitions(definition, distinct(partitions));
  }
}

function distinct<T extends { readonly key: string }>(items: readonly T[]): T[] {
  return [...new Map(items.map((item) => [item.key, item])).values()];
}
