// How long the source waits for what, in one place; tests pass shorter times.

export interface SourceTiming {
  readonly tickMs: number;
  readonly describeIntervalMs: number;
  readonly describeRetryMs: number;
  /** Between two questions whether topics are still the same, so that a busy source asks few of them. */
  readonly proofPauseMs: number;
  readonly proofRetryMs: number;
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
  proofPauseMs: 20,
  proofRetryMs: 1_000,
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
