// One agent's stream: Hello → Welcome, then segments in and receipts, commits and rewinds out. It proves who
// speaks and that bytes arrived whole; what they mean is the sequencer's work.
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type {
  ConnectRequest,
  ConnectResponse,
  Gap,
  Hello,
  PartitionState,
  Segment as WireSegment,
} from '@sluice/proto/gen/sluice/v1/link.ts';
import { agreeProtocol, PROTOCOLS, type Protocols } from '@sluice/proto/protocol.ts';
import { partitionFromWire, partitionToWire, segmentFromWire } from '@sluice/proto/wire.ts';
import { type Cancel, type Clock, within } from '@sluice/shared/clock.ts';
import { crc32c } from '@sluice/shared/crc32c.ts';
import { describeError, SluiceError } from '@sluice/shared/errors.ts';
import type { OffsetRange } from '@sluice/shared/offset-range.ts';
import { type PartitionId, partitionName } from '@sluice/shared/position.ts';
import type {
  AgentLink,
  DeclaredPartition,
  FoundSchema,
  HistoryAsk,
  PartitionPosition,
  SchemaWant,
  Sequencer,
} from '../contracts.ts';
import type { Events } from '../events.ts';
import { type AgentGrant, isKnownAgent, maySend } from './authorization.ts';
import type { CreditPool, StreamCredit } from './credit-pool.ts';
import { LogQuestions, type LookAnswer } from './log-questions.ts';
import { SchemaQuestions } from './schema-questions.ts';

export type AgentStream = ServerDuplexStream<ConnectRequest, ConnectResponse>;

export interface AgentSessionOptions {
  readonly stream: AgentStream;
  readonly streamId: number;
  /** By its certificate. */
  readonly agentId: string;
  readonly grants: readonly AgentGrant[];
  readonly sequencer: Sequencer;
  readonly credit: CreditPool;
  readonly collectorId: string;
  readonly version: string;
  readonly clock: Clock;
  readonly events: Events;
  /** How long a stream that sends nothing more may wait for the commit of what it has sent. */
  readonly drainMs: number;
  /** Default: those of this version. */
  readonly protocols?: Protocols | undefined;
  /** Its Hello was good: it is the agent that its certificate names. */
  greeted(): void;
  /** Nothing more comes from it; it ends when what came is committed. */
  finishing(): void;
  ended(end: SessionEnd): void;
}

/**
 * ended: the agent had nothing more to say. lost: the stream broke. refused: by this side, and the agent was
 * told.
 */
export type SessionEnd =
  | { readonly kind: 'ended' }
  | { readonly kind: 'lost'; readonly error: unknown }
  | { readonly kind: 'refused'; readonly error: SluiceError };

type ResponseBody = NonNullable<ConnectResponse['body']>;

/** gRPC's INVALID_ARGUMENT; which of our codes it is stands in the details. */
const REFUSED_STATUS = 3;
/** A stream without a Hello holds a connection for nothing. */
const HELLO_MS_MAX = 30_000;

export class AgentSession implements AgentLink {
  readonly agentId: string;
  readonly streamId: number;
  readonly topics = new Set<string>();
  instanceId = '';
  agentVersion = '';
  segmentsTotal = 0;
  bytesTotal = 0;
  readonly #options: AgentSessionOptions;
  readonly #credit: StreamCredit;
  readonly #refusedTopics = new Map<string, string>();
  readonly #cancelHelloWait: Cancel;
  /** Topics as declared, with their ids. */
  readonly #declared = new Set<string>();
  readonly #schemas: SchemaQuestions;
  readonly #logs: LogQuestions;
  #state: 'new' | 'greeted' | 'welcomed' | 'finishing' | 'over' = 'new';
  #receiptDue = false;
  #protocol = PROTOCOLS.max;

