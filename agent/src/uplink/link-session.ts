// One stream to a collector, from Hello to its end. It sends what the feed gives while window and credit have
// room, and hands on what the collector says, in stream order.
import type {
  ConnectRequest,
  ConnectResponse,
  PartitionPosition,
  SchemaReply,
  SchemaRequest,
  Welcome,
} from '@sluice/proto/gen/sluice/v1/link.ts';
import { agreeProtocol, PROTOCOLS, type Protocols } from '@sluice/proto/protocol.ts';
import { encodeSegmentRequest, partitionFromWire, partitionToWire } from '@sluice/proto/wire.ts';
import type { Cancel, Clock } from '@sluice/shared/clock.ts';
import { describeError, SluiceError } from '@sluice/shared/errors.ts';
import type { PartitionId } from '@sluice/shared/position.ts';
import type {
  DeclaredPartition,
  SchemaRegistry,
  TruncationNotice,
  UplinkFeed,
  UplinkHandler,
  UplinkItem,
} from '../contracts.ts';
import { isGoodbye, type LinkCall, type LinkStream } from './link-client.ts';
import { SendWindow } from './send-window.ts';

export interface SessionOptions {
  readonly call: LinkCall;
  readonly handler: UplinkHandler;
  readonly feed: UplinkFeed;
  readonly clock: Clock;
  readonly agentId: string;
  readonly instanceId: string;
  readonly version: string;
  readonly maxBitsPerSecond: number | undefined;
  /** What segments are cut at; one record batch may be larger. */
  readonly segmentBytesMax: number;
  /** Default: those of this version. */
  readonly protocols?: Protocols | undefined;
  readonly schemas?: SchemaRegistry | undefined;
  /** The collector has answered: the link is up. */
  welcomed(collectorId: string): void;
}

export interface SessionStatus {
  readonly sentBytes: number;
  readonly sentSegments: number;
  readonly receiptedSegments: number;
  readonly inFlightBytes: number;
  readonly windowBytes: number;
  readonly creditBytes: number;
}

export type SessionEnd = { readonly kind: 'drained' } | { readonly kind: 'failed'; readonly error: unknown };

const WINDOW_BYTES_MAX = 16 * 2 ** 20;
const RECEIPT_MS_MAX = 1_500;
/** A collector that does not answer Hello in this time is not there. */
const WELCOME_MS_MAX = 30_000;
/**
 * A collector that was told of the end says within its own drain time what it has committed, and ends the
 * stream.
 */
const DRAIN_MS_MAX = 120_000;

