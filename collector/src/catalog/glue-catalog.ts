// The AWS Glue Data Catalog. Databases, tables and partitions are created where missing; "already there" is
// success, and what stands there must be able to take our rows.
import {
  BatchCreatePartitionCommand,
  CreateDatabaseCommand,
  CreateTableCommand,
  GetPartitionsCommand,
  GetTableCommand,
  GetTablesCommand,
  GlueClient,
  type StorageDescriptor,
  type Table,
  type TableInput,
  UpdateTableCommand,
} from '@aws-sdk/client-glue';
import { SluiceError } from '@sluice/shared/errors.ts';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { Catalog, CataloguedPartition, Column, ObjectStore, TableDefinition } from '../contracts.ts';
import { assertCompatible, extendedColumns } from './compatible.ts';
import { glueFailure, nameOf, refusedPartition } from './glue-errors.ts';
import { moveGluePartitions, PARTITIONS_PER_CALL_MAX, putBackGluePartitions } from './glue-moves.ts';
import { describeFormat, formatOf } from './storage-descriptor.ts';

export interface GlueSettings {
  readonly database: string;
  readonly region: string | undefined;
  readonly endpoint: string | undefined;
  /** For the locations of tables and partitions. */
  readonly store: ObjectStore;
}

/** Within one call; beyond it the table waits, and says so. */
const ATTEMPTS_MAX = 3;
const CONNECT_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 30_000;
const PARTITIONS_REMEMBERED_MAX = 100_000;
/** Times that others may change a table between a look at it and its change; then the table waits. */
const CHANGES_LOST_MAX = 5;

/** One client of Glue, with limits that we chose. */
export function glueClient(settings: Pick<GlueSettings, 'region' | 'endpoint'>): GlueClient {
  return new GlueClient({
    ...(settings.region === undefined ? {} : { region: settings.region }),
    ...(settings.endpoint === undefined ? {} : { endpoint: settings.endpoint }),
    maxAttempts: ATTEMPTS_MAX,
    requestHandler: new NodeHttpHandler({
      connectionTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
    }),
  });
}

