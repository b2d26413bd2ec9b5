// The link as the agent sees it: one stream at a time, opened again with jittered back-off whenever it ends.
// Why it ended is kept for status and said once per reason.
import type { Protocols } from '@sluice/proto/protocol.ts';
import { type Clock, within } from '@sluice/shared/clock.ts';
import { describeError } from '@sluice/shared/errors.ts';
import type { Random } from '@sluice/shared/random.ts';
import { daysToExpiry, readTlsMaterial } from '@sluice/shared/tls-material.ts';
import type { SchemaRegistry, Uplink, UplinkFeed, UplinkHandler, UplinkStatus } from '../contracts.ts';
import type { Events } from '../events.ts';
import { type LinkAddress, type LinkCall, linkError, linkPlace, openLinkCall } from './link-client.ts';
import { LinkSession, type SessionEnd } from './link-session.ts';

export interface UplinkOptions extends LinkAddress {
  readonly maxBitsPerSecond?: number | undefined;
  /** What the spool's segments are cut at. */
  readonly segmentBytesMax: number;
  readonly agentId: string;
  readonly instanceId: string;
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Events;
  /** Without one no schema can be had through this agent. */
  readonly schemas?: SchemaRegistry | undefined;
  /** Default: those of this version. */
  readonly protocols?: Protocols;
  /** Default: gRPC over mutual TLS. */
  readonly openCall?: (address: LinkAddress) => LinkCall;
}

const BACKOFF_MS_MIN = 200;
const BACKOFF_MS_MAX = 15_000;
/** A load balancer may still lead to a collector that is being replaced, and next time to another. */
const BACKOFF_MS_REPLACED = 500;

export function createUplink(options: UplinkOptions): Uplink {
  return new GrpcUplink(options);
}

class GrpcUplink implements Uplink {
  readonly #options: UplinkOptions;
  readonly #stopping = new AbortController();
  #session: LinkSession | undefined;
  #running: Promise<void> = Promise.resolve();
  #state: UplinkStatus['state'] = 'connecting';
  #sinceMs: number;
  #collectorId: string | undefined;
  #lastError: string | undefined;
  #attempts = 0;
  /** The session was made with certificates that were replaced: it ends once it stands. */
  #stale = false;
  #before = { bytes: 0, segments: 0 };

  constructor(options: UplinkOptions) {
    this.#options = options;
    this.#sinceMs = options.clock.wallMs();
  }

  start(handler: UplinkHandler, feed: UplinkFeed): void {
    this.#running = this.#run(handler, feed);
  }

  async #run(handler: UplinkHandler, feed: UplinkFeed): Promise<void> {
    const { clock, random } = this.#options;
    let backoffMs = BACKOFF_MS_MIN;
    while (!this.#stopping.signal.aborted) {
      this.#attempts++;
      const { end, fruitful } = await this.#connectOnce(handler, feed);
      handler.disconnected(this.#report(end));
      if (this.#stopping.signal.aborted) break;
      this.#enter('connecting');
      if (fruitful || end.kind === 'drained') backoffMs = BACKOFF_MS_MIN;
      else if (linkError(end.error).code === 'LINK_DRAINING')
        backoffMs = Math.min(backoffMs, BACKOFF_MS_REPLACED);
      await clock.sleep(backoffMs * (1 + random.fraction()), this.#stopping.signal);
      backoffMs = Math.min(backoffMs * 2, BACKOFF_MS_MAX);
    }
    this.#enter('stopped');
  }

  /** Fruitful: it moved something or stood for a while, so that the next attempt need not wait long. */
  async #connectOnce(
    handler: UplinkHandler,
    feed: UplinkFeed,
  ): Promise<{ end: SessionEnd; fruitful: boolean }> {
    const { clock } = this.#options;
    let connectedMs = Number.POSITIVE_INFINITY;
    try {
      const session = this.#openSession(handler, feed, () => {
        connectedMs = clock.monotonicMs();
      });
      this.#session = session;
      const end = await session.run();
      const stood = clock.monotonicMs() - connectedMs >= BACKOFF_MS_MAX;
      return { end, fruitful: stood || session.status().receiptedSegments > 0 };
    } catch (error) {
      return { end: { kind: 'failed', error }, fruitful: false };
    } finally {
      this.#forget();
    }
  }

  #openSession(handler: UplinkHandler, feed: UplinkFeed, connected: () => void): LinkSession {
    const { clock, agentId, instanceId, version, maxBitsPerSecond, segmentBytesMax, events, protocols } =
      this.#options;
    this.#stale = false;
    return new LinkSession({
      call: (this.#options.openCall ?? openLinkCall)(this.#options),
      handler,
      feed,
      clock,
      agentId,
      instanceId,
      version,
      maxBitsPerSecond,
      segmentBytesMax,
      schemas: this.#options.schemas,
      protocols,
      welcomed: (collectorId) => {
        connected();
        this.#collectorId = collectorId;
        this.#lastError = undefined;
        this.#enter('connected');
        events.linkConnected({ collector: collectorId });
        if (this.#stale) this.#session?.drain();
      },
    });
  }

  /** Each reason is said once, until a collector has answered in between. */
  #report(end: SessionEnd): string {
    if (end.kind === 'drained') return 'drained';
    const error = linkError(end.error, linkPlace(this.#options.address));
    const reason = describeError(error);
    if (this.#stopping.signal.aborted) return reason;
    const said = `${reason}. ${error.remedy}`;
    if (said !== this.#lastError) this.#options.events.linkLost({ reason, remedy: error.remedy });
    this.#lastError = said;
    return reason;
  }

  #forget(): void {
    const status = this.#session?.status();
    this.#before.bytes += status?.sentBytes ?? 0;
    this.#before.segments += status?.sentSegments ?? 0;
    this.#session = undefined;
  }

  #enter(state: UplinkStatus['state']): void {
    if (state !== this.#state) this.#sinceMs = this.#options.clock.wallMs();
    this.#state = state;
  }

  assigned(partitions: Parameters<Uplink['assigned']>[0]): void {
    this.#session?.assigned(partitions);
  }

  revoked(partitions: Parameters<Uplink['revoked']>[0]): void {
    this.#session?.revoked(partitions);
  }

  truncated(notice: Parameters<Uplink['truncated']>[0]): void {
    this.#session?.truncated(notice);
  }

  reload(): void {
    const { tls, clock, events } = this.#options;
    const { cert } = readTlsMaterial(tls);
    events.certificatesReloaded({ daysToExpiry: Math.floor(daysToExpiry(cert, clock.wallMs())) });
    this.#stale = true;
    // What was sent is acknowledged before the stream ends; the next one reads the files.
    if (this.#state === 'connected') this.#session?.drain();
  }

  async stop(graceMs: number): Promise<void> {
    const mayDrain = this.#state === 'connected';
    this.#stopping.abort();
    this.#enter('draining');
    if (mayDrain) {
      this.#session?.drain();
      await within(this.#options.clock, graceMs, this.#running);
    }
    this.#session?.cancel();
    await this.#running;
  }

  status(): UplinkStatus {
    const now = this.#session?.status();
    return {
      state: this.#state,
      sinceMs: this.#sinceMs,
      collectorId: this.#collectorId,
      lastError: this.#lastError,
      attempts: this.#attempts,
      sentBytesTotal: this.#before.bytes + (now?.sentBytes ?? 0),
      sentSegmentsTotal: this.#before.segments + (now?.sentSegments ?? 0),
      inFlightBytes: now?.inFlightBytes ?? 0,
      windowBytes: now?.windowBytes ?? 0,
      creditBytes: now?.creditBytes ?? 0,
    };
  }
}
