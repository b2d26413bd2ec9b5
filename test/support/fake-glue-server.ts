// Glue with the limits that no emulator keeps: 100 partitions a call, lower-cased names, one value per
// partition column, and faults by script: throttling, denial, a reply lost after its effect, a request that
// arrives long after its sender has given it up.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

type Json = Record<string, unknown>;
export type GlueFault = 'throttled' | 'denied' | 'reply lost' | 'late' | undefined;

interface FakeTable {
  input: Json;
  version: number;
  readonly partitions: Map<string, Json>;
}

export interface FakeGlueServer {
  readonly endpoint: string;
  /** Every action asked, in order. */
  readonly calls: { readonly action: string; readonly body: Json }[];
  readonly databases: Map<string, Map<string, FakeTable>>;
  fault: (action: string) => GlueFault;
  /** Partitions that one call for some of them looks at. */
  lookedAt: () => number;
  /** What was late arrives. */
  arrive(): void;
  stop(): Promise<void>;
}

class GlueError extends Error {
  readonly type: string;
  constructor(type: string, message = type) {
    super(message);
    this.type = type;
  }
}

const PARTITIONS_PER_CALL_MAX = 100;

export async function startFakeGlueServer(): Promise<FakeGlueServer> {
  const databases: FakeGlueServer['databases'] = new Map();
  const calls: FakeGlueServer['calls'] = [];
  const late: (() => void)[] = [];
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  const fake: FakeGlueServer = {
    endpoint: `http://127.0.0.1:${address.port}`,
    calls,
    databases,
    fault: () => undefined,
    lookedAt: () => PARTITIONS_PER_CALL_MAX,
    arrive() {
      for (const request of late.splice(0)) request();
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const action = String(request.headers['x-amz-target']).replace('AWSGlue.', '');
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString()) as Json;
    calls.push({ action, body });
    const fault = fake.fault(action);
    const reply = (status: number, json: Json) => {
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' });
      response.end(JSON.stringify(json));
    };
    if (fault === 'late') {
      late.push(() => act(databases, action, body));
      response.destroy();
      return;
    }
    try {
      if (fault === 'throttled') throw new GlueError('ThrottlingException', 'Rate exceeded');
      if (fault === 'denied') throw new GlueError('AccessDeniedException', `not allowed: glue:${action}`);
      const result = act(databases, action, action === 'BatchGetPartition' ? lookedAt(body) : body);
      if (fault === 'reply lost') response.destroy();
      else reply(200, result);
    } catch (error) {
      const type = error instanceof GlueError ? error.type : 'InternalServiceException';
      reply(type.startsWith('Internal') ? 500 : 400, { __type: type, message: String(error) });
    }
  }

  /** With what it does not come to behind it. */
  function lookedAt(body: Json): Json {
    const asked = body['PartitionsToGet'] as Json[];
    const PartitionsToGet = asked.slice(0, fake.lookedAt());
    return { ...body, PartitionsToGet, left: asked.slice(PartitionsToGet.length) };
  }

  return fake;
}

function act(databases: FakeGlueServer['databases'], action: string, body: Json): Json {
  const name = (value: unknown) => String(value).toLowerCase();
  const missing = () => new GlueError('EntityNotFoundException');
  if (action === 'CreateDatabase') {
    const database = name((body['DatabaseInput'] as Json)['Name']);
    if (databases.has(database)) throw new GlueError('AlreadyExistsException');
    databases.set(database, new Map());
    return {};
  }
  const tables = databases.get(name(body['DatabaseName']));
  if (tables === undefined) throw missing();
  if (action === 'CreateTable') {
    const input = body['TableInput'] as Json;
    if (tables.has(name(input['Name']))) throw new GlueError('AlreadyExistsException');
    const lowered = { ...input, Name: name(input['Name']) };
    tables.set(name(input['Name']), { input: lowered, version: 0, partitions: new Map() });
    return {};
  }
  if (action === 'GetTables') return { TableList: [...tables.values()].map(({ input }) => input) };
  const table = tables.get(name(body['Name'] ?? body['TableName'] ?? (body['TableInput'] as Json)?.['Name']));
  if (table === undefined) throw missing();
  if (action === 'GetTable') return { Table: { ...table.input, VersionId: String(table.version) } };
  if (action === 'UpdateTable') return updateTable(table, body);
  if (action === 'GetPartitions') return { Partitions: [...table.partitions.values()] };
  if (action === 'BatchGetPartition') {
    const asked = (body['PartitionsToGet'] as Json[]).map(({ Values }) => JSON.stringify(Values));
    const UnprocessedKeys = asked
      .filter((key) => !table.partitions.has(key))
      .map((key) => ({ Values: JSON.parse(key) as string[] }));
    const left = (body['left'] as Json[] | undefined) ?? [];
    const Partitions = asked.flatMap((key) => table.partitions.get(key) ?? []);
    return { Partitions, UnprocessedKeys: [...UnprocessedKeys, ...left] };
  }
  if (action === 'BatchUpdatePartition') return updatePartitions(table, body['Entries'] as Json[]);
  if (action === 'BatchCreatePartition') return createPartitions(table, body['PartitionInputList'] as Json[]);
  throw new GlueError('InvalidActionException', action);
}

/** Only what was read last may be changed. */
function updateTable(table: FakeTable, body: Json): Json {
  if (body['VersionId'] !== String(table.version)) throw new GlueError('ConcurrentModificationException');
  table.input = body['TableInput'] as Json;
  table.version++;
  return {};
}

function updatePartitions(table: FakeTable, entries: readonly Json[]): Json {
  if (entries.length > PARTITIONS_PER_CALL_MAX)
    throw new GlueError('InvalidInputException', `${entries.length} partitions in one call`);
  const Errors: Json[] = [];
  for (const { PartitionValueList, PartitionInput } of entries) {
    const key = JSON.stringify(PartitionValueList);
    const ErrorDetail = { ErrorCode: 'EntityNotFoundException', ErrorMessage: 'Cannot find partition.' };
    if (table.partitions.has(key)) table.partitions.set(key, PartitionInput as Json);
    else Errors.push({ PartitionValueList, ErrorDetail });
  }
  return { Errors };
}

function createPartitions(table: FakeTable, inputs: readonly Json[]): Json {
  if (inputs.length > PARTITIONS_PER_CALL_MAX)
    throw new GlueError('InvalidInputException', `${inputs.length} partitions in one call`);
  const Errors: Json[] = [];
  const keys = table.input['PartitionKeys'] as Json[];
  for (const input of inputs) {
    const values = input['Values'] as string[];
    if (values.length !== keys.length) throw new GlueError('InvalidInputException', 'wrong number of values');
    const key = JSON.stringify(values);
    if (table.partitions.has(key)) {
      const ErrorDetail = { ErrorCode: 'AlreadyExistsException', ErrorMessage: 'Partition already exists.' };
      Errors.push({ PartitionValues: values, ErrorDetail });
    } else table.partitions.set(key, input);
  }
  return { Errors };
}
