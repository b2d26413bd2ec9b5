// The tables of a config as they are by now, for those who read a lake: a table that detects its columns has
// those of its newest schema.
import type { ObjectStore, TableConfig } from '../contracts.ts';
import { withSchema } from '../detected-schema.ts';
import { openSchemaLog } from './schema-log.ts';

export function knownTables(tables: readonly TableConfig[], store: ObjectStore): Promise<TableConfig[]> {
  return Promise.all(
    tables.map(async (table) => {
      if (table.detects === undefined) return table;
      return withSchema(table, await openSchemaLog(table.name, store).newest());
    }),
  );
}
