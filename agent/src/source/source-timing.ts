// How long the source waits for what, in one place; tests pass shorter times.

export interface SourceTiming {
  readonly tickMs: number;
  readonly describeIntervalMs: number;
  readonly describeRetryMs: number;
  /** A partition that was not fetched for longer waits until Kafka has described its topic. */
  readonly unseenMaxMs: number;
  readonly topicPollMs: number;
  readonly restartDelayMinMs: number;
  readonly restartDelayMaxMs: number;
  /** No fetch round for so long means that the client died without a word. */
  readonly livenessMs: number;
  readonly stopMaxMs: number;
}

export const SOURCE_TIMING: SourceTiming = {
  tickMs: 1_000,
  describeIntervalMs: 60_000,
  describeRetryMs: 5_000,
  unseenMaxMs: 2_000,
  topicPollMs: 15_000,
  restartDelayMinMs: 1_000,
  restartDelayMaxMs: 30_000,
  livenessMs: 180_000,
  stopMaxMs: 10_000,
};

/** Exponential with full jitter above a floor. `fraction` is drawn from [0, 1). */
export function restartDelayMs(timing: SourceTiming, failures: number, fraction: number): number {
  const { restartDelayMinMs, restartDelayMaxMs } = timing;
  const ceilingMs = Math.min(restartDelayMaxMs, restartDelayMinMs * 2 ** Math.min(failures, 16));
  return Math.round(restartDelayMinMs + (ceilingMs - restartDelayMinMs) * fraction);
}
