// A Confluent schema registry over HTTP, small and real: schemas by id and by subject, who asked for what,
// and faults by script.
import { createServer } from 'node:http';
import type { TestContext } from 'node:test';

interface Registered {
  readonly schema: string;
  readonly schemaType?: string;
  readonly references?: readonly {
    readonly name: string;
    readonly subject: string;
    readonly version: number;
  }[];
}

export interface SchemaRegistryDouble {
  readonly url: string;
  /** By path: /schemas/ids/7, /subjects/money/versions/1. */
  readonly schemas: Map<string, Registered>;
  /** Paths in the order they were asked, with the authorization that came. */
  readonly asked: { readonly path: string; readonly authorization: string | undefined }[];
  /** Answers everything with this instead. */
  fault: { readonly status: number; readonly body: string } | undefined;
}

export async function startSchemaRegistry(t: Pick<TestContext, 'after'>): Promise<SchemaRegistryDouble> {
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    double.asked.push({ path, authorization: request.headers.authorization });
    const found = double.schemas.get(path);
    const { status, body } = double.fault ?? {
      status: found === undefined ? 404 : 200,
      body: JSON.stringify(found ?? { error_code: 40403, message: 'Schema not found' }),
    };
    response.writeHead(status, { 'content-type': 'application/vnd.schemaregistry.v1+json' });
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  const double: SchemaRegistryDouble = {
    url: `http://127.0.0.1:${address.port}`,
    schemas: new Map(),
    asked: [],
    fault: undefined,
  };
  return double;
}
