// A window's way through the transform, however often it takes: what may pass is waited through; what
// somebody has to correct parks the table, as a refusal of the store does. A window of which nothing could be
// made is made whole with the config of now: no row of it stands anywhere yet.
import { describeError, isKind } from '@sluice/shared/errors.ts';
import type { TableConfig, TransformResult } from '../contracts.ts';
import type { Parking } from '../table-upkeep.ts';
import type { LaneOptions } from './lane.ts';
import { type OpenWindow, segmentsOf, untilEnded } from './open-window.ts';
import { hasTooManyPartitions } from './window-parts.ts';
import { RETRY_MS_MAX, RETRY_MS_MIN, tableOfAttempt, workDirectory } from './window-work.ts';

export class PatientTransform {
  readonly #options: LaneOptions;
  readonly #stopping: AbortSignal;
  #table: TableConfig;
  /** What passes by itself; where somebody has to help the writer says so. */
  waitsFor: string | undefined;

  constructor(options: LaneOptions, stopping: AbortSignal) {
    this.#options = options;
    this.#stopping = stopping;
    this.#table = options.table;
  }

  /** For windows of which nothing could be made. */
  configure(table: TableConfig): void {
    this.#table = table;
  }

  directoryOf(window: OpenWindow): string {
    return workDirectory(this.#options.workDir, window);
  }

  /** Rejects where an invariant broke, or the window is given up. */
  async transform(window: OpenWindow): Promise<TransformResult> {
    const parking = this.#options.writer.park();
    try {
      for (let delayMs = RETRY_MS_MIN; ; delayMs = Math.min(delayMs * 2, RETRY_MS_MAX)) {
        try {
          return await this.#attempt(window);
        } catch (error) {
          if (window.state === 'given up' || isKind(error, 'halt') || hasTooManyPartitions(error))
            throw error;
          if (isKind(error, 'reject')) await this.#park(window, parking, error);
          else await this.#wait(window, delayMs, error);
          // Only its first attempt was sure to be in no closed window's way.
          await untilEnded(window);
          window.table = this.#table;
        }
      }
    } finally {
      parking.end();
    }
  }

  async #attempt(window: OpenWindow): Promise<TransformResult> {
    const { openedMs, id: windowId } = window;
    const table = tableOfAttempt(window);
    const [segments, directory] = [segmentsOf(window), this.directoryOf(window)];
    const result = await this.#options.transformer.run({ table, windowId, segments, openedMs, directory });
    this.waitsFor = undefined;
    return result;
  }

  async #wait(window: OpenWindow, retryMs: number, error: unknown): Promise<void> {
    const { clock, events } = this.#options;
    const reason = describeError(error);
    this.waitsFor = `transform: ${reason}`;
    events.transformWaits({ table: window.table.name, window: window.id, reason, retryMs });
    await clock.sleep(retryMs, this.#stopping);
  }

  /**
   * A window that is given up meanwhile, since its table was detached, leaves the table parked until it is
   * told to try: the same records would be read from Kafka again, to park it again.
   */
  async #park(window: OpenWindow, parking: Parking, error: unknown): Promise<void> {
    const told = parking.untilTold();
    this.waitsFor = undefined;
    await parking.wait(`transform: ${describeError(error)}`);
    if (window.state === 'given up') await told;
  }
}
