// The HTTP face of both programs: /livez /readyz /healthz /metrics /status. It asks; it decides nothing: what
// is healthy is the program's own judgement, given by `report`.
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf } from './errors.ts';
import type { Metrics } from './metrics.ts';

/**
 * flowing: all is well. degraded: something waits, others flow. stopped: nothing moves. unknown: it cannot
 * tell yet.
 */
export type Verdict = 'flowing' | 'degraded' | 'stopped' | 'unknown';

/** Exit codes of `status`. */
export const VERDICT_EXIT: Readonly<Record<Verdict, number>> = {
  flowing: 0,
  degraded: 1,
  stopped: 2,
  unknown: 3,
};

export interface HealthReport {
  readonly verdict: Verdict;
  /** Who waits for whom, since when; one line each. Empty when flowing. */
  readonly reasons: readonly string[];
  /** Whether new work may be sent here (load balancer). */
  readonly ready: boolean;
  /** The program's own status document, as `status --json` prints it. */
  readonly detail: object;
}

export interface OpsServerOptions {
  readonly host: string;
  readonly port: number;
  readonly metrics: Metrics;
  report(): HealthReport;
  /** Further documents by their path, made when they are asked for. */
  readonly documents?: Readonly<Record<string, (query: URLSearchParams) => Promise<object>>>;
}

export interface OpsServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Rejects when the address cannot be bound. */
export async function startOpsServer(options: OpsServerOptions): Promise<OpsServer> {
  const server = createServer((request, response) => {
    answer(options, request.url ?? '/', response).catch((error: unknown) => {
      send(response, 500, `${messageOf(error)}\n`);
    });
  });
  server.maxConnections = 64;
  server.requestTimeout = 10_000;
  await new Promise<void>((resolve, reject) =>
    server.once('error', reject).listen(options.port, options.host, resolve),
  );
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(options: OpsServerOptions, url: string, response: ServerResponse): Promise<void> {
  const [path, query] = url.split('?');
  if (path === '/metrics')
    return send(response, 200, await options.metrics.text(), options.metrics.contentType);
  if (path === '/livez') return send(response, 200, 'alive\n');
  const document = options.documents?.[path ?? ''];
  if (document !== undefined) {
    const made = await document(new URLSearchParams(query));
    return send(response, 200, `${JSON.stringify(made, null, 2)}\n`, 'application/json');
  }
  const report = options.report();
  switch (path) {
    case '/readyz':
      return send(
        response,
        report.ready ? 200 : 503,
        report.ready ? 'ready\n' : `not ready\n${report.reasons.join('\n')}\n`,
      );
    case '/healthz': {
      const healthy = report.verdict === 'flowing';
      return send(response, healthy ? 200 : 503, `${[report.verdict, ...report.reasons].join('\n')}\n`);
    }
    case '/':
    case '/status': {
      const { verdict, reasons, ready, detail } = report;
      return send(
        response,
        200,
        `${JSON.stringify({ verdict, reasons, ready, ...detail }, null, 2)}\n`,
        'application/json',
      );
    }
    default:
      return send(response, 404, 'try /livez, /readyz, /healthz, /metrics or /status\n');
  }
}

function send(
  response: ServerResponse,
  status: number,
  body: string,
  type = 'text/plain; charset=utf-8',
): void {
  if (response.headersSent) return;
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
  response.end(body);
}
