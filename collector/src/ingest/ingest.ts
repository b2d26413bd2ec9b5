// The link as the collector sees it: agents come in through the listener, prove who they are, and each gets a
// session. A stream that has reached its age is handed on: its agent connects anew, and whatever stands
// before the collectors spreads the agents again.
import { type ServiceError, status } from '@grpc/grpc-js';
import type { Protocols } from '@sluice/proto/protocol.ts';
import { type Cancel, type Clock, within } from '@sluice/shared/clock.ts';
import { describeError, messageOf, SluiceError } from '@sluice/shared/errors.ts';
import type { PartitionId } from '@sluice/shared/position.ts';
import type { Random } from '@sluice/shared/random.ts';
import { daysToExpiry, type TlsFiles } from '@sluice/shared/tls-material.ts';
import type {
  FoundSchema,
  LogBounds,
  PartitionLog,
  SchemaSource,
  SchemaWant,
  Sequencer,
} from '../contracts.ts';
import type { Events } from '../events.ts';
import { AgentSession, type AgentStream, type SessionEnd } from './agent-session.ts';
import type { AgentGrant } from './authorization.ts';
import { createCreditPool } from './credit-pool.ts';
import { agentIdentity } from './identity.ts';
import { KafkaLogs } from './kafka-logs.ts';
import { createGrpcDoor, type DoorOptions, type LinkDoor } from './link-door.ts';

export interface IngestOptions {
  readonly address: { readonly host: string; readonly port: number };
  /** Absolute paths. */
  readonly tls: TlsFiles;
  readonly allowCommonName: boolean;
  readonly connectionsMax: number;
  readonly creditBytesMax: number;
  readonly agents: readonly AgentGrant[];
  /** How long a stream that sends nothing more may wait for the commit of what it has sent. */
  readonly drainMs: number;
  /** Age at which a stream is handed on, up to a fifth earlier or later. */
  readonly streamAgeMaxMs: number;
  readonly sequencer: Sequencer;
  readonly collectorId: string;
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Events;
  /** Default: gRPC behind our own TLS listener. */
  readonly openDoor?: (options: DoorOptions) => LinkDoor;
  readonly keepalive?: DoorOptions['keepalive'];
  /** Default: those of this version. */
  readonly protocols?: Protocols;
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

export interface Ingest extends SchemaSource {
  start(): Promise<{ readonly port: number }>;
  /** Reads the certificates again; running streams go on. Throws on a torn pair and keeps the old one. */
  reload(): void;
  /** Other agents, or the same with other topics: every stream is handed on and judged anew. */
  allow(agents: readonly AgentGrant[]): void;
  /** Staged bytes were freed: streams that wait for credit get it. */
  roomChanged(): void;
  /**
   * Asks every agent to go elsewhere. Resolves when none sends any more; who does not obey is not heard after
   * `obeyMs`.
   */
  drain(reason: string, obeyMs: number): Promise<void>;
  /**
   * Waits until every stream has ended, which it does once it is committed; cuts what is left after
   * `graceMs`.
   */
  close(graceMs: number): Promise<void>;
  status(): IngestStatus;
  /** Asks every agent where Kafka's logs begin and end now; those that answered in time. */
  look(waitMs: number): Promise<readonly AgentLogs[]>;
  /** What was last heard of one partition's log. */
  logOf(partition: PartitionId): LogBounds | undefined;
}

export interface AgentLogs {
  readonly agentId: string;
  readonly partitions: readonly PartitionLog[];
}

interface Connected {
  readonly session: AgentSession;
  readonly peer: string;
  readonly sinceMs: number;
  greeted: boolean;
  /** Of its age, and then of the time to obey. */
  cancelWait: Cancel;
}

/** Streams that began together are not handed on together. */
const AGE_SPREAD = 0.2;
/**
 * Of the age, between two that are handed on: each closes windows early, those that come between go together.
 */
const HAND_ON_SHARE = 1 / 30;
/** An agent that was told to go elsewhere and still sends after this is not heard any more. */
const OBEY_MS_MAX = 20_000;

export function createIngest(options: IngestOptions): Ingest {
  return new GrpcIngest(options);
}

class GrpcIngest implements Ingest {
  readonly #options: IngestOptions;
  readonly #connected = new Set<Connected>();
  readonly #credit;
  readonly #door: LinkDoor;
  readonly #logs: KafkaLogs;
  #agentGrants: readonly AgentGrant[];
  #listening = false;
  #draining = false;
  #streams = 0;
  #handedOnMs = Number.NEGATIVE_INFINITY;
  /** Called whenever a stream finishes or ends. */
  #streamsMoved: () => void = () => {};

