// The link as the collector sees it: agents come in through the listener, prove who they are, and each gets a session.
import { Server, type ServiceError, status } from '@grpc/grpc-js';
import { ConnectRequest, ConnectResponse } from '@sluice/proto/gen/sluice/v1/link.ts';
import { CONNECT_PATH, MESSAGE_BYTES_MAX } from '@sluice/proto/wire.ts';
import type { Clock } from '@sluice/shared/clock.ts';
import { describeError, SluiceError } from '@sluice/shared/errors.ts';
import { daysToExpiry, readTlsMaterial, type TlsFiles } from '@sluice/shared/tls-material.ts';
import type { Sequencer } from '../contracts.ts';
import type { Events } from '../events.ts';
import { AgentSession, type AgentStream, type SessionEnd } from './agent-session.ts';
import type { AgentGrant } from './authorization.ts';
import { createCreditPool } from './credit-pool.ts';
import { agentIdentity } from './identity.ts';
import { type Listener, listen } from './link-listener.ts';

export interface IngestOptions {
  readonly address: { readonly host: string; readonly port: number };
  /** Absolute paths. */
  readonly tls: TlsFiles;
  readonly allowCommonName: boolean;
  readonly connectionsMax: number;
  readonly creditBytesMax: number;
  readonly agents: readonly AgentGrant[];
  readonly sequencer: Sequencer;
  readonly collectorId: string;
  readonly version: string;
  readonly clock: Clock;
  readonly events: Events;
  /** How an agent that vanished without a word is noticed; by default within 60 s. */
  readonly keepalive?: { readonly everyMs: number; readonly timeoutMs: number };
}

export interface ConnectedAgent {
  readonly agentId: string;
  readonly instanceId: string;
  readonly version: string;
  readonly peer: string;
  readonly connectedSince: string;
  readonly topics: readonly string[];
  readonly segmentsTotal: number;
  readonly bytesTotal: number;
}

export interface IngestStatus {
  readonly listening: boolean;
  readonly agents: readonly ConnectedAgent[];
  readonly daysToExpiry: number;
}

export interface Ingest {
  start(): Promise<{ readonly port: number }>;
  /** Reads the certificates again; running streams go on. Throws on a torn pair and keeps the old one. */
  reload(): void;
  /** Staged bytes were freed: streams that wait for credit get it. */
  roomChanged(): void;
  /** Asks every agent to go elsewhere, waits, ends what is left after `graceMs`. */
  drain(reason: string, graceMs: number): Promise<void>;
  status(): IngestStatus;
}

/** Receive windows: 200 Mbit/s up to 250 ms of round trip, 1 Gbit/s up to 60 ms. */
const WINDOW_BYTES = 16 * 2 ** 20;
const KEEPALIVE = { everyMs: 30_000, timeoutMs: 30_000 };

interface Connected {
  readonly session: AgentSession;
  readonly peer: string;
  readonly sinceMs: number;
  greeted: boolean;
}

export function createIngest(options: IngestOptions): Ingest {
  return new GrpcIngest(options);
}

class GrpcIngest implements Ingest {
  readonly #options: IngestOptions;
  readonly #connected = new Set<Connected>();
  readonly #credit;
  readonly #server: Server;
  #listener: Listener | undefined;
  #draining = false;
  #streams = 0;
  #certPem = '';
  #whenEmpty: (() => void) | undefined;

