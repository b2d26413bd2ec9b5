// Requests to AWS as a client meets them: each arrives once, or never, or long after the client has given it
// up; its reply may be lost; the service may say 503, 409 or no. Those on their way when their sender dies
// arrive, or do not.
import { type ErrorCode, SluiceError } from '@sluice/shared/errors.ts';
import type { Chance } from './chance.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

/** A client gives a request up after this. */
const GIVE_UP_MS = 20_000;
/** A request that a proxy or a kernel held back arrives this much later at most. */
const LATE_MS_MAX = 40_000;

const FAULTS = ['503', 'reply lost', 'hangs', 'late', 'retried'] as const;
type Fault = (typeof FAULTS)[number];

export interface AwsRequest<T> {
  readonly service: 's3' | 'glue';
  /** What is asked, for the trace. */
  readonly what: string;
  readonly unavailable: ErrorCode;
  readonly denied: ErrorCode;
  /** Conditional writes may be told that another is under way (409). */
  readonly conditional?: boolean;
  effect(): T;
}

export class AwsClient {
  readonly #world: World;
  readonly #process: SimProcess;
  readonly #chance: Chance;
  readonly #readsFail: number;

  /** `readsFail`: how often reads of the store fail, of how often others do. */
  constructor(world: World, process: SimProcess, readsFail = 1) {
    this.#readsFail = readsFail;
    this.#world = world;
    this.#process = process;
    this.#chance = world.chance.stream(`${process.name} aws ${world.time.nowMs}`);
  }

  ask<T>(request: AwsRequest<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const { network } = this.#world;
      const fails = (why: string, afterMs: number, code = request.unavailable) =>
        this.#process.after(afterMs, () => reject(new SluiceError(code, why, { place: request.what })));
      const succeeds = (value: T) => this.#process.after(network.latencyMs(), () => resolve(value));
      const count = (what: string) => this.#world.trace.count(`${request.service} ${what}`);

      const denied = this.#world.denies(request.what);
      if (denied) {
        count('denied');
        fails('access denied', network.latencyMs(), request.denied);
        return;
      }
      const fault = this.#fault(request.what.startsWith('read ') ? this.#readsFail : 1);
      if (fault !== undefined) this.#world.trace.say(request.service, `${fault}: ${request.what}`);
      switch (fault) {
        case undefined:
          if (request.conditional && this.#happens(this.#world.profile.awsFaultShare / 2)) {
            count('409');
            fails('409 ConditionalRequestConflict', network.latencyMs());
          } else this.#arrive(request, network.latencyMs(), succeeds);
          return;
        case '503':
          count('503');
          fails('503 Slow Down', network.latencyMs());
          return;
        case 'reply lost':
          this.#arrive(request, network.latencyMs(), () => {
            count('reply lost');
            fails('socket hang up', network.latencyMs());
          });
          return;
        case 'retried':
          // The SDK repeats by itself what had its effect the first time.
          this.#arrive(request, network.latencyMs(), () => {
            count('repeated by the client');
            this.#arrive(request, network.latencyMs(), succeeds);
          });
          return;
        case 'hangs':
          count('hangs');
          fails('timed out', GIVE_UP_MS);
          return;
        case 'late':
          fails('timed out', Math.min(GIVE_UP_MS, this.#chance.spread(2_000)));
          this.#arrive(request, this.#chance.fraction() * LATE_MS_MAX, () => count('request arrived late'));
      }
    });
  }

  #happens(share: number): boolean {
    return this.#world.faulty && this.#chance.happens(share);
  }

  #fault(share: number): Fault | undefined {
    return this.#happens(share * this.#world.profile.awsFaultShare) ? this.#chance.pick(FAULTS) : undefined;
  }

  /** Also when its sender is gone, half of the time. */
  #arrive<T>(request: AwsRequest<T>, inMs: number, then: (value: T) => void): void {
    const { time, trace } = this.#world;
    time.after(inMs, () => {
      if (!this.#process.alive) {
        if (this.#chance.happens(0.5)) return;
        trace.count(`${request.service} request outlived its sender`);
      }
      trace.say(request.service, `${request.what} (${this.#process.name})`);
      then(request.effect());
    });
  }
}
