// A table whose columns are detected, as it is under one of its schemas: what `columns` and a rename_field
// would say, so that everything behind reads a table like any other. Pure.
import type { DetectedSchema, InputFormat, TableConfig } from './tables.ts';

/**
 * Of a table that does not detect: itself. Before any schema is known no record has a value that could make a
 * row: objects without one are filtered, everything else is quarantined.
 */
export function withSchema(table: TableConfig, schema: DetectedSchema | undefined): TableConfig {
  if (table.detects === undefined) return table;
  if (schema === undefined) return withoutSchema(table);
  const { version, columns } = schema;
  const renamed = columns.filter(({ source, name }) => source !== name);
  const names = renamed.map(({ source: from, name: to }) => ({ from, to }));
  const sources = columns.map(({ source }) => source);
  return {
    ...table,
    schema,
    columns: columns.map(({ source: name, type }) => ({ name, type })),
    input: readingColumns(table.input, sources),
    steps: names.length === 0 ? table.steps : [{ kind: 'rename_field', names }, ...table.steps],
    configVersion: versionName(table, version),
  };
}

/** Of records with a line of names each one has those that its producer knows. */
function readingColumns(input: InputFormat, columns: readonly string[]): InputFormat {
  if (input.kind !== 'csv') return input;
  return { ...input, columns, ...(input.header === 'each' ? { mayLack: true as const } : {}) };
}

/** A tombstone cannot be a row yet, and is no loss in quarantine. */
function withoutSchema(table: TableConfig): TableConfig {
  const { tombstones } = table.record;
  return {
    ...table,
    columns: [{ name: 'value', type: 'string' }],
    input: readingColumns(table.input, ['value']),
    record: { ...table.record, tombstones: tombstones === 'keep' ? 'quarantine' : tombstones },
    steps: [{ kind: 'filter', expression: 'false' }],
    partitionBy: [],
    configVersion: versionName(table, 0),
  };
}

/** Config and schema in one name, for ledger and quarantine. */
function versionName({ configVersion }: TableConfig, version: number): string {
  return `${configVersion}.s${version}`;
}
