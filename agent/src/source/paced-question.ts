// When a question is put to Kafka: at once when somebody tells it, else when it is due, and never twice at
// the same time. One that failed is said to have failed and put again soon.
import type { Clock } from '@sluice/shared/clock.ts';
import { describeError } from '@sluice/shared/errors.ts';

export interface PacedQuestionOptions {
  readonly clock: Clock;
  /** From one question to the next, and to the next after one that failed or told too little. */
  readonly everyMs: number;
  readonly retryMs: number;
  /** Whether there is anything to ask. */
  isWanted(): boolean;
  ask(): Promise<void>;
  failed(reason: string): void;
}

export class PacedQuestion {
  readonly #options: PacedQuestionOptions;
  #dueMs = 0;
  #asking = false;

  constructor(options: PacedQuestionOptions) {
    this.#options = options;
  }

  /** Also while it is asked: then once more behind that. */
  now(): void {
    this.#dueMs = 0;
    queueMicrotask(() => void this.whenDue());
  }

  soon(): void {
    const { clock, retryMs } = this.#options;
    this.#dueMs = Math.min(this.#dueMs, clock.monotonicMs() + retryMs);
  }

  /** Never rejects. */
  async whenDue(): Promise<void> {
    const { clock, everyMs, isWanted, ask, failed } = this.#options;
    const nowMs = clock.monotonicMs();
    if (this.#asking || nowMs < this.#dueMs || !isWanted()) return;
    this.#asking = true;
    this.#dueMs = nowMs + everyMs;
    try {
      await ask();
    } catch (error) {
      failed(describeError(error));
      this.soon();
    } finally {
      this.#asking = false;
    }
  }
}