  constructor(options: IngestOptions) {
    this.#options = options;
    const { everyMs, timeoutMs } = options.keepalive ?? KEEPALIVE;
    this.#credit = createCreditPool(options.creditBytesMax, () => options.sequencer.room());
    this.#server = new Server({
      'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
      'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
      'grpc.max_concurrent_streams': 4,
      'grpc.keepalive_time_ms': everyMs,
      'grpc.keepalive_timeout_ms': timeoutMs,
    });
    this.#server.addService(
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
      { connect: (stream: AgentStream) => this.#accept(stream) },
    );
  }

  async start(): Promise<{ readonly port: number }> {
    const { address, tls, connectionsMax, clock } = this.#options;
    const material = readTlsMaterial(tls);
    this.#certPem = material.cert;
    this.#listener = await listen(this.#server, {
      ...address,
      material,
      windowBytes: WINDOW_BYTES,
      connectionsMax,
      clock,
      refused: (peer, error) => this.#reportRefusal({ peer }, error),
    });
    return { port: this.#listener.port };
  }

  reload(): void {
    const material = readTlsMaterial(this.#options.tls);
    this.#listener?.reload(material);
    this.#certPem = material.cert;
    this.#options.events.certificatesReloaded({ daysToExpiry: Math.floor(this.#daysToExpiry()) });
  }

  #reportRefusal(who: { peer: string; agent?: string }, error: SluiceError): void {
    this.#options.events.connectionRefused({ ...who, reason: describeError(error), remedy: error.remedy });
  }

  #accept(stream: AgentStream): void {
    try {
      if (this.#draining) throw new SluiceError('LINK_DRAINING', 'this collector is being replaced');
      this.#open(stream, this.#identify(stream));
    } catch (thrown) {
      const error =
        thrown instanceof SluiceError
          ? thrown
          : new SluiceError('LINK_IDENTITY_REFUSED', describeError(thrown), { cause: thrown });
      const code = error.code === 'LINK_DRAINING' ? status.UNAVAILABLE : status.UNAUTHENTICATED;
      this.#reportRefusal({ peer: stream.getPeer() }, error);
      stream.emit('error', { code, details: describeError(error) } satisfies Partial<ServiceError>);
    }
  }

  #identify(stream: AgentStream): string {
    const certificate = stream.getAuthContext().sslPeerCertificate;
    if (certificate === undefined) throw new SluiceError('LINK_CERTIFICATE_REFUSED', 'no client certificate');
    return agentIdentity(certificate.raw, this.#options.allowCommonName);
  }

  #open(stream: AgentStream, agentId: string): void {
    const { agents, sequencer, collectorId, version, clock, events } = this.#options;
    const session = new AgentSession({
      stream,
      streamId: ++this.#streams,
      agentId,
      grants: agents,
      sequencer,
      credit: this.#credit,
      collectorId,
      version,
      clock,
      events,
      greeted: () => this.#greeted(connected),
      ended: (end) => this.#ended(connected, end),
    });
    const connected: Connected = {
      session,
      peer: stream.getPeer(),
      sinceMs: clock.wallMs(),
      greeted: false,
    };
    this.#connected.add(connected);
  }

  #greeted(connected: Connected): void {
    const { session, peer } = connected;
    const { agentId: agent } = session;
    const [twin] = this.#agents().filter((other) => other.session.agentId === agent);
    connected.greeted = true;
    this.#options.events.agentConnected({ agent, peer });
    if (twin === undefined) return;
    const instances = [twin.session.instanceId, session.instanceId];
    this.#options.events.agentTwice({ agent, peers: [twin.peer, peer], instances });
  }

  #ended(connected: Connected, end: SessionEnd): void {
    const { session, peer, greeted } = connected;
    const { agentId: agent } = session;
    this.#connected.delete(connected);
    if (end.kind === 'refused') this.#reportRefusal({ peer, agent }, end.error);
    const reason = end.kind === 'ended' ? 'ended' : describeError(end.error);
    if (greeted) this.#options.events.agentDisconnected({ agent, peer, reason });
    if (this.#connected.size === 0) this.#whenEmpty?.();
    this.roomChanged();
  }

  #agents(): Connected[] {
    return [...this.#connected].filter(({ greeted }) => greeted);
  }

  roomChanged(): void {
    for (const { session } of this.#connected) session.creditFreed();
  }

  async drain(reason: string, graceMs: number): Promise<void> {
    this.#draining = true;
    for (const { session } of this.#connected) session.drain(reason);
    if (this.#connected.size > 0) {
      const over = new AbortController();
      const empty = new Promise<void>((resolve) => {
        this.#whenEmpty = resolve;
      });
      await Promise.race([empty, this.#options.clock.sleep(graceMs, over.signal)]);
      over.abort();
    }
    await this.#listener?.close(1_000);
    this.#listener = undefined;
    this.#server.forceShutdown();
  }

  #daysToExpiry(): number {
    return this.#certPem === ''
      ? Number.POSITIVE_INFINITY
      : daysToExpiry(this.#certPem, this.#options.clock.wallMs());
  }

  status(): IngestStatus {
    return {
      listening: this.#listener !== undefined && !this.#draining,
      daysToExpiry: this.#daysToExpiry(),
      agents: this.#agents().map(({ session, peer, sinceMs }) => ({
        agentId: session.agentId,
        instanceId: session.instanceId,
        version: session.agentVersion,
        peer,
        connectedSince: new Date(sinceMs).toISOString(),
        topics: [...session.topics],
        segmentsTotal: session.segmentsTotal,
        bytesTotal: session.bytesTotal,
      })),
    };
  }
}