export function createGlueCatalog(settings: GlueSettings): Catalog {
  const { database: DatabaseName, store } = settings;
  const client = glueClient(settings);
  const remembered = new Set<string>();

  async function getTable(Name: string): Promise<Table | undefined> {
    try {
      return (await client.send(new GetTableCommand({ DatabaseName, Name }))).Table;
    } catch (error) {
      if (nameOf(error) === 'EntityNotFoundException') return undefined;
      throw glueFailure('glue:GetTable', Name, error);
    }
  }

  /** The database is created only where Glue says that it is missing: a role may well lack that action. */
  async function createTable(definition: TableDefinition): Promise<void> {
    const { classification } = describeFormat(definition.output);
    const TableInput = {
      Name: definition.name,
      Description: definition.comment,
      TableType: 'EXTERNAL_TABLE',
      Parameters: { EXTERNAL: 'TRUE', classification },
      PartitionKeys: glueColumns(definition.partitionColumns),
      StorageDescriptor: descriptor(definition, store.url(`${definition.location}/`)),
    };
    const create = () =>
      tolerating('glue:CreateTable', definition.name, () =>
        client.send(new CreateTableCommand({ DatabaseName, TableInput })),
      );
    try {
      await create();
    } catch (error) {
      const { cause } = error as { cause?: unknown };
      if (nameOf(cause) !== 'EntityNotFoundException') throw error;
      await tolerating('glue:CreateDatabase', DatabaseName, () =>
        client.send(new CreateDatabaseCommand({ DatabaseInput: { Name: DatabaseName } })),
      );
      await create();
    }
  }

  const inputsOf = (table: TableDefinition, partitions: Parameters<Catalog['registerPartitions']>[1]) =>
    partitions.map(({ values, key }) => ({
      Values: [...values],
      StorageDescriptor: descriptor(table, store.url(key)),
    }));

  return {
    async ensureTable(definition) {
      let standing = await getTable(definition.name);
      if (standing === undefined) {
        await createTable(definition);
        standing = await getTable(definition.name);
      }
      if (standing === undefined) return;
      const { output } = definition;
      // A SerDe that is not ours may read what we write: whoever made the table chose it.
      const theirs = definitionOf(standing, store);
      assertCompatible(isOurFormat(standing) ? theirs : { ...theirs, output }, definition);
    },
    async growTable(definition) {
      const { name } = definition;
      for (let lost = 0; lost <= CHANGES_LOST_MAX; lost++) {
        const standing = await getTable(name);
        if (standing === undefined) {
          await createTable(definition);
          continue;
        }
        const columns = extendedColumns(definitionOf(standing, store), definition);
        if (columns === undefined) return;
        const TableInput = withColumns(standing, columns);
        const version = standing.VersionId === undefined ? {} : { VersionId: standing.VersionId };
        try {
          await client.send(new UpdateTableCommand({ DatabaseName, TableInput, ...version }));
        } catch (error) {
          if (nameOf(error) !== 'ConcurrentModificationException')
            throw glueFailure('glue:UpdateTable', name, error);
        }
      }
      const lost = `others changed it ${CHANGES_LOST_MAX} times meanwhile`;
      throw new SluiceError('CATALOG_UNAVAILABLE', `glue:UpdateTable: ${lost}`, { place: name });
    },
    async registerPartitions(table, partitions) {
      const keyOf = (values: readonly string[]) => `${table.name}/${values.join('\u0000')}`;
      const missing = partitions.filter(({ values }) => values.length > 0 && !remembered.has(keyOf(values)));
      for (let from = 0; from < missing.length; from += PARTITIONS_PER_CALL_MAX) {
        const batch = missing.slice(from, from + PARTITIONS_PER_CALL_MAX);
        const PartitionInputList = inputsOf(table, batch);
        const reply = await client
          .send(new BatchCreatePartitionCommand({ DatabaseName, TableName: table.name, PartitionInputList }))
          .catch((error: unknown) => {
            if (nameOf(error) === 'EntityNotFoundException') throw dropped(table.name, error);
            throw glueFailure('glue:BatchCreatePartition', table.name, error);
          });
        const refused = (reply.Errors ?? []).find(
          ({ ErrorDetail: detail }) => detail?.ErrorCode !== 'AlreadyExistsException',
        );
        if (refused !== undefined) throw refusedPartition('glue:BatchCreatePartition', table.name, refused);
        if (remembered.size > PARTITIONS_REMEMBERED_MAX) remembered.clear();
        for (const { values } of batch) remembered.add(keyOf(values));
      }
    },
    movePartitions: (table, partitions, order) =>
      moveGluePartitions({ client, DatabaseName, TableName: table.name, order }, inputsOf(table, partitions)),
    putBackPartitions: (table, partitions, order) =>
      putBackGluePartitions(
        { client, DatabaseName, TableName: table.name, order },
        inputsOf(table, partitions),
      ),
    async tables() {
      const tables: TableDefinition[] = [];
      for (let NextToken: string | undefined; ; ) {
        const page = await client
          .send(new GetTablesCommand({ DatabaseName, ...(NextToken === undefined ? {} : { NextToken }) }))
          .catch((error: unknown) => {
            if (nameOf(error) === 'EntityNotFoundException') return { TableList: [], NextToken: undefined };
            throw glueFailure('glue:GetTables', DatabaseName, error);
          });
        for (const table of page.TableList ?? []) tables.push(definitionOf(table, store));
        NextToken = page.NextToken;
        if (NextToken === undefined) return tables;
      }
    },
    async partitions(TableName) {
      const found: CataloguedPartition[] = [];
      for (let NextToken: string | undefined; ; ) {
        const page = await client
          .send(
            new GetPartitionsCommand({
              DatabaseName,
              TableName,
              ...(NextToken === undefined ? {} : { NextToken }),
            }),
          )
          .catch((error: unknown) => {
            if (nameOf(error) === 'EntityNotFoundException') return { Partitions: [], NextToken: undefined };
            throw glueFailure('glue:GetPartitions', TableName, error);
          });
        for (const { Values, StorageDescriptor: sd } of page.Partitions ?? [])
          found.push({ values: Values ?? [], location: keyFrom(sd?.Location ?? '', store) });
        NextToken = page.NextToken;
        if (NextToken === undefined) return found;
      }
    },
    async probe() {
      const tables = await client
        .send(new GetTablesCommand({ DatabaseName, MaxResults: 1 }))
        .catch((error: unknown) => {
          if (nameOf(error) !== 'EntityNotFoundException')
            throw glueFailure('glue:GetTables', DatabaseName, error);
        });
      return void tables;
    },
    close: () => client.destroy(),
  };
}

