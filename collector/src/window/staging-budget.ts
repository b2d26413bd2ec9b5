// How many bytes of segments this process holds between the link and the ledger: one budget for all tables.
// At 75 % the largest open window closes at once, like a memtable flush; at 100 % no stream gets credit. A
// segment that several tables read is counted once, until the last of them has committed it.
import type { Segment } from '@sluice/shared/segment.ts';
import type { StoredPayload } from '../contracts.ts';
import type { StagedPayloads } from './staged-payloads.ts';

export interface StagingBudget {
  readonly bytesMax: number;
  bytes(): number;
  room(): number;
  /**
   * Takes bytes for `holders` tables; each release gives its share up, the last one frees them. Where it says
   * that the payload is stored it must not be read any more.
   */
  take(bytes: number, holders: number, payload?: Uint8Array): StagedBytes;
  isPressed(): boolean;
}

export interface StagedBytes {
  /** Where the payload lies, if no longer in memory. */
  readonly stored?: StoredPayload | undefined;
  release(): void;
}

const PRESSED_SHARE = 0.75;

/** Without `payloads` all of them stay in memory. */
export function createStagingBudget(
  bytesMax: number,
  freed: (bytes: number) => void,
  payloads?: Pick<StagedPayloads, 'keep'>,
): StagingBudget {
  let held = 0;
  return {
    bytesMax,
    bytes: () => held,
    room: () => Math.max(0, bytesMax - held),
    isPressed: () => held >= bytesMax * PRESSED_SHARE,
    take(bytes, holders, payload) {
      held += bytes;
      let left = holders;
      const kept = payload === undefined ? undefined : payloads?.keep(payload);
      return {
        stored: kept?.stored,
        release() {
          left--;
          if (left !== 0) return;
          held -= bytes;
          kept?.drop();
          freed(bytes);
        },
      };
    },
  };
}

/** The same by topic: what each of them uses of the budget. */
export class TopicStaging {
  readonly #budget: StagingBudget;
  readonly #freed: () => void;
  readonly #bytes = new Map<string, number>();

  constructor(budget: StagingBudget, freed: () => void) {
    this.#budget = budget;
    this.#freed = freed;
  }

  bytes(topic: string): number {
    return this.#bytes.get(topic) ?? 0;
  }

  /** Counts a segment until the last of its tables lets it go. */
  take({ topic, payload }: Pick<Segment, 'topic' | 'payload'>, holders: number): StagedBytes {
    const bytes = payload.byteLength;
    const taken = this.#budget.take(bytes, holders, payload);
    this.#bytes.set(topic, this.bytes(topic) + bytes);
    let left = holders;
    return {
      stored: taken.stored,
      release: () => {
        taken.release();
        if (--left > 0) return;
        this.#bytes.set(topic, this.bytes(topic) - bytes);
        this.#freed();
      },
    };
  }
}
