// gRPC for the agent: one call over mutual TLS 1.3. The only importer of grpc-js in the agent. Certificates are read at
// every connection; a server named by IP address is verified against its IP SAN.
import { isIP } from 'node:net';
import tls from 'node:tls';
import { Client, type ClientDuplexStream, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { ConnectRequest, ConnectResponse } from '@sluice/proto/gen/sluice/v1/link.ts';
import { CONNECT_PATH, MESSAGE_BYTES_MAX } from '@sluice/proto/wire.ts';
import { ERRORS, type ErrorCode, SluiceError } from '@sluice/shared/errors.ts';
import { readTlsMaterial } from '@sluice/shared/tls-material.ts';

export interface LinkAddress {
  readonly address: { readonly host: string; readonly port: number };
  /** Absolute paths. */
  readonly tls: {
    readonly ca: string;
    readonly cert: string;
    readonly key: string;
    readonly serverName?: string | undefined;
  };
}

/** A message, or a whole encoded one (segments are encoded by hand). */
export type Outgoing = ConnectRequest | Buffer;

export type LinkStream = ClientDuplexStream<Outgoing, ConnectResponse>;

export interface LinkCall {
  readonly stream: LinkStream;
  close(): void;
}

/** Any DNS-shaped name does where the server is named by its IP: TLS server names cannot be addresses (RFC 6066). */
const NAME_FOR_IP = 'sluice-collector';
const KEEPALIVE_MS = 20_000;
const KEEPALIVE_TIMEOUT_MS = 20_000;
const RECEIVE_WINDOW_BYTES = 2 ** 20;

/** Starts the call; failures come as the stream's error. LINK_CERTIFICATE_REFUSED where our own files are wrong. */
export function openLinkCall({ address, tls: files }: LinkAddress): LinkCall {
  const { ca, cert, key } = readTlsMaterial(files);
  const context = tls.createSecureContext({ ca, cert, key, minVersion: 'TLSv1.3' });
  const byAddress = isIP(address.host) !== 0;
  const verify = byAddress && files.serverName === undefined;
  const name = files.serverName ?? (byAddress ? NAME_FOR_IP : undefined);
  const client = new Client(
    `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`,
    credentials.createFromSecureContext(
      context,
      verify ? { checkServerIdentity: (_name, peer) => tls.checkServerIdentity(address.host, peer) } : {},
    ),
    {
      ...(name === undefined ? {} : { 'grpc.ssl_target_name_override': name }),
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
      'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
      'grpc.enable_retries': 0,
      'grpc-node.flow_control_window': RECEIVE_WINDOW_BYTES,
      'grpc.use_local_subchannel_pool': 1,
    },
  );
  const stream = client.makeBidiStreamRequest<Outgoing, ConnectResponse>(
    CONNECT_PATH,
    (message) => (Buffer.isBuffer(message) ? message : Buffer.from(ConnectRequest.encode(message).finish())),
    (bytes) => ConnectResponse.decode(bytes),
  );
  return { stream, close: () => client.close() };
}

/** What a failed call means. The collector puts its code in front of the details. */
export function linkError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  const { code, details } = error as Partial<ServiceError>;
  const text = details ?? (error instanceof Error ? error.message : String(error));
  const [, named, rest] = /^(LINK_[A-Z_]+): (.*)$/s.exec(text) ?? [];
  if (named !== undefined && named in ERRORS) return new SluiceError(named as ErrorCode, rest ?? '');
  if (code === status.UNAUTHENTICATED) return new SluiceError('LINK_CERTIFICATE_REFUSED', text);
  const certificate = /certificate|altname|ERR_TLS_CERT/i.test(text);
  return new SluiceError(certificate ? 'LINK_CERTIFICATE_REFUSED' : 'LINK_UNREACHABLE', text);
}
