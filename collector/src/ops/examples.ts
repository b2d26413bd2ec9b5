// `sluice-collector test`: the examples beside a table's config go through the table's own transform, and
// what comes of them is compared with what was expected. Touches neither the lake nor a catalog,
// and S3 only for reference files that lie there.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { segmentOfRecords } from '@sluice/shared/record-segment.ts';
import type { KafkaRecord } from '@sluice/shared/records.ts';
import type { CollectorConfig } from '../config.ts';
import type { OutputFile, StagedSegment, TableConfig, TableDefinition } from '../contracts.ts';
import { withSchema } from '../detected-schema.ts';
import { tableDefinitions } from '../ledger/publish.ts';
import type { ReferenceSource } from '../reference-place.ts';
import type { ExampleRecord, TableExample } from '../table-examples.ts';
import { topicsOf } from '../table-topics.ts';
import { type Database, openDatabase } from '../transform/duckdb.ts';
import { identifier, literal } from '../transform/sql/types.ts';
import { createTransformer, type TransformerWithChecks } from '../transform/transformer.ts';
import { readerOf } from './lake-reader.ts';

/** Examples are a handful of records; a table that needs more memory for them is wrong. */
const EXAMPLE_MEMORY_BYTES = 256e6;

/** Window and record time of an example that names none: nothing may depend on when it is run. */
const EXAMPLE_MS = Date.UTC(2026, 0, 2, 3, 4, 5);

export interface ExampleResult {
  readonly table: string;
  readonly example: string;
  /** Empty where everything is as expected. */
  readonly differences: readonly string[];
}

type Row = Readonly<Record<string, string | null>>;

/**
 * Runs every example of these tables, in the order of the config. TRANSFORM_FAILED where SQL itself fails.
 */
export async function runExamples(
  config: Pick<CollectorConfig, 'tables' | 'examples'>,
  only: readonly string[],
  references?: ReferenceSource,
): Promise<readonly ExampleResult[]> {
  const scratch = mkdtempSync(join(tmpdir(), 'sluice-test-'));
  const transformer = createTransformer({ memoryBytesMax: EXAMPLE_MEMORY_BYTES, threads: 1 }, { references });
  const database = await openDatabase({
    directories: [scratch],
    spillDirectory: scratch,
    memoryBytesMax: EXAMPLE_MEMORY_BYTES,
    threads: 1,
  });
  const results: ExampleResult[] = [];
  try {
    for (const table of config.tables) {
      if (only.length > 0 && !only.includes(table.name)) continue;
      for (const example of config.examples.get(table.name) ?? []) {
        const directory = join(scratch, String(results.length));
        const differences = await runExample({ table, example, transformer, database, directory });
        results.push({ table: table.name, example: example.name, differences });
      }
    }
    return results;
  } finally {
    database.close();
    await transformer.close();
    rmSync(scratch, { recursive: true, force: true });
  }
}

interface ExampleRun {
  readonly table: TableConfig;
  readonly example: TableExample;
  readonly transformer: TransformerWithChecks;
  readonly database: Database;
  readonly directory: string;
}

async function runExample(run: ExampleRun): Promise<string[]> {
  const { example, transformer, directory } = run;
  const table = await withColumns(run);
  const segments = segmentsOf(table, example.records);
  const windowId = 'example';
  const result = await transformer.run({ table, windowId, segments, openedMs: EXAMPLE_MS, directory });
  const schemas = transformer.schema(table);
  const definitions = tableDefinitions(table, schemas);
  const files = (output: OutputFile['output']) => result.files.filter((file) => file.output === output);
  const rows = await readRows(run.database, definitions.rows, files('rows'));
  const quarantine = await readRows(run.database, toldOf(definitions.quarantine), files('quarantine'));
  const { filtered } = result.classes;
  const beside: string[] = [];
  for (const [output, definition] of Object.entries(definitions)) {
    if (output === 'rows' || output === 'quarantine') continue;
    const found = await readRows(run.database, definition, files(output));
    beside.push(...unmatched(`row of ${output}`, example.outputs[output] ?? [], found));
  }
  return [
    ...unmatched('row', example.rows, rows),
    ...beside,
    ...Object.keys(example.outputs)
      .filter((output) => !Object.keys(schemas.named ?? {}).includes(output))
      .map((output) => `no step makes the output '${output}', of which rows are expected`),
    ...unmatched('quarantined record', example.quarantine.map(quarantineRow), quarantine),
    ...(filtered === example.filtered
      ? []
      : [`${filtered} records were filtered, and ${example.filtered} expected`]),
  ];
}

/** A quarantine's files have key and headers only where its table reads them; examples speak of neither. */
function toldOf(quarantine: TableDefinition): TableDefinition {
  const columns = quarantine.columns.filter(({ name }) => name !== '_key' && name !== '_headers');
  return { ...quarantine, columns };
}

/** Where the table detects them, the example is its first window. */
async function withColumns({ table, example, transformer }: ExampleRun): Promise<TableConfig> {
  if (table.detects === undefined) return table;
  const segments = segmentsOf(table, example.records);
  const { columns } = await transformer.survey({ table, segments });
  return withSchema(table, columns === undefined ? undefined : { version: 1, isContract: false, columns });
}