  constructor(options: AgentSessionOptions) {
    this.#options = options;
    this.agentId = options.agentId;
    this.streamId = options.streamId;
    this.#credit = options.credit.open();
    this.#schemas = new SchemaQuestions(options.clock, (value) =>
      this.#write({ $case: 'schemaRequest', value }),
    );
    this.#logs = new LogQuestions(options.clock, (value) => this.#write({ $case: 'look', value }));
    this.#cancelHelloWait = options.clock.after(HELLO_MS_MAX, () =>
      this.#refuse(new SluiceError('LINK_MESSAGE_INVALID', `no Hello came in ${HELLO_MS_MAX / 1_000} s`)),
    );
    const { stream } = options;
    stream.on('data', (message: ConnectRequest) => this.#receive(message));
    stream.on('end', () => void this.finish());
    stream.on('error', (error: unknown) => this.#end({ kind: 'lost', error }));
    stream.on('cancelled', () => this.#end({ kind: 'lost', error: new Error('the agent is gone') }));
  }

  get isFinishing(): boolean {
    return this.#state === 'finishing';
  }

  /**
   * Takes nothing more, and ends once what came is committed and the agent was told, or the time for that is
   * over.
   */
  async finish(): Promise<void> {
    if (this.#state === 'finishing' || this.#state === 'over') return;
    const { sequencer, clock, drainMs, credit } = this.#options;
    this.#state = 'finishing';
    this.#cancelHelloWait();
    credit.close(this.#credit);
    this.#options.finishing();
    await within(clock, drainMs, sequencer.finish(this));
    this.#end({ kind: 'ended' });
  }

  /** The stream is over; what was staged stays. */
  #end(end: SessionEnd): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.#cancelHelloWait();
    this.#options.credit.close(this.#credit);
    this.#options.sequencer.disconnected(this);
    this.#schemas.close();
    this.#logs.close();
    const { stream } = this.#options;
    if (end.kind === 'ended') stream.end();
    if (end.kind === 'refused')
      stream.emit('error', { code: REFUSED_STATUS, details: describeError(end.error) });
    this.#options.ended(end);
  }

  #refuse(error: unknown): void {
    const named = error instanceof SluiceError;
    this.#end({
      kind: 'refused',
      error: named ? error : new SluiceError('ASSERTION_FAILED', describeError(error), { cause: error }),
    });
  }

  #write(body: ResponseBody): void {
    if (this.#state !== 'over') this.#options.stream.write({ body });
  }

  #receive({ body }: ConnectRequest): void {
    if (this.#state === 'finishing' || this.#state === 'over') return;
    try {
      if (this.#state === 'new' && body?.$case !== 'hello')
        throw new SluiceError('LINK_MESSAGE_INVALID', `${body?.$case ?? 'something'} came before Hello`);
      switch (body?.$case) {
        case 'hello':
          this.#hello(body.value);
          break;
        case 'segment':
          this.#segment(body.value);
          break;
        case 'gap':
          this.#gap(body.value);
          break;
        case 'truncated': {
          const { leaderEpoch, offset, reason } = body.value;
          const notice = { ...partitionFromWire(body.value), leaderEpoch, offset, reason };
          this.#options.sequencer.truncated(this, notice);
          break;
        }
        case 'historyWaits':
          this.#options.sequencer.historyWaits(this, body.value.rewindEpoch);
          break;
        case 'assigned':
          this.#assigned(body.value.partitions);
          break;
        case 'schemaReply':
          this.#schemas.replied(body.value);
          break;
        case 'revoked':
          this.#options.sequencer.revoke(this, body.value.partitions.map(partitionFromWire));
          break;
        case 'logs':
          this.#logs.answered(body.value, this.topics);
          break;
        default: // a newer agent's word that this version does not know
      }
    } catch (error) {
      this.#refuse(error);
    }
  }

  #assigned(partitions: readonly PartitionState[]): void {
    this.#declare(partitions)
      .then((positions) => this.#write({ $case: 'positions', value: { positions: positions.map(toWire) } }))
      .catch((error: unknown) => this.#refuse(error));
  }

  #hello(hello: Hello): void {
    if (this.#state !== 'new') throw new SluiceError('LINK_MESSAGE_INVALID', 'a second Hello');
    this.#cancelHelloWait();
    this.instanceId = hello.instanceId;
    this.agentVersion = hello.version;
    this.#check(hello);
    this.#state = 'greeted';
    this.#options.greeted();
    this.#declare(hello.partitions)
      .then((positions) => this.#welcome(positions))
      .catch((error: unknown) => this.#refuse(error));
  }

  #welcome(positions: readonly PartitionPosition[]): void {
    if (this.#state !== 'greeted') return;
    this.#state = 'welcomed';
    this.#write({
      $case: 'welcome',
      value: {
        protocol: this.#protocol,
        collectorId: this.#options.collectorId,
        version: this.#options.version,
        creditTotal: this.#options.credit.grant(this.#credit),
        positions: positions.map(toWire),
      },
    });
  }

  #check(hello: Hello): void {
    const { agentId, grants, version, protocols = PROTOCOLS } = this.#options;
    if (hello.agentId !== agentId)
      throw new SluiceError(
        'LINK_IDENTITY_REFUSED',
        `the agent calls itself '${hello.agentId}' and its certificate says '${agentId}'`,
      );
    if (!isKnownAgent(grants, agentId))
      throw new SluiceError(
        'LINK_IDENTITY_REFUSED',
        `agent '${agentId}' is not among the collector's agents`,
      );
    this.#protocol = agreeProtocol(
      { ...protocols, name: `the collector (${version})` },
      { min: hello.protocolMin, max: hello.protocolMax, name: `the agent (${hello.version})` },
    );
  }

  async #declare(declared: readonly PartitionState[]): Promise<readonly PartitionPosition[]> {
    const { sequencer, grants } = this.#options;
    const allowed: DeclaredPartition[] = [];
    for (const state of declared) {
      if (!maySend(grants, this.agentId, state.topic)) {
        const message = `agent '${this.agentId}' may not send topic '${state.topic}'`;
        this.refused(state.topic, 'LINK_TOPIC_REFUSED', message);
        continue;
      }
      this.topics.add(state.topic);
      this.#declared.add(topicKey(partitionFromWire(state)));
      const { leaderEpoch, logStart, logEnd, spoolStart, spoolNext, spoolRuns, readsLog } = state;
      const startAt = startAtOf(state);
      const said = { leaderEpoch, logStart, logEnd, spoolStart, spoolNext, spoolRuns, readsLog, startAt };
      allowed.push({ ...partitionFromWire(state), ...said });
    }
    return await sequencer.declare(this, allowed);
  }

  #segment(wire: WireSegment): void {
    const segment = segmentFromWire(wire);
    const { byteLength } = segment.payload;
    if (this.#state !== 'welcomed')
      throw new SluiceError('LINK_MESSAGE_INVALID', 'a segment came before Welcome');
    if (byteLength > 0 && this.#credit.received >= this.#credit.granted)
      throw new SluiceError(
        'LINK_MESSAGE_INVALID',
        `more was sent than the credit of ${this.#credit.granted} bytes`,
      );
    if (!this.topics.has(segment.topic))
      throw new SluiceError('LINK_TOPIC_REFUSED', `topic '${segment.topic}' was not declared`);
    if (crc32c(segment.payload) !== segment.crc32c)
      throw new SluiceError(
        'SEGMENT_CORRUPT',
        `CRC-32C differs at ${partitionName(segment)}@${segment.startOffset}`,
      );
    this.segmentsTotal++;
    this.bytesTotal += byteLength;
    this.#credit.received += byteLength;
    this.#options.sequencer.segment(this, segment, wire.rewindEpoch);
    this.#sendReceiptSoon();
  }

  /** One receipt for all segments of a turn of the event loop. */
  #sendReceiptSoon(): void {
    if (this.#receiptDue) return;
    this.#receiptDue = true;
    setImmediate(() => {
      this.#receiptDue = false;
      if (this.#state === 'over') return;
      const creditTotal = this.#options.credit.grant(this.#credit);
      this.#write({ $case: 'receipt', value: { segmentsTotal: this.segmentsTotal, creditTotal } });
    });
  }

  /** Asks where Kafka's logs begin and end now. An agent of an earlier version does not answer. */
  async look(waitMs: number): Promise<LookAnswer> {
    return this.#state === 'welcomed' ? await this.#logs.ask(waitMs) : undefined;
  }

  #gap(wire: Gap): void {
    const { leaderEpoch, startOffset, nextOffset, reason } = wire;
    const gap = { ...partitionFromWire(wire), leaderEpoch, startOffset, nextOffset, reason };
    this.#options.sequencer.gap(this, gap, wire.rewindEpoch);
  }

  /** Staged bytes were freed somewhere: this stream may have more. */
  creditFreed(): void {
    if (this.#state !== 'welcomed') return;
    const before = this.#credit.granted;
    if (this.#options.credit.grant(this.#credit) > before) this.#sendReceiptSoon();
  }

  welcomed(positions: readonly PartitionPosition[]): void {
    this.#write({ $case: 'positions', value: { positions: positions.map(toWire) } });
  }

  committed(commits: Parameters<AgentLink['committed']>[0]): void {
    const partitions = commits.map(({ partition, openGaps, ...commit }) => {
      return { ...partitionToWire(partition), ...commit, openGaps: [...openGaps] };
    });
    this.#write({ $case: 'committed', value: { partitions } });
  }

  rewind(...[partition, offset, rewindEpoch, reason]: Parameters<AgentLink['rewind']>): void {
    const asked = { offset, rewindEpoch, reason, fillUntil: 0 };
    this.#write({ $case: 'rewind', value: { ...partitionToWire(partition), ...asked } });
  }

  fill(partition: PartitionId, { startOffset, nextOffset }: OffsetRange, rewindEpoch: number): void {
    const asked = { offset: startOffset, fillUntil: nextOffset, rewindEpoch, reason: 'an open gap' };
    this.#write({ $case: 'rewind', value: { ...partitionToWire(partition), ...asked } });
  }

  readHistory(partition: PartitionId, range: OffsetRange, { epoch, bytesMax }: HistoryAsk): void {
    const value = { ...partitionToWire(partition), ...range, rewindEpoch: epoch, bytesMax };
    this.#write({ $case: 'readHistory', value });
  }

  /** Once per topic and reason, however many partitions were declared. */
  refused(topic: string, code: string, message: string): void {
    if (this.#refusedTopics.get(topic) === message) return;
    this.#refusedTopics.set(topic, message);
    this.#options.events.topicRefused({ agent: this.agentId, topic, code, message });
    this.#write({ $case: 'refused', value: { topic, code, message } });
  }

  hold(topic: string, reason: string): void {
    this.#write({ $case: 'hold', value: { topic, reason } });
  }

  release(topic: string): void {
    this.#write({ $case: 'release', value: { topic } });
  }

  /** Whether its registry is that of this topic, and it can be asked. */
  knowsSchemasOf(want: SchemaWant): boolean {
    return this.#state === 'welcomed' && this.#declared.has(topicKey(want));
  }

  hasTopicNamed(topic: string): boolean {
    return [...this.#declared].some((key) => key.endsWith(` ${topic}`));
  }

  /** As SchemaSource.find. */
  findSchema(want: SchemaWant): Promise<FoundSchema | undefined> {
    return this.#schemas.ask(want);
  }

  drain(reason: string): void {
    this.#write({ $case: 'drain', value: { reason } });
  }
}

function startAtOf({ startAt }: PartitionState): DeclaredPartition['startAt'] {
  return startAt === 'earliest' || startAt === 'latest' ? startAt : undefined;
}

const topicKey = ({ topic, topicId }: { readonly topic: string; readonly topicId: string }) =>
  `${topicId} ${topic}`;

function toWire({ openGaps, stands, current = false, ...position }: PartitionPosition) {
  const ranges = { openGaps: [...openGaps], stands: [...stands] };
  return { ...position, ...partitionToWire(position), ...ranges, current };
}
