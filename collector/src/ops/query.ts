// `sluice-collector query`: one SELECT over the configured tables and their quarantines, reading registered
// partitions and committed objects only.
import type { CollectorConfig } from '../config.ts';
import type { TableDefinition } from '../contracts.ts';
import { tableDefinitions } from '../ledger/publish.ts';
import { openDatabase } from '../transform/duckdb.ts';
import { identifier } from '../transform/sql/types.ts';
import type { TransformerWithChecks } from '../transform/transformer.ts';
import type { LakeReader } from './lake-reader.ts';

const QUERY_MEMORY_BYTES_MAX = 1_000_000_000;

export interface QueryOptions {
  readonly config: CollectorConfig;
  readonly reader: LakeReader;
  readonly transformer: TransformerWithChecks;
  /** Directories that may be read: the lake, and where objects were fetched to. */
  readonly directories: readonly string[];
  readonly scratch: string;
}

/** Every table of the config with its definition, under the name that a query uses. */
export function definitionsOf(config: CollectorConfig, transformer: TransformerWithChecks) {
  return config.tables.flatMap((table) => {
    const definitions = tableDefinitions(table, transformer.schema(table));
    return Object.entries(definitions).map(([output, definition]) => ({ table, output, definition }));
  });
}

/** QUERY_REFUSED for anything but one SELECT. */
export async function runQuery(options: QueryOptions, sql: string) {
  const views: { definition: TableDefinition; select: string }[] = [];
  for (const { table, output, definition } of definitionsOf(options.config, options.transformer)) {
    if (!sql.toLowerCase().includes(definition.name)) continue;
    const objects = await options.reader.committed(table, output);
    views.push({ definition, select: await options.reader.selectFrom(definition, objects) });
  }
  const database = await openDatabase({
    directories: options.directories,
    spillDirectory: options.scratch,
    memoryBytesMax: QUERY_MEMORY_BYTES_MAX,
    threads: 2,
  });
  try {
    for (const { definition, select } of views)
      await database.run(`CREATE TEMP VIEW ${identifier(definition.name)} AS ${select}`);
    return await database.select(sql);
  } finally {
    database.close();
  }
}

/** A plain table for a terminal; cells are cut at 60 characters. */
export function formatTable(result: {
  columns: readonly string[];
  rows: readonly (readonly (string | null)[])[];
}): string {
  const cell = (text: string | null) =>
    text === null ? '' : text.length > 60 ? `${text.slice(0, 59)}…` : text;
  const rows = [result.columns, ...result.rows].map((row) => row.map((c) => cell(c)));
  const widths = result.columns.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((c, i) => c.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  lines.splice(1, 0, widths.map((width) => '-'.repeat(width)).join('  '));
  return `${lines.join('\n')}\n(${result.rows.length} row${result.rows.length === 1 ? '' : 's'})\n`;
}
