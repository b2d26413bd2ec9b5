// What both programs' `check` prints: one line for each part that was tried, and below it what to do where it
// failed.
import { describeError, SluiceError } from './errors.ts';

/** Its name, and what was found, in words; throws where the part does not hold. */
export type CheckPart = readonly [name: string, probe: () => string | Promise<string>];

export interface CheckResult {
  readonly lines: readonly string[];
  readonly ok: boolean;
}

/** Not a failure: a part that may not be looked at, and that the program itself does not need. */
export class NotLooked extends Error {}

/** All of them, one after the other. */
export async function tryParts(parts: readonly CheckPart[]): Promise<CheckResult> {
  const lines: string[] = [];
  let ok = true;
  for (const [name, probe] of parts) {
    try {
      lines.push(`ok      ${name}: ${await probe()}`);
    } catch (error) {
      if (error instanceof NotLooked) {
        lines.push(`unknown ${name}: ${error.message}`);
        continue;
      }
      ok = false;
      lines.push(`failed  ${name}: ${describeError(error)}`);
      // A config's problems bring their own.
      if (error instanceof SluiceError && error.code !== 'CONFIG_INVALID')
        lines.push(`        → ${error.remedy}`);
    }
  }
  return { lines, ok };
}