function glueColumns(columns: readonly Column[]) {
  return columns.map(({ name, type }) => ({ Name: name, Type: type }));
}

/** NumberOfBuckets is always set: Trino fails on a descriptor without it. */
function descriptor(table: TableDefinition, location: string): StorageDescriptor {
  const format = describeFormat(table.output);
  return {
    Columns: glueColumns(table.columns),
    Location: location,
    InputFormat: format.inputFormat,
    OutputFormat: format.outputFormat,
    NumberOfBuckets: -1,
    Compressed: table.output.compression !== 'none',
    SerdeInfo: { SerializationLibrary: format.serde, Parameters: { ...format.serdeParameters } },
  };
}

const isOurFormat = ({ StorageDescriptor: sd }: Table) =>
  formatOf(sd?.SerdeInfo?.SerializationLibrary ?? '') !== undefined;

/** What may be written of what was read; all of it but the columns stays as somebody made it. */
function withColumns(table: Table, columns: readonly Column[]): TableInput {
  const { Name, Description, Owner, Retention, PartitionKeys, TableType, Parameters, StorageDescriptor } =
    table;
  const { ViewOriginalText, ViewExpandedText, TargetTable, LastAccessTime, LastAnalyzedTime } = table;
  const kept = { Description, Owner, Retention, PartitionKeys, TableType, Parameters, TargetTable };
  const rest = { ViewOriginalText, ViewExpandedText, LastAccessTime, LastAnalyzedTime };
  const set = Object.entries({ ...kept, ...rest }).filter(([, value]) => value !== undefined);
  const standing = new Map((StorageDescriptor?.Columns ?? []).map((column) => [column.Name, column]));
  const Columns = columns.map(({ name: Name, type: Type }) => ({ ...standing.get(Name), Name, Type }));
  return { Name, ...Object.fromEntries(set), StorageDescriptor: { ...StorageDescriptor, Columns } };
}

function definitionOf(table: Table, store: ObjectStore): TableDefinition {
  const columns = (list: Table['PartitionKeys']) =>
    (list ?? []).map(({ Name = '', Type = '' }) => ({ name: Name, type: Type }));
  const serde = table.StorageDescriptor?.SerdeInfo?.SerializationLibrary ?? '';
  return {
    name: table.Name ?? '',
    columns: columns(table.StorageDescriptor?.Columns),
    partitionColumns: columns(table.PartitionKeys),
    output: formatOf(serde) ?? { kind: 'parquet', compression: 'zstd' },
    location: keyFrom(table.StorageDescriptor?.Location ?? '', store),
    comment: table.Description ?? '',
  };
}

/** Hadoop's clients write s3a and s3n for the same place. */
function keyFrom(location: string, store: ObjectStore): string {
  const [root, at] = [store.url(''), location.replace(/^s3[an]:/, 's3:')];
  return at.startsWith(root) ? at.slice(root.length) : location;
}

async function tolerating(action: string, place: string, task: () => Promise<unknown>): Promise<void> {
  try {
    await task();
  } catch (error) {
    if (nameOf(error) !== 'AlreadyExistsException') throw glueFailure(action, place, error);
  }
}

/** It stood when the table was loaded. Made anew, it would come without the partitions that it had. */
function dropped(table: string, cause: unknown): SluiceError {
  const message = 'the table is not in the catalog any more, and its partitions went with it';
  return new SluiceError('CATALOG_TABLE_MISSING', message, { place: table, cause });
}