function quarantineRow({ offset, code, field }: TableExample['quarantine'][number]) {
  return {
    code,
    ...(offset === undefined ? {} : { _offset: offset }),
    ...(field === undefined ? {} : { field }),
  };
}

/** One for each topic; an offset is where the record stands in the example. */
function segmentsOf(table: TableConfig, records: readonly ExampleRecord[]): StagedSegment[] {
  const [first = ''] = topicsOf(table);
  const all = records.map((record, offset) => ({
    record: kafkaRecord(record, offset),
    topic: topicOf(record),
  }));
  const groups = Map.groupBy(all, ({ topic = first }) => topic);
  return [...groups].map(([topic, own]) => {
    const id = { topic, topicId: NO_TOPIC_ID, partition: 0 };
    const given = own.map(({ record }) => record);
    const segment = segmentOfRecords(id, given, { codec: 'lz4', leaderEpoch: 0 });
    return { segment, fromOffset: segment.startOffset };
  });
}

function topicOf(record: ExampleRecord): string | undefined {
  return typeof record === 'object' ? record?.topic : undefined;
}

function kafkaRecord(record: ExampleRecord, offset: number): KafkaRecord {
  const plain = { offset, timestamp: EXAMPLE_MS, key: null, headers: [] };
  if (record === null) return { ...plain, value: null };
  if (typeof record === 'string') return { ...plain, value: Buffer.from(record) };
  const headers = Object.entries(record.headers ?? {}).map(
    ([name, value]) => [name, Buffer.from(value)] as const,
  );
  return {
    offset,
    timestamp: record.timestamp === undefined ? EXAMPLE_MS : Date.parse(record.timestamp),
    key: record.key === undefined ? null : Buffer.from(record.key),
    value: valueBytes(record),
    headers,
  };
}

function valueBytes({ json, text, base64 }: Exclude<ExampleRecord, string | null>): Buffer | null {
  if (text !== undefined) return Buffer.from(text);
  if (base64 !== undefined) return Buffer.from(base64, 'base64');
  return json === undefined ? null : Buffer.from(JSON.stringify(json));
}

/** What readers of the table see, each cell as text: nested ones as JSON. */
async function readRows(
  database: Database,
  definition: TableDefinition,
  files: readonly OutputFile[],
): Promise<Row[]> {
  const rows: Row[] = [];
  const nested = (type: string) => /^(array|map|struct)</.test(type);
  const cells = definition.columns.map(({ name, type }) => {
    const column = identifier(name);
    return `${nested(type) ? `to_json(${column})` : column}::VARCHAR AS ${column}`;
  });
  for (const { path, partition } of files) {
    const values = partition.map(
      ({ column, value }) => `${value === null ? 'NULL' : literal(value)}::VARCHAR AS ${identifier(column)}`,
    );
    const from = readerOf(definition, [path]);
    rows.push(...((await database.rows(`SELECT ${[...cells, ...values].join(', ')} FROM ${from}`)) as Row[]));
  }
  return rows;
}

/**
 * A sentence for each that was expected and is not there, and for each that is there and was not expected.
 */
function unmatched(what: string, expected: readonly Readonly<Record<string, unknown>>[], found: Row[]) {
  const left = [...found];
  const missing = expected.filter((row) => {
    const at = left.findIndex((other) =>
      Object.entries(row).every(([name, value]) => same(value, other, name)),
    );
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
  return [
    ...missing.map((row) => `expected ${what} is missing: ${JSON.stringify(row)}`),
    ...left.map((row) => `unexpected ${what}: ${JSON.stringify(row)}`),
  ];
}

function same(expected: unknown, row: Row, column: string): boolean {
  const found = row[column];
  if (found === undefined) return false;
  if (expected === null || found === null) return expected === found;
  if (typeof expected === 'object') return JSON.stringify(expected) === JSON.stringify(JSON.parse(found));
  if (typeof expected === 'number') return found.trim() !== '' && Number(found) === expected;
  return String(expected) === found || plainTime(String(expected)) === plainTime(found);
}

/** 2026-01-02T03:04:05.000Z and 2026-01-02 03:04:05 are one time. */
function plainTime(text: string): string {
  const [, day, time = ''] = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d+)?)Z?$/.exec(text) ?? [];
  return day === undefined ? text : `${day} ${time.includes('.') ? time.replace(/\.?0+$/, '') : time}`;
}

/** For a terminal. */
export function formatExamples(results: readonly ExampleResult[], tables: readonly string[]): string {
  const lines = results.flatMap(({ table, example, differences }) => [
    `${differences.length === 0 ? '✓' : '✗'} ${table}: ${example}`,
    ...differences.map((difference) => `    ${difference}`),
  ]);
  const silent = tables.filter((name) => !results.some(({ table }) => table === name));
  for (const name of silent) lines.push(`- ${name}: no examples in the config`);
  const failed = results.filter(({ differences }) => differences.length > 0).length;
  lines.push(`${results.length} examples, ${failed} failed`);
  return `${lines.join('\n')}\n`;
}
