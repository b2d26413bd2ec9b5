// One stream to a collector, from Hello to its end. It sends what the feed gives while window and credit have room, and
// hands on what the collector says, in stream order.
import type { ConnectResponse, PartitionPosition } from '@sluice/proto/gen/sluice/v1/link.ts';
import {
  encodeSegmentRequest,
  PROTOCOL_MAX,
  PROTOCOL_MIN,
  partitionFromWire,
  partitionToWire,
} from '@sluice/proto/wire.ts';
import type { Clock } from '@sluice/shared/clock.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import type { PartitionId } from '@sluice/shared/position.ts';
import type { DeclaredPartition, UplinkFeed, UplinkHandler, UplinkItem } from '../contracts.ts';
import type { LinkCall, LinkStream } from './link-client.ts';
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
  /** The collector has answered: the link is up. */
  welcomed(collectorId: string): void;
}

export interface SessionStatus {
  readonly sentBytes: number;
  readonly sentSegments: number;
  readonly inFlightBytes: number;
  readonly windowBytes: number;
  readonly creditBytes: number;
}

export type SessionEnd = { readonly kind: 'drained' } | { readonly kind: 'failed'; readonly error: unknown };

const WINDOW = { bytesMin: 2 * 2 ** 20, bytesMax: 16 * 2 ** 20, delayMsMax: 1_500 };
/** A collector that does not answer Hello in this time is not there. */
const WELCOME_MS_MAX = 30_000;

interface InFlight {
  readonly bytes: number;
  readonly sentMs: number;
  readonly pressed: boolean;
}

