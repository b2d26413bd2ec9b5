// Waits for a condition, with a deadline and the last reason why it did not hold.
export interface EventuallyOptions {
  readonly deadlineMs?: number;
  readonly everyMs?: number;
}

/** Resolves with what `probe` returns once it neither throws nor returns undefined or false. */
export async function eventually<T>(
  what: string,
  probe: () => T | Promise<T>,
  { deadlineMs = 30_000, everyMs = 50 }: EventuallyOptions = {},
): Promise<NonNullable<T>> {
  const end = performance.now() + deadlineMs;
  let last: unknown = 'it never held';
  do {
    try {
      const result = await probe();
      if (result !== undefined && result !== null && result !== false) return result as NonNullable<T>;
      last = `it is ${String(result)}`;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  } while (performance.now() < end);
  const why = last instanceof Error ? (last.stack ?? last.message) : String(last);
  throw new Error(`${what}: not within ${deadlineMs} ms; last: ${why}`);
}

/** Whether it holds within this time, for a caller to whom either is fine. */
export function holdsWithin(deadlineMs: number, probe: () => boolean | Promise<boolean>): Promise<boolean> {
  return eventually('it holds', probe, { deadlineMs, everyMs: 100 }).catch(() => false);
}
