// A bucket that is read: objects with etags over HTTP, as S3 answers GET with If-None-Match; who asked for
// what, and faults by script.
import { createHash } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

export interface S3Files {
  readonly endpoint: string;
  /** By /bucket/key. */
  readonly objects: Map<string, Buffer>;
  /** Path and what was answered. */
  readonly asked: [path: string, status: number][];
  /** Answers everything instead. */
  fault: ((response: ServerResponse) => void) | undefined;
}

export async function startS3Files(t: Pick<TestContext, 'after'>): Promise<S3Files> {
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' });
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '', 'http://s3').pathname);
    response.once('finish', () => files.asked.push([path, response.statusCode]));
    if (files.fault !== undefined) return files.fault(response);
    const body = files.objects.get(path);
    if (body === undefined) {
      response.writeHead(404, { 'content-type': 'application/xml' });
      return void response.end('<Error><Code>NoSuchKey</Code></Error>');
    }
    const etag = `"${createHash('md5').update(body).digest('hex')}"`;
    if (request.headers['if-none-match'] === etag) return void response.writeHead(304, { etag }).end();
    response.writeHead(200, { etag, 'content-length': body.length });
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const files: S3Files = {
    endpoint: `http://127.0.0.1:${port}`,
    objects: new Map(),
    asked: [],
    fault: undefined,
  };
  return files;
}
