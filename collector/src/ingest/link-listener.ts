// The collector's front door: our own TLS 1.3 listener with gRPC behind it. It raises HTTP/2's receive windows, without
// which an upload stops at 2 MiB/s over 20 ms, and proves at start that they are raised; and it tells a refused agent
// why, in gRPC, since a TLS 1.3 client cannot hear it from the handshake.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import http2, { type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import tls, { type SecureContextOptions, type TLSSocket } from 'node:tls';
import { type Server, ServerCredentials } from '@grpc/grpc-js';
import type { Clock } from '@sluice/shared/clock.ts';
import { SluiceError } from '@sluice/shared/errors.ts';

export interface Listener {
  readonly port: number;
  /** Throws on a torn pair and keeps the old material. */
  reload(material: SecureContextOptions): void;
  /** Accepts nobody new, ends what is left after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly material: SecureContextOptions;
  readonly windowBytes: number;
  readonly connectionsMax: number;
  readonly clock: Clock;
  refused(peer: string, reason: string): void;
}

const HANDSHAKE_MS_MAX = 10_000;
const REFUSED_MS_MAX = 5_000;
const PROBE_MS_MAX = 5_000;

export async function listen(grpc: Server, options: ListenerOptions): Promise<Listener> {
  const { windowBytes, clock } = options;
  const stopRaising = raiseWindows(windowBytes);
  const door = grpc.createConnectionInjector(ServerCredentials.createInsecure()); // TLS is done before it
  await assertWindows((socket) => door.injectConnection(socket as Socket), { windowBytes, clock });
  const refuse = createRefuser();
  const material = withFloor(options.material);
  const server = tls.createServer(
    {
      ...material,
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
      handshakeTimeout: HANDSHAKE_MS_MAX,
    },
    (socket) => {
      socket.on('error', () => {}); // a reset after the handshake; the session reports it
      if (socket.authorized) {
        door.injectConnection(socket);
        return;
      }
      const reason = refusal(socket);
      options.refused(`${socket.remoteAddress}:${socket.remotePort}`, reason);
      refuse(socket, reason);
    },
  );
  server.maxConnections = options.connectionsMax;
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    options.refused(socket.remoteAddress ?? 'a peer that is gone', error.code ?? error.message);
  });
  await new Promise<void>((resolve, reject) =>
    server.once('error', reject).listen(options.port, options.host, resolve),
  );
  return {
    port: (server.address() as AddressInfo).port,
    reload: (fresh) => server.setSecureContext(withFloor(fresh)),
    close: async (graceMs) => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      door.drain(graceMs);
      await closed;
      stopRaising();
    },
  };
}

/** setSecureContext forgets what is not passed again: the floor goes in every time. */
function withFloor(material: SecureContextOptions): SecureContextOptions {
  return { ...material, minVersion: 'TLSv1.3' };
}

/** Raises both receive windows of every HTTP/2 server session in this process, at its first stream (RFC 9113, 6.9.2). */
function raiseWindows(windowBytes: number): () => void {
  const raised = new WeakSet<ServerHttp2Session>();
  const onStream = (message: unknown): void => {
    const session = (message as { stream: ServerHttp2Stream }).stream.session as
      | ServerHttp2Session
      | undefined;
    if (session === undefined || session.destroyed || raised.has(session)) return;
    raised.add(session);
    session.settings({ initialWindowSize: windowBytes });
    session.setLocalWindowSize(windowBytes);
  };
  subscribe('http2.server.stream.created', onStream);
  return () => unsubscribe('http2.server.stream.created', onStream);
}

/** Proves through memory that a peer really is offered the windows. LINK_WINDOWS_NOT_RAISED. */
export async function assertWindows(
  inject: (socket: unknown) => void,
  { windowBytes, clock }: { windowBytes: number; clock: Clock },
): Promise<void> {
  const [client, server] = duplexPair();
  inject(server);
  const session = http2.connect('http://probe', { createConnection: () => client as Socket });
  session.on('error', () => {});
  try {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/sluice.v1.LinkService/Probe',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.on('error', () => {});
    stream.resume();
    const deadline = clock.monotonicMs() + PROBE_MS_MAX;
    for (;;) {
      const streamBytes = session.remoteSettings?.initialWindowSize ?? 0;
      const connectionBytes = session.state.remoteWindowSize ?? 0;
      if (streamBytes >= windowBytes && connectionBytes >= windowBytes) return;
      if (clock.monotonicMs() > deadline) {
        const message = `receive windows are ${streamBytes} and ${connectionBytes} bytes, not ${windowBytes}`;
        throw new SluiceError('LINK_WINDOWS_NOT_RAISED', message);
      }
      await clock.sleep(5);
    }
  } finally {
    session.destroy();
  }
}

/** A bare HTTP/2 server that answers every request with gRPC status 16 and the reason; refused peers meet nothing else. */
function createRefuser(): (socket: TLSSocket, reason: string) => void {
  const reasons = new WeakMap<ServerHttp2Session, string>();
  let next = '';
  const server = http2.createServer();
  server.on('session', (session) => {
    reasons.set(session, next);
    session.on('error', () => {});
    session.setTimeout(REFUSED_MS_MAX, () => session.destroy());
  });
  server.on('stream', (stream) => {
    const session = stream.session as ServerHttp2Session;
    stream.on('error', () => {});
    const head = { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '16' };
    stream.respond({ ...head, 'grpc-message': encodeURI(reasons.get(session) ?? '') }, { endStream: true });
    session.close();
  });
  return (socket, reason) => {
    next = reason; // from 'connection' to 'session' is one synchronous step
    server.emit('connection', socket);
  };
}

function refusal(socket: TLSSocket): string {
  const certificate = socket.getPeerCertificate();
  if (!certificate?.raw) return 'client certificate refused: none was sent';
  const { subject, issuer, valid_to: validTo } = certificate;
  const why = String(socket.authorizationError);
  if (why === 'CRL_HAS_EXPIRED') return 'the collector’s own revocation list has expired (CRL_HAS_EXPIRED)';
  return `client certificate refused: ${why} (CN=${subject?.CN}, issuer CN=${issuer?.CN}, valid to ${validTo})`;
}