  constructor(options: IngestOptions) {
    this.#options = options;
    this.#agentGrants = options.agents;
    this.#logs = new KafkaLogs(options.clock);
    this.#credit = createCreditPool(options.creditBytesMax, () => options.sequencer.room());
    const { address, tls, connectionsMax, clock, keepalive, openDoor = createGrpcDoor } = options;
    this.#door = openDoor({
      address,
      tls,
      connectionsMax,
      clock,
      keepalive,
      accept: (stream) => this.#accept(stream),
      refused: (peer, error) => this.#reportRefusal({ peer }, error),
    });
  }

  async start(): Promise<{ readonly port: number }> {
    const port = await this.#door.open();
    this.#listening = true;
    return { port };
  }

  reload(): void {
    this.#door.reload();
    this.#options.events.certificatesReloaded({ daysToExpiry: Math.floor(this.#daysToExpiry()) });
  }

  allow(agents: readonly AgentGrant[]): void {
    this.#agentGrants = agents;
    for (const connected of this.#connected) this.#handOn(connected, 'who may send what has changed');
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
    const { sequencer, collectorId, version, drainMs, clock, events, protocols } = this.#options;
    const session = new AgentSession({
      stream,
      streamId: ++this.#streams,
      agentId,
      grants: this.#agentGrants,
      sequencer,
      credit: this.#credit,
      collectorId,
      version,
      drainMs,
      clock,
      events,
      protocols,
      greeted: () => this.#greeted(connected),
      finishing: () => {
        this.#streamsMoved();
        this.roomChanged();
      },
      ended: (end) => this.#ended(connected, end),
    });
    const connected: Connected = {
      session,
      peer: stream.getPeer(),
      sinceMs: clock.wallMs(),
      greeted: false,
      cancelWait: () => {},
    };
    this.#connected.add(connected);
  }

  #greeted(connected: Connected): void {
    const { session, peer } = connected;
    const { agentId: agent } = session;
    const [twin] = this.#agents().filter((a) => a.session.agentId === agent && !a.session.isFinishing);
    connected.greeted = true;
    this.#options.events.agentConnected({ agent, peer });
    const { clock, random, streamAgeMaxMs } = this.#options;
    const ageMs = streamAgeMaxMs * (1 + AGE_SPREAD * (2 * random.fraction() - 1));
    connected.cancelWait = clock.after(ageMs, () => this.#handOnSoon(connected));
    if (twin === undefined) return;
    const instances = [twin.session.instanceId, session.instanceId];
    this.#options.events.agentTwice({ agent, peers: [twin.peer, peer], instances });
  }

  #handOnSoon(connected: Connected): void {
    const { clock, streamAgeMaxMs } = this.#options;
    const waitMs = this.#handedOnMs + streamAgeMaxMs * HAND_ON_SHARE - clock.monotonicMs();
    if (waitMs <= 0) this.#handOn(connected);
    else connected.cancelWait = clock.after(waitMs, () => this.#handOn(connected));
  }

  /** What it has brought is committed and told before it ends, so that nothing of it is sent again. */
  #handOn(connected: Connected, reason = 'this stream has reached its age'): void {
    const { session, peer } = connected;
    if (this.#draining || session.isFinishing) return;
    this.#handedOnMs = this.#options.clock.monotonicMs();
    this.#options.events.streamHandedOn({ agent: session.agentId, peer, reason });
    session.drain(reason);
    connected.cancelWait();
    connected.cancelWait = this.#options.clock.after(OBEY_MS_MAX, () => void session.finish());
  }

  #ended(connected: Connected, end: SessionEnd): void {
    const { session, peer, greeted } = connected;
    const { agentId: agent } = session;
    connected.cancelWait();
    this.#connected.delete(connected);
    if (end.kind === 'refused') this.#reportRefusal({ peer, agent }, end.error);
    const reason = end.kind === 'ended' ? 'ended' : describeError(end.error);
    if (greeted) this.#options.events.agentDisconnected({ agent, peer, reason });
    this.#streamsMoved();
    this.roomChanged();
  }

  /** One agent of the topic after the other, until one can say. */
  async find(want: SchemaWant): Promise<FoundSchema | undefined> {
    const reasons: string[] = [];
    for (const { session } of this.#agents()) {
      if (!session.knowsSchemasOf(want)) continue;
      try {
        return await session.findSchema(want);
      } catch (error) {
        reasons.push(`agent ${session.agentId}: ${messageOf(error)}`);
      }
    }
    const why = reasons.length > 0 ? reasons.join('; ') : this.#unasked(want);
    throw new SluiceError('SCHEMA_UNAVAILABLE', `schema ${want.id}: ${why}`);
  }

  /** Another topic of the same name may be of another site: its registry may have another schema there. */
  #unasked({ topic, topicId }: SchemaWant): string {
    const others = this.#agents().filter(({ session }) => session.hasTopicNamed(topic));
    if (others.length === 0) return `no agent of topic ${topic} is connected`;
    const agents = others.map(({ session }) => session.agentId).join(', ');
    return `its value is of a topic ${topic} with the id ${topicId}, and that of ${agents} has another id`;
  }

  #agents(): Connected[] {
    return [...this.#connected].filter(({ greeted }) => greeted);
  }

  roomChanged(): void {
    for (const { session } of this.#connected) session.creditFreed();
  }

  async drain(reason: string, obeyMs: number): Promise<void> {
    this.#draining = true;
    for (const { session } of this.#connected) session.drain(reason);
    await this.#until(() => [...this.#connected].every(({ session }) => session.isFinishing), obeyMs);
    for (const { session } of this.#connected) void session.finish();
  }

  async #until(holds: () => boolean, delayMs: number): Promise<void> {
    const held = new Promise<void>((resolve) => {
      this.#streamsMoved = () => {
        if (holds()) resolve();
      };
      this.#streamsMoved();
    });
    await within(this.#options.clock, delayMs, held);
  }

  async close(graceMs: number): Promise<void> {
    await this.#until(() => this.#connected.size === 0, graceMs);
    this.#listening = false;
    await this.#door.close();
  }

  #daysToExpiry(): number {
    const certificate = this.#door.certificate();
    return certificate === undefined
      ? Number.POSITIVE_INFINITY
      : daysToExpiry(certificate, this.#options.clock.wallMs());
  }

  async look(waitMs: number): Promise<readonly AgentLogs[]> {
    const asked = this.#agents().map(async ({ session }) => {
      const partitions = await session.look(waitMs);
      if (partitions === undefined) return [];
      this.#logs.heard(partitions);
      return [{ agentId: session.agentId, partitions }];
    });
    return (await Promise.all(asked)).flat();
  }

  logOf(partition: PartitionId): LogBounds | undefined {
    return this.#logs.of(partition);
  }

  status(): IngestStatus {
    return {
      listening: this.#listening && !this.#draining,
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
