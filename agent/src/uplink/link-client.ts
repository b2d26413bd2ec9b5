// gRPC for the agent: one call over mutual TLS 1.3. The only importer of grpc-js in the agent. Certificates
// are read at every connection; a server named by IP address is verified against its IP SAN.
import { isIP } from 'node:net';
import tls from 'node:tls';
import { Client, type ClientDuplexStream, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { ConnectRequest, ConnectResponse } from '@sluice/proto/gen/sluice/v1/link.ts';
import { CONNECT_PATH, MESSAGE_BYTES_MAX } from '@sluice/proto/wire.ts';
import { ERRORS, type ErrorCode, messageOf, SluiceError } from '@sluice/shared/errors.ts';
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
  /** How a line that died without a word is noticed; by default within 40 s. */
  readonly keepalive?: Keepalive | undefined;
}

/** The other end is asked for a sign of life every so often, and is given up without one in time. */
export interface Keepalive {
  readonly everyMs: number;
  readonly timeoutMs: number;
}

/**
 * A message, or what encodes one as it leaves (segments are encoded by hand): what waits holds no copy of its
 * payload.
 */
export type Outgoing = ConnectRequest | (() => Buffer);

export type LinkStream = ClientDuplexStream<Outgoing, ConnectResponse>;

export interface LinkCall {
  readonly stream: LinkStream;
  close(): void;
}

/**
 * A TLS 1.3 server that refuses us says nothing that grpc-js would hear; a time stamp would make each time
 * another.
 */
const HUNG_UP = 'the other end hung up before it spoke HTTP/2; it may refuse this agent';
/**
 * Any DNS-shaped name does where the server is named by its IP: TLS server names cannot be addresses (RFC
 * 6066).
 */
const NAME_FOR_IP = 'sluice-collector';
const KEEPALIVE: Keepalive = { everyMs: 20_000, timeoutMs: 20_000 };
const RECEIVE_WINDOW_BYTES = 2 ** 20;

/** Starts the call; failures come as the stream's error. TLS_FILES_UNUSABLE where our own files are wrong. */
export function openLinkCall({ address, tls: files, keepalive = KEEPALIVE }: LinkAddress): LinkCall {
  const { ca, cert, key } = readTlsMaterial(files);
  const context = tls.createSecureContext({ ca, cert, key, minVersion: 'TLSv1.3' });
  const wanted = files.serverName ?? address.host;
  const byAddress = isIP(wanted) !== 0;
  const client = new Client(
    linkPlace(address),
    credentials.createFromSecureContext(
      context,
      byAddress ? { checkServerIdentity: (_name, peer) => tls.checkServerIdentity(wanted, peer) } : {},
    ),
    {
      'grpc.ssl_target_name_override': byAddress ? NAME_FOR_IP : wanted,
      'grpc.keepalive_time_ms': keepalive.everyMs,
      'grpc.keepalive_timeout_ms': keepalive.timeoutMs,
      'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
      'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
      'grpc.enable_retries': 0,
      'grpc-node.flow_control_window': RECEIVE_WINDOW_BYTES,
      'grpc.use_local_subchannel_pool': 1,
    },
  );
  const stream = client.makeBidiStreamRequest<Outgoing, ConnectResponse>(
    CONNECT_PATH,
    (message) => encodedRequest(message),
    (bytes) => ConnectResponse.decode(bytes),
  );
  return { stream, close: () => client.close() };
}

export function encodedRequest(message: Outgoing): Buffer {
  return typeof message === 'function' ? message() : Buffer.from(ConnectRequest.encode(message).finish());
}

/** How people write the collector's address, and gRPC too. */
export function linkPlace({ host, port }: LinkAddress['address']): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** How a stream may end once it was half-closed: by its status, or with the connection under it. */
export function isGoodbye(error: unknown): boolean {
  const { code } = error as Partial<ServiceError>;
  return code === status.OK || code === status.CANCELLED || code === status.UNAVAILABLE;
}

/** What a failed call means. The collector puts its code in front of the details. */
export function linkError(error: unknown, place?: string): SluiceError {
  if (error instanceof SluiceError && error.place !== undefined) return error;
  if (error instanceof SluiceError) return placed(error.code, error.message, place);
  const { code, details } = error as Partial<ServiceError>;
  const text = innermost(details ?? messageOf(error));
  const [, named, rest] = /^([A-Z]+(?:_[A-Z]+)+): (.*)$/s.exec(text) ?? [];
  if (named !== undefined && named in ERRORS) return placed(named as ErrorCode, rest ?? '', place);
  if (code === status.RESOURCE_EXHAUSTED) return placed('LINK_MESSAGE_INVALID', text, place);
  return placed(code === status.UNAUTHENTICATED ? 'LINK_CERTIFICATE_REFUSED' : codeOf(text), text, place);
}

function placed(code: ErrorCode, message: string, place: string | undefined): SluiceError {
  return new SluiceError(code, message, place === undefined ? {} : { place });
}

/** By the words of OpenSSL and Node. An alert is what the other end thinks of us. */
function codeOf(text: string): ErrorCode {
  if (/alert.*(certificate|unknown ca)/i.test(text)) return 'LINK_CERTIFICATE_REFUSED';
  if (/certificate|altname/i.test(text)) return 'LINK_COLLECTOR_UNTRUSTED';
  if (/protocol version|unsupported protocol|wrong version number/i.test(text))
    return 'LINK_HANDSHAKE_FAILED';
  return 'LINK_UNREACHABLE';
}

/** Without what grpc-js, OpenSSL and Node wrap around the reason. */
function innermost(text: string): string {
  const [, last = text] = /Last error: (.*?)\.?\s*(?:Resolution note: .*)?$/s.exec(text) ?? [];
  const [, routine = last] = /error:[0-9A-F]+:[^:]*:[^:]*:([^:]+):/.exec(last) ?? [];
  const reason = routine
    .replace(/^Error(?: \[[A-Z_]+\])?: /, '')
    .replace(/; if the root CA is installed locally.*$/s, '')
    .trim();
  return /^Failed to connect(?: \([-0-9T:.]+Z\))?$/.test(reason) ? HUNG_UP : reason;
}
