// The collector's front door: our own TLS 1.3 listener with gRPC behind it. It raises HTTP/2's receive
// windows, without which an upload stops at 2 MiB/s over 20 ms, and proves at start that they are raised; and
// it tells a refused agent why, in gRPC, since a TLS 1.3 client cannot hear it from the handshake.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import http2, { type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import tls, { type SecureContextOptions, type TLSSocket, type Server as TlsServer } from 'node:tls';
import { type Server, ServerCredentials } from '@grpc/grpc-js';
import type { Clock } from '@sluice/shared/clock.ts';
import { describeError, type ErrorCode, SluiceError } from '@sluice/shared/errors.ts';

export interface Listener {
  readonly port: number;
  /** Throws on a torn pair and keeps the old material. */
  reload(material: SecureContextOptions): void;
  /** Accepts nobody new, cuts what is left after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly material: SecureContextOptions;
  readonly windowBytes: number;
  readonly connectionsMax: number;
  readonly clock: Clock;
  refused(peer: string, error: SluiceError): void;
}

const HANDSHAKE_MS_MAX = 10_000;
const REFUSED_MS_MAX = 5_000;
/** Names in a certificate may be of any length, a header may not. */
const REASON_LENGTH_MAX = 1_000;
const PROBE_MS_MAX = 5_000;

/** LINK_WINDOWS_NOT_RAISED, LINK_LISTEN_FAILED. */
export async function listen(grpc: Server, options: ListenerOptions): Promise<Listener> {
  const { windowBytes, clock } = options;
  const stopRaising = raiseWindows(windowBytes);
  const door = grpc.createConnectionInjector(ServerCredentials.createInsecure()); // TLS is done before it
  try {
    await assertWindows((socket) => door.injectConnection(socket as Socket), { windowBytes, clock });
    const server = createTlsServer(options, (socket) => door.injectConnection(socket));
    const connections = trackConnections(server, options);
    await bind(server, options);
    server.on('error', (error) => options.refused(GONE, refusal('LINK_CONNECTIONS_FULL', error.message)));
    return {
      port: (server.address() as AddressInfo).port,
      reload: (fresh) => server.setSecureContext(withFloor(fresh)),
      close: async (graceMs) => {
        const closed = new Promise<void>((resolve) => server.close(() => resolve()));
        door.drain(graceMs);
        const cancel = clock.after(graceMs, () => {
          for (const socket of connections) socket.destroy();
        });
        await closed;
        cancel();
        stopRaising();
      },
    };
  } catch (error) {
    door.destroy();
    stopRaising();
    throw error;
  }
}

/** Hands on whoever has proved itself; tells the others why not. */
function createTlsServer(options: ListenerOptions, admit: (socket: TLSSocket) => void): TlsServer {
  const refuse = createRefuser(options.clock);
  const server = tls.createServer(
    {
      ...withFloor(options.material),
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
      handshakeTimeout: HANDSHAKE_MS_MAX,
    },
    (socket) => {
      socket.on('error', () => {}); // a reset after the handshake; the session reports it
      if (socket.authorized) {
        admit(socket);
        return;
      }
      const error = certificateRefusal(socket);
      options.refused(peerOf(socket), error);
      refuse(socket, describeError(error));
    },
  );
  server.maxConnections = options.connectionsMax;
  server.on('drop', (data) => {
    const message = `${options.connectionsMax} connections are open, which is limits.connectionsMax`;
    options.refused(peerOf(data ?? {}), refusal('LINK_CONNECTIONS_FULL', message));
  });
  return server;
}

/** Every open socket, before its handshake too; reports those whose handshake fails. */
function trackConnections(
  server: TlsServer,
  { refused }: Pick<ListenerOptions, 'refused'>,
): ReadonlySet<Socket> {
  const connections = new Set<Socket>();
  let lastClosed = GONE;
  server.on('connection', (socket: Socket) => {
    const peer = peerOf(socket);
    connections.add(socket);
    socket.once('close', () => {
      connections.delete(socket);
      lastClosed = peer;
    });
  });
  // A socket that was reset has lost its address; Node closes it right before it reports it.
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) =>
    refused(socket.remoteAddress === undefined ? lastClosed : peerOf(socket), handshakeRefusal(error)),
  );
  return connections;
}

