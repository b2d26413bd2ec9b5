// A table that detects its columns, put together for whoever writes it, a collector or a command: its
// numbered schemas, the catalog that follows them, and the transform that finds what they lack.
import type { Clock } from '@sluice/shared/clock.ts';
import type { Catalog, ChangingSchemas, ObjectStore, TableConfig, Transformer } from './contracts.ts';
import type { Events } from './events.ts';
import { tableDefinitions } from './ledger/publish.ts';
import { createDetectingTransformer } from './schema/detecting-transformer.ts';
import { openSchemaLog, type SchemaLog } from './schema/schema-log.ts';
import { TableSchema } from './schema/table-schema.ts';

export interface DetectingTableOptions {
  readonly table: TableConfig;
  readonly store: ObjectStore;
  readonly catalog: Catalog;
  readonly transformer: Transformer;
  readonly clock: Clock;
  readonly events: Events;
  readonly writerId: string;
  /** Schemas that come are known here alone: neither the store nor the catalog is told. */
  readonly dryRun?: boolean;
}

export interface DetectingTable {
  readonly schema: TableSchema;
  readonly schemas: ChangingSchemas;
  readonly transformer: Transformer;
}

export function createDetectingTable(options: DetectingTableOptions): DetectingTable {
  const { table, store, catalog, transformer, clock, events, writerId, dryRun = false } = options;
  const opened = openSchemaLog(table.name, store);
  const log: SchemaLog = dryRun ? { ...opened, create: () => Promise.resolve(true) } : opened;
  const definitionsOf = (made: TableConfig) => tableDefinitions(made, transformer.schema(made));
  const ensure = async (made: TableConfig, grow: boolean) => {
    if (dryRun) return;
    const { quarantine, ...grown } = definitionsOf(made);
    await catalog.ensureTable(quarantine);
    for (const definition of Object.values(grown))
      await (grow ? catalog.growTable(definition) : catalog.ensureTable(definition));
  };
  const schema = new TableSchema({ table, log, catalog, ensure, clock, events, writerId });
  const ensureQuarantine = () => catalog.ensureTable(definitionsOf(schema.table()).quarantine);
  return {
    schema,
    schemas: {
      now: () => transformer.schema(schema.table()),
      prepare: async () => void ((await schema.ready()) ?? (await ensureQuarantine())),
    },
    transformer: createDetectingTransformer({ transformer, schema, events }),
  };
}