export class LinkSession {
  readonly #options: SessionOptions;
  readonly #stream: LinkStream;
  readonly #window = new SendWindow(WINDOW);
  readonly #inFlight: InFlight[] = [];
  readonly #ended = new AbortController();
  #receiptedSegments = 0;
  #creditTotal = 0;
  #sentBytes = 0;
  #sentSegments = 0;
  #draining = false;
  #wakePump: (() => void) | undefined;
  #sendAfterMs = 0;
  #failure: unknown;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#stream = options.call.stream;
  }

  /** Resolves when the stream is over; never rejects. */
  run(): Promise<SessionEnd> {
    const { feed, agentId, instanceId, version, clock } = this.#options;
    const cancelWait = clock.after(WELCOME_MS_MAX, () => {
      if (this.#creditTotal === 0) this.#fail(new SluiceError('LINK_UNREACHABLE', 'no answer to Hello'));
    });
    const over = new Promise<SessionEnd>((resolve) => {
      this.#stream.on('error', (error: unknown) =>
        resolve({ kind: 'failed', error: this.#failure ?? error }),
      );
      this.#stream.on('end', () => {
        if (this.#draining) resolve({ kind: 'drained' });
      });
      this.#stream.on('status', ({ code, details }: { code: number; details: string }) => {
        if (code !== 0) return;
        const error = new SluiceError('LINK_UNREACHABLE', `the collector ended the stream ${details}`.trim());
        resolve(this.#draining ? { kind: 'drained' } : { kind: 'failed', error });
      });
    });
    this.#stream.on('data', (message: ConnectResponse) => this.#receive(message));
    this.#stream.write({
      body: {
        $case: 'hello',
        value: {
          agentId,
          instanceId,
          version,
          protocolMin: PROTOCOL_MIN,
          protocolMax: PROTOCOL_MAX,
          partitions: feed.declared().map(declaredToWire),
        },
      },
    });
    return over.finally(() => {
      cancelWait();
      this.#ended.abort();
      this.#wakePump?.();
      this.#options.call.close();
    });
  }

  #fail(error: unknown): void {
    this.#failure = error;
    this.#stream.cancel();
  }

  assigned(partitions: readonly DeclaredPartition[]): void {
    this.#write({ $case: 'assigned', value: { partitions: partitions.map(declaredToWire) } });
  }

  revoked(partitions: readonly PartitionId[]): void {
    this.#write({ $case: 'revoked', value: { partitions: partitions.map(partitionToWire) } });
  }

  #write(
    body: Parameters<LinkStream['write']>[0] extends infer T ? Extract<T, { body?: unknown }>['body'] : never,
  ): void {
    if (!this.#draining && !this.#ended.signal.aborted) this.#stream.write({ body });
  }

  /** Half-closes: nothing more is sent, the collector's answers are still heard. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#wakePump?.();
    this.#stream.end();
  }

  cancel(): void {
    this.#stream.cancel();
  }

  status(): SessionStatus {
    return {
      sentBytes: this.#sentBytes,
      sentSegments: this.#sentSegments,
      inFlightBytes: this.#window.inFlight,
      windowBytes: this.#window.bytes,
      creditBytes: Math.max(0, this.#creditTotal - this.#sentBytes),
    };
  }

  #receive({ body }: ConnectResponse): void {
    const { handler } = this.#options;
    try {
      switch (body?.$case) {
        case 'welcome':
          this.#creditTotal = body.value.creditTotal;
          this.#options.welcomed(body.value.collectorId);
          handler.welcomed(body.value.positions.map(positionFromWire));
          void this.#pump();
          return;
        case 'positions':
          handler.welcomed(body.value.positions.map(positionFromWire));
          return;
        case 'receipt':
          this.#receipt(body.value.segmentsTotal, body.value.creditTotal);
          return;
        case 'committed':
          handler.committed(
            body.value.partitions.map((p) => ({ partition: partitionFromWire(p), nextOffset: p.nextOffset })),
          );
          return;
        case 'rewind': {
          const { offset, rewindEpoch, reason } = body.value;
          handler.rewind(partitionFromWire(body.value), offset, rewindEpoch, reason);
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

  #receipt(segmentsTotal: number, creditTotal: number): void {
    const now = this.#options.clock.monotonicMs();
    for (; this.#receiptedSegments < segmentsTotal; this.#receiptedSegments++) {
      const sent = this.#inFlight.shift();
      if (sent === undefined)
        throw new SluiceError('LINK_MESSAGE_INVALID', 'a receipt for what was not sent');
      this.#window.received(sent.bytes, now - sent.sentMs, sent.pressed);
    }
    this.#creditTotal = Math.max(this.#creditTotal, creditTotal);
    this.#wakePump?.();
  }

  async #pump(): Promise<void> {
    const { feed } = this.#options;
    const { signal } = this.#ended;
    try {
      while (!signal.aborted && !this.#draining) {
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
    if (item.kind === 'gap') {
      const { topicId, ...gap } = item.gap;
      const value = { ...gap, ...partitionToWire({ ...gap, topicId }), rewindEpoch: item.rewindEpoch };
      this.#write({ $case: 'gap', value });
      return;
    }
    const bytes = item.segment.payload.byteLength;
    while (!this.#mayWrite(bytes)) {
      if (this.#draining || this.#ended.signal.aborted) return;
      await new Promise<void>((resolve) => {
        this.#wakePump = resolve;
      });
      this.#wakePump = undefined;
    }
    await this.#pace(bytes);
    if (this.#draining || this.#ended.signal.aborted) return;
    const pressed = !this.#window.room(bytes * 2);
    this.#window.sent(bytes);
    this.#inFlight.push({ bytes, sentMs: this.#options.clock.monotonicMs(), pressed });
    this.#sentBytes += bytes;
    this.#sentSegments++;
    this.#stream.write(encodeSegmentRequest(item.segment, item.rewindEpoch));
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

function declaredToWire(p: DeclaredPartition) {
  const { leaderEpoch, spoolStart, spoolNext, logStart, logEnd, startAt } = p;
  return {
    ...partitionToWire(p),
    leaderEpoch,
    spoolStart,
    spoolNext,
    logStart,
    logEnd,
    startAt: startAt ?? '',
  };
}

function positionFromWire(p: PartitionPosition) {
  const { committed: nextOffset, received, rewindEpoch } = p;
  return { ...partitionFromWire(p), leaderEpoch: -1, nextOffset, received, rewindEpoch };
}