function bind(server: TlsServer, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error) =>
      reject(new SluiceError('LINK_LISTEN_FAILED', cause.message, { place: `${host}:${port}`, cause }));
    server.once('error', failed).listen(port, host, () => {
      server.off('error', failed);
      resolve();
    });
  });
}

const GONE = 'a peer that is gone';

interface Peer {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

function peerOf({ remoteAddress, remotePort }: Peer): string {
  return remoteAddress === undefined ? GONE : `${remoteAddress}:${remotePort}`;
}

function refusal(code: ErrorCode, message: string): SluiceError {
  return new SluiceError(code, message);
}

/** setSecureContext forgets what is not passed again: the floor goes in every time. */
function withFloor(material: SecureContextOptions): SecureContextOptions {
  return { ...material, minVersion: 'TLSv1.3' };
}

/**
 * Raises both receive windows of every HTTP/2 server session in this process, at its first stream (RFC 9113,
 * 6.9.2).
 */
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
    server.destroy();
  }
}

/**
 * A bare HTTP/2 server that answers every request with gRPC status 16 and the reason; refused peers meet
 * nothing else.
 */
function createRefuser(clock: Clock): (socket: TLSSocket, reason: string) => void {
  const reasons = new WeakMap<ServerHttp2Session, string>();
  let next = '';
  const server = http2.createServer();
  server.on('session', (session) => {
    reasons.set(session, next);
    session.on('error', () => {});
  });
  server.on('stream', (stream) => {
    const session = stream.session as ServerHttp2Session;
    stream.on('error', () => {});
    const head = { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '16' };
    stream.respond({ ...head, 'grpc-message': encodeURI(reasons.get(session) ?? '') }, { endStream: true });
    session.close();
  });
  return (socket, reason) => {
    // from 'connection' to 'session' is one synchronous step
    next = reason.toWellFormed().slice(0, REASON_LENGTH_MAX);
    server.emit('connection', socket);
    const cancel = clock.after(REFUSED_MS_MAX, () => socket.destroy());
    socket.once('close', cancel);
  };
}

function certificateRefusal(socket: TLSSocket): SluiceError {
  const certificate = socket.getPeerCertificate();
  if (!certificate?.raw) return refusal('LINK_CERTIFICATE_REFUSED', 'the agent sent no client certificate');
  const { subject, issuer, valid_to: validTo } = certificate;
  const why = String(socket.authorizationError);
  if (why === 'CRL_HAS_EXPIRED')
    return refusal('LINK_REVOCATIONS_EXPIRED', `the collector’s revocation list has expired [${why}]`);
  const whose = `CN=${subject?.CN}, issuer CN=${issuer?.CN}, valid to ${validTo}`;
  return refusal(
    'LINK_CERTIFICATE_REFUSED',
    `the client certificate ${WHY[why] ?? 'cannot be verified'}: ${whose} [${why}]`,
  );
}

const UNKNOWN_AUTHORITY = 'is of an authority that the collector does not trust';
const WHY: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'has expired',
  CERT_NOT_YET_VALID: 'is not valid yet (compare the clocks)',
  CERT_REVOKED: 'was revoked',
  INVALID_PURPOSE: 'is not one for clients (extended key usage)',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_AUTHORITY,
  DEPTH_ZERO_SELF_SIGNED_CERT: 'is self-signed',
};

/** A TLS 1.3 peer that does not like our certificate just hangs up: it is asked to say why itself. */
function handshakeRefusal(error: NodeJS.ErrnoException): SluiceError {
  const code = error.code ?? error.message;
  if (code === 'ECONNRESET' || code === 'EPIPE')
    return refusal('LINK_HANDSHAKE_FAILED', `the peer hung up; it may not trust this collector [${code}]`);
  if (code === 'ERR_SSL_UNSUPPORTED_PROTOCOL')
    return refusal('LINK_HANDSHAKE_FAILED', `the peer does not speak TLS 1.3 [${code}]`);
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_HTTP_REQUEST')
    return refusal('LINK_HANDSHAKE_FAILED', `the peer does not speak TLS [${code}]`);
  return refusal('LINK_HANDSHAKE_FAILED', `the TLS handshake failed [${code}]`);
}
