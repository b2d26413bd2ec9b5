// The life of a process: one place where signals, fatal errors and exit codes meet. A program is started,
// runs until a signal or a broken invariant, drains within a named time and exits.
import type { Clock } from './clock.ts';
import { describeError, SluiceError } from './errors.ts';

/** sysexits.h: EX_CONFIG, EX_SOFTWARE, EX_UNAVAILABLE. */
export const EXIT = { ok: 0, failure: 1, usage: 64, unavailable: 69, software: 70, config: 78 } as const;

export interface Program {
  /** Stops accepting, finishes what is here, in at most `graceMs`. */
  drain(signal: string, graceMs: number): Promise<void>;
}

/**
 * Runs until SIGTERM or SIGINT, then drains; a second signal ends the process at once. Resolves with the exit
 * code.
 */
export async function runUntilSignal(program: Program, graceMs: number, clock: Clock): Promise<number> {
  const signal = await nextSignal().heard;
  const overdue = new AbortController();
  const second = nextSignal();
  const ended = await Promise.race([
    program.drain(signal, graceMs).then(
      () => EXIT.ok,
      (error: unknown) => {
        process.stderr.write(`drain failed: ${describeError(error)}\n`);
        return EXIT.failure;
      },
    ),
    clock.sleep(graceMs + 5_000, overdue.signal).then(() => EXIT.failure),
    second.heard.then(() => EXIT.failure),
  ]);
  overdue.abort();
  second.cancel();
  return ended;
}

/** SIGHUP: certificates are read again, or what is wrong with them is said and the old ones stay. */
export function reloadOnHangup(reload: () => void, refused: (told: { reason: string }) => void): void {
  process.on('SIGHUP', () => {
    try {
      reload();
    } catch (error) {
      refused({ reason: describeError(error) });
    }
  });
}

function nextSignal(): { readonly heard: Promise<string>; cancel(): void } {
  const { promise: heard, resolve } = Promise.withResolvers<string>();
  const on = (signal: NodeJS.Signals) => {
    cancel();
    resolve(signal);
  };
  const cancel = () => {
    process.off('SIGTERM', on);
    process.off('SIGINT', on);
  };
  process.on('SIGTERM', on);
  process.on('SIGINT', on);
  return { heard, cancel };
}

/**
 * Ends the process once everything printed has been taken: `process.exit` alone drops what a pipe has no room
 * for. A reader that has gone (`| head`) is no failure.
 */
export async function exitProcess(code: number): Promise<never> {
  const taken = [process.stdout, process.stderr].map(
    (stream) =>
      new Promise<void>((resolve) => {
        stream.on('error', () => resolve());
        stream.write('', () => resolve());
      }),
  );
  await Promise.all(taken);
  process.exit(code);
}

/** Prints a fatal error for a person and says which exit code it means. */
export function reportFatal(program: string, error: unknown): number {
  if (error instanceof SluiceError) {
    process.stderr.write(`${program}: ${error.code}: ${error.message}\n`);
    if (error.code !== 'CONFIG_INVALID') process.stderr.write(`  → ${error.remedy}\n`);
    return error.code === 'CONFIG_INVALID' ? EXIT.config : EXIT.software;
  }
  process.stderr.write(
    `${program}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  return EXIT.software;
}