export class LinkSession {
  readonly #options: SessionOptions;
  readonly #stream: LinkStream;
  readonly #window: SendWindow;
  readonly #ended = new AbortController();
  #welcomed = false;
  #receiptedSegments = 0;
  #creditTotal = 0;
  #sentBytes = 0;
  #sentSegments = 0;
  #draining = false;
  #wakePump: (() => void) | undefined;
  #sendAfterMs = 0;
  #failure: unknown;
  /** Of what is waited for: the answer to Hello, or the end. */
  #cancelWait: Cancel = () => {};

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#stream = options.call.stream;
    const bytesMin = 2 * options.segmentBytesMax;
    const bytesMax = Math.max(bytesMin, WINDOW_BYTES_MAX);
    this.#window = new SendWindow({ bytesMin, bytesMax, delayMsMax: RECEIPT_MS_MAX });
  }

  /** Resolves when the stream is over; never rejects. */
  run(): Promise<SessionEnd> {
    this.#cancelWait = this.#options.clock.after(WELCOME_MS_MAX, () => {
      if (this.#welcomed) return;
      const message = `the collector has not answered Hello for ${WELCOME_MS_MAX / 1_000} s`;
      this.#fail(new SluiceError('LINK_UNREACHABLE', message));
    });
    const over = new Promise<SessionEnd>((resolve) => {
      this.#stream.on('error', (error: unknown) => resolve(this.#endBy(error)));
      // After all that the collector said was heard: status 0 alone may come before its last words.
      this.#stream.on('end', () => resolve(this.#endBy(undefined)));
    });
    this.#stream.on('data', (message: ConnectResponse) => this.#receive(message));
    try {
      this.#sayHello();
    } catch (error) {
      this.#fail(error);
    }
    return over.finally(() => {
      this.#cancelWait();
      this.#ended.abort();
      this.#wakePump?.();
      this.#options.call.close();
    });
  }

  #sayHello(): void {
    const { feed, agentId, instanceId, version, protocols = PROTOCOLS } = this.#options;
    const spoken = { protocolMin: protocols.min, protocolMax: protocols.max };
    const partitions = feed.declared().map(declaredToWire);
    this.#write({ $case: 'hello', value: { agentId, instanceId, version, ...spoken, partitions } });
  }

  /** After a half-close the collector may end the stream, or the connection under it. */
  #endBy(error: unknown): SessionEnd {
    if (this.#failure !== undefined) return { kind: 'failed', error: this.#failure };
    if (this.#draining && (error === undefined || isGoodbye(error))) return { kind: 'drained' };
    const unasked = new SluiceError('LINK_UNREACHABLE', 'the collector ended the stream without a Drain');
    return { kind: 'failed', error: error ?? unasked };
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#stream.cancel();
  }

  assigned(partitions: readonly DeclaredPartition[]): void {
    this.#write({ $case: 'assigned', value: { partitions: partitions.map(declaredToWire) } });
  }

  revoked(partitions: readonly PartitionId[]): void {
    this.#write({ $case: 'revoked', value: { partitions: partitions.map(partitionToWire) } });
  }

  truncated({ leaderEpoch, offset, reason, ...partition }: TruncationNotice): void {
    this.#write({
      $case: 'truncated',
      value: { ...partitionToWire(partition), leaderEpoch, offset, reason },
    });
  }

  #write(body: NonNullable<ConnectRequest['body']>): void {
    if (!this.#isOver()) this.#stream.write({ body });
  }

  /** Nothing more may be sent. */
  #isOver(): boolean {
    return this.#draining || this.#failure !== undefined || this.#ended.signal.aborted;
  }

  /**
   * Half-closes: nothing more is sent. What the collector commits of what was sent is heard until it ends the
   * stream.
   */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#wakePump?.();
    this.#stream.end();
    this.#cancelWait();
    this.#cancelWait = this.#options.clock.after(DRAIN_MS_MAX, () => this.cancel());
  }

  cancel(): void {
    this.#stream.cancel();
  }

  status(): SessionStatus {
    return {
      sentBytes: this.#sentBytes,
      sentSegments: this.#sentSegments,
      receiptedSegments: this.#receiptedSegments,
      inFlightBytes: this.#window.inFlight,
      windowBytes: this.#window.bytes,
      creditBytes: Math.max(0, this.#creditTotal - this.#sentBytes),
    };
  }

  #receive({ body }: ConnectResponse): void {
    if (this.#failure !== undefined || this.#ended.signal.aborted) return;
    const { handler } = this.#options;
    try {
      switch (body?.$case) {
        case 'welcome':
          this.#welcome(body.value);
          return;
        case 'positions':
          handler.welcomed(body.value.positions.map(positionFromWire));
          return;
        case 'receipt':
          this.#receipt(body.value.segmentsTotal, body.value.creditTotal);
          return;
        case 'committed':
          handler.committed(
            body.value.partitions.map(({ nextOffset, openGaps, leaderEpoch, ...p }) => {
              return { partition: partitionFromWire(p), nextOffset, openGaps, leaderEpoch };
            }),
          );
          return;
        case 'rewind': {
          const { offset, rewindEpoch, reason, fillUntil } = body.value;
          const partition = partitionFromWire(body.value);
          const range = { startOffset: offset, nextOffset: fillUntil };
          if (fillUntil > 0) handler.fill(partition, range, rewindEpoch);
          else handler.rewind(partition, offset, rewindEpoch, reason);
          return;
        }
        case 'readHistory': {
          const { startOffset, nextOffset, rewindEpoch: epoch, bytesMax } = body.value;
          const id = partitionFromWire(body.value);
          handler.readHistory({ id, range: { startOffset, nextOffset }, epoch, bytesMax });
          return;
        }
        case 'hold':
          handler.hold(body.value.topic, body.value.reason);
          return;
        case 'release':
          handler.release(body.value.topic);
          return;
        case 'refused':
          handler.refused(body.value.topic, body.value.code, body.value.message);
          return;
        case 'look':
          void this.#look(body.value.question);
          return;
        case 'schemaRequest':
          void this.#answerSchema(body.value);
          return;
        case 'drain':
          this.drain();
          return;
        default:
          return; // a newer collector's word that this version does not know
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /** A question that cannot be answered now is not: the collector does not wait for long. */
  async #look(question: number): Promise<void> {
    const logs = await this.#options.handler.look();
    if (logs === undefined) return;
    const partitions = logs.map(({ logStart, logEnd, ...id }) => ({
      ...partitionToWire(id),
      logStart,
      logEnd,
    }));
    this.#write({ $case: 'logs', value: { question, partitions } });
  }

  /** Never fails the stream: a registry is not the link's. */
  async #answerSchema({ request, schemaId }: SchemaRequest): Promise<void> {
    const none = { request, type: '', schema: '', references: [], message: '' };
    const value = await schemaReply(this.#options.schemas, schemaId);
    this.#write({ $case: 'schemaReply', value: { ...none, ...value } });
  }

  #welcome({ protocol, version, collectorId, creditTotal, positions }: Welcome): void {
    if (this.#welcomed) throw new SluiceError('LINK_MESSAGE_INVALID', 'the collector sent a second Welcome');
    const { protocols = PROTOCOLS, version: own } = this.#options;
    agreeProtocol(
      { ...protocols, name: `the agent (${own})` },
      { min: protocol, max: protocol, name: `the collector (${version})` },
    );
    this.#welcomed = true;
    this.#creditTotal = Math.max(this.#creditTotal, creditTotal);
    this.#options.welcomed(collectorId);
    this.#options.handler.welcomed(positions.map(positionFromWire));
    void this.#pump();
  }

  #receipt(segmentsTotal: number, creditTotal: number): void {
    const now = this.#options.clock.monotonicMs();
    for (; this.#receiptedSegments < segmentsTotal; this.#receiptedSegments++) {
      if (this.#window.received(now)) continue;
      const message = `the collector has a receipt for ${segmentsTotal} segments, ${this.#sentSegments} were sent`;
      throw new SluiceError('LINK_MESSAGE_INVALID', message);
    }
    this.#creditTotal = Math.max(this.#creditTotal, creditTotal);
    this.#options.feed.inFlight(this.#window.inFlight);
    this.#wakePump?.();
  }

  async #pump(): Promise<void> {
    const { feed } = this.#options;
    const { signal } = this.#ended;
    try {
      while (!this.#isOver()) {
        const item = await feed.next();
        if (item === undefined) {
          await feed.ready(signal);
          continue;
        }
        await this.#send(item);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  async #send(item: UplinkItem): Promise<void> {
    if (item.kind === 'history waits') {
      this.#write({ $case: 'historyWaits', value: { rewindEpoch: item.rewindEpoch } });
      return;
    }
    if (item.kind === 'gap') {
      const { topicId, ...gap } = item.gap;
      const value = { ...gap, ...partitionToWire({ ...gap, topicId }), rewindEpoch: item.rewindEpoch };
      this.#write({ $case: 'gap', value });
      return;
    }
    const bytes = item.segment.payload.byteLength;
    while (!this.#mayWrite(bytes)) {
      if (this.#isOver()) return;
      await new Promise<void>((resolve) => {
        this.#wakePump = resolve;
      });
      this.#wakePump = undefined;
    }
    await this.#pace(bytes);
    if (this.#isOver()) return;
    this.#window.sent(bytes, this.#options.clock.monotonicMs());
    this.#sentBytes += bytes;
    this.#sentSegments++;
    this.#options.feed.inFlight(this.#window.inFlight);
    this.#stream.write(() => encodeSegmentRequest(item.segment, item.rewindEpoch));
  }

  /** A segment larger than all credit may go alone, once any credit is there. */
  #mayWrite(bytes: number): boolean {
    if (!this.#window.room(bytes)) return false;
    const credit = this.#creditTotal - this.#sentBytes;
    return credit >= bytes || (this.#window.inFlight === 0 && credit > 0);
  }

  async #pace(bytes: number): Promise<void> {
    const { maxBitsPerSecond, clock } = this.#options;
    if (maxBitsPerSecond === undefined) return;
    const now = clock.monotonicMs();
    const waitMs = this.#sendAfterMs - now;
    this.#sendAfterMs = Math.max(now, this.#sendAfterMs) + (bytes * 8_000) / maxBitsPerSecond;
    if (waitMs > 0) await clock.sleep(waitMs, this.#ended.signal);
  }
}

const FOUND = 1;
const UNKNOWN = 2;
const FAILED = 3;

async function schemaReply(
  schemas: SchemaRegistry | undefined,
  schemaId: number,
): Promise<Partial<SchemaReply> & Pick<SchemaReply, 'status'>> {
  if (schemas === undefined) return { status: FAILED, message: 'its config has no schemaRegistry' };
  try {
    const found = await schemas.find(schemaId);
    if (found === undefined) return { status: UNKNOWN };
    return { status: FOUND, ...found, references: [...found.references] };
  } catch (error) {
    return { status: FAILED, message: describeError(error) };
  }
}

function declaredToWire(p: DeclaredPartition) {
  const { leaderEpoch, spoolStart, spoolNext, logStart, logEnd, startAt, readsLog } = p;
  return {
    ...partitionToWire(p),
    leaderEpoch,
    spoolStart,
    spoolNext,
    spoolRuns: [...p.spoolRuns],
    logStart,
    logEnd,
    readsLog,
    startAt: startAt ?? '',
  };
}

function positionFromWire(p: PartitionPosition) {
  const { committed: nextOffset, received, rewindEpoch, openGaps, stands, current } = p;
  return {
    ...{ ...partitionFromWire(p), leaderEpoch: -1, nextOffset, received, rewindEpoch },
    ...{ openGaps, stands, current },
  };
}
