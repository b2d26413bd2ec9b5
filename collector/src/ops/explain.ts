// `sluice-collector explain`: what a table's config becomes - the SQL of its windows, the tables of the
// catalog as Athena would create them, where objects will lie, and how many requests an hour of them costs.
// Asks nobody.
import { formatCount } from '@sluice/shared/units.ts';
import { describeFormat } from '../catalog/storage-descriptor.ts';
import type { Column, TableConfig, TableDefinition } from '../contracts.ts';
import { finalKey, type PartitionValues } from '../lake/object-keys.ts';
import { tableDefinitions } from '../ledger/publish.ts';
import { FOLLOW_MS } from '../ledger/table-writer.ts';
import { topicsText } from '../table-topics.ts';
import { spellTime } from '../time-spelling.ts';
import { fileFormat } from '../transform/sql/file-format.ts';
import type { TransformerWithChecks } from '../transform/transformer.ts';

const HOUR_MS = 3_600_000;

export interface ExplainOptions {
  readonly transformer: Pick<TransformerWithChecks, 'schema' | 'explain'>;
  readonly database: string;
  /** Where a key is, for people. */
  readonly url: (key: string) => string;
  readonly nowMs: number;
}

export function explainTable(table: TableConfig, options: ExplainOptions): string {
  const { transformer, database, url, nowMs } = options;
  const definitions = Object.entries(tableDefinitions(table, transformer.schema(table)));
  const ddl = definitions.map(([, definition]) => createTable(definition, { database, url }));
  const paths = definitions.map(
    ([, { location, partitionColumns, output }]) =>
      `--   ${url(samplePath(table, { location, partitionColumns, extension: fileFormat({ output }).extension, nowMs }))}`,
  );
  return [
    `-- table ${table.name}, ${topicsText(table)}, config ${table.configVersion}`,
    transformer.explain(table),
    '-- in the catalog, as Athena would create it',
    ...ddl,
    '-- objects, for example',
    ...paths,
    '-- requests',
    ...requestsPerHour(table, definitions.length).map((line) => `--   ${line}`),
    '',
  ].join('\n');
}

function createTable(
  { name, columns, partitionColumns, output, location }: TableDefinition,
  at: { readonly database: string; readonly url: (key: string) => string },
): string {
  const { serde, serdeParameters, inputFormat, outputFormat, classification } = describeFormat(output);
  const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;
  const listed = (list: readonly Column[]) => list.map((c) => `  \`${c.name}\` ${c.type}`).join(',\n');
  const properties = Object.entries(serdeParameters).map(([key, value]) => `${quoted(key)}=${quoted(value)}`);
  return [
    `CREATE EXTERNAL TABLE \`${at.database}\`.\`${name}\` (`,
    `${listed(columns)})`,
    ...(partitionColumns.length === 0 ? [] : [`PARTITIONED BY (\n${listed(partitionColumns)})`]),
    `ROW FORMAT SERDE ${quoted(serde)} WITH SERDEPROPERTIES (${properties.join(', ')})`,
    `STORED AS INPUTFORMAT ${quoted(inputFormat)} OUTPUTFORMAT ${quoted(outputFormat)}`,
    `LOCATION ${quoted(at.url(`${location}/`))}`,
    `TBLPROPERTIES ('classification'=${quoted(classification)});`,
  ].join('\n');
}

interface Sample {
  readonly location: string;
  readonly partitionColumns: readonly Column[];
  readonly extension: string;
  readonly nowMs: number;
}

function samplePath(table: TableConfig, { location, partitionColumns, extension, nowMs }: Sample): string {
  const partition: PartitionValues = partitionColumns.map(({ name }) => {
    const spec = table.partitionBy.find(({ column }) => column === name);
    if (spec?.kind === 'value') return { column: name, value: `<${spec.field}>` };
    return { column: name, value: spellTime(spec ?? { by: 'day' }, nowMs) };
  });
  return finalKey(location, partition, { windowId: '<window>', index: 0, extension });
}

/** Of one collector, while records come all the time and each window has one object of each table. */
function requestsPerHour(table: TableConfig, outputs: number): string[] {
  const windows = Math.ceil(HOUR_MS / table.windowLengthMs);
  const objects = outputs - 1;
  const number = (count: number) => formatCount(Math.round(count));
  const each = objects === 1 ? 'one object' : `${objects} objects`;
  return [
    `${number(windows)} windows an hour, or more where ${number(table.windowBytesMax / 2 ** 20)} MiB come sooner`,
    `S3, with ${each} a window: ${number(windows * (2 * objects + 1))} PUT and COPY ` +
      '(staged, published, ledger; one more object for each further partition, and for quarantined records)',
    `S3: ${number(HOUR_MS / FOLLOW_MS)} GET that look for entries of other collectors, ${number(windows)} DELETE (free)`,
    'Glue: one BatchCreatePartition for up to 100 partitions that are new, else none',
  ];
}
