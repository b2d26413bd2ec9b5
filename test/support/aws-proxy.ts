// Stands between a collector and its emulated S3 and Glue. Bytes and headers pass as they are, `Host` too, so
// that what was signed stays true. A rule may stop a request before or after its effect, lose its reply, or
// answer in its place.
import {
  Agent,
  createServer,
  request as forward,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';

export interface AwsRequest {
  readonly service: 's3' | 'glue';
  /** As AWS names it: PutObject, CopyObject, DeleteObjects ..., or Glue's own name. */
  readonly action: string;
  /** Bucket and key, decoded, with the slash in front. */
  readonly path: string;
  /** If-None-Match is set. */
  readonly conditional: boolean;
}

/**
 * `after`: the request has taken effect, its reply is not sent; `hang`: nor is anything else. Undefined: it
 * passes.
 */
export type Intervention =
  | { readonly when: 'before' | 'after'; readonly how: 'stop' | 'cut' | 'hang' }
  | { readonly when: 'before' | 'after'; readonly how: { readonly status: number; readonly code: string } }
  | undefined;

export interface AwsProxy {
  readonly endpoint: string;
  /** Asked once for each request. */
  rule: (request: AwsRequest) => Intervention;
  /** Resolves once a rule has said `stop`; from there on nothing passes in either direction. */
  stopped(): Promise<AwsRequest>;
  /** Breaks what was stopped or hangs, forgets the rule, and lets new requests pass. */
  resume(): void;
  /** Breaks what hangs; the rule goes on. */
  breakHanging(): void;
  close(): Promise<void>;
}

interface Reply {
  readonly status: number;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

export async function startAwsProxy(upstream: string): Promise<AwsProxy> {
  const passes = (): Intervention => undefined;
  const agent = new Agent({ keepAlive: true });
  let stop = Promise.withResolvers<AwsRequest>();
  let standing: ServerResponse[] | undefined;
  const hanging = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no port');

  const proxy: AwsProxy = {
    endpoint: `http://127.0.0.1:${address.port}`,
    rule: passes,
    stopped: () => stop.promise,
    resume() {
      proxy.rule = passes;
      for (const response of standing?.splice(0) ?? []) response.destroy();
      proxy.breakHanging();
      standing = undefined;
      stop = Promise.withResolvers();
    },
    breakHanging() {
      for (const response of hanging) response.destroy();
    },
    close: () =>
      new Promise((resolve) => {
        agent.destroy();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };

  function hold(response: ServerResponse): boolean {
    standing?.push(response);
    return standing !== undefined;
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    if (hold(response)) return;
    const asked = describe(request);
    const intervention = proxy.rule(asked);
    if (intervention?.when === 'before') return intervene(intervention.how, asked, response);
    const reply = await pass({ upstream, agent }, request, body);
    if (hold(response)) return;
    if (intervention !== undefined) return intervene(intervention.how, asked, response);
    response.writeHead(reply.status, [...reply.rawHeaders]).end(reply.body);
  }

  function intervene(
    how: NonNullable<Intervention>['how'],
    asked: AwsRequest,
    response: ServerResponse,
  ): void {
    if (how === 'cut') return void response.destroy();
    if (how === 'hang') {
      hanging.add(response.once('close', () => hanging.delete(response)));
      return;
    }
    if (how === 'stop') {
      standing = [response];
      stop.resolve(asked);
      return;
    }
    const { status, code } = how;
    const glue = asked.service === 'glue';
    response.writeHead(status, { 'content-type': glue ? 'application/x-amz-json-1.1' : 'application/xml' });
    response.end(
      glue
        ? JSON.stringify({ __type: code, message: 'injected' })
        : `<?xml version="1.0"?><Error><Code>${code}</Code><Message>injected</Message></Error>`,
    );
  }
  return proxy;
}

function describe({ method = '', url = '', headers }: IncomingMessage): AwsRequest {
  const { pathname, searchParams } = new URL(url, 'http://x');
  const [, glue] = String(headers['x-amz-target'] ?? '').split('.');
  const s3: Readonly<Record<string, string>> = {
    PUT: headers['x-amz-copy-source'] === undefined ? 'PutObject' : 'CopyObject',
    GET: searchParams.has('list-type') ? 'ListObjectsV2' : 'GetObject',
    HEAD: 'HeadObject',
    POST: searchParams.has('delete') ? 'DeleteObjects' : 'PostObject',
    DELETE: 'DeleteObject',
  };
  const conditional = headers['if-none-match'] !== undefined;
  const path = decodeURIComponent(pathname);
  return glue === undefined
    ? { service: 's3', action: s3[method] ?? method, path, conditional }
    : { service: 'glue', action: glue, path, conditional };
}

async function bodyOf(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function pass(
  to: { readonly upstream: string; readonly agent: Agent },
  from: IncomingMessage,
  body: Buffer,
): Promise<Reply> {
  const { method = 'GET', url = '/', rawHeaders: headers } = from;
  const { hostname: host, port } = new URL(to.upstream);
  return new Promise((resolve, reject) => {
    const outgoing = forward(
      { host, port, method, path: url, headers, setHost: false, agent: to.agent },
      (reply) => {
        const { statusCode: status = 502, rawHeaders } = reply;
        bodyOf(reply).then((received) => resolve({ status, rawHeaders, body: received }), reject);
      },
    );
    outgoing.once('error', reject).end(body);
  });
}
