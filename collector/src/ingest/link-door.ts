// Where agents' streams come in: a gRPC service behind our own TLS listener. Who they are and what they say
// is for others.
import { Server } from '@grpc/grpc-js';
import { ConnectRequest, ConnectResponse } from '@sluice/proto/gen/sluice/v1/link.ts';
import { CONNECT_PATH, MESSAGE_BYTES_MAX } from '@sluice/proto/wire.ts';
import type { Clock } from '@sluice/shared/clock.ts';
import type { SluiceError } from '@sluice/shared/errors.ts';
import { readTlsMaterial, type TlsFiles } from '@sluice/shared/tls-material.ts';
import type { AgentStream } from './agent-session.ts';
import { type Listener, listen } from './link-listener.ts';

export interface DoorOptions {
  readonly address: { readonly host: string; readonly port: number };
  /** Absolute paths. */
  readonly tls: TlsFiles;
  readonly connectionsMax: number;
  readonly clock: Clock;
  /** How an agent that vanished without a word is noticed; by default within 60 s. */
  readonly keepalive?: { readonly everyMs: number; readonly timeoutMs: number } | undefined;
  accept(stream: AgentStream): void;
  refused(peer: string, error: SluiceError): void;
}

export interface LinkDoor {
  /** Resolves with the port. */
  open(): Promise<number>;
  /** Reads the certificates again; running streams go on. Throws on a torn pair and keeps the old one. */
  reload(): void;
  /** PEM of the certificate that is shown; undefined before `open`. */
  certificate(): string | undefined;
  /** Accepts nobody new, cuts what is left. */
  close(): Promise<void>;
}

/** Receive windows: 200 Mbit/s up to 250 ms of round trip, 1 Gbit/s up to 60 ms. */
const WINDOW_BYTES = 16 * 2 ** 20;
const KEEPALIVE = { everyMs: 30_000, timeoutMs: 30_000 };
const CLOSE_GRACE_MS = 1_000;

export function createGrpcDoor(options: DoorOptions): LinkDoor {
  const server = createServer(options);
  let listener: Listener | undefined;
  let certPem: string | undefined;
  return {
    async open() {
      const { address, tls, connectionsMax, clock, refused } = options;
      const material = readTlsMaterial(tls);
      certPem = material.cert;
      listener = await listen(server, {
        ...address,
        material,
        windowBytes: WINDOW_BYTES,
        connectionsMax,
        clock,
        refused,
      });
      return listener.port;
    },
    reload() {
      const material = readTlsMaterial(options.tls);
      listener?.reload(material);
      certPem = material.cert;
    },
    certificate: () => certPem,
    async close() {
      await listener?.close(CLOSE_GRACE_MS);
      listener = undefined;
      server.forceShutdown();
    },
  };
}

function createServer({ accept, keepalive = KEEPALIVE }: DoorOptions): Server {
  const { everyMs, timeoutMs } = keepalive;
  const server = new Server({
    'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
    'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
    'grpc.max_concurrent_streams': 4,
    'grpc.keepalive_time_ms': everyMs,
    'grpc.keepalive_timeout_ms': timeoutMs,
  });
  server.addService(
    {
      connect: {
        path: CONNECT_PATH,
        requestStream: true,
        responseStream: true,
        requestSerialize: (m: ConnectRequest) => Buffer.from(ConnectRequest.encode(m).finish()),
        requestDeserialize: (bytes: Buffer) => ConnectRequest.decode(bytes),
        responseSerialize: (m: ConnectResponse) => Buffer.from(ConnectResponse.encode(m).finish()),
        responseDeserialize: (bytes: Buffer) => ConnectResponse.decode(bytes),
      },
    },
    { connect: (stream: AgentStream) => accept(stream) },
  );
  return server;
}
